"""Attack: get out of a reporting copy, or by making one, what nobody would be shown."""

from __future__ import annotations

import sqlite3
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import String, Text, TypeDecorator, create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah.adoption.report_copy import Order, report_copy
from amanah.database import core
from amanah.errors import CopyBusy, CopyPlaceTaken, Forbidden, InvalidInput, TenantForeign
from amanah.middleware.access import Sight
from amanah.middleware.declare import declare
from amanah.middleware.personal import Personal

if TYPE_CHECKING:
    from pathlib import Path

BILLING = "essential.service.payment_processing"
SECRETS = (b"Budi", b"Santoso", b"Siti", b"0812", b"3456", b"0813", b"1111", b"budi@", b"Surabaya", b"Malang", b"Islam")
THEIRS = (b"Tono", b"tono", b"Medan", b"theirs", b"their-invoice")


def copy(guard: Any, path: Path, *, tenant: str = "a", actor: str = "boss", **order: Any) -> Any:
    """A copy for an account that may do everything with everything."""
    return report_copy(
        guard, Order(tenant=tenant, to=make_url(f"sqlite:///{path}"), actor=actor, purpose=BILLING, **order)
    )


def rows(path: Path, sql: str) -> list[Any]:
    """As a BI tool."""
    with sqlite3.connect(path) as connection:
        return connection.execute(sql).fetchall()


def test_the_bytes_of_a_copy_hold_no_personal_value_and_nothing_of_others(books: Any, tmp_path: Path) -> None:
    """Whoever copies may see all of it in clear, and an older copy held values: the file's bytes do not."""
    path = tmp_path / "copy.db"
    copy(books.guard, path, clear=frozenset({"customer.name", "customer.phone"}))
    assert b"Budi Santoso" in path.read_bytes()
    copy(books.guard, path)
    held = path.read_bytes()
    assert [value for value in (*SECRETS, *THEIRS) if value in held] == []
    assert b"first" in held
    sealed = books.stored("SELECT name, phone, phone_ix FROM customer")
    assert not any(bytes(value) in held for row in sealed for value in row if value)
    assert not [one for one in tmp_path.iterdir() if "amanah-new" in one.name]


def test_rows_of_others_stay_out_however_they_belong(shop: Any, tmp_path: Path) -> None:
    """By a column, by a parent, by a parent's parent, by being the tenant itself; also a table named for itself."""
    path = tmp_path / "copy.db"
    copy(shop.guard, path, tenant="1")
    held = path.read_bytes()
    assert rows(path, "SELECT id FROM serial ORDER BY id") == [("serial of ink",), ("serial of paper",)]
    assert rows(path, "SELECT id FROM company") == [(1,)]
    assert [value for value in (b"gold", b"silver", b"Company 2", b"F20") if value in held] == []
    for table in ("company", "order", "line", "part", "serial", "sticker", "order_tag", "account", "attempt"):
        copy(shop.guard, path, tenant="1", tables=frozenset({table}))
        assert not any(value in path.read_bytes() for value in (b"gold", b"silver", b"Company 2", b"account 2"))
        assert rows(path, f'SELECT count(*) FROM "{table}"') != [(0,)]


def test_what_is_only_observed_is_not_copied(observed_world: Any, tmp_path: Path) -> None:
    """Neither walls nor masks are up there; what is enforced comes masked, and of this tenant only."""
    guard = observed_world.guard(enforce=["patient"])
    observed_world.people()
    path = tmp_path / "copy.db"
    done = copy(guard, path, tenant="1")
    assert set(done.rows) == {"patient"}
    assert done.plan.left_out == {"orders": "observed", "secret": "observed", "unit": "undeclared"}
    assert rows(path, "SELECT id, name FROM patient") == [(1, "B.")]
    assert rows(path, "SELECT posture FROM amanah_copy")[0][0].startswith("observing until ")
    with pytest.raises(InvalidInput):
        copy(guard, path, tenant="1", tables=frozenset({"orders"}))


def test_an_access_can_only_narrow_itself(books: Any) -> None:
    """What was withheld stays withheld, and a mask stays one."""
    fields = list(books.guard.register.by_name("customer").fields.values())
    with books.access(actor="masker") as access:
        before = {field.name: access.sight(field) for field in fields}
        access.narrow(fields)
        assert {field.name: access.sight(field) for field in fields} == before
    with books.access() as access:
        access.narrow(fields)
        assert {access.sight(field) for field in fields} == {Sight.MASKED}
    with books.access() as access:
        assert {access.sight(field) for field in fields} == {Sight.CLEAR}


def test_a_deny_holds_against_a_column_named_in_clear(books: Any, tmp_path: Path) -> None:
    """The policy's no is not the operator's to overrule, and nothing is written."""
    guard = books.guard
    with guard.engine.begin() as connection:
        guard.policies.add_rule(
            connection, "a", role="boss", object="customer.phone", action="read", purpose=BILLING, effect="deny"
        )
    path = tmp_path / "copy.db"
    with pytest.raises(Forbidden):
        copy(guard, path, clear=frozenset({"customer.phone"}))
    assert not path.exists()


