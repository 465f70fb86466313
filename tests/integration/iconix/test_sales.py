from concurrent.futures import ThreadPoolExecutor

import sqlalchemy as sa

from iconix.migrate import sync_url
from iconix.seed import DEMO_CUSTOMER_ID, DEMO_CUSTOMER_PHONE, FOREIGN_CUSTOMER_ID

LINES = [{"sku": "BRS-PW-05", "quantity": 3}, {"sku": "GUL-PS-01", "quantity": 2, "unit_price": 17_555}]


def test_invoice_has_lines_tax_and_the_next_number(sign_in):
    """An invoice adds up, carries 11 % PPN rounded to the rupiah, and numbers run without a gap."""
    api = sign_in("kasir@sinar-jaya")
    body = {"customer_id": DEMO_CUSTOMER_ID, "date": "2026-10-31", "lines": LINES}
    first, second = (api.post("/api/invoices", json=body) for _ in range(2))
    invoice = first.json()
    assert first.status_code == 201, first.text
    assert invoice["net"] == 3 * 82_500 + 2 * 17_555
    assert invoice["tax"] == round(invoice["net"] * 0.11)
    assert invoice["total"] == invoice["net"] + invoice["tax"]
    assert invoice["customer"]["name"] == "Budi Santoso"
    assert [line["description"] for line in invoice["lines"]] == ["Beras Pandan Wangi 5 kg", "Gula pasir 1 kg"]
    numbers = [int(one.json()["number"].rpartition("/")[2]) for one in (first, second)]
    assert numbers[1] == numbers[0] + 1
    assert api.get(first.headers["location"]).json() == invoice
    assert api.get("/api/invoices").json()["invoices"][1]["id"] == invoice["id"]


def test_numbers_have_no_gap_and_no_double_when_many_invoice_at_once(sign_in):
    """Numbers taken by parallel requests are all different and leave nothing out, also at the start of a series."""
    api = sign_in("kasir@sinar-jaya")
    body = {"customer_id": DEMO_CUSTOMER_ID, "date": "2031-01-02", "lines": LINES}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.post("/api/invoices", json=body), range(16)))
    assert {answer.status_code for answer in answers} == {201}
    numbers = sorted(int(answer.json()["number"].rpartition("/")[2]) for answer in answers)
    assert numbers == list(range(1, 17))


def test_refused_invoice_takes_no_number(sign_in):
    """An invoice that is refused leaves no trace in the numbers."""
    api = sign_in("kasir@sinar-jaya")
    body = {"customer_id": DEMO_CUSTOMER_ID, "date": "2032-01-02", "lines": LINES}
    for wrong in (
        {"customer_id": FOREIGN_CUSTOMER_ID},
        {"lines": [{"sku": "NONE", "quantity": 1}]},
        {"lines": [{"sku": "BRS-PW-05", "quantity": 0}]},
        {"lines": []},
        {"due": "2031-12-01"},
    ):
        answer = api.post("/api/invoices", json=body | wrong)
        assert answer.status_code == 422, answer.text
        assert answer.json()["fields"]
    assert api.post("/api/invoices", json=body).json()["number"] == "INV/2032/01/00001"


