"""The pages: a session by cookie, the purpose chosen in the menu, forms that post back what they showed."""

from __future__ import annotations

import re
from html import unescape

import pytest

from iconix.seed import DEMO_CUSTOMER_ID, DEMO_PATIENT_ID

INPUT = re.compile(r'<input id="([a-z_]+)" name="\1"[^>]* value="([^"]*)"')
CUSTOMER = f"/customers/{DEMO_CUSTOMER_ID}"
CHILD = {"name": "Aisyah Ramadhani", "birth_date": "2021-03-02", "gender": "female", "nik": "3273014203210007"}
GUARDIAN = {
    "guardian_relation": "mother",
    "guardian_name": "Siti Nurjanah",
    "guardian_phone": "0812 9999 0000",
    "guardian_nik": "3273014507920002",
}


def form_of(page: str) -> dict[str, str]:
    """What a browser would send of the page's form if nobody touched it."""
    return {name: unescape(value) for name, value in INPUT.findall(page)}


def stored(server, table: str, key: str) -> tuple[object, ...]:
    [row] = server.house.rows(f"SELECT * FROM {table} WHERE id = :id", id=key)
    return tuple(row)


def test_purpose_is_chosen_in_the_menu(server):
    """Without a purpose the page is refused and says which fact is missing; chosen once, it holds until changed."""
    browser = server.browser("pemilik@sinar-jaya")
    browser.choose("")
    refused = browser.get(CUSTOMER)
    assert refused.status == 403
    assert refused.headers["content-type"].startswith("text/html")
    assert "billing, support, compliance" in refused.text
    assert refused.entry()["refusal"] == "purpose-missing"
    browser.choose("billing")
    for _ in range(2):
        page = browser.get(CUSTOMER)
        assert page.status == 200
        assert "+6281234567890" in page.text
        entry = page.entry("access")
        assert (entry["purpose"], entry["inferred"]) == ("essential.service.payment_processing", False)
    assert "budi.santoso@example.co.id" in browser.get("/customers").text
    browser.choose("fulfilment")
    page = browser.get("/customers")
    assert "+6281234567890" in page.text
    assert "budi.santoso@example.co.id" not in page.text
    assert page.entry("access")["purpose"] == "x.order.fulfilment"
    assert browser.get(CUSTOMER).status == 403  # this page shows invoices too, which are not for that
    cashier = server.browser("kasir@sinar-jaya")
    cashier.choose("")
    entry = cashier.get(CUSTOMER).entry("access")  # for whom one purpose only is open here
    assert (entry["purpose"], entry["inferred"]) == ("essential.service.payment_processing", True)


def test_purpose_in_the_header_goes_before_the_choice(server):
    """A program in the page may name another purpose for one request."""
    browser = server.browser("pemilik@sinar-jaya")
    browser.choose("billing")
    assert "•••• 7890" in browser.get(CUSTOMER, headers={"Amanah-Purpose": "support"}).text
    assert "+6281234567890" in browser.get(CUSTOMER).text


def test_refused_page_speaks_the_readers_language(server):
    """A browser gets a small page, in Indonesian or English, with the reference of the refusal."""
    browser = server.browser("layanan@sinar-jaya")
    browser.choose("support")
    for language, sentence in (("id", "Permintaan dihentikan"), ("en", "The request was stopped")):
        answer = browser.get("/reports", headers={"Accept-Language": language})
        assert (answer.status, answer.headers["content-language"]) == (403, language)
        assert sentence in answer.text
        assert answer.entry()["id"] in answer.text


@pytest.mark.parametrize("who, purpose", [("kasir", "billing"), ("akuntan", "billing"), ("pemilik", "billing")])
def test_form_that_posts_back_masks_changes_nothing(server, who, purpose):
    """Whoever edits the city of a customer whose NIK they see masked changes the city, and no sealed byte."""
    browser = server.browser(f"{who}@sinar-jaya")
    browser.choose(purpose)
    shown = form_of(browser.get(CUSTOMER).text)
    assert shown["nik"] == "•••• 0001"
    before = stored(server, "customer", DEMO_CUSTOMER_ID)
    assert browser.post(CUSTOMER, data=shown).status == 303
    assert stored(server, "customer", DEMO_CUSTOMER_ID) == before
    answer = browser.post(CUSTOMER, data=shown | {"city": "Sidoarjo"})
    assert answer.status == 303, answer.text
    after = stored(server, "customer", DEMO_CUSTOMER_ID)
    assert [new for old, new in zip(before, after, strict=True) if old != new] == ["Sidoarjo"]
    [what] = [one for one in answer.entry("write")["what"] if one["resource"] == "customer"]
    assert what["columns"] == ["city"]
    assert browser.post(CUSTOMER, data=shown | {"city": "Surabaya"}).status == 303


