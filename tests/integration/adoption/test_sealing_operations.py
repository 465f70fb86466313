"""The steps of sealing on a table of an application in use, by themselves: no guard, no models."""

from __future__ import annotations

import io

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.exc import DBAPIError

import amanah.operations  # noqa: F401 - gives op the steps of sealing
from amanah.errors import ForeignKeysOn, RowsNotSealed, RowsOnlySealed, RowsUnseen, RowsWithoutValue, ValuesRepeated

TABLE, COLUMNS = "Pelanggan lama", ["no hp", "email"]
ROW = ["perusahaan", "id"]
BESIDE = {"row": ROW, "search": ["email"], "indexes": {"ix_token": ["perusahaan", "email_ix"]}}
READ = {"row": ROW, "search": ["email"], "unique": {"uq_token": ["perusahaan", "email_ix"]}}
RELEASED = {
    "row": ROW,
    "required": ["email"],
    "unique": {"uq_email": ["perusahaan", "email"]},
    "indexes": {"ix_hp": ["no hp"]},
}
TYPES = {"no hp": sa.String(20), "email": sa.String(50)}


class Shop:
    """A table with two rows, and what migrations and processes do to it."""

    def __init__(self, url):
        self.engine = sa.create_engine(url)
        self.postgresql = url.startswith("postgresql")
        self.sql(
            'CREATE TABLE "Pelanggan lama" (id INTEGER PRIMARY KEY, perusahaan INTEGER NOT NULL, "no hp" VARCHAR(20), '
            "email VARCHAR(50) NOT NULL, CONSTRAINT uq_email UNIQUE (perusahaan, email))",
            'CREATE INDEX ix_hp ON "Pelanggan lama" ("no hp")',
            "INSERT INTO \"Pelanggan lama\" VALUES (1, 1, '0812', 'a'), (2, 1, NULL, 'b')",
        )

    def sql(self, *statements):
        with self.engine.begin() as connection:
            for one in statements:
                result = connection.exec_driver_sql(one)
            return result.all() if result.returns_rows else result.rowcount

    def bytes(self, text):
        return f"'\\x{text}'" if self.postgresql else f"x'{text}'"

    def set(self, where="id > 0", **values):
        """An UPDATE; names with _ for a blank, bytes as hexadecimal digits."""
        parts = []
        for name, value in values.items():
            column = name.replace("hp", "no hp")
            stored = (
                "NULL"
                if value is None
                else self.bytes(value)
                if name.endswith(("_sealed", "_ix", "_ix2"))
                else repr(value)
            )
            parts.append(f'"{column}" = {stored}')
        return self.sql(f'UPDATE "Pelanggan lama" SET {", ".join(parts)} WHERE {where}')

    def rows(self, *columns):
        names = ", ".join(f'"{one}"' for one in columns)
        return [tuple(row) for row in self.sql(f'SELECT {names} FROM "Pelanggan lama" ORDER BY id')]

    def migrate(self, *steps):
        """A migration, in the transaction that Alembic makes of it."""
        with self.engine.connect() as connection:
            context = MigrationContext.configure(connection)
            with context.begin_transaction(), context.begin_transaction(_per_migration=True):
                for name, columns, facts in steps:
                    getattr(Operations(context), name)(TABLE, columns, **facts)

    def seal(self):
        """All rows, each with bytes of its own."""
        self.set("id = 1", hp_sealed="a1", email_sealed="b1", email_ix="c1", email_ix2="d1")
        self.set("id = 2", email_sealed="b2", email_ix="c2")

    def shape(self):
        there = sa.inspect(self.engine)
        return (
            {one["name"]: (str(one["type"]), one["nullable"]) for one in there.get_columns(TABLE)},
            {one["name"] for one in there.get_indexes(TABLE) if not one.get("duplicates_constraint")},
            {one["name"] for one in there.get_unique_constraints(TABLE)},
        )

    def triggers(self):
        table = "pg_trigger WHERE NOT tgisinternal" if self.postgresql else "sqlite_master WHERE type = 'trigger'"
        return {row[0] for row in self.sql(f"SELECT {'tgname' if self.postgresql else 'name'} FROM {table}")}


@pytest.fixture
def shop(database_url):
    made = Shop(database_url)
    yield made
    made.engine.dispose()


@pytest.fixture
def beside(shop):
    shop.migrate(("add_sealed_columns", COLUMNS, BESIDE))
    return shop


