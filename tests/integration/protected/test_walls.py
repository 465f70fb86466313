"""Tenants apart: what belongs to another one is not there, whatever way one asks."""

from __future__ import annotations

import pytest

from iconix.seed import DEMO_CUSTOMER_ID, DEMO_PATIENT_ID, FOREIGN_CUSTOMER_ID

NOWHERE = "019a2c4e-7d00-7fff-8000-000000000000"
ORDER_LINES = [{"sku": "BRS-RL-25", "quantity": 1}]

# Of the trading company's things, asked for by the neighbour; of the clinic's, by the trading company; and back.
BY_ID = [
    ("pemilik@toko-sebelah", "GET", "/api/customers/{id}", "customer", "billing", None),
    ("pemilik@toko-sebelah", "PATCH", "/api/customers/{id}", "customer", "billing", {"name": "Milik Kami"}),
    ("pemilik@toko-sebelah", "GET", "/customers/{id}", "customer", "billing", None),
    ("pemilik@toko-sebelah", "GET", "/api/products/{id}", "product", "billing", None),
    ("pemilik@toko-sebelah", "GET", "/api/invoices/{id}", "invoice", "billing", None),
    (
        "pemilik@toko-sebelah",
        "POST",
        "/api/invoices/{id}/payments",
        "invoice",
        "billing",
        {"amount": 1, "method": "cash"},
    ),
    (
        "pemilik@toko-sebelah",
        "POST",
        "/api/invoices/{id}/credit-notes",
        "invoice",
        "billing",
        {"amount": 1, "reason": "x"},
    ),
    ("pemilik@toko-sebelah", "GET", "/invoices/{id}", "invoice", "billing", None),
    ("pemilik@toko-sebelah", "GET", "/api/purchases/{id}", "purchase", "billing", None),
    ("pemilik@toko-sebelah", "GET", "/api/orders/{id}", "cod_order", "fulfilment", None),
    ("pemilik@toko-sebelah", "GET", "/orders/{id}", "cod_order", "fulfilment", None),
    ("pemilik@toko-sebelah", "POST", "/api/orders/{id}/deliver", "cod_order", "fulfilment", None),
    ("pemilik@toko-sebelah", "POST", "/api/orders/{id}/collect", "cod_order", "fulfilment", {"amount": 1}),
    ("kasir@sinar-jaya", "GET", "/api/customers/{id}", "customer@toko-sebelah", "billing", None),
    ("kasir@sinar-jaya", "GET", "/api/invoices/{id}", "invoice@toko-sebelah", "billing", None),
]


@pytest.mark.parametrize(
    "who, method, path, table, purpose, body", BY_ID, ids=[f"{one[0]} {one[1]} {one[2]}" for one in BY_ID]
)
def test_id_of_another_tenant_is_as_one_that_does_not_exist(server, truth, who, method, path, table, purpose, body):
    """404 with the very same answer, an entry in the caller's trail, none in the other's, and no row changed."""
    name, _, owner = table.partition("@")
    owner = owner or "sinar-jaya"
    foreign = truth(f"SELECT max(id) FROM {name} WHERE tenant_id = :tenant", tenant=owner)[0][0]
    stored = f"SELECT * FROM {name} WHERE id = :id"
    before = server.house.rows(stored, id=foreign)
    there = server.call(who, method, path.format(id=foreign), purpose, json=body)
    nowhere = server.call(who, method, path.format(id=NOWHERE), purpose, json=body)
    assert there.status == nowhere.status == 404, there.text
    assert there.response.content == nowhere.response.content
    assert sorted(there.headers.keys()) == sorted(nowhere.headers.keys())
    for answer in (there, nowhere):
        entry = answer.entry()
        assert (entry["tenant"], entry["status"], entry["kind"]) == (who.partition("@")[2], 404, "access")
        read = [one for one in entry["what"] if one["action"] == "read"]
        assert all(not one["columns"] and not one["rows"] and not one["subjects"] for one in read)
    assert not there.entries("write")
    assert server.house.rows(stored, id=foreign) == before


