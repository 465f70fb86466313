import os
import subprocess
import sys
from pathlib import Path

from alembic import command
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

import legacy
from legacy import migrate, seed, worker
from legacy.models import Pekerjaan, Pelanggan


def test_health_static_and_docs(anonymous: TestClient) -> None:
    assert anonymous.get("/health").json() == {"status": "ok"}
    assert "font-family" in anonymous.get("/static/sinar.css").text
    assert "PUT /api/pelanggan/{id:int}" in anonymous.get("/docs").text
    assert anonymous.get("/tidak-ada").status_code == 404


def test_migrations_make_what_the_models_say(database: str) -> None:
    command.check(migrate.config(database))


def test_every_migration_goes_down_and_up_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'turun.db'}"
    migrate.main([url])
    seed.main(["--rows", "5", url])
    for revision in ("0003", "0002", "0001"):
        command.downgrade(migrate.config(url), revision)
    migrate.upgrade(url)
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM pelanggan")).scalar_one() == 4
    migrate.main(["--down", url])
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_the_same_seed_writes_the_same_rows(tmp_path: Path) -> None:
    found = []
    for number in (7, 7, 8):
        url = f"sqlite:///{tmp_path / f'{len(found)}.db'}"
        migrate.upgrade(url)
        seed.seed(url, rows=20, number=number)
        engine = create_engine(url)
        with Session(engine) as session:
            found.append([(row.id, row.nama, row.email, row.nik) for row in session.query(Pelanggan).order_by("id")])
        engine.dispose()
    assert len(found[0]) == 20
    assert found[0] == found[1] != found[2]


def test_worker_command(session: Session, surabaya, database: str, capsys) -> None:
    worker.main(["--once"])
    job = Pekerjaan(perusahaan_id=surabaya.id, jenis="ulang_tahun", muatan={"tanggal": "2025-08-17"})
    session.add(job)
    session.commit()
    done = subprocess.run(
        [sys.executable, "-m", "legacy.worker", "--once"],
        cwd=Path(legacy.__file__).parents[1],
        env=os.environ | {"LEGACY_DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1 pekerjaan selesai\n"
    session.refresh(job)
    assert job.status == "selesai"