@pytest.fixture
def read(beside):
    beside.seal()
    beside.migrate(("read_sealed_columns", COLUMNS, READ))
    return beside


@pytest.fixture
def released(read):
    read.migrate(("release_plain_columns", COLUMNS, RELEASED))
    return read


# -- 1: beside --


def test_an_old_process_s_write_empties_the_sealed_value(beside):
    """What no longer fits is sealed again; what an UPDATE leaves alone stays; whoever writes both is let be."""
    beside.seal()
    beside.set("id = 1", hp="0899")
    beside.set("id = 2", email="b")
    assert beside.rows("no hp_sealed", "email_sealed", "email_ix") == [
        (None, b"\xb1", b"\xc1"),
        (None, b"\xb2", b"\xc2"),
    ]
    beside.set("id = 2", email="B")
    assert beside.rows("email_sealed", "email_ix")[1] == (None, None)
    beside.set("id = 2", email="C", email_sealed="b4", email_ix="c4")
    assert beside.rows("email_sealed", "email_ix")[1] == (b"\xb4", b"\xc4")


def test_a_row_that_moves_is_sealed_again(beside):
    """An envelope is bound to its row's key and tenant."""
    beside.seal()
    beside.set("id = 1", perusahaan="7")
    beside.set("id = 2", id="9")
    assert beside.rows("email_sealed", "email_ix", "email_ix2") == [(None, None, None), (None, None, None)]


def test_the_columns_go_again_and_nothing_is_left(shop):
    """The way back from the first step; not while it would lose a value."""
    before = shop.shape()
    shop.migrate(("add_sealed_columns", COLUMNS, BESIDE))
    assert len(shop.triggers()) == 2
    shop.set("id = 2", hp_sealed="a2")
    with pytest.raises(RowsOnlySealed):
        shop.migrate(("drop_sealed_columns", COLUMNS, BESIDE))
    assert len(shop.triggers()) == 2
    shop.set("id = 2", hp_sealed=None)
    shop.migrate(("drop_sealed_columns", COLUMNS, BESIDE))
    assert shop.shape() == before
    assert shop.triggers() == set()
    if shop.postgresql:
        assert shop.sql("SELECT 1 FROM pg_proc WHERE strpos(proname, 'amanah') > 0") == []


# -- 2: read --


@pytest.mark.parametrize("lacking", ["email_sealed", "email_ix"])
def test_rows_that_are_left_stop_the_second_step(beside, lacking):
    """No envelope, or no token by which it is found."""
    beside.seal()
    beside.set("id = 2", **{lacking: None})
    before = beside.shape(), beside.triggers()
    with pytest.raises(RowsNotSealed) as caught:
        beside.migrate(("read_sealed_columns", COLUMNS, READ))
    assert "1 rows of Pelanggan lama.email" in str(caught.value)
    assert (beside.shape(), beside.triggers()) == before
    beside.seal()
    beside.migrate(("read_sealed_columns", COLUMNS, READ))
    assert "uq_token" in beside.shape()[1]


def test_tokens_that_repeat_stop_the_second_step(beside):
    """What is normalised to the same text would not be unique; no value is named."""
    beside.seal()
    beside.set(email_ix="cc")
    with pytest.raises(ValuesRepeated):
        beside.migrate(("read_sealed_columns", COLUMNS, READ))


@pytest.mark.parametrize(
    "write",
    [
        {"hp": "0899"},
        {"hp": None},
        {"email": "B"},
        {"perusahaan": "7"},
        {"email": "x", "email_ix": "c7"},
    ],
)
def test_an_old_process_s_write_is_refused_once_the_sealed_value_is_read(read, write):
    """It is told what was stopped, why and what to do, and never a value."""
    before = read.rows("id", "perusahaan", "no hp", "email", "email_sealed")
    with pytest.raises(DBAPIError) as caught:
        read.set("id = 1", **write)
    said = str(caught.value.orig)
    assert "is read from its sealed column now" in said
    assert "deploy the version that writes both" in said
    assert "0812" not in said
    assert read.rows("id", "perusahaan", "no hp", "email", "email_sealed") == before


def test_an_old_process_s_insert_is_refused_once_the_sealed_value_is_read(read):
    """Without the envelope; with it, it passes, and so does a row without a value."""
    insert = 'INSERT INTO "Pelanggan lama" (id, perusahaan, email, email_sealed) VALUES '
    with pytest.raises(DBAPIError, match="is read from its sealed column"):
        read.sql(f"{insert} (3, 1, 'c', NULL)")
    read.sql(f"{insert} (3, 1, 'c', {read.bytes('b3')})")