def test_payments_and_credit_notes_settle_an_invoice_and_never_more(sign_in):
    """What was paid and credited never exceeds the total; when nothing is open the invoice is paid."""
    api = sign_in("kasir@sinar-jaya")
    invoice = api.post("/api/invoices", json={"customer_id": DEMO_CUSTOMER_ID, "lines": LINES}).json()
    path, total = f"/api/invoices/{invoice['id']}", invoice["total"]
    credited = api.post(f"{path}/credit-notes", json={"amount": 10_000, "reason": "Kemasan bocor"})
    assert credited.status_code == 201
    assert credited.json()["credit_notes"][0]["number"].startswith("CN/")
    assert api.post(f"{path}/payments", json={"amount": total, "method": "cash"}).status_code == 409
    with ThreadPoolExecutor(4) as pool:
        body = {"amount": total - 10_000, "method": "transfer"}
        answers = list(pool.map(lambda _: api.post(f"{path}/payments", json=body), range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    after = api.get(path).json()
    assert (after["status"], after["paid"], after["credited"]) == ("paid", total - 10_000, 10_000)
    assert len(after["payments"]) == 1


def test_monthly_report_ties_out_with_the_rows(sign_in, database_url):
    """The report's totals are those of the rows; products and customers each add up to them."""
    api = sign_in("akuntan@sinar-jaya")
    report = api.get("/api/reports/monthly?month=2026-09").json()
    engine = sa.create_engine(sync_url(database_url))
    with engine.connect() as connection:
        of_month = "tenant_id = 'sinar-jaya' AND date BETWEEN '2026-09-01' AND '2026-09-30'"
        row = connection.execute(
            sa.text(f"SELECT count(*), sum(net), sum(tax), sum(total) FROM invoice WHERE {of_month}")
        )
        invoices, net, tax, total = map(int, row.one())
    engine.dispose()
    assert invoices
    found = report["totals"]
    assert (found["invoices"], found["net"], found["tax"], found["total"]) == (invoices, net, tax, total)
    assert sum(one["net"] for one in report["products"]) == net
    for figure in ("invoices", "net", "tax", "total"):
        assert sum(one[figure] for one in report["customers"]) == found[figure]
    assert all(one["name"] for one in report["customers"])


def test_month_that_is_none_is_refused(sign_in):
    """A month that does not exist gives 422 and the way to write one."""
    api = sign_in("akuntan@sinar-jaya")
    for month in ("2026-13", "oktober", "2026", "2026-1"):
        answer = api.get("/api/reports/monthly", params={"month": month})
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["month"])


def test_customer_is_found_by_phone_however_it_is_written(sign_in):
    """0812…, 62812… and +62 812-… are the same number."""
    api = sign_in("kasir@sinar-jaya")
    for text in ("081234567890", "+6281234567890", "6281234567890", "0812-3456-7890", " 0812 3456 7890 "):
        found = api.get("/api/customers", params={"phone": text}).json()["customers"]
        assert [one["id"] for one in found] == [DEMO_CUSTOMER_ID], text
    assert api.get("/api/customers", params={"email": "Budi.Santoso@example.co.id"}).json()["customers"]
    assert api.get("/api/customers", params={"phone": "123"}).status_code == 422


def test_customer_is_changed_only_where_something_was_sent(sign_in):
    """A PATCH leaves the other fields alone; tenant_id in a body means nothing."""
    api = sign_in("kasir@sinar-jaya")
    body = {"name": "Toko Baru", "phone": "0813 0000 1111", "nik": "3578010101900001", "tenant_id": "toko-sebelah"}
    created = api.post("/api/customers", json=body)
    assert created.status_code == 201, created.text
    path = created.headers["location"]
    changed = api.patch(path, json={"phone": "0813 0000 2222", "email": "TOKO@example.co.id"}).json()
    assert changed == created.json() | {"phone": "+6281300002222", "email": "toko@example.co.id"}
    assert api.get(path).json()["phone"] == "+6281300002222"
    assert api.patch(path, json={"phone": "12", "nik": "1"}).json()["fields"].keys() == {"phone", "nik"}
    assert api.patch(path, json={"name": ""}).status_code == 422
    assert api.patch(path, json={"email": None}).json()["email"] is None


def test_list_of_customers_turns_its_pages(sign_in):
    """Pages follow each other without gaps or repeats."""
    api = sign_in("kasir@sinar-jaya")
    everybody = [one["id"] for one in api.get("/api/customers?limit=200").json()["customers"]]
    paged: list[str] = []
    while found := api.get("/api/customers", params={"limit": 7, "before": paged[-1] if paged else None}).json()[
        "customers"
    ]:
        paged += [one["id"] for one in found]
    assert paged == everybody
    assert len(everybody) > 14


def test_customer_of_another_company_does_not_exist(sign_in):
    """Another company's id answers like one that was never given; a shared phone number finds one's own only."""
    api = sign_in("pemilik@sinar-jaya")
    foreign = api.get(f"/api/customers/{FOREIGN_CUSTOMER_ID}")
    unknown = api.get("/api/customers/019a2c4e-0000-7000-8000-000000000000")
    assert (foreign.status_code, foreign.content) == (404, unknown.content)
    assert api.patch(f"/api/customers/{FOREIGN_CUSTOMER_ID}", json={"name": "x"}).status_code == 404
    other = sign_in("pemilik@toko-sebelah")
    found = other.get("/api/customers", params={"phone": DEMO_CUSTOMER_PHONE}).json()["customers"]
    assert [one["id"] for one in found] == [FOREIGN_CUSTOMER_ID]


def test_purchase_takes_the_usual_cost_and_a_number(sign_in):
    """A purchase without prices takes each product's cost, and says where to pay."""
    api = sign_in("akuntan@sinar-jaya")
    supplier = api.get("/api/suppliers").json()["suppliers"][0]
    product = api.get("/api/products?limit=1").json()["products"][0]
    body = {"supplier_id": supplier["id"], "lines": [{"product_id": product["id"], "quantity": 10}]}
    answer = api.post("/api/purchases", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["net"] == 10 * product["cost"]
    assert answer.json()["pay_to"] == supplier["bank_account"]
    assert api.get(answer.headers["location"]).json() == answer.json()
    assert api.get("/api/purchases").json()["purchases"][0]["number"] == answer.json()["number"]


def test_product_is_named_once(sign_in):
    """A SKU belongs to one product of the company."""
    api = sign_in("pemilik@sinar-jaya")
    body = {"sku": "NEW-1", "name": "Barang baru", "price": 1000}
    created = api.post("/api/products", json=body)
    assert created.status_code == 201
    assert api.get(created.headers["location"]).json()["unit"] == "pcs"
    assert api.post("/api/products", json=body).status_code == 409
