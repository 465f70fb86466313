"""A reporting copy: masked by the policy, one tenant's, swapped in whole."""

from __future__ import annotations

import datetime as dt
import os
import signal
import stat
import subprocess
import sys
import traceback
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from amanah.adoption.report_copy import Order, report_copy
from amanah.audit.entries import decode
from amanah.audit.packing import unpack
from amanah.audit.sequencer import Sequencer
from amanah.errors import (
    CopyBusy,
    CopyFailed,
    CopyOfAnotherTenant,
    CopyPlaceAway,
    CopyPlaceTaken,
    Forbidden,
    InvalidInput,
    NotAMember,
    PurposeUnknown,
    TableUndeclared,
)

PURPOSE = "analytics.reporting"
CANARIES = (b"Budi Santoso", b"Siti Aminah", b"0812 3456", b"0813 1111", b"budi@", b"Surabaya", b"Malang", b"Islam")


class Bench:
    """Where copies of one world go."""

    def __init__(self, world, url):
        self.world, self.url = world, make_url(url)

    def copy(self, **order):
        """Refresh the copy of tenant ``a``."""
        options = {name: order.pop(name) for name in ("dry_run", "progress") if name in order}
        for name in ("tables", "clear"):
            order[name] = frozenset(order.get(name, ()))
        return report_copy(self.world.guard, Order(**{"tenant": "a", "to": self.url, **order}), **options)

    @contextmanager
    def connect(self):
        """As a BI tool."""
        engine = create_engine(self.url)
        with engine.begin() as connection:
            yield connection
        engine.dispose()

    def read(self, sql):
        """Rows of the copy; ``{s}`` stands for the schema."""
        schema = "reporting." if self.url.get_backend_name() == "postgresql" else ""
        with self.connect() as connection:
            return [tuple(row) for row in connection.execute(text(sql.replace("{s}", schema)))]

    def tables(self):
        """What is in the copy."""
        schema = "reporting" if self.url.get_backend_name() == "postgresql" else None
        with self.connect() as connection:
            return set(inspect(connection).get_table_names(schema=schema))


@pytest.fixture
def second_postgres(postgres_url, _maintenance):
    """Another empty PostgreSQL database, besides the world's."""
    name = f"amanah_{uuid.uuid4().hex}"
    _maintenance.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode("ascii"))
    yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    _maintenance.execute(f"DROP DATABASE {name} WITH (FORCE)".encode("ascii"))


@pytest.fixture(params=["to-sqlite", pytest.param("to-postgresql", marks=pytest.mark.postgresql)])
def bench(request, books, tmp_path):
    """Books, whose account report-copy reads everything but the religion, and a place for the copy."""
    reader(books, "a")
    reader(books, "b")
    sqlite = request.param == "to-sqlite"
    return Bench(books, f"sqlite:///{tmp_path / 'copy.db'}" if sqlite else request.getfixturevalue("second_postgres"))


@pytest.fixture
def file_bench(books, tmp_path):
    """The same, and the copy is a file."""
    reader(books, "a")
    reader(books, "b")
    return Bench(books, f"sqlite:///{tmp_path / 'copy.db'}")


def reader(world, tenant):
    """A service account that may read for reporting."""
    guard = world.guard
    with guard.engine.begin() as connection:
        guard.policies.add_role(connection, tenant, "reporter")
        guard.directory.add_member(connection, tenant, "report-copy")
        guard.directory.grant(connection, tenant, "report-copy", "reporter", reason="BI", granted_by="owner")
        for name in ("customer", "invoice", "customer.phone", "customer.name", "device", "device.owner", "account"):
            guard.policies.add_rule(connection, tenant, role="reporter", object=name, action="read", purpose=PURPOSE)
        guard.policies.add_rule(
            connection, tenant, role="reporter", object="customer.city", action="read_masked", purpose=PURPOSE
        )


def trail(world, tenant="a"):
    """The entries about copies, oldest first."""
    Sequencer(world.guard.engine, world.guard.trail_engine, world.guard.signer).run_once()
    with world.guard.trail_engine.connect() as connection:
        rows = connection.execute(
            text("SELECT body FROM amanah_entry WHERE tenant_id = :tenant ORDER BY position"), {"tenant": tenant}
        )
        entries = [decode(unpack(bytes(row[0]))) for row in rows]
    return [one for one in entries if one.actor == "report-copy"]


