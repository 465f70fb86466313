"""One migrated and seeded database, one running application.

SQLite in a temporary folder, or what APOTEK_TEST_DATABASE_URL names: an empty PostgreSQL database, left empty again.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

Header = dict[str, str]


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("apotek")
    url = os.environ.get("APOTEK_TEST_DATABASE_URL", f"sqlite+aiosqlite:///{folder}/apotek.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("APOTEK_DATABASE_URL", url)
        yield url


@pytest.fixture(scope="session")
def migrated(url: str) -> Iterator[str]:
    from apotek.db import sync_url
    from apotek.migrate import migrate

    migrate(url)
    yield url
    migrate(url, "base")
    engine = sa.create_engine(sync_url(sa.make_url(url)))
    with engine.begin() as connection:
        left = sa.inspect(connection).get_table_names()
        connection.execute(sa.text("DROP TABLE alembic_version"))
    engine.dispose()
    assert left == ["alembic_version"]


@pytest.fixture(scope="session")
def db(migrated: str) -> Iterator[sa.Engine]:
    """The database itself, past the application."""
    from apotek.db import sync_url

    engine = sa.create_engine(sync_url(sa.make_url(migrated)))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def client(migrated: str, db: sa.Engine) -> Iterator[TestClient]:
    from apotek.main import app
    from apotek.seed import seed

    asyncio.run(seed(migrated, rows=60))
    with TestClient(app) as client:
        yield client


@pytest.fixture(scope="session")
def tolerant(client: TestClient) -> TestClient:
    """A client that sees status 500 where the application raises, as a browser would."""
    tolerant = TestClient(client.app, raise_server_exceptions=False)
    tolerant.portal = client.portal
    return tolerant


def _login(client: TestClient, email: str) -> Header:
    from apotek.seed import SANDI

    answer = client.post("/token", data={"username": email, "password": SANDI})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture(scope="session")
def apoteker(client: TestClient) -> Header:
    return _login(client, "sari@apoteksehat.co.id")


@pytest.fixture(scope="session")
def kasir(client: TestClient) -> Header:
    return _login(client, "budi@apoteksehat.co.id")


@pytest.fixture(scope="session")
def admin(client: TestClient) -> Header:
    return _login(client, "admin@apoteksehat.co.id")


@pytest.fixture
def pasien_baru(client: TestClient, kasir: Header) -> Callable[..., dict[str, Any]]:
    """Register a patient at the counter and return the answer."""

    def daftar(**lain: Any) -> dict[str, Any]:
        isi = {
            "nama": "Zulaika Basri",
            "tanggal_lahir": "1987-03-14",
            "alamat": "Jl. Melati 7, Bandung",
            "telepon": "081234567890",
            "email": "zulaika@example.com",
            "alergi": "Penisilin",
        }
        answer = client.post("/pasien", json=isi | lain, headers=kasir)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return daftar


@pytest.fixture
def resep_baru(client: TestClient, apoteker: Header, pasien_baru: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """Take in a prescription for a new patient and return the answer."""
    obat = client.get("/obat", params={"cari": "paracetamol"}).json()[0]
    dokter = client.get("/dokter", headers=apoteker).json()[0]
    isi = {
        "pasien_id": pasien_baru()["id"],
        "dokter_id": dokter["id"],
        "diagnosa": "ISPA ringan",
        "catatan": "Kontrol bila demam",
        "baris": [{"obat_id": obat["id"], "jumlah": 10, "aturan_pakai": "3 x 1 sesudah makan"}],
    }
    answer = client.post("/resep", json=isi, headers=apoteker)
    assert answer.status_code == 201, answer.text
    return answer.json()
