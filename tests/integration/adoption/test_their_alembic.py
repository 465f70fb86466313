"""Both applications' own Alembic goes through all steps of sealing and back, with rows in it, and sees no difference.

Each app is copied. Declarations change the models' metadata, so every step is a process of its own, as in life.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect

from tests import ready

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples"

PROTECTION = """
import os
from amanah import Guard, Personal, Settings, declare
from amanah.guard import create_keys

from .models import Base

STEP = os.environ["STEP"]


def sealed(category, **options):
    return Personal(category=category, sealing=STEP, **options)


PHONE, EMAIL, NIK = "user.contact.phone_number", "user.contact.email", "user.government_id"
{code}
"""

LEGACY = """
from .db import engine

OPTIONS = {"tenant_column": "perusahaan_id"}
DECLARATIONS = [
    declare("pelanggan", subject="id", columns={
        "email": sealed(EMAIL, search="exact", normalise="casefold"),
        "no_hp": sealed(PHONE, search="exact"),
        "tgl_lahir": sealed("user.demographic"),
        "nama": Personal(category="user.name", sealed=False),
    }),
    declare("kwitansi", columns={"no_hp": sealed(PHONE)}),
]
"""

APOTEK = """
from .db import engine

OPTIONS = {"fixed_tenant": "apotek"}
DECLARATIONS = [
    declare("pasien", subject="id", columns={
        "telepon": sealed(PHONE, search="exact"),
        "nik": sealed(NIK, search="exact"),
        "alergi": sealed("user.health_and_medical"),
    }),
    declare("resep", columns={"diagnosa": sealed("user.health_and_medical")}),
]
"""

GUARD = """
from pathlib import Path
STATE = Path(os.environ["AMANAH_STATE"])
if not STATE.exists():
    create_keys(Settings.in_folder(STATE))
guard = Guard.development(
    metadata=Base.metadata, engine=engine, identify=lambda _: None, routes=[], state=STATE,
    declarations=DECLARATIONS, **OPTIONS,
)
"""

DRIVE = """
import json, os, sys, warnings
warnings.simplefilter("ignore")
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError

name, *actions = sys.argv[1:]
config = Config(f"{name}/alembic.ini")
said = []
for action in actions:
    verb, _, what = action.partition("=")
    try:
        if verb == "revision":
            from typer.testing import CliRunner
            from amanah.cli import app
            words = ["--lang", "en", "--guard", f"{name}.protection:guard", "revision", *what.split(),
                     "--alembic", f"{name}/alembic.ini"]
            answer = CliRunner().invoke(app, words)
            if answer.exception is not None and not isinstance(answer.exception, SystemExit):
                raise answer.exception
            said.append([answer.exit_code, answer.output])
        elif verb == "differences":
            # Nothing is left out but Amanah's tables: what the steps made is what the declarations say.
            from sqlalchemy import create_engine
            from importlib import import_module
            import_module(f"{name}.protection")
            def seen(_thing, one, kind, _reflected, _other):
                return kind != "table" or not one.startswith(("amanah_", "alembic_"))
            with create_engine(os.environ["SYNC_URL"]).connect() as connection:
                context = MigrationContext.configure(connection, opts={"include_object": seen, "compare_type": True})
                found = compare_metadata(context, import_module(f"{name}.models").Base.metadata)
            said.append([str(one[0]) + " " + str(one[-1]) for one in found])
        elif verb == "autogenerate":
            script = command.revision(config, "differences", autogenerate=True)
            said.append(open(script.path).read())
            os.unlink(script.path)
        else:
            said.append(getattr(command, verb)(config, *([what] if what else [])) and "done")
    except Exception as error:
        said.append([type(error).__name__, str(error)])
open("said.json", "w").write(json.dumps(said))
"""


class Project:
    """A copy of an application with its own Alembic, protected in steps."""

    def __init__(self, app: str, folder: Path, url: str) -> None:
        self.app, self.folder, self.url = app, folder, url
        self.engine = create_engine(url)
        shutil.copytree(EXAMPLES / app, folder / app, ignore=shutil.ignore_patterns("__pycache__"))
        code = (LEGACY if app == "legacy" else APOTEK) + GUARD
        (folder / app / "protection.py").write_text(PROTECTION.replace("{code}", code))
        (folder / "drive.py").write_text(DRIVE)
        env = folder / app / "migrations" / "env.py"
        env.write_text(
            "import os\nimport amanah\nif os.environ.get('STEP'):\n"
            f"    import {app}.protection\n"
            + env.read_text().replace(
                "target_metadata=Base.metadata",
                "target_metadata=Base.metadata, include_object=amanah.include_object, render_item=amanah.render_item",
            )
        )

    def run(self, *actions: str, step: str | None = None) -> list[Any]:
        """What each of the actions said; ``step``: how the columns are declared, None without Amanah's declarations."""
        drivers = {"sqlite://": "sqlite+aiosqlite://", "postgresql+psycopg://": "postgresql+asyncpg://"}
        own = self.url
        if self.app == "apotek":
            for sync, driver in drivers.items():
                own = own.replace(sync, driver)
        done = ready.run(
            [sys.executable, "drive.py", self.app, *actions],
            cwd=self.folder,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith("PYTEST")},
                f"{self.app.upper()}_DATABASE_URL": own,
                "SYNC_URL": self.url,
                "AMANAH_STATE": str(self.folder / "state"),
                **({} if step is None else {"STEP": step}),
            },
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said: list[Any] = json.loads((self.folder / "said.json").read_text())
        return said

    def sql(self, *statements: str) -> Any:
        """The rows of the last one."""
        with self.engine.begin() as connection:
            for one in statements:
                result = connection.exec_driver_sql(one)
            return result.all() if result.returns_rows else None

    def count(self, table: str) -> int:
        return int(self.sql(f"SELECT count(*) FROM {table}")[0][0])