def test_a_copy_holds_masks_where_the_policy_shows_values(bench):
    """Even what the account may see in clear is masked; what it may not see is NULL; the rest is as it was."""
    done = bench.copy()
    rows = bench.read("SELECT id, name, phone, email, city, religion, note, tenant_id FROM {s}customer ORDER BY id")
    assert rows == [
        ("budi", "B. S.", "•••• 7890", None, "••••", None, "first", "a"),
        ("siti", "S. A.", "•••• 2222", None, "••••", None, "second", "a"),
    ]
    assert done.rows["customer"] == 2
    joined = "SELECT c.name, i.total FROM {s}invoice i JOIN {s}customer c ON c.id = i.customer_id ORDER BY i.total"
    assert bench.read(joined) == [("B. S.", 5), ("S. A.", 7)]


def test_a_copy_has_no_search_columns_and_only_what_may_be_read(bench):
    """Tokens stay behind, and so do tables that the policy, or nobody, lets be copied; reference tables come along."""
    done = bench.copy()
    assert bench.tables() == {"amanah_copy", "customer", "customer_tag", "invoice", "device", "country"}
    assert done.plan.left_out["person"] == "forbidden"
    assert done.plan.left_out["loose"] == "undeclared"
    assert done.plan.left_out["account"] == "sign_in"
    assert not [
        name for (name,) in bench.read("SELECT table_name FROM {s}amanah_copy") if name.endswith(("_ix", "_ix2"))
    ]
    with bench.connect() as connection:
        schema = "reporting" if connection.dialect.name == "postgresql" else None
        names = {column["name"] for column in inspect(connection).get_columns("customer", schema=schema)}
    assert names == {"tenant_id", "id", "name", "phone", "email", "city", "religion", "note"}


def test_a_copy_says_what_it_is(bench):
    """Whose, as of when, in which posture, for what, how many rows, and how each column stands in it."""
    before = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    bench.copy()
    rows = bench.read(
        "SELECT tenant, posture, purpose, row_count, masked_columns, withheld_columns, clear_columns, as_of "
        "FROM {s}amanah_copy WHERE table_name = 'customer'"
    )
    assert rows[0][:7] == ("a", "development", PURPOSE, 2, "phone, city, name", "email, religion", "")
    at = rows[0][7]
    at = dt.datetime.fromisoformat(at) if isinstance(at, str) else at.astimezone(dt.UTC).replace(tzinfo=None)
    assert before <= at <= dt.datetime.now(dt.UTC).replace(tzinfo=None)


def test_a_column_comes_in_clear_only_where_it_was_named_and_may_be_seen(bench):
    """By name, and it is recorded; what the account sees masked or not at all is refused, and nothing is written."""
    bench.copy(clear=["customer.name"])
    assert bench.read("SELECT name, phone FROM {s}customer ORDER BY id")[0] == ("Budi Santoso", "•••• 7890")
    copied = [w for one in trail(bench.world) for w in one.what if w.action == "copy" and w.resource == "customer"]
    assert copied[0].columns == ("name",)
    assert set(copied[0].masked) == {"phone", "city"}
    for name in ("customer.city", "customer.religion"):
        with pytest.raises(Forbidden):
            bench.copy(clear=[name])
    for name in ("customer.note", "customer.nothing", "person.born", "customer"):
        with pytest.raises(InvalidInput):
            bench.copy(clear=[name])
    assert bench.read("SELECT name FROM {s}customer ORDER BY id")[0] == ("Budi Santoso",)


def test_the_trail_has_an_entry_for_each_table_and_names_the_rows(bench):
    """What was read, by row and subject; what was copied, by table, with count, columns and place; no value."""
    bench.copy()
    entries = trail(bench.world)
    assert {one.actor_kind for one in entries} == {"service"}
    assert {one.purpose for one in entries} == {PURPOSE}
    copies = {one.detail["table"]: one for one in entries if one.detail.get("act") == "report-copy"}
    assert set(copies) == {"customer", "customer_tag", "invoice", "device", "country"}
    assert copies["customer"].what[0].count == 2
    assert copies["customer"].detail["withheld"] == "email, religion"
    read = [w for one in entries for w in one.what if w.action == "read" and w.resource == "customer" and w.rows]
    assert {row for what in read for row in what.rows} == {"budi", "siti"}
    assert {subject for what in read for subject in what.subjects} == {"budi", "siti"}
    assert all(not what.columns and "phone" in what.masked for what in read)
    assert not any(canary in one.encode() for one in entries for canary in CANARIES)


