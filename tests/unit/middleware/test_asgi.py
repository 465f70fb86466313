"""The HTTP gate: what gets in, what gets out, and what is on record before it does."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from amanah import errors
from amanah.audit.entries import What
from amanah.middleware.access import current
from amanah.middleware.https import Transport
from amanah.middleware.routes import public, route, sign_in

pytestmark = pytest.mark.anyio

ROUTES = [
    route("GET,POST /customers/{id}", "customer", "read", ["billing", "support"]),
    route("WEBSOCKET /live", "customer", "read", ["billing"]),
    public("GET /health"),
    sign_in("POST /login"),
]

SARI = {
    "type": "http",
    "method": "GET",
    "path": "/customers/7",
    "scheme": "http",
    "headers": [(b"x-user", b"toko/sari")],
}


def call(*args, **kwargs):
    return sys.modules["gate_world"].call(*args, **kwargs)


def starlette(handler, path="/customers/{id}"):
    return Starlette(routes=[Route(path, handler, methods=["GET", "POST"])])


def read(number=1, resource="customer"):
    """What a handler's query would note."""
    current().notes.add(What(resource, "read", columns=("name",), rows=tuple(map(str, range(number))), count=number))


async def hello(_):
    read()
    return PlainTextResponse("hello")


async def test_an_answer_and_its_entry(world_everywhere):
    """The answer leaves; its entry says who, for what, from where (sealed), what was read and what was answered."""
    world = world_everywhere
    gate = world.gate(starlette(hello), ROUTES)
    status, headers, body = await call(
        gate, user="toko/rina", headers=[("amanah-purpose", "billing"), ("user-agent", "curl"), ("x-request-id", "r-1")]
    )
    assert (status, body) == (200, b"hello")
    assert headers["cache-control"] == "no-store"
    [entry] = world.entries()
    assert entry["tenant"] == "toko"
    assert (entry["kind"], entry["outcome"], entry["status"]) == ("access", "answered", 200)
    assert (entry["actor"], entry["strength"], entry["roles"]) == ("rina", "password", ["cashier"])
    assert (entry["route"], entry["request"]) == ("GET /customers/{id}", "r-1")
    assert entry["what"][0]["columns"] == ["name"]
    assert entry["sealed"] == {}
    (signed_in,) = (one for one in world.all_entries() if one["kind"] == "sign_in")
    assert (signed_in["id"], set(signed_in["sealed"])) == (entry["sign_in"], {"ip", "agent"})


async def test_the_entry_is_durable_before_the_first_byte(world):
    """When the start message reaches the wire, another connection already sees the entry."""
    seen = []

    async def wire(_):
        seen.append(len(world.entries()))

    gate = world.gate(starlette(hello), ROUTES)
    await gate(SARI, None, wire)
    assert seen == [1, 1]


async def test_a_stream_waits_for_each_reading(world):
    """A chunk with new readings waits for an entry of its own; a chunk without does not make one."""
    seen = []

    async def wire(message):
        seen.append((message.get("body"), len(world.entries())))

    async def rows():
        read(1)
        yield b"one"
        yield b"still one"
        read(2)
        yield b"two"
        read(3)

    async def stream(_):
        return StreamingResponse(rows())

    gate = world.gate(starlette(stream), ROUTES)
    never = asyncio.Event()
    await gate(SARI, never.wait, wire)
    assert seen == [(None, 1), (b"one", 2), (b"still one", 2), (b"two", 3), (b"", 4)]


async def test_a_very_long_reading_becomes_several_entries(world):
    """An entry is bounded; the pieces share the access and each is an event of its own."""

    async def many(_):
        for _n in range(20):
            read(1000)
        return PlainTextResponse("many")

    status, _, _ = await call(world.gate(starlette(many), ROUTES), user="toko/sari")
    assert status == 200
    entries = world.entries()
    assert len(entries) == 4
    assert len({entry["id"] for entry in entries}) == 4
    assert len({entry["access"] for entry in entries}) == 1
    assert sum(what["count"] for entry in entries for what in entry["what"]) == 20_000