ROWS = {
    "legacy": [
        "INSERT INTO perusahaan (id, nama, kota) VALUES (1, 'Sinar', 'Solo'), (2, 'Abadi', 'Solo')",
        (
            "INSERT INTO pelanggan (id, perusahaan_id, nama, alamat, no_hp, email, tgl_lahir) VALUES "
            "(1, 1, 'Ani', 'Jl. A', '0812', 'a@x', '1990-01-02'), (2, 1, 'Budi', 'Jl. B', '0813', 'b@x', NULL), "
            "(3, 2, 'Cici', 'Jl. C', '0812', 'a@x', NULL)"
        ),
        (
            "INSERT INTO faktur (id, perusahaan_id, pelanggan_id, nomor, tanggal, status, total) VALUES "
            "(1, 1, 1, 'F1', '2026-01-02', 'belum', 5)"
        ),
        (
            "INSERT INTO pengguna (id, perusahaan_id, nama, email, sandi_hash, peran, aktif) "
            "VALUES (1, 1, 'A', 'o@x', '-', 'kasir', '1')"
        ),
        (
            "INSERT INTO riwayat (id, perusahaan_id, pengguna_id, pelanggan_id, aksi) SELECT 1, 1, id, 1, 'lihat' "
            "FROM pengguna"
        ),
        (
            "INSERT INTO kwitansi (id, perusahaan_id, faktur_id, diterima_dari, no_hp, jumlah) "
            "VALUES (1, 1, 1, 'Ani', '0812', 5)"
        ),
    ],
    "apotek": [
        (
            "INSERT INTO pasien (id, nama, tanggal_lahir, telepon, email, nik, alergi) VALUES "
            "(1, 'Ani', '1990-01-02', '0812', 'a@x', '33', NULL), "
            "(2, 'Budi', '1991-01-02', '0813', 'b@x', NULL, 'udang')"
        ),
        "INSERT INTO dokter (id, nama, nomor_sip) VALUES (1, 'dr. Eka', 'S1')",
        (
            "INSERT INTO resep (id, nomor, pasien_id, dokter_id, tanggal, diagnosa, status) VALUES "
            "('0123456789abcdef0123456789abcdef', 'R1', 1, 1, '2026-01-02', 'flu', 'baru')"
        ),
    ],
}

SEALED = {
    "legacy": {"pelanggan": {"email": True, "no_hp": True, "tgl_lahir": False}, "kwitansi": {"no_hp": False}},
    "apotek": {"pasien": {"telepon": True, "nik": True, "alergi": False}, "resep": {"diagnosa": False}},
}

KEPT = {"legacy": ["pelanggan", "faktur", "kwitansi", "riwayat"], "apotek": ["pasien", "resep"]}


def seal(project: Project) -> None:
    """What `amanah encrypt` leaves behind, as far as Alembic is concerned."""
    envelope = "decode(md5(random()::text), 'hex')" if project.url.startswith("postgresql") else "randomblob(16)"
    token = "decode(md5({}::text), 'hex')" if project.url.startswith("postgresql") else "CAST({} AS BLOB)"
    for table, columns in SEALED[project.app].items():
        for column, searched in columns.items():
            sets = f"{column}_sealed = {envelope}"
            if searched:
                sets += f", {column}_ix = {token.format(column)}"
            project.sql(f"UPDATE {table} SET {sets} WHERE {column} IS NOT NULL")


def clean(said: list[Any]) -> bool:
    """No action had anything to complain of."""
    return not [one for one in said if isinstance(one, list) and one and isinstance(one[0], str)]


@pytest.fixture(params=["legacy", "apotek"])
def project(request, tmp_path, database_url):
    made = Project(request.param, tmp_path, database_url)
    yield made
    made.engine.dispose()


