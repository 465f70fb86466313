"""Whatever is wrong with a request: a problem document in the caller's language, an entry, and nothing else happens."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from amanah.errors import (
    AmanahError,
    NotAMember,
    NotIdentified,
    PurposeMissing,
    PurposeNotServed,
    PurposeRepeated,
    PurposeUnknown,
    RouteUndeclared,
    TenantSuspended,
    TenantUnknown,
)
from amanah.i18n import translate
from iconix.seed import DEMO_CUSTOMER_ID, FOREIGN_CUSTOMER_ID, account_id

PATH = f"/api/customers/{DEMO_CUSTOMER_ID}"
CASHIER = "kasir@sinar-jaya"
NEIGHBOUR = "pemilik@toko-sebelah"
SERVED = "billing, support, compliance, fulfilment, promotions"
BODY = {"name": "Tidak Boleh Ada"}


def told(answer: Any, error: type[AmanahError], language: str, **facts: Any) -> None:
    """The answer is ``error``'s problem document in ``language``, and its refusal is on record under its id."""
    body = answer.body
    assert (answer.status, answer.headers["content-type"]) == (error.status, "application/problem+json"), answer.text
    assert (body["code"], body["type"], body["status"]) == (
        error.code,
        f"urn:amanah:problem:{error.code}",
        error.status,
    )
    assert answer.headers["content-language"] == language
    for member, text in (("title", error.what), ("detail", error.why), ("remedy", error.remedy)):
        assert body[member] == translate(text, language, **facts), member
    entry = answer.entry("refusal")
    assert (entry["id"], entry["refusal"], entry["outcome"]) == (body["decision"], error.code, "refused")
    assert not answer.entries("write")


def both_languages(send: Any, error: type[AmanahError], **facts: Any) -> list[dict[str, Any]]:
    """Ask twice, once in each language; hand back the entries."""
    entries = []
    sentences = set()
    for language in ("en", "id"):
        answer = send({"Accept-Language": language})
        told(answer, error, language, **facts)
        sentences.add(answer.body["detail"])
        entries.append(answer.entry())
    assert len(sentences) == 2, "the same sentence in both languages"
    return entries


def members(house: Any) -> int:
    return int(house.rows("SELECT count(*) FROM customer")[0][0])


def test_nobody_is_signed_in(server):
    """401 with a challenge, in the trail of the platform: whose it would be is not known."""
    [one, _] = both_languages(lambda headers: server.get(None, PATH, "billing", headers=headers), NotIdentified)
    assert (one["tenant"], one["actor_kind"]) == ("platform", "anonymous")
    assert server.get(None, PATH).headers["www-authenticate"].startswith("Bearer")


def test_forged_token_opens_nothing(server):
    """A token that the login never gave is no sign-in, and does not turn up in the trail."""
    forged = "bm90LWEtdG9rZW4tb2Ytb3Vycw"
    headers = {"Authorization": f"Bearer {forged}"}
    entries = both_languages(lambda more: server.get(None, PATH, "billing", headers=headers | more), NotIdentified)
    assert forged not in str(entries)


def test_expired_token_opens_nothing(own_house):
    """A token past its time is refused, although it was genuine."""
    with own_house.serving() as server:
        token = server.token(CASHIER)
        assert server.get(CASHIER, PATH, "billing").status == 200
        own_house.write(
            "UPDATE login_token SET expires_at = '2026-01-01 00:00:00+00' WHERE token_hash = :hash",
            hash=hashlib.sha256(token.encode()).hexdigest(),
        )
        both_languages(lambda headers: server.get(CASHIER, PATH, "billing", headers=headers), NotIdentified)