async def test_work_after_the_last_byte_is_recorded_too(world):
    """A background task reads under the same access; its entry comes after."""

    async def later(_):
        return PlainTextResponse("ok", background=BackgroundTask(read))

    await call(world.gate(starlette(later), ROUTES), user="toko/sari")
    assert [len(entry["what"]) for entry in world.entries()] == [0, 1]


async def test_a_public_route_answers_without_any_access_to_data_or_entry(world):
    """Health checks do not flood the trail, and no access of a tenant is open."""

    async def health(_):
        access = current()
        return PlainTextResponse(f"{access.kind} {access.tenant} {access.purpose}")

    status, headers, body = await call(world.gate(starlette(health, "/health"), ROUTES), "/health")
    assert (status, body) == (200, b"public None None")
    assert "cache-control" not in headers
    assert world.entries() == []


async def test_a_sign_in_route_runs_anonymously_and_is_recorded(world):
    """Purpose authentication, in the platform's trail: the tenant is not known yet."""

    async def login(_):
        return PlainTextResponse(str(current().actor.kind))

    status, _, body = await call(world.gate(starlette(login, "/login"), ROUTES), "/login", method="POST")
    assert (status, body) == (200, b"anonymous")
    [entry] = world.entries()
    assert (entry["tenant"], entry["purpose"]) == ("platform", "essential.service.authentication")


async def test_identify_runs_under_a_sign_in_access_and_leaves_no_entry_of_its_own(world):
    """The login may search its own tables; what it opened of the actor's cells is in the access's entry."""
    kinds = []

    async def identify(connection):
        kinds.append(current().kind)
        read(1, "account")
        current().notes.touched("session", "read")
        return sys.modules["gate_world"].identify(connection)

    await call(world.gate(starlette(hello), ROUTES, identify=identify), user="toko/sari")
    [entry] = world.entries()
    assert kinds == ["sign_in"]
    assert [what["resource"] for what in entry["what"]] == ["account", "customer"]


@pytest.mark.parametrize(
    "path, options, status, code, tenant",
    [
        ("/nothing", {"user": "toko/rina"}, 403, "route-undeclared", "platform"),
        ("/customers/7", {"user": "toko/rina", "method": "DELETE"}, 403, "route-undeclared", "platform"),
        ("/customers/7", {}, 401, "not-identified", "platform"),
        ("/customers/7", {"user": "nix/rina"}, 403, "tenant-unknown", "platform"),
        ("/customers/7", {"user": "tutup/wati"}, 403, "tenant-suspended", "tutup"),
        ("/customers/7", {"user": "toko/tono"}, 403, "not-a-member", "toko"),
        ("/customers/7", {"user": "toko/budi"}, 403, "purpose-missing", "toko"),
        ("/customers/7", {"user": "toko/rina", "headers": [("amanah-purpose", "support")]}, 403, "forbidden", "toko"),
        ("/customers/7", {"user": "toko/rina", "headers": [("amanah-purpose", "x")]}, 403, "purpose-unknown", "toko"),
    ],
)
async def test_a_refusal_is_on_record_under_the_id_that_the_client_gets(world, path, options, status, code, tenant):
    """The application is not called; problem document and entry carry the same code and id."""

    async def never(*_):
        raise AssertionError

    got, headers, body = await call(world.gate(never, ROUTES), path, **options)
    document = json.loads(body)
    [entry] = world.entries()
    assert (got, document["code"]) == (status, code)
    assert ("www-authenticate" in headers) == (status == 401)
    assert (entry["id"], entry["refusal"], entry["tenant"]) == (document["decision"], code, tenant)
    assert (entry["kind"], entry["outcome"], entry["status"]) == ("refusal", "refused", status)
    assert "declare" not in document


async def test_development_shows_what_to_declare(world):
    """In development only."""
    _, _, body = await call(world.gate(hello, ROUTES, development=True), "/nothing/8")
    assert json.loads(body)["declare"].startswith('route("GET /nothing/{id}", ')


async def test_a_refusal_inside_the_handler_replaces_its_answer(world):
    """The SQL gate said no: the client learns why, whatever the application made of the exception."""

    async def refused(_):
        error = errors.FieldWithheld(field="customer.phone", purpose="support")
        current().refusal = error
        raise error

    status, _, body = await call(world.gate(starlette(refused), ROUTES), user="toko/sari")
    assert (status, json.loads(body)["code"]) == (403, "field-withheld")
    assert [(e["kind"], e["outcome"], e["refusal"]) for e in world.entries()] == [
        ("refusal", "refused", "field-withheld")
    ]


