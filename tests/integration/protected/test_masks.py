"""What each role sees of the same row, for which purpose."""

from __future__ import annotations

from typing import Any

import pytest

from iconix.seed import DEMO_CUSTOMER_ID, DEMO_PATIENT_ID, account_id

CUSTOMER = f"/api/customers/{DEMO_CUSTOMER_ID}"
CLEAR: dict[str, Any] = {
    "name": "Budi Santoso",
    "phone": "+6281234567890",
    "email": "budi.santoso@example.co.id",
    "nik": "3578081708850001",
    "address": "Jl. Kertajaya No. 17, RT 03/RW 05, Surabaya",
    "city": "Surabaya",
}
MASKED = {
    "name": "B. S.",
    "phone": "•••• 7890",
    "email": "b***@example.co.id",
    "nik": "•••• 0001",
    "address": "••••",
    "city": "••••",
}


def last4(value: str) -> str:
    return f"•••• {value[-4:]}"


@pytest.mark.parametrize(
    "who, purpose, seen",
    [
        ("kasir", "billing", {**CLEAR, "nik": MASKED["nik"]}),
        ("kasir", "fulfilment", {**CLEAR, "email": None, "nik": None, "bank_account": None}),
        ("akuntan", "billing", {**CLEAR, "phone": MASKED["phone"], "nik": MASKED["nik"]}),
        ("akuntan", "compliance", {**CLEAR, "phone": None, "email": None, "bank_account": None}),
        ("layanan", "support", {**CLEAR, **MASKED, "nik": None, "bank_account": None}),
        ("kepatuhan", "compliance", {**CLEAR, **MASKED, "nik": None, "bank_account": None}),
        ("pemilik", "billing", {**CLEAR, "nik": MASKED["nik"]}),
        ("pemilik", "support", {**CLEAR, **MASKED, "nik": None, "bank_account": None}),
    ],
)
def test_customer_is_shown_as_role_and_purpose_allow(server, who, purpose, seen):
    """The same row: in clear for billing, masked for support, withheld where nobody granted it; and so in the trail."""
    answer = server.get(f"{who}@sinar-jaya", CUSTOMER, purpose)
    assert {name: answer.body[name] for name in seen} == seen
    [what] = [one for one in answer.entry("access")["what"] if one["resource"] == "customer"]
    assert (what["rows"], what["subjects"], what["count"]) == ([DEMO_CUSTOMER_ID], [DEMO_CUSTOMER_ID], 1)
    for name, value in seen.items():
        if value is not None:
            noted = what["masked"] if value != CLEAR.get(name) else what["columns"]
            assert name in noted, (name, what)
        assert value is not None or name not in what["columns"] + what["masked"]


def test_tax_id_and_account_of_a_shop(server, truth):
    """The tax number is on the invoice; of a bank account the cashier sees the end, support nothing."""
    [shop] = truth(
        "SELECT id, tax_id, bank_account FROM customer WHERE tenant_id = 'sinar-jaya' AND tax_id IS NOT NULL LIMIT 1"
    )
    path = f"/api/customers/{shop.id}"
    for who, purpose, tax_id, account in (
        ("kasir", "billing", shop.tax_id, last4(shop.bank_account)),
        ("akuntan", "billing", shop.tax_id, shop.bank_account),
        ("layanan", "support", None, None),
    ):
        body = server.get(f"{who}@sinar-jaya", path, purpose).body
        assert (body["tax_id"], body["bank_account"]) == (tax_id, account), who


def test_patient_is_shown_as_role_and_purpose_allow(server, truth):
    """The desk sees who it is, the doctor whom to treat, support initials and a stand-in for the birth date."""
    [patient] = truth("SELECT * FROM patient WHERE id = :id", id=DEMO_PATIENT_ID)
    path = f"/api/patients/{DEMO_PATIENT_ID}"
    desk = server.get("pendaftaran@klinik-melati", path, "registration").body
    for name in ("name", "nik", "bpjs_number", "birth_date", "gender", "phone", "address"):
        assert desk[name] == getattr(patient, name), name
    doctor = server.get("dokter@klinik-melati", path, "care").body
    assert (doctor["name"], doctor["birth_date"]) == (patient.name, patient.birth_date)
    assert (doctor["nik"], doctor["bpjs_number"]) == (last4(patient.nik), patient.bpjs_number)
    assert doctor["address"] == "••••"
    support = server.get("layanan@klinik-melati", path, "support").body
    assert support["name"] == " ".join(f"{word[0]}." for word in patient.name.split())
    assert (support["birth_date"], support["nik"], support["bpjs_number"]) == ("1900-01-01", None, None)
    assert patient.gender != support["gender"]