def test_tenant_that_is_unknown_suspended_or_left(own_house):
    """Suspended, unknown, or left by its member for another one: refused from the next request on."""
    house, doctor = own_house, "dokter@klinik-melati"
    member = account_id(f"{doctor}.example")
    with house.serving() as server:
        for who, path, purpose in ((NEIGHBOUR, "/api/customers", "billing"), (doctor, "/api/visits", "care")):
            assert server.get(who, path, purpose).status == 200
        with house.engine.begin() as connection:
            house.directory.suspend(connection, "toko-sebelah")
        entries = both_languages(
            lambda headers: server.get(NEIGHBOUR, "/api/customers", "billing", headers=headers), TenantSuspended
        )
        assert {one["tenant"] for one in entries} == {"toko-sebelah"}
        before = members(house)
        assert server.post(NEIGHBOUR, "/api/customers", "billing", json=BODY).status == 403
        assert members(house) == before
        with house.engine.begin() as connection:
            house.directory.resume(connection, "toko-sebelah")
        assert server.get(NEIGHBOUR, "/api/customers", "billing").status == 200

        with house.engine.begin() as connection:  # the account stays; who works where is the directory's
            house.directory.remove_member(connection, "klinik-melati", member)
            house.directory.add_member(connection, "sinar-jaya", member)
        [one, _] = both_languages(
            lambda headers: server.get(doctor, "/api/visits", "care", headers=headers), NotAMember
        )
        assert (one["tenant"], one["actor"], one["roles"]) == ("klinik-melati", member, [])

        house.write("DELETE FROM amanah_version WHERE tenant_id = 'toko-sebelah'")
        [one, _] = both_languages(
            lambda headers: server.get(NEIGHBOUR, "/api/customers", "billing", headers=headers), TenantUnknown
        )
        assert one["tenant"] == "platform"


def test_no_purpose(server):
    """The refusal names the missing fact, the purposes that would do and the header."""
    [one, _] = both_languages(
        lambda headers: server.get("pemilik@sinar-jaya", PATH, headers=headers), PurposeMissing, purposes=SERVED
    )
    assert (one["purpose"], one["tenant"]) == (None, "sinar-jaya")
    assert server.get("pemilik@sinar-jaya", PATH).body["declare"] == "Amanah-Purpose: billing"  # in development


@pytest.mark.parametrize("purpose", ["reporting", "care", "x.data_import"])
def test_purpose_that_the_route_does_not_serve(server, purpose):
    """Another purpose of the register does not open a route that was not declared for it."""
    answer = server.get(CASHIER, PATH, purpose)
    if purpose == "care":  # the clinic's, not of a trading company's register
        told(answer, PurposeUnknown, "en", purposes=SERVED)
    else:
        shown = {"reporting": "reporting", "x.data_import": "import"}[purpose]
        told(answer, PurposeNotServed, "en", purpose=shown, purposes=SERVED)
        again = server.get(CASHIER, PATH, purpose, headers={"Accept-Language": "id"})
        told(again, PurposeNotServed, "id", purpose=shown, purposes=SERVED)


def test_unknown_and_repeated_purpose(server):
    """A purpose that nobody registered, and two at once, are told apart."""
    both_languages(
        lambda headers: server.get(CASHIER, PATH, "curiosity", headers=headers), PurposeUnknown, purposes=SERVED
    )
    both_languages(lambda headers: server.get(CASHIER, PATH, "billing, support", headers=headers), PurposeRepeated)


def test_route_that_nobody_declared(server):
    """Declared or denied: the refusal comes before anybody is asked who it is, and gives the line to paste."""
    [one, _] = both_languages(
        lambda headers: server.get(CASHIER, "/api/everything", "billing", headers=headers),
        RouteUndeclared,
        route="GET /api/everything",
    )
    assert (one["tenant"], one["actor_kind"]) == ("platform", "anonymous")
    pasted = server.get(CASHIER, "/api/everything").body["declare"]
    assert pasted.startswith('route("GET /api/everything", "everything", "read",')
    assert server.call(CASHIER, "DELETE", PATH, "billing").body["code"] == "route-undeclared"


@pytest.mark.parametrize("content", [b"", b"{name", b"[]", b"\xff\xfe", b"[" * 50_000])
def test_body_that_is_no_json(server, content):
    """The app's own 400 comes through unchanged; the entry says so, and no row was made."""
    before = members(server.house)
    headers = {"Content-Type": "application/json"}
    answer = server.post(CASHIER, "/api/customers", "billing", content=content, headers=headers)
    assert answer.status == 400
    assert "JSON" in answer.body["error"]
    entry = answer.entry()
    assert (entry["kind"], entry["status"], entry["route"]) == ("access", 400, "POST /api/customers")
    assert members(server.house) == before


def test_id_of_another_tenant_is_the_apps_own_404(server):
    """Whether it exists elsewhere or nowhere cannot be told from the answer; more of it in test_walls."""
    answer = server.get(CASHIER, f"/api/customers/{FOREIGN_CUSTOMER_ID}", "billing")
    assert (answer.status, answer.body) == (404, {"error": "There is no such record."})
    assert answer.entry()["tenant"] == "sinar-jaya"