def test_whoever_writes_both_and_whoever_changes_nothing_passes(read):
    """Also where a value is taken away."""
    assert read.set(email="a", where="id = 1") == 1
    assert read.set(email="z", email_sealed="b9", email_ix="c9", where="id = 1") == 1
    assert read.set(hp=None, hp_sealed=None, where="id = 1") == 1
    assert read.sql('DELETE FROM "Pelanggan lama" WHERE id = 1') == 1


def test_the_plain_columns_are_read_again(read):
    """The way back from the second step: an old process may write."""
    read.migrate(("read_plain_columns", COLUMNS, READ))
    read.set("id = 1", email="neu")
    assert read.rows("email_sealed")[0] == (None,)
    assert "uq_token" not in read.shape()[1]


# -- 3: released --


def test_what_was_demanded_of_the_plain_column_is_demanded_of_the_sealed_one(released):
    """NOT NULL moves; UNIQUE and indexes go, and come back with the way back, and nothing else is touched."""
    columns, indexes, unique = released.shape()
    assert columns["email"][1] is True
    assert columns["email_sealed"][1] is False
    assert columns["no hp_sealed"][1] is True
    assert indexes == {"ix_token", "uq_token"}
    assert unique == set()
    with pytest.raises(DBAPIError):
        released.sql('INSERT INTO "Pelanggan lama" (id, perusahaan) VALUES (5, 1)')
    released.migrate(("require_plain_columns", COLUMNS, RELEASED))
    columns, indexes, unique = released.shape()
    assert columns["email"][1] is False
    assert columns["email_sealed"][1] is True
    assert indexes == {"ix_token", "uq_token", "ix_hp"}
    assert unique == {"uq_email"}


def test_a_plain_value_that_is_left_is_never_stale(released):
    """Where the sealed value alone is written, the plain one is emptied: the way back then knows what to fill in."""
    released.set("id = 1", email_sealed="b8", email_ix="c8")
    released.set("id = 1", hp_sealed=None)
    assert released.rows("no hp", "email") == [(None, None), (None, "b")]
    with pytest.raises(DBAPIError, match="is read from its sealed column"):
        released.set("id = 2", email="old")
    with pytest.raises(RowsOnlySealed):
        released.migrate(("require_plain_columns", COLUMNS, RELEASED))
    assert released.set("id = 1", email="a8", email_sealed="b7", email_ix="c8") == 1
    assert released.rows("email")[0] == ("a8",)
    released.migrate(("require_plain_columns", COLUMNS, RELEASED))


def test_a_required_column_without_values_stops_the_third_step(read):
    """The models say that there is one."""
    with pytest.raises(RowsWithoutValue):
        read.migrate(("release_plain_columns", COLUMNS, RELEASED | {"required": ["email", "no hp"]}))
    read.migrate(("release_plain_columns", COLUMNS, RELEASED))


def test_values_that_repeat_stop_the_way_back_from_the_third_step(released):
    """They came in while only their tokens were unique."""
    released.sql(
        'INSERT INTO "Pelanggan lama" (id, perusahaan, email, email_sealed, email_ix) '
        f"VALUES (3, 1, 'a', {released.bytes('b3')}, {released.bytes('c3')})"
    )
    with pytest.raises(ValuesRepeated):
        released.migrate(("require_plain_columns", COLUMNS, RELEASED))


# -- 4: dropped --


def test_the_plain_columns_go_and_come_back_empty(released):
    """With their types; nothing of the triggers is left meanwhile."""
    released.migrate(("drop_plain_columns", TYPES, {"row": ROW}))
    assert "email" not in released.shape()[0]
    assert released.triggers() == set()
    released.migrate(("add_plain_columns", TYPES, {"row": ROW}))
    assert released.shape()[0]["email"] == ("VARCHAR(50)", True)
    with pytest.raises(RowsOnlySealed):
        released.migrate(("require_plain_columns", COLUMNS, RELEASED))


def test_a_value_that_is_only_plain_is_not_dropped(beside):
    """Whatever order the migrations are taken in."""
    with pytest.raises(RowsNotSealed):
        beside.migrate(("drop_plain_columns", TYPES, {"row": ROW}))
    assert "email" in beside.shape()[0]


# -- together --


