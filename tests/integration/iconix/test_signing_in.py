import datetime as dt
import re
from itertools import product

import sqlalchemy as sa
from starlette.requests import HTTPConnection

from iconix import auth
from iconix.migrate import sync_url
from iconix.models.base import UtcDateTime
from iconix.seed import DEMO_ACCOUNTS, account_id

CASHIER = next(one for one in DEMO_ACCOUNTS if one.role == "cashier")
API_PATHS = (
    "/api/customers",
    "/api/products",
    "/api/invoices",
    "/api/purchases",
    "/api/suppliers",
    "/api/reports/monthly",
    "/api/patients",
    "/api/doctors",
    "/api/visits",
    "/api/queue",
    "/api/orders",
    "/api/stores",
    "/api/couriers",
    "/api/settlements",
)
PAGES = (
    "/customers",
    "/customers/new",
    "/invoices",
    "/reports?month=2026-10",
    "/clinic/register",
    "/clinic/patients",
    "/clinic/queue",
    "/orders",
)


def csrf(page: str) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', page)[1]


def sign_in_by_form(client, **changes):
    values = {"email": CASHIER.email, "password": CASHIER.password, "csrf": csrf(client.get("/login").text)}
    return client.post("/login", data=values | changes)


def test_health_is_public(client):
    """Health needs nobody."""
    assert client.get("/health").json() == {"status": "ok"}


def test_nothing_is_told_to_strangers(client):
    """Without a token, or with one that was never given, the answer is 401 and nothing else."""
    headers = ({}, *({"Authorization": one} for one in ("Bearer nothing", "Basic eDp4", "Bearer")))
    for path, header in product(API_PATHS, headers):
        answer = client.get(path, headers=header)
        assert (answer.status_code, answer.json()) == (401, {"error": "Sign in first."})


def test_pages_send_strangers_to_the_form_and_back(client):
    """Whoever opens a page without a session signs in first and then gets that page, never another site."""
    away = client.get("/invoices")
    assert (away.status_code, away.headers["location"]) == (303, "/login?next=/invoices")
    assert 'name="next" value="/invoices"' in client.get(away.headers["location"]).text
    assert sign_in_by_form(client, next="/invoices").headers["location"] == "/invoices"
    for elsewhere in ("https://evil.example", "//evil.example", "/\\evil.example", "evil"):
        assert sign_in_by_form(client, next=elsewhere).headers["location"] == "/"


def test_wrong_password_and_unknown_address_answer_alike(client):
    """A stranger does not learn which addresses have an account."""
    wrong = client.post("/api/login", json={"email": CASHIER.email, "password": "x"})
    unknown = client.post("/api/login", json={"email": "nobody@sinar-jaya.example", "password": "x"})
    assert (wrong.status_code, wrong.content) == (401, unknown.content)
    assert client.post("/api/login", json={"email": CASHIER.email}).status_code == 401
    assert client.post("/api/login", content=r'{"email": "\ud800", "password": "\ud800"}').status_code == 401
    page = sign_in_by_form(client, password="x")
    assert page.status_code == 401
    assert auth.COOKIE not in page.cookies


def test_sign_in_form_of_another_site_is_refused(client):
    """Nobody is signed in to a stranger's account by a form on a stranger's site."""
    client.get("/login")
    assert client.post("/login", data={"email": CASHIER.email, "password": CASHIER.password}).status_code == 403
    assert sign_in_by_form(client, csrf="x").status_code == 403


def test_tokens_are_kept_as_hashes_and_end(client, sign_in, database_url):
    """The database holds no token that could be used; one that has expired opens nothing."""
    api = sign_in("kasir@sinar-jaya")
    token = api.headers["authorization"].removeprefix("Bearer ")
    assert api.get("/api/products").status_code == 200
    engine = sa.create_engine(sync_url(database_url))
    with engine.begin() as connection:
        kept = connection.execute(sa.text("SELECT * FROM login_token")).mappings().one()
        assert token not in map(str, kept.values())
        assert kept["account_id"] == account_id(CASHIER.email)
        past = sa.text("UPDATE login_token SET expires_at = :past").bindparams(
            sa.bindparam("past", dt.datetime(2020, 1, 1, tzinfo=dt.UTC), UtcDateTime)
        )
        connection.execute(past)
    engine.dispose()
    assert api.get("/api/products").status_code == 401


def test_session_ends_with_signing_out(client):
    """After signing out the cookie opens nothing, also where a copy of it was kept."""
    assert sign_in_by_form(client).status_code == 303
    page = client.get("/")
    cookie = client.cookies[auth.COOKIE]
    assert client.post("/logout", data={}).status_code == 403
    assert client.post("/logout", data={"csrf": csrf(page.text)}).status_code == 303
    client.cookies.set(auth.COOKIE, cookie)
    assert client.get("/").status_code == 303


def test_session_cookie_is_no_bearer_token(client):
    """A token works only in the place it was made for."""
    sign_in_by_form(client)
    cookie = client.cookies[auth.COOKIE]
    client.cookies.clear()
    assert client.get("/api/products", headers={"Authorization": f"Bearer {cookie}"}).status_code == 401


def test_task_is_kept_in_the_session(client):
    """What a person works on is chosen once and stays chosen; only tasks from the list."""
    sign_in_by_form(client)
    token = csrf(client.get("/").text)
    chosen = client.post("/purpose", data={"csrf": token, "task": "billing", "next": "/customers"})
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/customers")
    assert '<option value="billing" selected>' in client.get("/customers").text
    assert client.post("/purpose", data={"csrf": token, "task": "spying"}).status_code == 422
    assert client.post("/purpose", data={"task": "support"}).status_code == 403
    assert client.post("/purpose", data={"csrf": token, "task": ""}).status_code == 303
    assert "selected" not in client.get("/customers").text


def test_asking_twice_who_is_signed_in_costs_one_query(app, sign_in):
    """A request's account is looked up once, however often it is asked for, and also by callers outside the app."""
    api = sign_in("kasir@sinar-jaya")
    statements = []
    scope = {"type": "http", "headers": [(b"authorization", api.headers["authorization"].encode())]}

    async def ask():
        sa.event.listen(app.state.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
        first = await auth.current_account(HTTPConnection(scope), app.state.sessions)
        return first, await auth.current_account(HTTPConnection(scope))

    first, second = api.portal.call(ask)
    assert first is second
    assert (first.account_id, first.tenant_id, first.role) == (account_id(CASHIER.email), "sinar-jaya", "cashier")
    assert len([one for one in statements if one.startswith("SELECT")]) == 1


def test_pages_speak_both_languages(client):
    """Every page renders in Indonesian and in English, and has the security headers of a page."""
    sign_in_by_form(client)
    for path in (*PAGES, *(detail(client, one) for one in ("customers", "invoices", "orders"))):
        pages = {lang: client.get(path, headers={"Accept-Language": lang}) for lang in ("id", "en")}
        for lang, page in pages.items():
            assert page.status_code == 200, page.text
            assert f'<html lang="{lang}">' in page.text
            assert "default-src 'none'" in page.headers["content-security-policy"]
        assert pages["id"].text != pages["en"].text


def detail(client, kind: str) -> str:
    """The path of the newest thing of a kind."""
    return re.search(rf'href="(/{kind}/[0-9a-f-]{{36}})"', client.get(f"/{kind}").text)[1]


def test_chosen_language_stays(client):
    """?lang= goes before the browser's wish and is remembered."""
    assert "Sign in" in client.get("/login?lang=en", headers={"Accept-Language": "id"}).text
    assert "Sign in" in client.get("/login", headers={"Accept-Language": "id"}).text