def test_a_refresh_takes_the_old_copys_place(bench):
    """Twice is fine; rows that went are gone, rows that came are there."""
    bench.copy()
    m = bench.world.m
    with bench.world.session() as session:
        session.query(m.Invoice).filter_by(total=5).delete()
        session.add(m.Invoice(customer_id="siti", total=11))
        session.commit()
    bench.copy()
    assert bench.read("SELECT total FROM {s}invoice ORDER BY total") == [(7,), (11,)]
    bench.copy(tables=["invoice"])
    assert bench.tables() == {"amanah_copy", "invoice"}


def test_a_dry_run_writes_nothing(bench):
    """It tells what would be copied, and whether the place would do."""
    done = bench.copy(dry_run=True)
    assert done.rows is None
    assert {one.table.name for one in done.plan.tables} == {"country", "customer", "device", "invoice", "customer_tag"}
    assert bench.url.get_backend_name() == "postgresql" or not Path(bench.url.database).exists()
    bench.copy(tenant="b")
    with pytest.raises(CopyOfAnotherTenant):
        bench.copy(dry_run=True)


def test_a_named_table_that_may_not_be_copied_stops_the_run(bench):
    """Nobody is left to believe that it was copied."""
    for error, name in ((Forbidden, "person"), (TableUndeclared, "loose"), (InvalidInput, "nothing")):
        with pytest.raises(error):
            bench.copy(tables=["customer", name])


def test_credentials_and_what_looks_personal_stay_behind(bench):
    """A sign-in table comes only by name, and its undeclared secret only by name, too."""
    m = bench.world.m
    with bench.world.session() as session:
        session.add(m.Account(id="1", email="budi@example.com", secret="scrypt$tiger"))
        session.commit()
    done = bench.copy(tables=["account"])
    assert done.plan.tables[0].doubtful == ("secret",)
    assert bench.read("SELECT id, email, secret FROM {s}account") == [("1", None, None)]
    bench.copy(tables=["account"], clear=["account.secret"])
    assert bench.read("SELECT secret FROM {s}account") == [("scrypt$tiger",)]


def test_many_rows_come_in_batches_and_are_all_on_record(bench):
    """Each row is copied and noted once, whatever the number of batches."""
    m = bench.world.m
    with bench.world.session() as session:
        session.add_all(m.Customer(id=f"c{n:04}", name=f"Nomor {n}", phone="0899 0000 0000") for n in range(2_500))
        session.commit()
    seen = []
    done = bench.copy(tables=["customer"], progress=lambda *step: seen.append(step))
    assert done.rows == {"customer": 2_502}
    assert seen == [("customer", 1000, 2502), ("customer", 2000, 2502), ("customer", 2502, 2502)]
    assert bench.read("SELECT count(*), count(DISTINCT id) FROM {s}customer") == [(2_502, 2_502)]
    read = [w for one in trail(bench.world) for w in one.what if w.action == "read" and w.rows]
    assert len({row for what in read for row in what.rows}) == sum(what.count for what in read) == 2_502


def test_a_copy_is_as_of_one_moment(bench):
    """What is committed while it is made is not in it: a row never points to one that is missing."""

    def meanwhile(table, _done, _total):
        if table == "customer":
            bench.world.stored(
                "INSERT INTO invoice (tenant_id, id, customer_id, total) VALUES ('a', 'late', 'budi', 1000)"
            )

    bench.copy(progress=meanwhile)
    assert bench.read("SELECT sum(total) FROM {s}invoice") == [(12,)]
    bench.copy()
    assert bench.read("SELECT sum(total) FROM {s}invoice") == [(1012,)]


def test_a_copy_of_another_tenant_is_refused(bench):
    """One place, one tenant."""
    bench.copy(tenant="b")
    with pytest.raises(CopyOfAnotherTenant):
        bench.copy()
    assert bench.read("SELECT DISTINCT tenant FROM {s}amanah_copy") == [("b",)]


def test_a_place_with_anything_else_is_refused(bench):
    """A table or view that is nobody's copy stays, and so does one that stands beside a copy."""
    postgresql = bench.url.get_backend_name() == "postgresql"
    with bench.connect() as connection:
        if postgresql:
            connection.execute(text("CREATE SCHEMA reporting"))
        connection.execute(text(f"CREATE TABLE {'reporting.' if postgresql else ''}mine (id int)"))
    with pytest.raises(CopyPlaceTaken):
        bench.copy()
    with bench.connect() as connection:
        connection.execute(text(f"DROP TABLE {'reporting.' if postgresql else ''}mine"))
    bench.copy()
    with bench.connect() as connection:
        prefix = "reporting." if postgresql else ""
        connection.execute(text(f"CREATE VIEW {prefix}mine AS SELECT id FROM {prefix}customer"))
    with pytest.raises(CopyPlaceTaken):
        bench.copy()
    assert len(bench.read("SELECT id FROM {s}mine")) == 2


