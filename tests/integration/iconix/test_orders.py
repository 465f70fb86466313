import pytest

from iconix import shipping
from iconix.models import Store
from iconix.web import today

ORDER = {
    "customer_name": "Wulan Sari",
    "phone": "0857 1111 2222",
    "address": "Jl. Raya Rungkut No. 20, Surabaya",
    "latitude": -7.3301,
    "longitude": 112.7755,
    "lines": [{"sku": "MYK-SW-02", "quantity": 2}, {"sku": "BRS-PW-05", "quantity": 1}],
}


def test_order_goes_from_the_app_to_the_settlement(sign_in):
    """Placed with coordinates, given to a courier, delivered, paid in cash, settled once."""
    api = sign_in("kasir@sinar-jaya")
    placed = api.post("/api/orders", json=ORDER)
    assert placed.status_code == 201, placed.text
    order, path = placed.json(), placed.headers["location"]
    stores = {one["id"]: one for one in api.get("/api/stores").json()["stores"]}
    assert stores[order["store_id"]]["code"] == "RKT"  # the nearest
    assert order["distance_km"] == pytest.approx(1.01, abs=0.02)
    assert order["fee"] == 6000 + 2 * 2500
    assert order["cash_due"] == 2 * 37_900 + 82_500 + order["fee"]
    courier = api.get("/api/couriers").json()["couriers"][0]
    assert api.post(f"{path}/deliver").status_code == 409
    assert api.post(f"{path}/assign", json={"courier_id": courier["id"]}).json()["status"] == "assigned"

    api = sign_in("kurir@sinar-jaya")
    assert order["id"] in [one["id"] for one in api.get("/api/orders?courier_id=me").json()["orders"]]
    assert api.post(f"{path}/deliver").json()["delivered_on"] == today().isoformat()
    assert api.post(f"{path}/deliver").status_code == 409
    assert api.post(f"{path}/collect", json={"amount": order["cash_due"] - 1}).status_code == 409
    assert api.post(f"{path}/collect", json={"amount": order["cash_due"]}).json()["status"] == "paid"

    api = sign_in("kasir@sinar-jaya")
    body = {"courier_id": courier["id"], "received": order["cash_due"] - 500}
    settled = api.post("/api/settlements", json=body)
    assert settled.status_code == 201, settled.text
    assert settled.json()["expected"] == order["cash_due"]
    assert settled.json()["difference"] == -500
    assert api.post("/api/settlements", json=body).status_code == 409
    assert api.get(path).json()["settlement_id"] == settled.json()["id"]
    assert api.get("/api/settlements?limit=1").json()["settlements"] == [settled.json()]
    found = api.get("/api/orders", params={"phone": "085711112222"}).json()["orders"]
    assert [one["status"] for one in found] == ["settled"]


def test_order_from_too_far_away_is_refused(sign_in):
    """Nobody is sent to Malang; coordinates off the globe are no coordinates."""
    api = sign_in("kasir@sinar-jaya")
    for place in (
        {"latitude": -7.98, "longitude": 112.63},
        {"latitude": 91},
        {"longitude": "112.7"},
        {"latitude": None},
    ):
        answer = api.post("/api/orders", json=ORDER | place)
        assert answer.status_code == 422, place
        assert set(answer.json()["fields"]) <= {"latitude", "longitude"}


def test_settled_days_of_the_demo_tie_out(sign_in):
    """Each settlement of the seeded days is the sum of its orders."""
    api = sign_in("pemilik@sinar-jaya")
    settlements = api.get("/api/settlements?limit=200").json()["settlements"]
    orders = [
        api.get(f"/api/orders/{one['id']}").json()
        for one in api.get("/api/orders?limit=200&status=settled").json()["orders"]
    ]
    assert settlements
    for settlement in settlements:
        collected = [one["cash_collected"] for one in orders if one["settlement_id"] == settlement["id"]]
        assert (len(collected), sum(collected)) == (settlement["orders"], settlement["received"])


def test_distance_is_that_of_the_globe():
    """Surabaya to Bandung is some 568 km as the crow flies; a place is no distance from itself."""
    assert shipping.distance(-7.2575, 112.7521, -6.9175, 107.6191) == pytest.approx(567.5, abs=2)
    assert shipping.distance(-7.2575, 112.7521, -7.2575, 112.7521) == 0


def test_every_kilometre_begun_costs():
    """The fee rises with each kilometre that is begun."""
    store = Store(base_fee=6000, fee_per_km=2500)
    assert [shipping.fee(store, km) for km in (0, 0.1, 1, 1.01)] == [6000, 8500, 8500, 11_000]
