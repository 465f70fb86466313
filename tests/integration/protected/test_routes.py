"""Every declared route, once by somebody who may and once by somebody who may not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from iconix.protection import ROUTES
from iconix.seed import DEMO_CUSTOMER_ID, DEMO_PATIENT_ID

CASHIER, ACCOUNTANT, SUPPORT = "kasir@sinar-jaya", "akuntan@sinar-jaya", "layanan@sinar-jaya"
COURIER, OFFICER, IDLE = "kurir@sinar-jaya", "kepatuhan@sinar-jaya", "kurir2@sinar-jaya"
DESK, DOCTOR = "pendaftaran@klinik-melati", "dokter@klinik-melati"
CLINIC_SUPPORT, CLINIC_OFFICER = "layanan@klinik-melati", "kepatuhan@klinik-melati"

LINES = [{"sku": "BRS-RL-25", "quantity": 2}]
ORDER = {
    "customer_name": "Tuti Handayani",
    "phone": "0812 7777 0001",
    "address": "Jl. Genteng Kali No. 5",
    "latitude": -7.2601,
    "longitude": 112.7401,
    "lines": LINES,
}
PATIENT = {"name": "Wawan Kurniawan", "birth_date": "1988-04-11", "gender": "male"}


@dataclass(frozen=True)
class Case:
    """A route: who may and who may not, for which purpose; the body, with names of made things in braces."""

    route: str
    path: str
    may: tuple[str, str | None]
    may_not: tuple[str, str] | None
    json: Any = None
    form: dict[str, str] | None = None
    status: int = 200

    @property
    def method(self) -> str:
        return self.route.split(" ")[0]


def case(route: str, may: Any, may_not: Any, path: str = "", **options: Any) -> Case:
    return Case(route, path or route.split(" ")[1], may, may_not, **options)


BILLING, CARE, DESK_MAY = (CASHIER, "billing"), (DOCTOR, "care"), (DESK, "registration")
BOOKS, DELIVERY = (ACCOUNTANT, "billing"), (COURIER, "fulfilment")
CUSTOMER, PATIENT_ID = f"/{DEMO_CUSTOMER_ID}", f"/{DEMO_PATIENT_ID}"

CASES = [
    case("GET /", (CASHIER, None), (IDLE, "authentication")),
    case("GET /api/customers", BILLING, (COURIER, "fulfilment")),
    case("POST /api/customers", BILLING, (SUPPORT, "billing"), json={"name": "Toko Sumber Rejeki"}, status=201),
    case("GET /api/customers/{id}", (SUPPORT, "support"), (COURIER, "billing"), f"/api/customers{CUSTOMER}"),
    case(
        "PATCH /api/customers/{id}",
        BILLING,
        (SUPPORT, "billing"),
        f"/api/customers{CUSTOMER}",
        json={"city": "Surabaya"},
    ),
    case("GET /customers", BILLING, (COURIER, "fulfilment")),
    case("GET /customers/new", BILLING, (SUPPORT, "billing")),
    case("POST /customers/new", BILLING, (SUPPORT, "billing"), form={"name": "Warung Bu Tini"}, status=303),
    case("GET /customers/{id}", (SUPPORT, "support"), (COURIER, "billing"), f"/customers{CUSTOMER}"),
    case(
        "POST /customers/{id}",
        BILLING,
        (SUPPORT, "billing"),
        f"/customers{CUSTOMER}",
        form={"name": "Budi Santoso", "city": "Surabaya"},
        status=303,
    ),
    case("GET /api/products", (CASHIER, "fulfilment"), (OFFICER, "billing")),
    case(
        "POST /api/products",
        BOOKS,
        (CASHIER, "billing"),
        json={"sku": "UJI-01", "name": "Uji", "price": 1000},
        status=201,
    ),
    case("GET /api/products/{id}", (COURIER, "fulfilment"), (OFFICER, "support"), "/api/products/{product}"),
    case("GET /api/invoices", (SUPPORT, "support"), (COURIER, "billing")),
    case(
        "POST /api/invoices",
        BILLING,
        (SUPPORT, "billing"),
        json={"customer_id": DEMO_CUSTOMER_ID, "lines": LINES},
        status=201,
    ),
    case("GET /api/invoices/{id}", BOOKS, (COURIER, "support"), "/api/invoices/{invoice}"),
    case(
        "POST /api/invoices/{id}/payments",
        BILLING,
        (SUPPORT, "billing"),
        "/api/invoices/{invoice}/payments",
        json={"amount": 1000, "method": "cash"},
        status=201,
    ),
    case(
        "POST /api/invoices/{id}/credit-notes",
        BOOKS,
        (COURIER, "billing"),
        "/api/invoices/{invoice}/credit-notes",
        json={"amount": 1000, "reason": "Kemasan bocor"},
        status=201,
    ),
    case("GET /invoices", BILLING, (COURIER, "billing")),
    case("GET /invoices/{id}", BILLING, (COURIER, "billing"), "/invoices/{invoice}"),
    case("GET /api/suppliers", BOOKS, (CASHIER, "billing")),
    case("GET /api/purchases", (ACCOUNTANT, "compliance"), (CASHIER, "compliance")),
    case(
        "POST /api/purchases",
        BOOKS,
        (CASHIER, "billing"),
        json={"supplier_id": "{supplier}", "lines": LINES},
        status=201,
    ),
    case("GET /api/purchases/{id}", BOOKS, (SUPPORT, "billing"), "/api/purchases/{purchase}"),
    case("GET /api/reports/monthly", (ACCOUNTANT, "reporting"), (CASHIER, "reporting")),
    case("GET /reports", (ACCOUNTANT, "reporting"), (SUPPORT, "reporting")),
    case("GET /api/patients", DESK_MAY, (CLINIC_OFFICER, "registration")),
    case("POST /api/patients", DESK_MAY, (DOCTOR, "registration"), json=PATIENT, status=201),
    case("GET /api/patients/{id}", CARE, (CLINIC_OFFICER, "care"), f"/api/patients{PATIENT_ID}"),
    case(
        "PATCH /api/patients/{id}",
        DESK_MAY,
        (DOCTOR, "registration"),
        f"/api/patients{PATIENT_ID}",
        json={"phone": "0812 3456 0001"},
    ),
    case("GET /clinic/register", DESK_MAY, (DOCTOR, "registration")),
    case("POST /clinic/register", DESK_MAY, (DOCTOR, "registration"), form=PATIENT, status=303),
    case("GET /clinic/patients", (CLINIC_SUPPORT, "support"), (CLINIC_OFFICER, "care")),
    case("GET /clinic/patients/{id}", DESK_MAY, (CLINIC_OFFICER, "care"), f"/clinic/patients{PATIENT_ID}"),
    case("GET /api/doctors", CARE, (CLINIC_OFFICER, "care")),
    case("GET /api/visits", CARE, (CLINIC_SUPPORT, "care")),
    case(
        "POST /api/visits",
        DESK_MAY,
        (CLINIC_SUPPORT, "registration"),
        json={"patient_id": DEMO_PATIENT_ID, "doctor_id": "{doctor}"},
        status=201,
    ),
    case("GET /api/visits/{id}", CARE, (CLINIC_SUPPORT, "care"), "/api/visits/{visit}"),
    case("PATCH /api/visits/{id}", CARE, (DESK, "care"), "/api/visits/{visit}", json={"diagnosis": "J06.9"}),
    case("GET /api/queue", DESK_MAY, (CLINIC_OFFICER, "registration")),
    case(
        "POST /api/queue",
        DESK_MAY,
        (DOCTOR, "registration"),
        json={"patient_id": DEMO_PATIENT_ID},
        status=201,
    ),
    case("POST /api/queue/{id}/call", CARE, (CLINIC_SUPPORT, "care"), "/api/queue/{waiting}/call"),
    case("POST /api/queue/{id}/done", DESK_MAY, (CLINIC_OFFICER, "care"), "/api/queue/{called}/done"),
    case("GET /clinic/queue", CARE, (CLINIC_OFFICER, "care")),
    case(
        "POST /clinic/queue",
        DESK_MAY,
        (CLINIC_SUPPORT, "registration"),
        form={"patient_id": DEMO_PATIENT_ID},
        status=303,
    ),
    case("GET /api/orders", DELIVERY, (ACCOUNTANT, "fulfilment")),
    case("POST /api/orders", (CASHIER, "fulfilment"), DELIVERY, json=ORDER, status=201),
    case("GET /api/orders/{id}", (SUPPORT, "support"), (ACCOUNTANT, "support"), "/api/orders/{placed}"),
    case(
        "POST /api/orders/{id}/assign",
        (CASHIER, "fulfilment"),
        (SUPPORT, "fulfilment"),
        "/api/orders/{placed}/assign",
        json={"courier_id": "{courier}"},
    ),
    case("POST /api/orders/{id}/deliver", DELIVERY, (ACCOUNTANT, "fulfilment"), "/api/orders/{assigned}/deliver"),
    case(
        "POST /api/orders/{id}/collect",
        DELIVERY,
        (SUPPORT, "fulfilment"),
        "/api/orders/{delivered}/collect",
        json={"amount": 1},
        status=409,  # the app's own word: it is not what is due
    ),
    case("GET /orders", DELIVERY, (ACCOUNTANT, "fulfilment")),
    case("GET /orders/{id}", DELIVERY, (ACCOUNTANT, "fulfilment"), "/orders/{placed}"),
    case("GET /api/couriers", (CASHIER, "fulfilment"), (OFFICER, "fulfilment")),
    case("GET /api/stores", (COURIER, "fulfilment"), (OFFICER, "fulfilment")),
    case("GET /api/settlements", (CASHIER, "fulfilment"), (ACCOUNTANT, "fulfilment")),
    case(
        "POST /api/settlements",
        (CASHIER, "fulfilment"),
        DELIVERY,
        json={"courier_id": "{courier}", "date": "2026-10-31", "received": 0},
        status=409,  # nothing to settle on that day
    ),
]
OPEN = [
    case("GET /health", (None, None), None),
    case("GET /static/{path:path}", (None, None), None, "/static/iconix.css"),
    case("GET /login", (None, None), None),
    case("POST /login", (None, None), None, form={}, status=403),
    case("POST /api/login", (None, None), None, json={"email": "x@example.com", "password": "x"}, status=401),
    case("POST /logout", (None, None), None, form={}, status=303),
    case("POST /purpose", (None, None), None, form={}, status=303),
]


def title(one: Case) -> str:
    return one.route


@dataclass
class Made:
    """Things that the cases need, each in the state that its route asks for."""

    server: Any
    names: dict[str, str] = field(default_factory=dict)

    def fill(self, value: Any) -> Any:
        if isinstance(value, str):
            return value.format(**self.names)
        if isinstance(value, dict):
            return {name: self.fill(one) for name, one in value.items()}
        return value

    def post(self, who: str, path: str, purpose: str, body: Any) -> Any:
        answer = self.server.post(who, path, purpose, json=body)
        assert answer.status in (200, 201), answer.text
        return answer.body

    def order(self, *steps: str) -> str:
        made = self.post(CASHIER, "/api/orders", "fulfilment", ORDER)["id"]
        for step in steps:
            who, body = (CASHIER, {"courier_id": self.names["courier"]}) if step == "assign" else (COURIER, {})
            self.post(who, f"/api/orders/{made}/{step}", "fulfilment", body)
        return str(made)

    def ticket(self) -> str:
        return str(self.post(DESK, "/api/queue", "registration", {"patient_id": DEMO_PATIENT_ID})["id"])


@pytest.fixture(scope="session")
def made(server: Any, truth: Any) -> Made:
    """Rows to act on, and a courier whose roles were taken away."""
    house = server.house
    member = house.rows("SELECT id FROM account WHERE role = 'courier' AND tenant_id = 'sinar-jaya'")
    second = server.call(IDLE, "GET", "/", "authentication").entry()["actor"]
    assert second in {row.id for row in member}
    with house.engine.begin() as connection:
        for grant in house.directory.grants(connection, "sinar-jaya"):
            if grant.member_id == second:
                house.directory.revoke(connection, "sinar-jaya", grant.id)
    things = Made(server)
    for name in ("product", "purchase", "supplier", "courier"):
        things.names[name] = truth(f"SELECT min(id) FROM {name} WHERE tenant_id = 'sinar-jaya'")[0][0]
    for name in ("doctor", "visit"):
        things.names[name] = truth(f"SELECT min(id) FROM {name} WHERE tenant_id = 'klinik-melati'")[0][0]
    sale = {"customer_id": DEMO_CUSTOMER_ID, "lines": LINES}
    things.names["invoice"] = things.post(CASHIER, "/api/invoices", "billing", sale)["id"]
    things.names["placed"] = things.order()
    things.names["assigned"] = things.order("assign")
    things.names["delivered"] = things.order("assign", "deliver")
    things.names["waiting"], things.names["called"] = things.ticket(), things.ticket()
    things.post(DOCTOR, f"/api/queue/{things.names['called']}/call", "care", {})
    return things


def send(made: Made, one: Case, who: str | None, purpose: str | None) -> Any:
    path = made.fill(one.path)
    if one.form is None:
        return made.server.call(who, one.method, path, purpose, json=made.fill(one.json))
    if who is None:
        return made.server.call(None, one.method, path, data=one.form)
    browser = made.server.browser(who)
    browser.choose(purpose)
    return browser.call(one.method, path, data=made.fill(one.form))


def test_every_declared_route_has_a_case():
    """No route is declared that is not tried here, and none is tried that is not declared."""
    declared = {f"{method} {one.path}" for one in ROUTES for method in one.methods}
    tried = [one.route for one in (*CASES, *OPEN)]
    assert sorted(tried) == sorted(declared)


@pytest.mark.parametrize("one", CASES, ids=title)
def test_route_serves_whoever_may(made, one):
    """The handler's own answer arrives, and one entry says who asked what for, and that a rule allowed it."""
    answer = send(made, one, *one.may)
    assert answer.status == one.status, answer.text
    entry = answer.entry("access")
    assert entry["route"] == one.route
    assert entry["status"] == one.status
    assert entry["decision"]["allow"] is True
    assert entry["decision"]["rule"]
    assert entry["roles"]


@pytest.mark.parametrize("one", CASES, ids=title)
def test_route_refuses_whoever_may_not(made, one):
    """Somebody of the same company without a rule for it gets 403, and the refusal is on record."""
    assert one.may_not is not None
    answer = send(made, one, *one.may_not)
    assert answer.status == 403, answer.text
    refused = answer.entry()
    assert (refused["kind"], refused["outcome"], refused["refusal"]) == ("refusal", "refused", "forbidden")
    assert (refused["route"], refused["decision"]["allow"]) == (one.route, False)


@pytest.mark.parametrize("one", OPEN, ids=title)
def test_open_route_answers_a_stranger(made, one):
    """Health, static files and the way in ask for nobody's role."""
    answer = send(made, one, None, None)
    assert answer.status == one.status, answer.text
