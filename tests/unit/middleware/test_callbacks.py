"""Callbacks: how they are declared, whose they are, and that the application gets what was sent."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from amanah.errors import BodyTooLarge, ConfigurationError, DeclarationError, OwnerUnknown, TenantForeign, Unavailable
from amanah.middleware.access import Actor
from amanah.middleware.callbacks import Body, Callers, callback
from amanah.middleware.identify import Identity


def declared(verify=lambda _connection, _body: None, *, pattern="POST /paid", **options):
    """A callback that the payment gateway calls."""
    return callback(pattern, "payment", "create", ["billing"], verify=verify, **{"actor": "gateway", **options})


async def who(world, answer, owner=None, *, fixed_tenant=None):
    """Who calls, when ``verify`` answers so."""
    one = declared(lambda _connection, _body: answer, owner=owner)
    callers = Callers([one], world.guard.register, world.guard.engine, fixed_tenant=fixed_tenant)
    return await callers.who(one.caller, SimpleNamespace(), b"")


def account(tenant):
    """The service account in that tenant."""
    return Identity(tenant, Actor("gateway", kind="service"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"pattern": "WEBSOCKET /paid"},
        {"verify": None},
        {"actor": ""},
        {"limit": 0},
        {"limit": True},
        {"limit": 1 << 30},
    ],
)
def test_a_callback_that_cannot_be_kept_is_refused(wrong):
    """It has a body, a function, an account and a limit."""
    with pytest.raises(DeclarationError):
        declared(**wrong)


@pytest.mark.parametrize("owner", ["invoice", "nothing.id", "invoice.nothing", "customer.phone", "country.code"])
def test_an_owner_is_a_plain_column_of_a_protected_table(books, owner):
    """Neither personal nor of a table that all share; said while the guard is built."""
    with pytest.raises(DeclarationError, match="owner="):
        Callers([declared(owner=owner)], books.guard.register, books.guard.engine)


@pytest.mark.anyio
async def test_the_tenant_is_what_verify_says_or_what_the_row_says(books):
    """A number is a tenant's id as well; nobody is nobody."""
    assert await who(books, "a") == account("a")
    assert await who(books, 7) == account("7")
    assert await who(books, None) is None
    assert await who(books, "their-invoice", "invoice.id") == account("b")
    assert await who(books, 900, "invoice.total") == account("b")
    assert await who(books, "900", "invoice.total") == account("b")
    for unknown in ("nobody", "12; DROP TABLE invoice", 10**30):
        with pytest.raises(OwnerUnknown):
            await who(books, unknown, "invoice.total")
    for wrong in (True, b"a", ["a"]):
        with pytest.raises(ConfigurationError):
            await who(books, wrong)


@pytest.mark.anyio
async def test_a_row_that_belongs_to_its_tenant_by_a_parent_leads_there(shop):
    """However many tables lie between; a tenant's number becomes its id."""
    assert await who(shop, "serial of gold", "serial.id") == account("2")
    assert await who(shop, "F10", "order.number") == account("1")


@pytest.mark.anyio
async def test_where_all_rows_are_one_tenants_nobody_calls_for_another(books):
    """Whatever was signed."""
    assert await who(books, "a", fixed_tenant="a") == account("a")
    with pytest.raises(TenantForeign):
        await who(books, "b", fixed_tenant="a")


@pytest.mark.anyio
async def test_a_database_that_is_away_is_said(books):
    """Not a missing row: the gateway may call again."""
    books.stored("DROP TABLE invoice")
    with pytest.raises(Unavailable):
        await who(books, "their-invoice", "invoice.id")


@pytest.mark.anyio
async def test_a_coroutine_function_is_waited_for():
    """The application's own may be asynchronous."""

    async def verify(_connection, body):
        return body.decode()

    one = declared(verify)
    found = await Callers([one], SimpleNamespace(), SimpleNamespace()).who(one.caller, SimpleNamespace(), b"a")
    assert found == account("a")


def receiving(*messages):
    """ASGI's receive, and what is left of it."""
    waiting = list(messages)

    async def receive():
        return waiting.pop(0)

    return receive, waiting


def part(body, *, more):
    """A message with a part of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.anyio
async def test_the_application_receives_the_same_messages():
    """Part by part, and then what comes after the body."""
    sent = [part(b"12", more=True), part(b"", more=True), part(b"3", more=False), {"type": "http.disconnect"}]
    body = Body(receiving(*sent)[0])
    assert await body.read(3) == b"123"
    assert [await body.receive() for _ in sent] == sent


@pytest.mark.anyio
async def test_no_more_is_kept_than_the_limit_and_one_message():
    """The rest stays where it is, also for an application that is only observed."""
    sent = [part(b"12", more=True), part(b"34", more=True), part(b"56", more=False)]
    receive, left = receiving(*sent)
    body = Body(receive)
    with pytest.raises(BodyTooLarge):
        await body.read(3)
    assert left == sent[2:]
    assert [await body.receive() for _ in sent] == sent


@pytest.mark.anyio
async def test_a_body_that_breaks_off_is_nobodys():
    """A part of it may be rightly signed by chance, or end in the middle of a number."""
    sent = [part(b"12", more=True), {"type": "http.disconnect"}]
    body = Body(receiving(*sent)[0])
    assert await body.read(10) is None
    assert [await body.receive() for _ in sent] == sent


@pytest.mark.anyio
@pytest.mark.postgresql
async def test_the_owner_is_found_behind_row_level_security(second_wall):
    """By the policy for who signs in, which the way to an owner has; without it nobody is found."""
    with pytest.raises(OwnerUnknown):
        await who(second_wall.world, "their-invoice", "invoice.id")
    with second_wall.without_policies():  # made anew, now that a callback names the table
        pass
    assert await who(second_wall.world, "their-invoice", "invoice.id") == account("b")
    assert second_wall.world.stored("SELECT * FROM invoice") == []
