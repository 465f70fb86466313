"""A migrated and seeded database for the whole run: LEGACY_TEST_DATABASE_URL, or else SQLite in a temporary folder."""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

FOLDER = tempfile.TemporaryDirectory(prefix="legacy-")
URL = os.environ.get("LEGACY_TEST_DATABASE_URL") or f"sqlite:///{Path(FOLDER.name) / 'sinar.db'}"
os.environ["LEGACY_DATABASE_URL"] = URL

from legacy import migrate, seed  # noqa: E402 - the database's address is read when legacy.db is imported
from legacy.asgi import app  # noqa: E402
from legacy.db import SessionLocal, engine  # noqa: E402
from legacy.models import Pelanggan, Perusahaan, Produk  # noqa: E402

Login = Callable[[str], TestClient]
NUMBERS = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def database() -> Iterator[str]:
    migrate.upgrade(URL)
    seed.seed(URL, rows=40)
    yield URL
    engine.dispose()
    migrate.downgrade(URL)
    FOLDER.cleanup()


@pytest.fixture
def session() -> Iterator[Session]:
    """A look into the database, past the app."""
    with SessionLocal() as session:
        yield session


@pytest.fixture
def anonymous() -> TestClient:
    return TestClient(app, follow_redirects=False)


@pytest.fixture
def login() -> Login:
    def log_in(who: str) -> TestClient:
        """Log in through the form, as e.g. kasir@surabaya."""
        client = TestClient(app, follow_redirects=False)
        answer = client.post("/login", data={"email": f"{who}.example.com", "sandi": seed.PASSWORD})
        assert answer.status_code == 303, answer.text
        return client

    return log_in


@pytest.fixture
def pemilik(login: Login) -> TestClient:
    return login("pemilik@surabaya")


@pytest.fixture
def kasir(login: Login) -> TestClient:
    return login("kasir@surabaya")


@pytest.fixture
def lain(login: Login) -> TestClient:
    """The owner of another company."""
    return login("pemilik@malang")


@pytest.fixture
def surabaya(session: Session) -> Perusahaan:
    return session.scalars(select(Perusahaan).where(Perusahaan.kota == "Surabaya")).one()


@pytest.fixture
def pelanggan(session: Session, surabaya: Perusahaan) -> Iterator[Pelanggan]:
    """A customer with everything filled in, written past the app."""
    number = next(NUMBERS)
    row = Pelanggan(
        perusahaan_id=surabaya.id,
        nama=f"Ratna Dewi {number}",
        alamat="Jl. Pahlawan 17, Surabaya",
        no_hp=f"0812{number:08d}",
        email=f"ratna{number}@example.com",
        nik="3578014501900003",
        npwp="01.234.567.8-901.000",
        tgl_lahir=seed.date(1990, 1, 5),
    )
    session.add(row)
    session.commit()
    return row


@pytest.fixture
def faktur(kasir: TestClient, session: Session, pelanggan: Pelanggan) -> dict[str, Any]:
    """An invoice of the customer, made through the API."""
    produk = session.query(Produk).filter_by(perusahaan_id=pelanggan.perusahaan_id, sku="BUSI-C7").one()
    body = {"pelanggan_id": pelanggan.id, "baris": [{"produk_id": produk.id, "jumlah": 2}]}
    answer = kasir.post("/api/faktur", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


class _Form(HTMLParser):
    """Collects what a browser would send for the fields of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("input", "textarea", "select"):
            self.open = values.get("name") or ""
            self.fields[self.open] = values.get("value") or ""
        elif tag == "option" and "selected" in values:
            self.fields[self.open] = values.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self.lasttag == "textarea":
            self.fields[self.open] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self.lasttag = ""


@pytest.fixture
def form_fields() -> Callable[[str], dict[str, str]]:
    def read(html: str) -> dict[str, str]:
        form = _Form()
        form.feed(html)
        return form.fields

    return read