def test_their_own_alembic_goes_all_the_way_and_back(project):
    """Four migrations are written, run and undone; no row is lost, and autogenerate sees nothing at any step."""
    assert clean(project.run("upgrade=head", "check"))
    project.sql(*ROWS[project.app])
    before = {table: project.count(table) for table in KEPT[project.app]}
    shapes = {table: _shape(project, table) for table in SEALED[project.app]}
    declared = {"add": "write_both", "read": "write_both", "release": "read_sealed", "drop": "sealed_only"}
    deployed = {"add": "write_both", "read": "read_sealed", "release": "sealed_only", "drop": "sealed_only"}
    for migration, step in deployed.items():
        written, *answers = project.run(f"revision={migration}", "upgrade=head", step=declared[migration])
        assert written[0] == 0, written
        assert clean(answers), (migration, answers)
        differences, checked = project.run("differences", "check", step=step)
        left = [f"remove_column {t}.{c}" for t, cs in SEALED[project.app].items() for c in cs]
        if migration == "release":
            assert len(differences) == len(left), differences
            assert all(one.startswith("remove_column") for one in differences), differences
        else:
            assert differences == [], (migration, differences)
        assert clean([checked]), (migration, checked)
        assert clean(project.run("check")), migration  # with an env.py that does not know the declarations
        if migration == "add":
            seal(project)
        assert {table: project.count(table) for table in KEPT[project.app]} == before, migration
    dropped, refused = project.run("downgrade=-1", "downgrade=-1")
    assert clean([dropped])
    assert refused[0] == "RowsOnlySealed", refused
    _decrypt(project)
    assert clean(project.run("downgrade=-1", "downgrade=-1", "downgrade=-1"))
    assert {table: project.count(table) for table in KEPT[project.app]} == before
    assert {table: _shape(project, table) for table in SEALED[project.app]} == shapes


def _shape(project: Project, table: str) -> list[object]:
    """Columns, indexes and constraints, in no order."""
    there = inspect(project.engine)
    columns = {one["name"]: (str(one["type"]), one["nullable"]) for one in there.get_columns(table)}
    indexes = sorted((str(one["name"]), one["column_names"]) for one in there.get_indexes(table))
    unique = sorted((str(one["name"]), one["column_names"]) for one in there.get_unique_constraints(table))
    return [columns, indexes, unique, sorted(str(one["name"]) for one in there.get_foreign_keys(table))]


def _decrypt(project: Project) -> None:
    """What `amanah decrypt` leaves behind: plain values, sealed anew in the same statement."""
    values = {"tgl_lahir": "'1990-01-02'", "nik": "'33'"}
    for table, columns in SEALED[project.app].items():
        for column in columns:
            value = values.get(column, f"'{column}' || id")
            seal_anew = "decode(md5(random()::text), 'hex')" if "postgresql" in project.url else "randomblob(16)"
            project.sql(
                f"UPDATE {table} SET {column} = {value}, {column}_sealed = {seal_anew} "
                f"WHERE {column}_sealed IS NOT NULL"
            )


def test_a_step_out_of_order_is_refused_and_nothing_is_written(project):
    """The declaration and the database both have a say."""
    assert clean(project.run("upgrade=head"))
    project.sql(*ROWS[project.app])
    versions = project.folder / project.app / "migrations" / "versions"
    files = sorted(versions.glob("*.py"))
    too_early, missing = project.run("revision=drop", "revision=read", step="write_both")
    assert too_early[0] == 2
    assert "sealing=sealed_only" in too_early[1]
    assert missing[0] == 2
    assert "the next step is add" in missing[1]
    assert sorted(versions.glob("*.py")) == files
    added, _, again, left = project.run(
        "revision=add", "upgrade=head", "revision=add", "revision=read", step="write_both"
    )
    assert added[0] == 0
    assert again[0] == 2
    assert "the next step is read" in again[1]
    assert left[0] == 2
    assert "are left to be sealed" in left[1]
    assert len(sorted(versions.glob("*.py"))) == len(files) + 1


def test_a_migration_reads_like_what_it_does(project):
    """Short, with their template and naming, and it needs neither guard nor models."""
    assert clean(project.run("upgrade=head"))
    [said] = project.run("revision=add -m tutup", step="write_both")
    assert said[0] == 0, said
    new = max((project.folder / project.app / "migrations" / "versions").glob("*.py"), key=os.path.getmtime)
    assert new.name.startswith("apotek_") is (project.app == "apotek")
    text = new.read_text()
    assert "import amanah.operations" in text
    table = next(iter(SEALED[project.app]))
    assert f'op.add_sealed_columns(\n        "{table}",' in text
    assert f'op.drop_sealed_columns(\n        "{table}",' in text
    assert "protection" not in text
    assert "models" not in text
    compile(text, str(new), "exec")


def test_our_types_are_written_as_what_the_database_has(project):
    """A table with personal columns that their autogenerate finds is one that it can make."""
    assert clean(project.run("upgrade=head"))
    table = {"legacy": "kwitansi", "apotek": "resep"}[project.app]
    project.sql(f"DROP TABLE {table} CASCADE" if "postgresql" in project.url else f"DROP TABLE {table}")
    [text] = project.run("autogenerate", step="write_both")
    assert f'op.create_table("{table}"' in text.replace("'", '"').replace("(\n        ", "(")
    assert "amanah.middleware" not in text
    assert "sa.LargeBinary()" in text
    compile(text, "migration", "exec")