def test_columns_of_one_table_take_their_steps_at_different_times(shop):
    """Each has triggers of its own, also where SQLite makes the table anew for one of them."""
    shop.migrate(("add_sealed_columns", ["no hp"], {"row": ROW}), ("add_sealed_columns", ["email"], BESIDE))
    shop.set("id = 1", email_sealed="b1", email_ix="c1")
    shop.set("id = 2", email_sealed="b2", email_ix="c2")
    shop.migrate(
        ("read_sealed_columns", ["email"], READ),
        ("release_plain_columns", ["email"], RELEASED | {"indexes": {}}),
    )
    shop.set("id = 1", hp_sealed="a1")
    shop.set("id = 1", hp="0877")
    assert shop.rows("no hp_sealed")[0] == (None,)
    with pytest.raises(DBAPIError, match="email is read"):
        shop.set("id = 1", email="x")


def test_a_migration_that_fails_leaves_nothing_and_is_taken_again(beside):
    """A second operation of the same migration fails after the first was done."""
    beside.seal()
    before = beside.shape(), beside.triggers()
    with pytest.raises(DBAPIError):
        beside.migrate(("read_sealed_columns", COLUMNS, READ), ("add_sealed_columns", ["email"], BESIDE))
    assert (beside.shape(), beside.triggers()) == before
    beside.migrate(("read_sealed_columns", COLUMNS, READ))


def test_foreign_keys_that_are_on_stop_the_third_step(sqlite_database):
    """SQLite would delete the rows of other tables when it makes the table anew."""
    shop = Shop(sqlite_database)
    shop.migrate(("add_sealed_columns", COLUMNS, BESIDE))
    shop.seal()
    shop.migrate(("read_sealed_columns", COLUMNS, READ))
    before = shop.shape(), shop.triggers()
    sa.event.listen(shop.engine, "connect", lambda c, _: c.execute("PRAGMA foreign_keys=ON"))
    shop.engine.dispose()
    with pytest.raises(ForeignKeysOn):
        shop.migrate(("release_plain_columns", COLUMNS, RELEASED))
    assert (shop.shape(), shop.triggers()) == before
    shop.engine.dispose()


@pytest.mark.postgresql
def test_rows_behind_the_wall_between_tenants_are_counted(postgres_database):
    """Forced row-level security hides them even from the table's owner; the step sees them, and leaves the wall."""
    admin = Shop(postgres_database)
    owner = f"owner_{admin.engine.url.database}"
    admin.sql(f"CREATE ROLE {owner} LOGIN PASSWORD 'x'", f"GRANT ALL ON SCHEMA public TO {owner}")
    admin.migrate(("add_sealed_columns", COLUMNS, BESIDE))
    admin.sql(
        f'ALTER TABLE "Pelanggan lama" OWNER TO {owner}',
        'ALTER TABLE "Pelanggan lama" ENABLE ROW LEVEL SECURITY',
        'ALTER TABLE "Pelanggan lama" FORCE ROW LEVEL SECURITY',
    )
    with admin.engine.connect() as connection:
        connection.exec_driver_sql(f"SET ROLE {owner}")
        assert connection.exec_driver_sql('SELECT count(*) FROM "Pelanggan lama"').scalar() == 0
        context = MigrationContext.configure(connection)
        with pytest.raises(RowsNotSealed, match="2 rows"):
            Operations(context).read_sealed_columns(TABLE, COLUMNS[1:], **READ)
        connection.rollback()
    assert admin.sql("SELECT relforcerowsecurity FROM pg_class WHERE relname = 'Pelanggan lama'") == [(True,)]
    admin.sql(f'ALTER TABLE "Pelanggan lama" OWNER TO {admin.engine.url.username}', f"DROP OWNED BY {owner}")
    admin.sql(f"DROP ROLE {owner}")
    admin.engine.dispose()


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_without_a_database_only_steps_that_look_at_nothing_are_written_down(dialect):
    """``alembic upgrade --sql``: the first step is written, the second refuses."""
    out = io.StringIO()
    context = MigrationContext.configure(dialect_name=dialect, opts={"as_sql": True, "output_buffer": out})
    Operations(context).add_sealed_columns(TABLE, COLUMNS, **BESIDE)
    assert "CREATE TRIGGER" in out.getvalue()
    for name, facts in (("read_sealed_columns", READ), ("release_plain_columns", RELEASED)):
        with pytest.raises(RowsUnseen):
            getattr(Operations(context), name)(TABLE, COLUMNS, **facts)
