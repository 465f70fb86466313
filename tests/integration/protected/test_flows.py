"""Business as usual: an order on its way to the settlement, an invoice until it is paid, a month in figures."""

from __future__ import annotations

import pytest

from iconix.seed import DEMO_CUSTOMER_ID

LINES = [{"sku": "BRS-RL-25", "quantity": 1}, {"sku": "KOP-GY-01", "quantity": 2}]
HOME = {
    "customer_name": "Wati Handoko",
    "phone": "0812 7777 0002",
    "address": "Jl. Genteng Besar No. 9",
    "latitude": -7.2599,
    "longitude": 112.7399,
}
CASHIER, COURIER, PURPOSE = "kasir@sinar-jaya", "kurir@sinar-jaya", "fulfilment"


def test_order_goes_its_way_to_the_settlement(server):
    """Placed, assigned, delivered, paid and settled for one purpose; each step leaves the entry of who did it."""
    placed = server.post(CASHIER, "/api/orders", PURPOSE, json={**HOME, "lines": LINES})
    assert placed.status == 201, placed.text
    order, due = placed.body["id"], placed.body["cash_due"]
    assert placed.body["distance_km"] < 5
    assert (placed.body["phone"], placed.body["latitude"]) == ("+6281277770002", HOME["latitude"])
    path = f"/api/orders/{order}"
    couriers = server.get(CASHIER, "/api/couriers", PURPOSE).body["couriers"]
    steps = [
        (CASHIER, "assign", {"courier_id": couriers[0]["id"]}, "assigned"),
        (COURIER, "deliver", None, "delivered"),
        (COURIER, "collect", {"amount": due}, "paid"),
    ]
    for who, step, body, status in steps:
        answer = server.post(who, f"{path}/{step}", PURPOSE, json=body)
        assert (answer.status, answer.body["status"]) == (200, status), answer.text
        entry = answer.entry("write")
        assert (entry["outcome"], entry["route"]) == ("committed", f"POST /api/orders/{{id}}/{step}")
        assert (entry["roles"], entry["purpose"]) == (
            ["cashier" if who == CASHIER else "courier"],
            "x.order.fulfilment",
        )
        assert any(one["action"] == "update" and "status" in one["columns"] for one in entry["what"])
    mine = server.get(COURIER, "/api/orders?courier_id=me&status=paid", PURPOSE)
    assert order in [one["id"] for one in mine.body["orders"]]
    settled = server.post(CASHIER, "/api/settlements", PURPOSE, json={"courier_id": couriers[0]["id"], "received": due})
    assert (settled.status, settled.body["difference"]) == (201, due - settled.body["expected"]), settled.text
    after = server.get(COURIER, path, PURPOSE).body
    assert (after["status"], after["settlement_id"]) == ("settled", settled.body["id"])
    assert server.post(COURIER, f"{path}/deliver", PURPOSE).status == 409
    found = server.get(CASHIER, "/api/orders?phone=081277770002", PURPOSE).body["orders"]
    assert [one["id"] for one in found] == [order]


def test_invoice_is_written_credited_and_paid(server):
    """Numbers run on, more than is open is refused and leaves nothing, and the last payment closes the invoice."""
    body = {"customer_id": DEMO_CUSTOMER_ID, "lines": LINES}
    first, second = (server.post(CASHIER, "/api/invoices", "billing", json=body).body for _ in range(2))
    numbers = [int(one["number"].rpartition("/")[2]) for one in (first, second)]
    assert numbers[1] == numbers[0] + 1
    assert first["customer"]["name"] == "Budi Santoso"
    path, total = f"/api/invoices/{first['id']}", first["total"]
    credit = {"amount": 10_000, "reason": "Kemasan bocor"}
    assert server.post("akuntan@sinar-jaya", f"{path}/credit-notes", "billing", json=credit).status == 201
    too_much = server.post(CASHIER, f"{path}/payments", "billing", json={"amount": total, "method": "cash"})
    assert too_much.status == 409
    assert not too_much.entries("write")
    rest = {"amount": total - 10_000, "method": "transfer"}
    paid = server.post(CASHIER, f"{path}/payments", "billing", json=rest)
    assert (paid.status, paid.body["status"], len(paid.body["payments"])) == (201, "paid", 1)
    masked = server.get("layanan@sinar-jaya", path, "support").body
    assert masked["customer"]["name"] == "B. S."
    assert masked["total"] == total


def test_visit_runs_from_the_desk_to_the_prescription(server):
    """The desk opens a visit and puts the patient into the queue; the doctor calls, finds and prescribes."""
    desk, doctor = "pendaftaran@klinik-melati", "dokter@klinik-melati"
    body = {"name": "Asep Sunarya", "birth_date": "1979-05-06", "gender": "male", "nik": "3273010605790003"}
    patient = server.post(desk, "/api/patients", "registration", json=body)
    assert patient.status == 201, patient.text
    key = patient.body["id"]
    doctors = server.get(doctor, "/api/doctors", "care").body["doctors"]
    opening = {"patient_id": key, "doctor_id": doctors[0]["id"], "complaint": "Demam sejak kemarin malam"}
    visit = server.post(desk, "/api/visits", "registration", json=opening)
    assert visit.status == 201, visit.text
    path = f"/api/visits/{visit.body['id']}"
    assert server.get(desk, path, "registration").body["complaint"] is None  # written at the desk, read by the doctor
    ticket = server.post(desk, "/api/queue", "registration", json={"patient_id": key})
    assert ticket.status == 201, ticket.text
    called = server.post(doctor, f"/api/queue/{ticket.body['id']}/call", "care")
    assert (called.status, called.body["patient"]["name"]) == (200, "Asep Sunarya")
    found = {"diagnosis": "J11.1 Influenza", "prescription": "Parasetamol 500 mg 3x1", "status": "closed"}
    answer = server.patch(doctor, path, "care", json=found)
    assert answer.status == 200, answer.text
    assert answer.body["complaint"] == "Demam sejak kemarin malam"
    [what] = [one for one in answer.entry("write")["what"] if one["resource"] == "visit"]
    assert (what["columns"], what["count"]) == (["diagnosis", "prescription", "status"], 1) or set(
        what["columns"]
    ) == set(found)
    again = server.get(desk, path, "registration").body
    assert (again["status"], again["diagnosis"]) == ("closed", None)
    [listed] = server.get(desk, f"/api/patients?nik={body['nik']}", "registration").body["patients"]
    assert listed["id"] == key
    assert server.get(doctor, f"/api/patients?nik={body['nik']}", "care").body["code"] == "field-probed"


@pytest.mark.parametrize("month", ["2026-10", "2026-09", "2026-03", "2025-12"])
def test_monthly_report_is_that_of_the_bare_app(server, bare_server, month):
    """Protected or not, a month has the same totals, products, customers and names."""
    path = f"/api/reports/monthly?month={month}"
    protected = server.get("akuntan@sinar-jaya", path)
    bare = bare_server.get("akuntan@sinar-jaya", path)
    assert (protected.status, bare.status) == (200, 200)
    assert protected.body == bare.body
    assert protected.body["totals"]["invoices"]
    entry = protected.entry("access")
    assert (entry["purpose"], entry["inferred"]) == ("analytics.reporting", True)
    [what] = [one for one in entry["what"] if one["resource"] == "customer"]
    assert (what["columns"], what["count"]) == (["name"], len(bare.body["customers"]))


@pytest.fixture(scope="session")
def bare_server(bare):
    """The unprotected application on the same seed."""
    with bare.serving("iconix.app:create_app") as running:
        yield running