def test_form_cannot_replace_what_it_showed_masked(server):
    """A new NIK from somebody who sees the last digits only is refused, and the row stays as it was."""
    browser = server.browser("kasir@sinar-jaya")
    browser.choose("billing")
    shown = form_of(browser.get(CUSTOMER).text)
    before = stored(server, "customer", DEMO_CUSTOMER_ID)
    answer = browser.post(CUSTOMER, data=shown | {"nik": "3578081708850002", "city": "Gresik"})
    assert answer.status == 403
    assert answer.entry("refusal")["refusal"] == "masked-write"
    assert stored(server, "customer", DEMO_CUSTOMER_ID) == before


def test_clear_value_is_changed_by_the_form_and_sealed_anew(server):
    """What the cashier sees in clear they may change; it is found by its new value, and not by its old one."""
    browser = server.browser("kasir@sinar-jaya")
    browser.choose("billing")
    made = browser.post("/customers/new", data={"name": "Toko Ganti Nomor", "phone": "0813 1111 2222"})
    path = made.headers["location"]
    shown = form_of(browser.get(path).text)
    assert browser.post(path, data=shown | {"phone": "0813 3333 4444"}).status == 303
    for phone, count in (("081333334444", 1), ("081311112222", 0)):
        page = browser.get(f"/customers?phone={phone}")
        assert page.text.count("Toko Ganti Nomor") == count


def test_registration_form_speaks_both_languages_and_registers_a_child(server):
    """The protected form is the bare one: it wants a guardian for a child, keeps what was typed, and registers."""
    desk = server.browser("pendaftaran@klinik-melati")
    desk.choose("registration")
    for language, title in (("en", "Patient registration"), ("id", "Pendaftaran pasien")):
        page = desk.get("/clinic/register", headers={"Accept-Language": language})
        assert (page.headers["content-language"], title in page.text) == (language, True)
    for language, sentence in (("en", "A child needs a guardian."), ("id", "Anak memerlukan wali.")):
        alone = desk.post("/clinic/register", data=CHILD, headers={"Accept-Language": language})
        assert alone.status == 422
        assert sentence in alone.text
        assert 'value="Aisyah Ramadhani"' in alone.text
        assert not alone.entries("write")
    done = desk.post("/clinic/register", data=CHILD | GUARDIAN)
    assert done.status == 303, done.text
    whats = done.entry("write")["what"]
    assert {(one["resource"], one["action"]) for one in whats} >= {("patient", "create")}
    assert any("relation" in one["columns"] for one in whats)
    patient = done.headers["location"].rpartition("/")[2]
    assert any(patient in one["subjects"] for one in whats)
    page = desk.get(done.headers["location"])
    assert "Siti Nurjanah" in page.text
    again = desk.post("/clinic/register", data=CHILD | GUARDIAN)
    assert again.status == 422  # the NIK is known, although the column is encrypted
    assert desk.get(f"/clinic/patients?nik={CHILD['nik']}").text.count(">RM-") == 1


def test_patient_pages_are_masked_for_support(server, truth):
    """Support sees initials and no more; the page with the visits is not for them."""
    browser = server.browser("layanan@klinik-melati")
    browser.choose("support")
    [patient] = truth("SELECT name, nik, birth_date, record_number FROM patient WHERE id = :id", id=DEMO_PATIENT_ID)
    page = browser.get("/clinic/patients")
    assert page.status == 200
    assert " ".join(f"{word[0]}." for word in patient.name.split()) in page.text
    for value in (patient.name, patient.nik, patient.birth_date, patient.record_number):
        assert value not in page.text
    assert browser.get(f"/clinic/patients/{DEMO_PATIENT_ID}").status == 403


def test_signing_out_ends_the_session(server):
    """After the sign-out the cookie opens nothing."""
    browser = server.browser("kepatuhan@sinar-jaya")
    cookie = dict(browser.client.cookies)
    assert browser.get("/").status == 200
    assert browser.post("/logout", data={}).status == 303
    browser.client.cookies.update(cookie)
    answer = browser.get("/")
    assert (answer.status, answer.entry()["refusal"]) == (401, "not-identified")