@pytest.mark.parametrize(
    "path",
    ["/api/patients/{id}", "/clinic/patients/{id}", "/api/visits/{id}", "/api/customers/{id}", "/api/orders/{id}"],
)
def test_id_of_another_sort_of_thing_is_not_found_either(server, path):
    """A clinic that asks for a trading company's customer as its patient finds nothing."""
    clinic = path.startswith(("/api/patients", "/clinic", "/api/visits"))
    who, purpose, foreign = ("dokter@klinik-melati", "care", DEMO_CUSTOMER_ID)
    if not clinic:
        who, purpose, foreign = "kasir@sinar-jaya", "fulfilment", DEMO_PATIENT_ID
    assert server.get(who, path.format(id=foreign), purpose).status == 404


def test_search_stays_within_the_tenant(server):
    """Two companies have a customer with the same phone number; each finds its own."""
    for who, mine in (("kasir@sinar-jaya", DEMO_CUSTOMER_ID), ("pemilik@toko-sebelah", FOREIGN_CUSTOMER_ID)):
        found = server.get(who, "/api/customers?phone=081234567890", "billing").body["customers"]
        assert [one["id"] for one in found] == [mine]


def test_lists_hold_the_own_tenant_alone(server):
    """Page after page, no row of anybody else."""
    for who, purpose, path, name, table in (
        ("pemilik@toko-sebelah", "billing", "/api/customers?limit=200", "customers", "customer"),
        ("pemilik@toko-sebelah", "billing", "/api/invoices?limit=200", "invoices", "invoice"),
        ("pemilik@toko-sebelah", "billing", "/api/products?limit=200", "products", "product"),
        ("pemilik@toko-sebelah", "billing", "/api/purchases?limit=200", "purchases", "purchase"),
        ("pemilik@toko-sebelah", "fulfilment", "/api/orders?limit=200", "orders", "cod_order"),
        ("dokter@klinik-melati", "care", "/api/visits?limit=200", "visits", "visit"),
    ):
        tenant = who.partition("@")[2]
        rows = server.house.rows(f"SELECT id FROM {table} WHERE tenant_id = :tenant", tenant=tenant)
        mine = {row.id for row in rows}
        assert {one["id"] for one in server.get(who, path, purpose).body[name]} == mine, path


def test_row_of_another_tenant_cannot_be_referred_to(server):
    """An invoice for another company's customer is refused as for one that does not exist, and leaves nothing."""
    before = server.house.rows("SELECT count(*) FROM invoice")
    answers = [
        server.post(
            "kasir@sinar-jaya", "/api/invoices", "billing", json={"customer_id": customer, "lines": ORDER_LINES}
        )
        for customer in (FOREIGN_CUSTOMER_ID, NOWHERE)
    ]
    assert [one.status for one in answers] == [422, 422]
    assert answers[0].response.content == answers[1].response.content
    assert server.house.rows("SELECT count(*) FROM invoice") == before


def test_tenant_in_a_body_means_nothing(server):
    """Whoever writes another company's name into a new customer still makes one of their own."""
    body = {"name": "Toko Menyusup", "tenant_id": "toko-sebelah"}
    made = server.post("kasir@sinar-jaya", "/api/customers", "billing", json=body)
    assert made.status == 201
    [row] = server.house.rows("SELECT tenant_id FROM customer WHERE id = :id", id=made.body["id"])
    assert row.tenant_id == "sinar-jaya"


def test_sealed_value_moved_to_another_row_does_not_open(own_house, truth):
    """Ciphertext copied by hand into another row is refused, not shown; and it is on record."""
    house = own_house
    rows = truth(
        "SELECT id FROM customer WHERE tenant_id = 'sinar-jaya' AND id <> :demo LIMIT 2", demo=DEMO_CUSTOMER_ID
    )
    victim, target = rows[0].id, rows[1].id
    house.write(
        "UPDATE customer SET phone = (SELECT phone FROM customer WHERE id = :victim) WHERE id = :target",
        victim=victim,
        target=target,
    )
    [value] = truth("SELECT phone FROM customer WHERE id = :victim", victim=victim)
    with house.serving() as server:
        answer = server.get("kasir@sinar-jaya", f"/api/customers/{target}", "billing")
        assert (answer.status, answer.body["code"]) == (500, "tampered"), answer.text
        assert value.phone not in answer.text
        assert answer.entry()["outcome"] == "failed" or answer.entry()["refusal"] == "tampered"
        assert server.get("kasir@sinar-jaya", f"/api/customers/{victim}", "billing").body["phone"] == value.phone