async def test_a_refusal_that_the_application_dealt_with_is_on_record_all_the_same(world):
    """Its answer goes out, with the refusal in the entry."""

    async def swallowed(_):
        current().refusal = errors.FieldWithheld(field="customer.phone", purpose="support")
        return PlainTextResponse("without it", status_code=404)

    status, _, _ = await call(world.gate(starlette(swallowed), ROUTES), user="toko/sari")
    assert status == 404
    assert [(e["kind"], e["outcome"], e["refusal"]) for e in world.entries()] == [
        ("refusal", "answered", "field-withheld")
    ]


async def test_an_error_of_ours_that_is_wrapped_is_found(world):
    """Drivers and task groups wrap exceptions; the client still gets the reason, and no page of the application's."""

    async def wrapped(_):
        read()
        raise RuntimeError("driver") from errors.KeysUnavailable()

    status, _, body = await call(world.gate(starlette(wrapped), ROUTES), user="toko/sari")
    assert (status, json.loads(body)["code"]) == (503, "keys-unavailable")


async def test_a_statement_that_the_developer_must_change_also_reaches_the_server_log(world):
    """The client gets the problem document, the server the traceback."""
    sent: list = []

    async def raw_sql(_):
        raise errors.RawSqlRefused(name="customer")

    gate = world.gate(starlette(raw_sql), ROUTES)
    with pytest.raises(errors.RawSqlRefused):
        await sys.modules["gate_world"].raw(gate, sent, "/customers/7", user="toko/sari")
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["code"] == "raw-sql-refused"


async def test_a_failure_of_the_application_is_recorded_and_stays_its_own(world):
    """Its error page goes out after the entry, its exception reaches the server."""
    sent: list = []

    async def broken(_):
        read()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await sys.modules["gate_world"].raw(
            world.gate(starlette(broken), ROUTES), sent, "/customers/7", user="toko/sari"
        )
    assert sent[0]["status"] == 500
    [entry] = world.entries()
    assert (entry["outcome"], entry["status"], len(entry["what"])) == ("failed", 500, 1)


async def test_an_application_that_raises_before_any_answer_is_recorded(world):
    """Without any error handling in between."""

    async def broken(*_):
        read()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await call(world.gate(broken, ROUTES), user="toko/sari")
    assert [entry["outcome"] for entry in world.entries()] == ["failed"]


async def test_an_error_answer_of_the_application_goes_out_as_it_is(world):
    """A 503 of its own is not ours to change, short or long."""
    for size in (10, 200_000):

        async def unwell(_, size=size):
            return PlainTextResponse("x" * size, status_code=503)

        status, _, body = await call(world.gate(starlette(unwell), ROUTES), user="toko/sari")
        assert (status, len(body)) == (503, size)


async def test_a_client_that_goes_away_does_not_take_its_entry_along(world):
    """The task is cancelled in the middle of the handler; what it had read is recorded."""
    reading = asyncio.Event()

    async def slow(_):
        read()
        reading.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(call(world.gate(starlette(slow), ROUTES), user="toko/sari"))
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.writer.close()
    [entry] = world.entries()
    assert (entry["outcome"], entry["actor"], len(entry["what"])) == ("failed", "sari", 1)


async def test_the_access_is_closed_whatever_happened(world):
    """After an answer, an exception, a cancellation the ticket is dead and no access is open."""
    kept = []

    async def keeping(request):
        kept.append(current())
        if request.method == "POST":
            raise ZeroDivisionError
        return PlainTextResponse("ok")

    gate = world.gate(starlette(keeping), ROUTES)
    await call(gate, user="toko/sari")
    with pytest.raises(ZeroDivisionError):
        await call(gate, user="toko/sari", method="POST")
    assert [access.closed for access in kept] == [True, True]
    assert current() is None


async def test_lifespan_passes_and_the_unknown_is_refused(world):
    """A kind of connection that nobody guards does not reach the application."""
    kinds = []

    async def app(scope, *_):
        kinds.append(scope["type"])

    gate = world.gate(app, ROUTES)
    await gate({"type": "lifespan"}, None, None)
    with pytest.raises(errors.ConfigurationError):
        await gate({"type": "telepathy"}, None, None)
    assert kinds == ["lifespan"]


