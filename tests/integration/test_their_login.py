"""An application with a login of its own: sync sessions in threads, integer companies, roles in its own table.

E-mail and password hash are read before anybody is known; who signed in is in Starlette's session cookie. The tests
take it from no tenant at all to a working day, on both databases.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import sys
import uuid
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import ForeignKey, String, create_engine, event, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from typer.testing import CliRunner

from amanah import Actor, Guard, Identity, Personal, RoleMap, SessionCookie, declare, route, shared, sign_in
from amanah.cli import app as command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

SECRET = "the secret of the application's sessions"
EMAIL = "user.contact.email"
PASSWORD = "tujuh burung biru"


# -- the application, as it was found ----------------------------------------------------------------------------------


def models() -> Any:
    """The tables. A company is a number; people sign in by e-mail and have one word for their role."""

    class Base(DeclarativeBase):
        pass

    class Perusahaan(Base):
        __tablename__ = "perusahaan"
        id: Mapped[int] = mapped_column(primary_key=True)
        nama: Mapped[str] = mapped_column(String(100))
        pemilik_id: Mapped[int | None]

    class Pengguna(Base):
        __tablename__ = "pengguna"
        id: Mapped[int] = mapped_column(primary_key=True)
        perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"))
        nama: Mapped[str] = mapped_column(String(100))
        email: Mapped[str] = mapped_column(String(120), unique=True)
        sandi_hash: Mapped[str] = mapped_column(String(200))
        peran: Mapped[str] = mapped_column(String(20))
        aktif: Mapped[bool] = mapped_column(default=True)

    class Pelanggan(Base):
        __tablename__ = "pelanggan"
        id: Mapped[int] = mapped_column(primary_key=True)
        perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"))
        nama: Mapped[str] = mapped_column(String(100))
        no_hp: Mapped[str] = mapped_column(String(20))

    for model in (Perusahaan, Pengguna, Pelanggan):
        setattr(Base, model.__name__, model)
    return Base


def hashed(password: str) -> str:
    """As short as a test may be."""
    return hashlib.sha256(password.encode()).hexdigest()


def application(base: Any, sessions: Any) -> Starlette:
    """Plain functions, which Starlette runs in its thread pool."""

    async def login(request: Any) -> Any:
        form = await request.form()
        return await run_in_threadpool(check, request, str(form["email"]), str(form["sandi"]))

    def check(request: Any, email: str, sandi: str) -> Any:
        with sessions() as session:
            query = select(base.Pengguna).where(base.Pengguna.email == email, base.Pengguna.aktif)
            found = session.scalars(query).one_or_none()
            if found is None or found.sandi_hash != hashed(sandi):
                return PlainTextResponse("E-mail atau kata sandi salah.", 401)
            request.session["pengguna_id"] = found.id
        return PlainTextResponse("masuk")

    def logout(request: Any) -> Any:
        request.session.clear()
        return PlainTextResponse("keluar")

    def customer(request: Any) -> Any:
        with sessions() as session:
            found = session.get(base.Pelanggan, request.path_params["id"])
            if found is None:
                return PlainTextResponse("tidak ada", 404)
            return JSONResponse({"nama": found.nama, "no_hp": found.no_hp})

    def customers(_request: Any) -> Any:
        with sessions() as session:
            return JSONResponse(sorted(session.scalars(select(base.Pelanggan.id))))

    async def add(request: Any) -> Any:
        form = await request.form()

        def write() -> int:
            with sessions() as session:
                new = base.Pelanggan(**form)
                session.add(new)
                session.commit()
                return int(new.id)

        return JSONResponse({"id": await run_in_threadpool(write)}, 201)

    return Starlette(
        routes=[
            Route("/login", login, methods=["POST"]),
            Route("/logout", logout, methods=["POST"]),
            Route("/pelanggan", customers),
            Route("/pelanggan", add, methods=["POST"]),
            Route("/pelanggan/{id:int}", customer),
        ],
        middleware=[Middleware(SessionMiddleware, secret_key=SECRET)],
    )


# -- its protection ----------------------------------------------------------------------------------------------------

ROLES = RoleMap({"pemilik": "owner", "kasir": "cashier", "dokter": "doctor"})
COLUMNS: dict[str, dict[str, Any]] = {
    "plain": {},
    "governed": {
        "email": Personal(category=EMAIL, sealed=False, platform=True),
        "sandi_hash": Personal(category="user.authorization.password", sealed=False, platform=True),
        "nama": Personal(category="user.name", sealed=False),
    },
    "sealed": {
        "email": Personal(category=EMAIL, search="exact", normalise="email", platform=True),
        "nama": Personal(category="user.name"),
    },
}


class Shop:
    """The application behind its guard, its command, and browsers."""

    def __init__(self, url: str, folder: Path, login: str, *, mapped: bool, first_sight: Any = "member") -> None:
        self.url, self.folder, self.login, self.mapped, self.first_sight = url, folder, login, mapped, first_sight
        self.cookie = SessionCookie(SECRET)
        self.base, self.engine, self.guard = self.build()
        self.sessions = sessionmaker(self.engine)
        self.app = self.guard.wrap(application(self.base, self.sessions), console="/amanah")
        self.module = f"their_{uuid.uuid4().hex}"
        sys.modules[self.module] = type(sys)(self.module)
        sys.modules[self.module].guard = lambda: self.build()[2]  # type: ignore[attr-defined]

    def build(self) -> tuple[Any, Engine, Guard]:
        """Models, engine and guard as a process of their own makes them: the server, and each command."""
        base = models()
        engine = create_engine(self.url)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", lambda raw, _record: raw.execute("PRAGMA journal_mode=WAL"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            guard = Guard.development(
                metadata=base.metadata,
                engine=engine,
                identify=self.identify,
                tenant_column="perusahaan_id",
                first_sight=self.first_sight,
                routes=[
                    sign_in("POST /login"),
                    sign_in("POST /logout"),
                    route("GET /pelanggan", "customer", "read", ["billing"]),
                    route("GET /pelanggan/{id:int}", "customer", "read", ["billing", "support"]),
                    route("POST /pelanggan", "customer", "create", ["billing"]),
                ],
                declarations=[
                    shared("perusahaan"),
                    declare("pengguna", resource="account", subject="id", sign_in=True, columns=COLUMNS[self.login]),
                    declare(
                        "pelanggan",
                        resource="customer",
                        subject="id",
                        columns={"no_hp": Personal(category="user.contact.phone_number")},
                    ),
                ],
                state=self.folder / "state",
            )
        return base, engine, guard

    def identify(self, connection: Any) -> Identity | None:
        """Who the session cookie names, as their table has them now. Runs in a thread."""
        number = self.cookie.read(connection).get("pengguna_id")
        if number is None:
            return None
        with self.sessions() as session:
            user = session.get(self.base.Pengguna, number)
            if user is None or not user.aktif:
                return None
            roles = ROLES(user.peran) if self.mapped else None
            return Identity(str(user.perusahaan_id), Actor(str(user.id), strength="password"), roles=roles)

    def run(self, *arguments: str, code: int = 0) -> Any:
        """``amanah …`` on this application."""
        name = f"{self.module}:guard"
        result = CliRunner().invoke(command, ["--lang", "en", "--guard", name, "--operator", "ops", *arguments])
        assert result.exit_code == code, result.output
        return result

    def browser(self, address: str = "10.0.0.1") -> TestClient:
        """A browser without cookies."""
        return TestClient(self.app, base_url="http://toko.example", client=(address, 1), follow_redirects=True)

    def signed_in(self, who: str) -> TestClient:
        """A browser in which ``who`` signed in."""
        browser = self.browser()
        answer = browser.post("/login", data={"email": f"{who}@example.com", "sandi": PASSWORD})
        assert (answer.status_code, answer.text) == (200, "masuk"), answer.text
        return browser

    def close(self) -> None:
        """Give everything back."""
        self.guard.close()
        self.engine.dispose()
        del sys.modules[self.module]


COMPANIES = ((1, "PT Sinar Abadi", 11), (2, "Toko Maju", None))
PEOPLE = (
    (11, 1, "ana", "pemilik"),
    (12, 1, "budi", "kasir"),
    (13, 1, "citra", "magang"),
    (14, 1, "dewi", "dokter"),
    (21, 2, "eka", "kasir"),
)


def fill(shop: Shop, login: str) -> None:
    """Two companies and their people: as the application left them or, where they are sealed, as admins add them."""
    base = shop.base
    with shop.guard.engine.begin() as connection:  # Amanah's own engine: no gate, as before it was installed
        for number, name, owner in COMPANIES:
            values = {"id": number, "nama": name, "pemilik_id": owner}
            connection.execute(insert(base.Perusahaan.__table__), values)
    people = [
        {
            "id": number,
            "perusahaan_id": company,
            "nama": name.title(),
            "email": f"{name}@example.com",
            "sandi_hash": hashed(PASSWORD),
            "peran": role,
            "aktif": True,
        }
        for number, company, name, role in PEOPLE
    ]
    if login != "sealed":
        with shop.guard.engine.begin() as connection:
            connection.execute(text(PERSON), people)
        return
    for tenant in ("1", "2"):
        with (
            shop.guard.access(tenant=tenant, actor="11" if tenant == "1" else "21", purpose="security", reason="test"),
            shop.sessions() as session,
        ):
            session.add_all(base.Pengguna(**one) for one in people if str(one["perusahaan_id"]) == tenant)
            session.commit()


PERSON = """INSERT INTO pengguna (id, perusahaan_id, nama, email, sandi_hash, peran, aktif)
VALUES (:id, :perusahaan_id, :nama, :email, :sandi_hash, :peran, :aktif)"""


@pytest.fixture
def make(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A shop of the wanted kind; its tables are made and empty."""
    for name in ("AMANAH_GUARD", "AMANAH_DATABASE_URL", "AMANAH_STATE", "AMANAH_CONSOLE"):
        monkeypatch.delenv(name, raising=False)
    made = []

    def new(login: str = "plain", *, mapped: bool = True, **more: Any) -> Shop:
        shop = Shop(database_url, tmp_path, login, mapped=mapped, **more)
        made.append(shop)
        shop.run("db", "upgrade")
        shop.base.metadata.create_all(shop.engine)
        return shop

    yield new
    for shop in made:
        shop.close()


