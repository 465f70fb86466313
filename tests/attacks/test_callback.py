"""Attack: come in as the payment gateway, which has no login: forge, replay for another tenant, flood, probe."""

from __future__ import annotations

import hashlib
import hmac
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from amanah.errors import AccessRequired
from amanah.middleware.callbacks import callback
from tests.spelled_out import spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BILLING = "essential.service.payment_processing"
KEY = b"the gateway's"


def signed(body: bytes) -> str:
    """As the application's own handler signs."""
    return hmac.new(KEY, body, hashlib.sha256).hexdigest()


class Shop:
    """Two tenants behind one callback address; the handler reads its body and the customer that it is about."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.client: Any = None
        self.handled: list[dict[str, Any]] = []

    def verify(self, connection: Any, body: bytes) -> str | None:
        """Nothing is believed before the signature is right."""
        if not hmac.compare_digest(signed(body), connection.headers.get("x-signature", "")):
            return None
        return str(json.loads(body)["invoice"])

    async def handler(self, request: Any) -> JSONResponse:
        """As its author wrote it: it reads the body itself."""
        self.handled.append(json.loads(await request.body()))
        with Session(self.world.engine) as session:
            return JSONResponse(sorted(session.scalars(select(self.world.m.Invoice.id))))

    def post(self, body: bytes, signature: str | None = None, **headers: str) -> Any:
        """What the gateway sends."""
        sent = {"x-signature": signed(body) if signature is None else signature, **headers}
        return self.client.post("/callback", content=body, headers=sent)


@pytest.fixture
def shop(worlds: None, database_url: str, tmp_path: Path) -> Iterator[Shop]:
    """``gateway`` is a member of both tenants and may read invoices, and nothing else."""
    waiting = Shop(None)
    routes = [
        callback(
            "POST /callback",
            "invoice",
            "read",
            ["billing"],
            verify=lambda *given: waiting.verify(*given),  # noqa: PLW0108 - what it is at that moment
            owner="invoice.id",
            actor="gateway",
            limit=200,
        )
    ]
    world = sys.modules["sql_world"]
    made = world.build(database_url, tmp_path, guarded={"routes": routes})
    world.seed(made)
    waiting.world = made
    for tenant in ("a", "b"):
        with made.guard.engine.begin() as connection:
            made.guard.policies.add_role(connection, tenant, "till")
            made.guard.policies.add_rule(
                connection, tenant, role="till", object="invoice", action="read", purpose=BILLING
            )
            made.guard.directory.add_member(connection, tenant, "gateway")
            made.guard.directory.grant(connection, tenant, "gateway", "till", reason="pays", granted_by="owner")
    with made.session("a") as session:
        session.add(made.m.Invoice(id="ours", customer_id="budi", total=1))
        session.commit()
    app = made.guard.wrap(Starlette(routes=[Route("/callback", waiting.handler, methods=["POST"])]))
    with TestClient(app, base_url="https://test") as waiting.client:
        yield waiting
    made.close()


def entries(shop: Shop) -> list[dict[str, Any]]:
    """What the trail has, with its place or still waiting for it."""
    with shop.world.guard.trail_engine.connect() as connection:
        bodies = [
            *connection.execute(text("SELECT body FROM amanah_queued")).scalars(),
            *connection.execute(text("SELECT body FROM amanah_entry")).scalars(),
        ]
    return [spelled_out(body) for body in dict.fromkeys(bodies)]


def test_a_signed_callback_reads_the_tenant_of_its_row_and_no_other(shop: Shop) -> None:
    """One address, each row's own tenant, the body as it was sent; it is on record who it was."""
    body = b'{"invoice": "their-invoice", "paid": 900}'
    assert shop.post(body).json() == ["their-invoice"]
    assert "ours" in shop.post(b'{"invoice":"ours"}').json()
    assert shop.handled == [{"invoice": "their-invoice", "paid": 900}, {"invoice": "ours"}]
    seen = [(one["tenant"], one["actor"], one["actor_kind"]) for one in entries(shop) if one["kind"] == "access"]
    assert {("b", "gateway", "service"), ("a", "gateway", "service")} <= set(seen)


@pytest.mark.parametrize("signature", ["", "00", signed(b'{"invoice":"ours"}')])
def test_what_is_not_signed_is_nobodys(shop: Shop, signature: str) -> None:
    """Without signature, with a wrong one, with the right one of another body: 401, and the handler never runs."""
    refused = shop.post(b'{"invoice": "their-invoice"}', signature)
    assert (refused.status_code, shop.handled) == (401, [])
    assert "their-invoice" not in refused.text
    assert "not-identified" in {one.get("refusal") for one in entries(shop)}


def test_a_body_beyond_the_limit_is_refused_before_it_is_looked_at(shop: Shop) -> None:
    """Said in its length or found out on the way: 413."""
    looked: list[bytes] = []
    shop.verify = lambda _, body: looked.append(body)  # type: ignore[assignment, method-assign, func-returns-value]
    refused = shop.post(b"{" + b" " * 300 + b"}")
    assert (refused.status_code, refused.json()["code"], looked) == (413, "body-too-large", [])

    def parts() -> Iterator[bytes]:
        yield from [b" " * 90] * 3

    assert shop.client.post("/callback", content=parts()).status_code == 413
    assert (looked, shop.handled) == ([], [])


@pytest.mark.parametrize("value", ["nobody", "", "' OR 1=1 --", "%", "\x00"])
def test_a_value_that_leads_to_no_tenant_opens_nothing(shop: Shop, value: str) -> None:
    """404, on record, and the handler never runs."""
    refused = shop.post(json.dumps({"invoice": value}).encode())
    assert (refused.status_code, refused.json()["code"], shop.handled) == (404, "owner-unknown", [])


def test_a_value_that_two_tenants_have_is_neithers(shop: Shop) -> None:
    """Keys are unique within a tenant here; whose it is nobody can say."""
    shop.world.stored("INSERT INTO invoice (tenant_id, id, customer_id, total) VALUES ('b', 'ours', 'tono', 2)")
    assert shop.post(b'{"invoice":"ours"}').status_code == 404
    assert shop.handled == []


def test_the_callers_function_reads_no_protected_table(shop: Shop) -> None:
    """It runs as a sign-in does: before the signature is right there is nothing to be read."""

    def curious(_connection: Any, _body: bytes) -> str:
        with Session(shop.world.engine) as session, pytest.raises(AccessRequired):
            session.scalars(select(shop.world.m.Invoice.id))
        return "ours"

    shop.verify = curious  # type: ignore[method-assign]
    assert shop.post(b"{}").status_code == 500
    assert shop.handled == []


def test_a_service_account_may_do_what_it_is_granted(shop: Shop) -> None:
    """A signature is no authority: without the grant it is refused."""
    with shop.world.guard.engine.begin() as connection:
        shop.world.guard.directory.remove_member(connection, "b", "gateway")
    assert shop.post(b'{"invoice": "their-invoice"}').status_code == 403
    assert shop.handled == []