def test_the_applications_own_database_is_refused(books, tmp_path):
    """Neither beside its tables nor in a schema of its own, nor over the trail."""
    reader(books, "a")
    before = books.stored("SELECT count(*) FROM customer")
    with pytest.raises(CopyPlaceTaken):
        Bench(books, books.url).copy()
    if books.engine.dialect.name == "sqlite":
        for place in (books.guard.trail_engine.url.database, f"{books.guard.engine.url.database}-wal"):
            with pytest.raises(CopyPlaceTaken):
                Bench(books, f"sqlite:///{place}").copy()
        link = tmp_path / "link.db"
        link.symlink_to(books.guard.engine.url.database)
        with pytest.raises(CopyPlaceTaken):
            Bench(books, f"sqlite:///{link}").copy()
    assert books.stored("SELECT count(*) FROM customer") == before


@pytest.mark.postgresql
@pytest.mark.parametrize("schema", ["public", "pg_catalog", "Reporting", "a b", 'x"; DROP SCHEMA y; --', "x" * 64, ""])
def test_a_schema_that_others_use_is_refused(books, second_postgres, schema):
    """A copy has a schema of its own."""
    reader(books, "a")
    with pytest.raises(CopyPlaceTaken):
        Bench(books, second_postgres).copy(schema=schema)


@pytest.mark.postgresql
def test_a_view_that_depends_on_the_copy_is_not_dropped_with_it(books, second_postgres):
    """The run stops and the old copy stays; nobody loses what they built."""
    reader(books, "a")
    bench = Bench(books, second_postgres)
    bench.copy()
    with bench.connect() as connection:
        connection.execute(text("CREATE VIEW public.totals AS SELECT sum(total) FROM reporting.invoice"))
    with pytest.raises(CopyPlaceTaken, match="depend"):
        bench.copy()
    assert bench.read("SELECT * FROM public.totals") == [(12,)]