async def test_plain_http_is_redirected_or_refused_and_https_gets_hsts(world):
    """The application sees encrypted requests only."""
    gate = world.gate(starlette(hello), ROUTES, transport=Transport())
    status, headers, _ = await call(gate, user="toko/sari")
    assert (status, headers["location"]) == (308, "https://toko.example/customers/7")
    status, _, body = await call(gate, user="toko/sari", method="POST")
    assert (status, json.loads(body)["code"]) == (403, "https-required")
    status, headers, _ = await call(gate, user="toko/sari", scheme="https")
    assert status == 200
    assert headers["strict-transport-security"] == "max-age=63072000"


async def test_a_browser_gets_a_page_in_its_language(world):
    """Accept and Accept-Language decide."""
    headers = [("accept", "text/html,*/*;q=0.8"), ("accept-language", "id-ID,id;q=0.9,en;q=0.5")]
    _, got, body = await call(world.gate(starlette(hello), ROUTES), headers=headers)
    assert got["content-type"].startswith("text/html")
    assert b'<html lang="id">' in body


async def test_head_of_a_refusal_has_no_body(world):
    """As HTTP has it."""
    status, _, body = await call(world.gate(starlette(hello), ROUTES), method="HEAD")
    assert (status, body) == (401, b"")


# -- WebSocket --------------------------------------------------------------------------------------------------------


async def socket(gate, *, user="toko/rina", extensions=None, incoming=()):
    sent: list = []
    waiting = [{"type": "websocket.connect"}, *incoming]

    async def receive():
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"x-user", user.encode())] if user else []
    scope = {"type": "websocket", "path": "/live", "scheme": "ws", "headers": headers, "extensions": extensions or {}}
    await gate(scope, receive, send)
    return sent


async def live(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    for number in (1, 2):
        read(number)
        await send({"type": "websocket.send", "text": str(number)})
    await send({"type": "websocket.close"})


async def test_each_message_of_a_websocket_waits_for_its_readings(world):
    """One entry for the opening, one for each message that holds something new."""
    sent = await socket(world.gate(live, ROUTES))
    assert [message["type"] for message in sent][-2:] == ["websocket.send", "websocket.close"]
    assert [(e["status"], sum(w["count"] for w in e["what"])) for e in world.entries()] == [
        (101, 0),
        (None, 1),
        (None, 2),
    ]


async def test_a_websocket_is_refused_before_it_opens(world):
    """With the reason's code; with a problem document where the server can send one."""
    gate = world.gate(live, ROUTES)
    assert await socket(gate, user=None) == [{"type": "websocket.close", "code": 1008, "reason": "not-identified"}]
    start, body = await socket(gate, user=None, extensions={"websocket.http.response": {}})
    assert start["status"] == 401
    assert json.loads(body["body"])["code"] == "not-identified"
    assert [entry["refusal"] for entry in world.entries()] == ["not-identified", "not-identified"]


async def test_a_refusal_inside_an_open_websocket_closes_it(world):
    """And is on record before the close is sent."""

    async def refused(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        raise errors.Forbidden(action="read", resource="invoice", purpose="billing")

    sent = await socket(world.gate(refused, ROUTES))
    assert sent[-1] == {"type": "websocket.close", "code": 1008, "reason": "forbidden"}
    assert world.entries()[-1]["refusal"] == "forbidden"


async def test_two_messages_at_once_do_not_overtake_each_other_s_notes(world):
    """Both are noted before either is sent; the one that finds no notes left waits for the one that took them."""
    order = []

    class Slow:
        available = True

        def submit(self, entry):
            return world.writer.submit(entry)

        async def arecord(self, entry):
            await asyncio.sleep(0.02)
            await world.writer.arecord(entry)
            order.append("recorded")

    async def both(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})

        read(1)
        read(2)

        async def one(number):
            await send({"type": "websocket.send", "text": str(number)})
            order.append("sent")

        await asyncio.gather(one(1), one(2))

    await socket(world.gate(both, ROUTES, recorder=Slow()))
    assert order == ["recorded", "recorded", "sent", "sent"]
