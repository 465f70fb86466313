import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from fastapi.testclient import TestClient

from .conftest import Header


@pytest.fixture
def engine(url: str, tmp_path: Path) -> Iterator[sa.Engine]:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/lain.db")
    yield engine
    engine.dispose()


def async_url(engine: sa.Engine) -> str:
    return str(engine.url.set(drivername="sqlite+aiosqlite"))


def test_health(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_documentation(client: TestClient) -> None:
    assert "swagger" in client.get("/docs").text
    schema = client.get("/openapi.json").json()
    assert schema["info"]["title"] == "Apotek Sehat"
    assert "/pasien/{pasien_id}/resep" in schema["paths"]
    assert "OAuth2PasswordBearer" in schema["components"]["securitySchemes"]


def test_static_files(client: TestClient) -> None:
    answer = client.get("/static/apotek.css")
    assert answer.headers["content-type"].startswith("text/css")
    assert "--hijau" in answer.text
    assert client.get("/static/tidak-ada.css").status_code == 404


def test_cors(client: TestClient, kasir: Header) -> None:
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "Authorization"}
    answer = client.options("/pasien/1", headers={"Origin": "http://localhost:5173"} | asked)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "http://localhost:5173")
    answer = client.options("/pasien/1", headers={"Origin": "https://jahat.example.com"} | asked)
    assert answer.status_code == 400
    answer = client.get("/saya", headers=kasir | {"Origin": "http://localhost:5173"})
    assert answer.headers["access-control-allow-credentials"] == "true"


def test_migrations_make_what_the_models_say(db: sa.Engine) -> None:
    from apotek.models import Base

    with db.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrations_step_by_step(engine: sa.Engine) -> None:
    from apotek.migrate import migrate

    migrate(async_url(engine), "0001")
    assert "alergi" not in {column["name"] for column in sa.inspect(engine).get_columns("pasien")}
    migrate(async_url(engine))
    assert "alergi" in {column["name"] for column in sa.inspect(engine).get_columns("pasien")}
    migrate(async_url(engine), "base")
    assert sa.inspect(engine).get_table_names() == ["alembic_version"]


def test_seed_is_the_same_every_time(engine: sa.Engine) -> None:
    from apotek.migrate import migrate
    from apotek.seed import Sumber, seed

    satu, dua = Sumber(), Sumber()
    assert [satu.pasien(i) for i in range(20)] == [dua.pasien(i) for i in range(20)]
    migrate(async_url(engine))
    asyncio.run(seed(async_url(engine), rows=30))
    with engine.begin() as connection:
        counts = [
            connection.scalar(sa.select(sa.func.count()).select_from(sa.table(name)))
            for name in ("akun", "dokter", "obat", "pasien", "resep")
        ]
    assert counts == [3, 8, 10, 30, 30]