def opened(shop: Shop, login: str = "plain") -> Shop:
    """With its tenants and people."""
    if login == "sealed":
        for tenant, admin in (("1", "11"), ("2", "21")):
            shop.run("tenant", "create", tenant, "--name", "X", "--admin", admin, "--template", "trading")
        fill(shop, login)
        return shop
    fill(shop, login)
    shop.run("tenant", "import", "--table", "perusahaan", "--name", "nama", "--template", "trading")
    return shop


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("login", sorted(COLUMNS))
def test_a_login_by_e_mail_works_whatever_is_declared_of_it(make: Any, login: str) -> None:
    """Before anybody is known it finds the account of any company; a wrong password is the application's own answer."""
    shop = opened(make(login), login)
    for who in ("budi", "eka"):
        shop.signed_in(who)
    for email, password in (("budi@example.com", "salah"), ("nobody@example.com", PASSWORD)):
        answer = shop.browser().post("/login", data={"email": email, "sandi": password})
        assert (answer.status_code, answer.text) == (401, "E-mail atau kata sandi salah.")


@pytest.mark.parametrize("login", sorted(COLUMNS))
def test_a_working_day_with_mapped_roles(make: Any, login: str) -> None:
    """A cashier by their own table writes and reads a customer; another company's cashier does not see the row."""
    shop = opened(make(login), login)
    cashier = shop.signed_in("budi")
    made = cashier.post("/pelanggan", data={"nama": "Sari", "no_hp": "+6281234567890"})
    assert made.status_code == 201, made.text
    number = made.json()["id"]
    shown = cashier.get(f"/pelanggan/{number}", headers={"amanah-purpose": "billing"})
    assert shown.json() == {"nama": "Sari", "no_hp": "+6281234567890"}
    other = shop.signed_in("eka")
    assert other.get("/pelanggan").json() == []
    assert other.get(f"/pelanggan/{number}", headers={"amanah-purpose": "billing"}).status_code == 404
    crossed = other.post("/pelanggan", data={"nama": "X", "no_hp": "1", "perusahaan_id": "1"})
    problem(crossed, 403, "tenant-crossed")
    listed = json.loads(shop.run("member", "list", "1", "--json").stdout)
    assert {"12"} <= {one["id"] for one in listed} <= {"11", "12"}
    assert cashier.post("/logout").status_code == 200
    problem(cashier.get("/pelanggan"), 401, "not-identified")