@pytest.mark.parametrize("planted", ["symlink", "hard link", "folder"])
def test_a_name_that_somebody_planted_is_not_written_through(books: Any, tmp_path: Path, planted: str) -> None:
    """The unfinished copy has a name that anybody can foresee: what stands there is neither followed nor emptied."""
    folder = tmp_path / "copies"
    folder.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("mine", "utf-8")
    fresh = folder / ".copy.db.amanah-new"
    if planted == "symlink":
        fresh.symlink_to(victim)
    elif planted == "hard link":
        fresh.hardlink_to(victim)
    else:
        fresh.mkdir()
    with pytest.raises(Exception, match="reporting copy was not written"):
        copy(books.guard, folder / "copy.db")
    assert victim.read_text("utf-8") == "mine"


def test_a_journal_beside_the_copy_does_not_meet_the_new_file(books: Any, tmp_path: Path) -> None:
    """A journal of the old file would be played back into the new one by whoever opens it next."""
    path = tmp_path / "copy.db"
    copy(books.guard, path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("UPDATE invoice SET total = 1")
        connection.commit()
        with pytest.raises(CopyBusy):
            copy(books.guard, path)


def test_an_application_that_calls_its_table_like_the_marker_keeps_it(books: Any, tmp_path: Path) -> None:
    """A marker is one only with the marker's columns."""
    path = tmp_path / "copy.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE amanah_copy (id)")
    with pytest.raises(CopyPlaceTaken):
        copy(books.guard, path)
    path.write_bytes(b"not a database, and nobody's copy" * 100)
    with pytest.raises(CopyPlaceTaken):
        copy(books.guard, path)
    assert path.read_bytes().startswith(b"not a database")


class Reversed(TypeDecorator[str]):
    """A type of the application's own that hides what it stores."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return value and value[::-1]

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return value and value[::-1]


def house(step: str | None = None) -> SimpleNamespace:
    """A table with a type of the application's own, and a column that is sealed while it is in use."""

    class Base(DeclarativeBase):
        pass

    class Guest(Base):
        __tablename__ = "guest"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        called: Mapped[str | None] = mapped_column(String(80))
        room: Mapped[str | None] = mapped_column(Reversed(20))
        remarks: Mapped[str | None] = mapped_column(Text)

    live: dict[str, Any] = {"sealing": step} if step else {}
    columns = {"called": Personal(category="user.name", search="exact", **live)}
    return SimpleNamespace(Base=Base, Guest=Guest, declared=[declare("guest", subject="id", columns=columns)])


@pytest.mark.parametrize("step", [None, "write_both", "read_sealed", "sealed_only"])
def test_a_column_that_is_being_sealed_is_masked_at_every_step(
    worlds: None, database_url: str, tmp_path: Path, step: str | None
) -> None:
    """Envelopes and tokens beside it stay behind, and so does the plain value while there still is one.

    What the application's own types hide stays hidden, and what looks personal and is not declared is withheld.
    """
    import sql_world

    m = house(step)
    world = sql_world.build(database_url, tmp_path, declared=m.declared, made=m)
    try:
        with world.session() as session:
            session.add(m.Guest(id="1", called="Budi Santoso", room="kamar", remarks="Budi snores"))
            session.commit()
        path = tmp_path / "copy.db"
        copy(world.guard, path)
        assert rows(path, "SELECT * FROM guest") == [("a", "1", "B. S.", "ramak", None)]
        assert [row[1] for row in rows(path, "PRAGMA table_info(guest)")] == [
            "tenant_id",
            "id",
            "called",
            "room",
            "remarks",
        ]
        assert b"Budi" not in path.read_bytes()
    finally:
        world.close()


def test_a_copy_of_a_tenant_that_is_not_the_applications_is_refused(
    worlds: None, sqlite_database: str, tmp_path: Path
) -> None:
    """Where all data is one tenant's, nobody of another copies it."""
    import sql_world

    m = house()
    world = sql_world.build(
        sqlite_database,
        tmp_path,
        declared=m.declared,
        made=m,
        tenants=("a", "b"),
        guarded={"fixed_tenant": "a", "tenant_column": "none"},
    )
    try:
        copy(world.guard, tmp_path / "a.db")
        with pytest.raises(TenantForeign):
            copy(world.guard, tmp_path / "b.db", tenant="b")
        assert not (tmp_path / "b.db").exists()
    finally:
        world.close()


def test_the_database_that_the_copy_is_for_is_never_another_applications(books: Any, tmp_path: Path) -> None:
    """A database with Amanah's own tables in it is an application's, whatever else it holds."""
    path = tmp_path / "other.db"
    engine = create_engine(f"sqlite:///{path}")
    core.create_all(engine)
    engine.dispose()
    with pytest.raises(CopyPlaceTaken):
        copy(books.guard, path)
