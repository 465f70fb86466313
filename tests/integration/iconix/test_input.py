import datetime as dt
import json
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

import iconix
from iconix.inputs import Fields, international
from iconix.seed import DEMO_CUSTOMER_ID
from iconix.texts import ENGLISH, INDONESIAN

FOLDER = Path(iconix.__file__).parent


NO_OBJECTS = [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"]
KINDS = ("customers", "invoices", "products", "purchases", "orders", "patients", "visits")


def test_body_that_is_no_json_object_is_refused(sign_in):
    """Whatever is no JSON object gives 400 and a sentence, on every route that reads one."""
    api = sign_in("kasir@sinar-jaya")
    for path, body in product((*KINDS, "queue", "settlements", "login"), NO_OBJECTS):
        answer = api.post(f"/api/{path}", content=body)
        assert answer.status_code == 400, (path, body[:20])
        assert "JSON" in answer.json()["error"]


def test_body_that_is_too_large_is_refused(sign_in):
    """A body of more than a megabyte is not read to its end."""
    assert sign_in("kasir@sinar-jaya").post("/api/customers", content=b" " * 1_000_001).status_code == 413


def test_value_that_cannot_be_kept_is_refused(sign_in):
    """Each value that the database could not keep, or nobody could use, is named in the answer."""
    api = sign_in("kasir@sinar-jaya")
    for wrong in (
        {"name": "\0"},
        {"name": "\ud800"},
        {"name": 7},
        {"name": ["x"]},
        {"name": "x" * 121},
        {"email": "no address"},
        {"nik": "٣٥٧٨٠١٠١٠١٩٠٠٠٠١"},
        {"phone": "+62 1"},
        {"address": {}},
    ):
        answer = api.post("/api/customers", content=json.dumps({"name": "Budi"} | wrong))
        assert answer.status_code == 422, wrong
        assert answer.json()["fields"].keys() == wrong.keys()


def test_id_that_is_none_is_not_found(sign_in):
    """An id that cannot be one is not found, like one that does not exist."""
    api = sign_in("pemilik@sinar-jaya")
    for kind, text in product(KINDS, ("x", "%00", "019a2c4e%00", "%F0%9F%98%80", DEMO_CUSTOMER_ID.upper())):
        assert api.get(f"/api/{kind}/{text}").status_code == 404, (kind, text)


def test_query_that_cannot_be_used_is_refused(sign_in):
    """A wrong query gives 422 and names the parameter."""
    api = sign_in("kasir@sinar-jaya")
    for query in ("limit=0", "limit=1000", "limit=x", "before=%00", "phone=abc", "nik=1", "email=x"):
        answer = api.get(f"/api/customers?{query}")
        assert (answer.status_code, list(answer.json()["fields"])) == (422, [query.partition("=")[0]])


def test_amount_that_is_none_is_refused(sign_in):
    """Money is a whole number of rupiah above zero."""
    api = sign_in("kasir@sinar-jaya")
    invoice = api.get("/api/invoices?status=open").json()["invoices"][0]["id"]
    for amount in (0, -1, 1.5, "x", True, None, 10**30, [], float("nan"), float("inf")):
        answer = api.post(f"/api/invoices/{invoice}/payments", content=json.dumps({"amount": amount, "method": "cash"}))
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["amount"]), amount


@pytest.mark.parametrize("text", ["2026-02-30", "31/10/2026", "20261031", "1850-01-01", "9999-12-31", "", 20261031])
def test_date_that_is_none_is_refused(text):
    """Dates are written in one way and lie in reach."""
    fields = Fields({"date": text})
    assert isinstance(fields.date("date"), dt.date)
    assert "date" in fields.problems


def test_phone_numbers_take_one_form():
    """The ways of writing an Indonesian number come to the same; foreign ones keep their country."""
    assert {international(one) for one in ("0812-345 678", "+62 812 345678", "62812345678")} == {"+62812345678"}
    assert international("+65 6123 4567") == "+6561234567"


def test_unknown_path_and_method_are_answered_in_json(client):
    """The API answers in JSON also where there is nothing."""
    assert client.get("/api/nothing").json() == {"error": "Not Found"}
    assert client.put("/api/customers").status_code == 405
    assert "Tidak ditemukan" in client.get("/nothing", headers={"Accept-Language": "id"}).text


def test_every_sentence_of_the_pages_has_its_indonesian():
    """No English is left in the Indonesian pages."""
    templates = "".join(path.read_text("utf-8") for path in (FOLDER / "templates").glob("*.html"))
    sentences = set(re.findall(r'_\("([^"~]+)"\)', templates)) | set(re.findall(r"_\('([^']+)'\)", templates))
    assert len(sentences) > 50
    assert sentences - INDONESIAN.keys() == set()
    assert ENGLISH.keys() <= INDONESIAN.keys()


def test_app_knows_nothing_of_amanah():
    """The app runs bare: it starts, migrates and seeds in a Python that has no Amanah at all."""
    parts = "iconix.app, iconix.migrate, iconix.seed"
    code = f"import sys; sys.modules['amanah'] = None; import {parts}; iconix.app.create_app()"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(FOLDER.parent)}, check=True)