@pytest.mark.postgresql
def test_a_postgresql_copy_grants_nothing(books, second_postgres):
    """A role of the server's reads it only once somebody has granted that, and default privileges last."""
    reader(books, "a")
    bench = Bench(books, second_postgres)
    role = f"bi_{uuid.uuid4().hex[:12]}"
    with bench.connect() as connection:
        connection.execute(text(f"CREATE ROLE {role}"))
    try:
        bench.copy()
        question = f"SELECT has_schema_privilege('{role}', 'reporting', 'USAGE')"
        assert bench.read(question) == [(False,)]
        with bench.connect() as connection:
            connection.execute(text(f"ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO {role}"))
            connection.execute(text(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {role}"))
        bench.copy()
        assert bench.read(question) == [(True,)]
        assert bench.read(f"SELECT has_table_privilege('{role}', 'reporting.customer', 'SELECT')") == [(True,)]
    finally:
        with bench.connect() as connection:
            connection.execute(text(f"DROP OWNED BY {role}"))
            connection.execute(text(f"DROP ROLE {role}"))


def test_a_file_is_its_owners_only(file_bench):
    """Whatever the umask, also when an old one was open to all."""
    before = os.umask(0)
    try:
        file_bench.copy()
        path = Path(file_bench.url.database)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        file_bench.copy()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_who_has_the_old_file_open_keeps_it(file_bench):
    """A report that is being drawn is drawn to its end."""
    file_bench.copy()
    with file_bench.connect() as connection:
        rows = connection.execute(text("SELECT id FROM customer ORDER BY id"))
        first = rows.fetchone()
        file_bench.copy(tables=["invoice"])
        assert [first, *rows] == [("budi",), ("siti",)]
    assert file_bench.tables() == {"amanah_copy", "invoice"}


@pytest.mark.parametrize(
    "address",
    ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?uri=true", "mysql://localhost/x"],
)
def test_an_address_that_is_no_place_is_refused(file_bench, address):
    """A copy lies in a file or in PostgreSQL."""
    with pytest.raises(InvalidInput):
        file_bench.copy(to=make_url(address))


def test_a_place_that_cannot_be_written_is_told(file_bench, tmp_path):
    """No such folder, no such server; and the address is told without its password."""
    with pytest.raises(CopyPlaceAway):
        file_bench.copy(to=make_url(f"sqlite:///{tmp_path / 'nowhere' / 'copy.db'}"))
    with pytest.raises(CopyPlaceAway) as caught:
        file_bench.copy(to=make_url("postgresql+psycopg://me:tiger@127.0.0.1:1/copy"))
    assert "tiger" not in str(caught.value)


def test_who_may_not_gets_no_copy(file_bench):
    """An account that is no member, a purpose that is not registered or not allowed: and the old copy stays."""
    file_bench.copy()
    with pytest.raises(NotAMember):
        file_bench.copy(actor="stranger")
    with pytest.raises(PurposeUnknown):
        file_bench.copy(purpose="whatever")
    with pytest.raises(InvalidInput):  # what all tenants share is no reason to replace a copy
        file_bench.copy(purpose="essential.service.payment_processing")
    assert "customer" in file_bench.tables()
    assert set(file_bench.copy(tables=["country"]).rows) == {"country"}


def test_a_value_that_does_not_open_stops_the_run(bench):
    """The old copy stays, and the error repeats no value."""
    bench.copy()
    bench.world.stored("UPDATE customer SET name = phone WHERE id = 'siti'")
    with pytest.raises(Exception, match="sealed value"):
        bench.copy()
    assert len(bench.read("SELECT id FROM {s}customer")) == 2


@pytest.mark.postgresql
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_value_of_another_type_stops_the_run_and_is_not_repeated(books, second_postgres):
    """SQLite keeps whatever it is given, PostgreSQL does not; an error says the table and the kind of error."""
    reader(books, "a")
    bench = Bench(books, second_postgres)
    bench.copy()
    books.stored("UPDATE invoice SET total = 'Budi Santoso' WHERE total = 5")
    with pytest.raises(CopyFailed, match="invoice") as caught:
        bench.copy()
    shown = "".join(traceback.format_exception(caught.value))
    assert "Budi" not in shown
    assert bench.read("SELECT sum(total) FROM {s}invoice") == [(12,)]


KILLED = """
import importlib.util, sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sqlalchemy import create_engine, make_url
import sql_world
from amanah.adoption.report_copy import Order, report_copy
from amanah.guard import Guard
m = sql_world.models()
guard = Guard.development(
    metadata=m.Base.metadata, engine=create_engine(sys.argv[2]), declarations=sql_world.DECLARED,
    state=Path(sys.argv[3]), identify=lambda _: None, routes=[],
)
def stop(table, done, total):
    if table == "invoice":
        print("half", flush=True)
        time.sleep(600)
report_copy(guard, Order(tenant="a", to=make_url(sys.argv[4])), progress=stop)
"""


def test_a_run_that_is_killed_leaves_the_old_copy_whole(bench, tmp_path):
    """``kill -9`` in the middle of it; the next run goes through."""
    bench.copy()
    with bench.world.session() as session:
        session.add(bench.world.m.Customer(id="new", name="Baru Sekali"))
        session.commit()
    tests = str(Path(__file__).parents[2])
    url = bench.url.render_as_string(hide_password=False)
    program = [sys.executable, "-W", "ignore", "-c", KILLED, tests, bench.world.url, str(tmp_path / "state"), url]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as running:
        assert running.stdout.readline() == b"half\n"
        if bench.url.get_backend_name() == "sqlite":
            with pytest.raises(CopyBusy):
                bench.copy()
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    assert bench.read("SELECT id FROM {s}customer ORDER BY id") == [("budi",), ("siti",)]
    assert bench.read("SELECT count(*) FROM {s}invoice") == [(2,)]
    bench.copy()
    assert bench.read("SELECT id FROM {s}customer ORDER BY id") == [("budi",), ("new",), ("siti",)]
    if bench.url.get_backend_name() == "sqlite":
        assert [one.name for one in Path(bench.url.database).parent.glob(".copy.db*")] == []


def test_two_runs_at_once_do_not_meet(bench):
    """The second one is refused, and the first goes through."""
    refused = []

    def second(table, _done, _total):
        if table == "invoice":
            with pytest.raises(CopyBusy) as caught:
                bench.copy()
            refused.append(caught.value)

    bench.copy(progress=second)
    assert len(refused) == 1
    assert len(bench.read("SELECT id FROM {s}customer")) == 2


def test_the_trail_being_away_stops_the_run(file_bench):
    """Nothing is copied that is not on record."""
    file_bench.copy()
    size = Path(file_bench.url.database).stat().st_ino
    file_bench.world.guard.writer.close()
    with pytest.raises(Exception, match="record"):
        file_bench.copy()
    assert Path(file_bench.url.database).stat().st_ino == size