def test_words_that_stand_for_no_role_are_refused_by_name(make: Any) -> None:
    """A word that the map lacks is no role; a role that the tenant's policy lacks is named. Both in clear words."""
    shop = opened(make())
    trainee = problem(shop.signed_in("citra").get("/pelanggan/1"), 403, "role-missing")
    assert "billing, support" in trainee["detail"]
    assert "RoleMap" in trainee["declare"]
    doctor = problem(shop.signed_in("dewi").get("/pelanggan"), 403, "role-unknown")
    assert "doctor" in doctor["detail"]


def test_nobody_gets_in_with_a_cookie_of_their_own_making(make: Any) -> None:
    """Unsigned, signed with another secret, of an account that is gone or switched off."""
    shop = opened(make())
    for cookie in ("eyJwZW5nZ3VuYV9pZCI6IDEyfQ==", "rubbish", ""):
        browser = shop.browser()
        browser.cookies.set("session", cookie)
        problem(browser.get("/pelanggan"), 401, "not-identified")
    browser = shop.signed_in("budi")
    assert browser.get("/pelanggan").status_code == 200
    with shop.guard.engine.begin() as connection:
        connection.execute(text("UPDATE pengguna SET aktif = :no WHERE id = 12"), {"no": False})
    problem(browser.get("/pelanggan"), 401, "not-identified")