def test_guardian_of_a_child_is_masked_with_the_child(server, truth):
    """The adult who answers for a child is a person of their own, and covered as one."""
    [guardian] = truth("SELECT * FROM guardian LIMIT 1")
    path = f"/api/patients/{guardian.patient_id}"
    clear = server.get("pendaftaran@klinik-melati", path, "registration").body["guardians"][0]
    assert (clear["name"], clear["phone"], clear["nik"]) == (guardian.name, guardian.phone, guardian.nik)
    answer = server.get("layanan@klinik-melati", path, "support")
    masked = answer.body["guardians"][0]
    assert masked["name"] == " ".join(f"{word[0]}." for word in guardian.name.split())
    assert (masked["phone"], masked["nik"]) == (last4(guardian.phone), None)
    whats = answer.entry("access")["what"]
    assert any(guardian.id in one["subjects"] and "phone" in one["masked"] for one in whats), whats


def test_medical_record_is_for_care_alone(server, truth):
    """Complaint, diagnosis, prescription and notes: the doctor's, for care; the desk sees that there was a visit."""
    [visit] = truth("SELECT * FROM visit WHERE notes IS NOT NULL LIMIT 1")
    path = f"/api/visits/{visit.id}"
    medical = ("complaint", "diagnosis", "prescription", "notes")
    doctor = server.get("dokter@klinik-melati", path, "care")
    assert [doctor.body[name] for name in medical] == [getattr(visit, name) for name in medical]
    [what] = [one for one in doctor.entry("access")["what"] if one["resource"] == "visit"]
    assert set(medical) <= set(what["columns"])
    assert what["subjects"] == [visit.patient_id]
    desk = server.get("pendaftaran@klinik-melati", path, "registration")
    assert [desk.body[name] for name in medical] == [None] * 4
    assert visit.diagnosis not in desk.text
    owner = server.get("pemilik@klinik-melati", path, "registration")
    assert owner.body["diagnosis"] is None


OWN = f"IN (SELECT id FROM courier WHERE account_id = '{account_id('kurir@sinar-jaya.example')}')"
"""The orders of the courier who asks."""


def test_point_on_the_map_is_for_the_courier(server, truth):
    """The courier sees the door of their own orders, cashier and support the district of about 11 km."""
    order, other = (truth(f"SELECT * FROM cod_order WHERE courier_id {of} LIMIT 1")[0] for of in (OWN, f"NOT {OWN}"))
    path = f"/api/orders/{order.id}"
    assert server.get("kurir@sinar-jaya", f"/api/orders/{other.id}", "fulfilment").status == 404
    assert server.get("kasir@sinar-jaya", f"/api/orders/{other.id}", "fulfilment").status == 200
    courier = server.get("kurir@sinar-jaya", path, "fulfilment").body
    assert (courier["latitude"], courier["longitude"]) == (order.latitude, order.longitude)
    assert (courier["phone"], courier["customer_name"]) == (order.phone, order.customer_name)
    for who, purpose in (("kasir", "fulfilment"), ("layanan", "support")):
        body = server.get(f"{who}@sinar-jaya", path, purpose).body
        assert (body["latitude"], body["longitude"]) == (round(order.latitude, 1), round(order.longitude, 1))


def test_list_is_masked_row_by_row(server, truth):
    """A page of customers for support holds no phone number, name or address in clear, and one note per sort of row."""
    rows = truth("SELECT id, name, phone, email FROM customer WHERE tenant_id = 'sinar-jaya'")
    answer = server.get("layanan@sinar-jaya", "/api/customers?limit=200", "support")
    shown = {one["id"]: one for one in answer.body["customers"]}
    for row in rows:
        assert shown[row.id]["phone"] == last4(row.phone)
        for value in (row.phone, row.name, row.email):
            assert value is None or value not in answer.text
    whats = [one for one in answer.entry("access")["what"] if one["resource"] == "customer"]
    assert sum(one["count"] for one in whats) >= len(rows)
    assert all(not one["columns"] for one in whats)


def test_masked_value_cannot_be_searched_for(server):
    """Whoever sees a mask may not find out by asking, neither by the list nor by an order's phone."""
    for path in (
        "/api/customers?phone=081234567890",
        "/api/customers?nik=3578081708850001",
        "/api/orders?phone=081234567890",
    ):
        answer = server.get("layanan@sinar-jaya", path, "support")
        assert (answer.status, answer.body["code"]) == (403, "field-probed"), path
        assert answer.entry("refusal")["refusal"] == "field-probed"
    answer = server.get("kasir@sinar-jaya", "/api/customers?nik=3578081708850001", "billing")
    assert answer.status == 403


def test_masked_value_is_not_overwritten(server):
    """Support may not write at all; the cashier may not replace the NIK that they do not see, but may send it back."""
    before = server.get("kasir@sinar-jaya", CUSTOMER, "billing").body
    same = server.patch("kasir@sinar-jaya", CUSTOMER, "billing", json={"nik": before["nik"], "phone": before["phone"]})
    assert same.status == 200, same.text
    other = server.patch("kasir@sinar-jaya", CUSTOMER, "billing", json={"nik": "3578081708859999"})
    assert (other.status, other.body["code"]) == (403, "masked-write")
    assert other.entry("refusal")["refusal"] == "masked-write"
    assert not other.entries("write")
    assert server.get("akuntan@sinar-jaya", CUSTOMER, "compliance").body["nik"] == CLEAR["nik"]
