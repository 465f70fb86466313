import asyncio
import hashlib
import re

import pytest
import sqlalchemy as sa

from iconix import migrate
from iconix.database import create_engine, create_sessions
from iconix.ids import new_id
from iconix.models import Base
from iconix.seed import seed


def fill(url: str, **options) -> None:
    async def run():
        engine = create_engine(url)
        await seed(create_sessions(engine), **options)
        await engine.dispose()

    asyncio.run(run())


def contents(url: str) -> tuple[int, str]:
    """How many rows there are, and a digest of all values."""
    engine = sa.create_engine(migrate.sync_url(url))
    rows = []
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            found = connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            rows += [repr((table.name, *row)) for row in found]
    engine.dispose()
    return len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest()


def test_migrations_are_in_step_with_the_models(database_url):
    """The tables that the migrations make are the models' tables, and go away again."""
    migrate.upgrade(database_url)
    assert migrate.differences(database_url) == []
    migrate.downgrade(database_url)
    engine = sa.create_engine(migrate.sync_url(database_url))
    assert sa.inspect(engine).get_table_names() == ["iconix_version"]
    engine.dispose()


def test_protected_branch_makes_room_for_sealed_values(database_url):
    """Sealed columns are bytes, searched ones have 16 bytes beside them and carry the unique keys; and back again."""
    migrate.upgrade(database_url, protected=True)
    engine = sa.create_engine(migrate.sync_url(database_url))
    inspector = sa.inspect(engine)
    customer = {one["name"]: one["type"] for one in inspector.get_columns("customer")}
    assert isinstance(customer["phone"], sa.LargeBinary)
    assert isinstance(customer["phone_ix"], sa.LargeBinary)
    assert isinstance(customer["city"], sa.String)
    for table, searched in (("patient", "nik"), ("account", "email")):
        unique = [one["column_names"] for one in inspector.get_unique_constraints(table)]
        assert ["tenant_id", f"{searched}_ix"] in unique
        assert ["tenant_id", f"{searched}_ix2"] in unique
    indexes = [one["column_names"] for one in inspector.get_indexes("customer")]
    searched = [f"{name}_{slot}" for name in ("email", "nik", "phone") for slot in ("ix", "ix2")]
    assert sorted(indexes) == [["tenant_id", name] for name in searched]
    engine.dispose()
    migrate.downgrade(database_url, protected_only=True)
    assert migrate.differences(database_url) == []


def test_protected_branch_refuses_a_database_with_rows(database_url):
    """Nothing is lost by applying the branch in the wrong order: it stops and says what to do."""
    migrate.upgrade(database_url)
    fill(database_url, rows=100)
    before = contents(database_url)
    with pytest.raises(RuntimeError, match="empty database"):
        migrate.upgrade(database_url, protected=True)
    assert contents(database_url) == before
    assert migrate.differences(database_url) == []


def test_demo_is_the_same_for_the_same_seed(tmp_path):
    """Two databases of one seed hold the same values, another seed's others, and a thousand rows at least."""
    found = []
    for number, options in enumerate(({}, {}, {"seed": 7})):
        url = f"sqlite:///{tmp_path / f'{number}.db'}"
        migrate.upgrade(url)
        fill(url, **options)
        found.append(contents(url))
    assert found[0] == found[1] != found[2]
    assert found[0][0] >= 1000


def test_demo_looks_like_indonesia(database_url):
    """Identity numbers hold birth date and sex as the real ones do; phones begin with +628; keys with their company."""
    migrate.upgrade(database_url)
    fill(database_url, rows=500)
    engine = sa.create_engine(migrate.sync_url(database_url))
    patients = sa.select(sa.text("nik, birth_date, gender, phone FROM patient"))
    with engine.connect() as connection:
        rows = connection.execute(patients).all()
        tenants = {one for (one,) in connection.execute(sa.text("SELECT DISTINCT tenant_id FROM account"))}
    engine.dispose()
    assert tenants == {"sinar-jaya", "klinik-melati", "toko-sebelah"}
    for nik, born, gender, phone in rows:
        day = int(str(born)[8:10]) + (40 if gender == "female" else 0)
        assert nik[6:12] == f"{day:02}{str(born)[5:7]}{str(born)[2:4]}"
        assert phone is None or re.fullmatch(r"\+628\d{9,11}", phone)


def test_every_key_begins_with_the_company():
    """tenant_id leads every primary, unique and foreign key, so that rows can be distributed by it."""
    for table in Base.metadata.tables.values():
        if table.name == "company":
            continue
        keys = [table.primary_key, *(one for one in table.constraints if isinstance(one, sa.UniqueConstraint))]
        keys += list(table.foreign_key_constraints)
        assert all(next(iter(key.columns)).name == "tenant_id" for key in keys), table.name


def test_ids_sort_by_the_time_they_were_made():
    """Later ids of a process sort after earlier ones, and none is given twice."""
    made = [new_id() for _ in range(5000)]
    assert made == sorted(set(made))
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in made
    )