def test_a_suspended_member_stays_out_whatever_their_table_says(make: Any) -> None:
    """And removing does not make them a stranger who may come again."""
    shop = opened(make())
    browser = shop.signed_in("budi")
    assert browser.get("/pelanggan").status_code == 200
    for act in ("suspend", "remove"):
        shop.run("member", act, "1", "12")
        problem(browser.get("/pelanggan"), 403, "not-a-member")
    listed = json.loads(shop.run("member", "list", "1", "--json").stdout)
    assert {one["id"]: one["status"] for one in listed} == {"12": "removed"}


def test_grants_instead_of_a_map_begin_with_who_waits(make: Any) -> None:
    """The first request is refused with the command to paste; the admin sees who waits; the command lets them in."""
    shop = opened(make(mapped=False))
    browser = shop.signed_in("budi")
    told = problem(browser.get("/pelanggan"), 403, "forbidden")
    listed = shop.run("member", "list", "1")
    assert re.search(r"^12 +active +no grant", listed.stdout, re.MULTILINE)
    assert "1 members hold no grant" in listed.stdout
    line = told["declare"].splitlines()[0]
    words = shlex.split(line)
    assert words[:6] == ["amanah", "grant", "give", "1", "12", "cashier"]
    shop.run(*words[1:])
    assert browser.get("/pelanggan").status_code == 200
    assert "no grant" not in shop.run("member", "list", "1").stdout
    shop.guard.sequencer.run_once()
    listed = json.loads(shop.run("audit", "list", "--tenant", "1", "--json").stdout)
    acts = [one["detail"].get("act") for one in listed]
    assert acts.count("member.first_seen") == 1
    assert shop.run("audit", "verify").exit_code == 0


def test_without_first_sight_a_stranger_is_told_what_to_run(make: Any) -> None:
    """The default: an administrator adds members. In development the refusal shows how."""
    shop = opened(make(mapped=False, first_sight="refuse"))
    told = problem(shop.signed_in("budi").get("/pelanggan"), 403, "not-a-member")
    assert told["declare"] == "amanah member add 1 12"
    assert json.loads(shop.run("member", "list", "1", "--json").stdout) == []


def test_the_first_admin_opens_the_link_and_is_in_the_console(make: Any) -> None:
    """`tenant create` for an integer company: the printed link works once, in the ASGI app, and the trail names it."""
    shop = make()
    made = shop.run(
        *("tenant", "create", "1", "--name", "PT Sinar Abadi", "--admin", "11", "--template", "trading"),
        *("--console", "http://toko.example/amanah"),
    )
    link = made.stdout.splitlines()[-1]
    assert link.startswith("http://toko.example/amanah/join/")
    browser = shop.browser()
    page = browser.get(link)
    assert page.status_code == 200
    assert "PT Sinar Abadi" in page.text

    def token() -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert found is not None
        return found[1]

    fields = {"csrf": token(), "password": PASSWORD, "again": PASSWORD}
    page = browser.post("/amanah/join", data=fields)
    assert page.url.path == "/amanah/sign-in", page.text
    fields = {"csrf": token(), "organisation": "1", "name": "11", "password": PASSWORD}
    assert browser.post("/amanah/sign-in", data=fields).status_code in {200, 403}
    shop.guard.sequencer.run_once()
    acts = {one["detail"].get("act") for one in json.loads(shop.run("audit", "list", "--tenant", "1", "--json").stdout)}
    assert {"tenant.create", "member.invite", "console.join", "console.sign_in"} <= acts
    assert shop.browser("10.0.0.2").get(link).status_code == 410
    again = shop.run("tenant", "create", "1", "--name", "X", "--admin", "11", code=2)
    assert "there is a tenant 1 already" in again.stderr


def test_companies_become_tenants_once(make: Any) -> None:
    """A dry run writes nothing; the import makes each; again it makes none, and a new company joins the others."""
    shop = make()
    fill(shop, "plain")
    wanted = shlex.split("tenant import --table perusahaan --name nama --template trading --admin-column pemilik_id")
    dry = shop.run(*wanted, "--dry-run").stdout
    assert re.search(r"^1 +PT Sinar Abadi +11 +new", dry, re.MULTILINE)
    assert "2 tenants would be made, 0 are there already." in dry
    assert json.loads(shop.run("tenant", "list", "--json").stdout) == []
    assert "2 tenants were made, 0 were there already." in shop.run(*wanted).stdout
    assert "0 tenants were made, 2 were there already." in shop.run(*wanted).stdout
    with shop.guard.engine.begin() as connection:
        connection.execute(text("INSERT INTO perusahaan (id, nama) VALUES (3, ' ')"))
    assert "1 tenants were made, 2 were there already." in shop.run(*wanted).stdout
    listed = json.loads(shop.run("tenant", "list", "--json").stdout)
    assert {one["id"]: one["name"] for one in listed} == {"1": "PT Sinar Abadi", "2": "Toko Maju", "3": "3"}
    grants = json.loads(shop.run("grant", "list", "1", "--json").stdout)
    assert [(one["member_id"], one["role"]) for one in grants] == [("11", "owner")]
    assert json.loads(shop.run("member", "list", "2", "--json").stdout) == []


@pytest.mark.parametrize(
    "options, told",
    [
        (("--table", "tiada"), "no table 'tiada'"),
        (("--table", "perusahaan", "--name", "alamat"), "no column 'alamat'"),
        (("--table", "perusahaan", "--template", "bank"), "no template 'bank'"),
        (("--table", "pengguna", "--id", "perusahaan_id", "--name", "nama"), "is declared personal"),
        (("--table", "pengguna", "--id", "email"), "is declared personal"),
        (("--table", "perusahaan", "--id", "nama"), "can be no tenants"),
        (("--table", "pengguna", "--id", "perusahaan_id"), "can be no tenants"),
    ],
)
def test_an_import_that_cannot_be_right_makes_nothing(make: Any, options: tuple[str, ...], told: str) -> None:
    """Names that do not exist, personal columns, ids that no tenant can have, the same id twice."""
    shop = make("governed")
    fill(shop, "governed")
    assert told in shop.run("tenant", "import", *options, code=2).stderr
    assert json.loads(shop.run("tenant", "list", "--json").stdout) == []
