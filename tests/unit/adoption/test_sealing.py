"""What an application has stored plain is sealed while it goes on writing."""

from __future__ import annotations

import datetime as dt
import json
import threading
from contextlib import contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, ForeignKey, String, Uuid, event, insert, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from amanah import Personal, declare
from amanah.adoption.sealing import backfill
from amanah.adoption.sealing_targets import chosen
from amanah.errors import InvalidInput, KeysUnavailable, NothingToSeal, SealingStepWrong, SiblingsMissing
from tests import sealing_world, sql_world
from tests.sealing_world import UUIDS, patient
from tests.spelled_out import spelled_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def bare(database_url: str, tmp_path: Path) -> Iterator[sealing_world.SealingWorld]:
    """Tables in use, without rows, declared write_both."""
    made = sealing_world.SealingWorld(database_url, tmp_path)
    yield made
    made.close()


@pytest.fixture
def clinic(bare: sealing_world.SealingWorld) -> sealing_world.SealingWorld:
    """The same with plain rows of two tenants."""
    return bare.fill()


@contextmanager
def just_before(statement: str, then: Callable[[], Any]) -> Iterator[list[str]]:
    """Do something once, from elsewhere, right before the first SQL that begins with ``statement`` is sent."""
    met: list[str] = []

    def look(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if statement in sql and not met:
            met.append(sql)
            then()

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield met
    finally:
        event.remove(Engine, "before_cursor_execute", look)


def acts(clinic: sealing_world.SealingWorld, tenant: str) -> list[dict[str, Any]]:
    """What the tenant's trail says of sealing, oldest first."""
    bodies = clinic.sql("SELECT body FROM amanah_staged ORDER BY at, event_id")
    entries = [spelled_out(body) for (body,) in bodies]
    return [e["detail"] for e in entries if e["tenant"] == tenant and e["detail"]["act"] != "tenant.create"]


def test_everything_is_sealed_and_reads_as_before(clinic: sealing_world.SealingWorld) -> None:
    """Keys of all kinds, values of all kinds, tables that belong to their tenant in all ways."""
    results = clinic.encrypt()
    assert all(one.whole for one in results.values())
    assert results["patient.phone"].done == 3
    assert results["remark.words"].done == 3
    assert all(one.whole for one in clinic.verify().values())
    m = clinic.deploy("read_sealed").world.m
    with clinic.world.session() as session:
        first, second, third = session.scalars(select(m.Patient).order_by(m.Patient.id))
        assert (first.phone, first.born, first.score) == ("0812 3456 7890", dt.date(1990, 1, 2), 7)
        assert first.profile == {"blood": "O", "allergies": ["ink"]}
        assert first.seen_at == dt.datetime(2026, 5, 6, 7, 8, 9, 100)  # noqa: DTZ001
        assert (second.score, second.fee, second.photo) == (-5, Decimal("0.10"), b"\x00\xff'")
        assert (third.phone, third.profile, third.photo) == (None, None, None)
        assert set(session.scalars(select(m.Visit.complaint))) == {"batuk", "it's 100% %s"}
        assert set(session.scalars(select(m.Remark.words))) == {"satu", "dua"}
        assert session.scalar(select(m.Letter.body)) == "surat"
        assert session.scalars(select(m.Patient.id).where(m.Patient.phone == "+6281234567890")).all() == [1]
        assert session.scalars(select(m.Account.login).where(m.Account.email == "BUDI@example.com")).all() == ["budi"]


def test_nothing_plain_is_changed(clinic: sealing_world.SealingWorld) -> None:
    """The application still reads the plain columns."""
    plain = "SELECT id, tenant_id, phone, born, score, fee, photo, seen_at FROM patient ORDER BY id"
    before = clinic.sql(plain)
    clinic.encrypt()
    assert clinic.sql(plain) == before


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_batches_of_any_size_leave_nothing_out(clinic: sealing_world.SealingWorld, batch: int) -> None:
    """Pages follow each other by primary key."""
    clinic.insert("Patient", *(patient(100 + number, "a") for number in range(7)))
    results = clinic.encrypt(batch=batch)
    assert results["patient.phone"].done == 10
    assert all(one.whole for one in [*results.values(), *clinic.verify(batch=batch).values()])


def test_tokens_are_those_that_the_gate_makes(clinic: sealing_world.SealingWorld) -> None:
    """Normalised, under the search domain, and the platform's where sign-in searches."""
    clinic.encrypt()
    m = clinic.world.m
    with clinic.world.session() as session:
        session.add(m.Patient(id=50, phone="+62 812-3456-7890", score=7))
        session.add(m.Account(login="siti", email="BUDI@EXAMPLE.COM"))
        session.commit()
    ours, theirs = clinic.sql("SELECT phone_ix, score_ix FROM patient WHERE id IN (1, 50) ORDER BY id")
    assert [bytes(one) for one in ours] == [bytes(one) for one in theirs]
    assert len({bytes(one) for (one,) in clinic.sql("SELECT email_ix FROM account")}) == 1
    across = clinic.sql("SELECT phone_ix FROM patient WHERE id IN (1, 4)")
    assert bytes(across[0][0]) != bytes(across[1][0])


def test_a_second_run_finds_nothing_to_do(clinic: sealing_world.SealingWorld) -> None:
    """And writes nothing, not even into the trail."""
    clinic.encrypt()
    before, entries = clinic.sql("SELECT id, phone_sealed FROM patient ORDER BY id"), acts(clinic, "a")
    results = clinic.encrypt()
    assert not any(one.done or one.left for one in results.values())
    assert clinic.sql("SELECT id, phone_sealed FROM patient ORDER BY id") == before
    assert acts(clinic, "a") == entries


def test_each_trail_says_what_was_done(clinic: sealing_world.SealingWorld) -> None:
    """Once before the first row and once after the last, with counts, and by whom."""
    clinic.encrypt("patient.phone", "letter")
    assert acts(clinic, "a") == [
        {"act": "encrypt.begin", "columns": "letter.body patient.phone"},
        {"act": "encrypt.end", "refused": 0, "letter.body": 1, "patient.phone": 2},
    ]
    assert acts(clinic, "b") == [
        {"act": "encrypt.begin", "columns": "patient.phone"},
        {"act": "encrypt.end", "refused": 0, "patient.phone": 1},
    ]
    clinic.verify("letter")
    assert acts(clinic, "a")[-1] == {"act": "encrypt.verify", "columns": "letter.body"}
    assert "0812" not in json.dumps([acts(clinic, "a"), acts(clinic, "b")])


def test_only_what_is_named_is_sealed(clinic: sealing_world.SealingWorld) -> None:
    """One column, or one tenant."""
    assert list(clinic.encrypt("patient.phone", tenant="b")) == ["patient.phone"]
    rows = clinic.sql("SELECT id, phone_sealed IS NULL, born_sealed IS NULL FROM patient ORDER BY id")
    assert [tuple(map(int, row)) for row in rows] == [(1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 0, 1)]


# -- while the application writes --


def test_a_write_in_between_wins(clinic: sealing_world.SealingWorld) -> None:
    """The new value is not overwritten by what was read before, and is sealed in the next pass."""

    def write() -> None:
        clinic.sql("UPDATE patient SET phone = '0899' WHERE id = 1")

    with just_before("UPDATE patient", write) as met:
        results = clinic.encrypt("patient")
    assert met
    assert all(one.whole for one in [*results.values(), *clinic.verify("patient").values()])
    assert clinic.sql("SELECT phone FROM patient WHERE id = 1") == [("0899",)]
    m = clinic.deploy("read_sealed").world.m
    with clinic.world.session() as session:
        assert session.get(m.Patient, 1).phone == "0899"


def test_an_envelope_that_came_in_between_stays(clinic: sealing_world.SealingWorld) -> None:
    """A process that writes both was faster: its envelope is not replaced, even of the same value."""

    def write() -> None:
        clinic.sql("UPDATE patient SET phone_sealed = :one, phone_ix = :one WHERE id = 1", one=b"theirs")

    with just_before("UPDATE patient", write):
        results = clinic.encrypt("patient.phone")
    assert results["patient.phone"].done == 2
    assert bytes(clinic.sql("SELECT phone_sealed FROM patient WHERE id = 1")[0][0]) == b"theirs"


def test_a_change_of_letter_case_in_between_wins(clinic: sealing_world.SealingWorld) -> None:
    """However the column compares: on SQLite it is NOCASE here."""

    def write() -> None:
        clinic.sql("UPDATE account SET email = 'bUDI@Example.com' WHERE tenant_id = 'a'")

    with just_before("UPDATE account", write):
        clinic.encrypt("account")
    assert clinic.verify("account")["account.email"].whole


def test_a_row_that_moved_to_another_tenant_in_between_is_not_sealed_for_the_first(
    clinic: sealing_world.SealingWorld,
) -> None:
    """Its envelope would never open there."""

    def move() -> None:
        clinic.sql("UPDATE patient SET tenant_id = 'b' WHERE id = 1")

    with just_before("UPDATE patient", move):
        clinic.encrypt("patient.phone")
    assert clinic.verify("patient.phone")["patient.phone"].whole


def test_rows_below_a_parent_that_moved_in_between_are_not_sealed_for_the_first(
    clinic: sealing_world.SealingWorld,
) -> None:
    """Rows that belong to their tenant by a parent's parent."""

    def move() -> None:
        clinic.sql("UPDATE patient SET tenant_id = 'b' WHERE id = 1")

    with just_before("UPDATE remark", move):
        clinic.encrypt("remark")
    assert clinic.verify("remark")["remark.words"].whole


@pytest.mark.postgresql
def test_it_waits_for_nobody(postgres_database: str, tmp_path: Path) -> None:
    """A row that a transaction of the application's holds is left for the next run, told, and the others are sealed."""
    clinic = sealing_world.SealingWorld(postgres_database, tmp_path).fill()
    try:
        with clinic.world.plain.connect() as holder:
            holder.execute(text("UPDATE patient SET score = 8 WHERE id = 2"))
            done = threading.Event()
            found: dict[str, Any] = {}

            def run() -> None:
                found.update(clinic.encrypt("patient.phone"))
                done.set()

            worker = threading.Thread(target=run)
            worker.start()
            came = done.wait(60)
            holder.rollback()
            worker.join()
        assert came, "it waited for a row"
        assert (found["patient.phone"].done, found["patient.phone"].left) == (2, 1)
        assert clinic.encrypt("patient.phone")["patient.phone"].whole
    finally:
        clinic.close()


# -- what cannot be sealed --


def test_a_value_of_another_kind_is_told_by_its_row_and_the_others_go_on(bare: sealing_world.SealingWorld) -> None:
    """SQLite keeps anything anywhere, PostgreSQL has dates that Python has not."""
    bare.insert("Patient", *(patient(number, "a") for number in (1, 2, 3)))
    odd = "infinity" if bare.world.plain.dialect.name == "postgresql" else "kemarin"
    bare.sql(f"UPDATE patient SET born = '{odd}' WHERE id = 2")
    results = bare.encrypt("patient", batch=2)
    assert (results["patient.born"].done, results["patient.born"].left) == (2, 1)
    assert results["patient.born"].refused == [("a", "2")]
    assert results["patient.phone"].done == 3
    assert acts(bare, "a")[-1]["refused"] == 1
    assert odd not in repr(results)
    assert bare.verify("patient")["patient.born"].missing == [("a", "2")]


def test_rows_of_nobody_and_of_strangers_are_counted(clinic: sealing_world.SealingWorld) -> None:
    """No tenant, one that Amanah does not know, and a row whose parent is missing: none of them is sealed or silent."""
    clinic.insert("Patient", patient(60, None), patient(61, "stranger"), patient(62, "platform"))
    clinic.insert("Visit", {"id": sealing_world.new_uuid(9), "patient_id": None, "complaint": "siapa"})
    for found in (clinic.encrypt(), clinic.verify()):
        assert found["patient.phone"].without_keys == {"": 1, "stranger": 1, "platform": 1}
        assert found["visit.complaint"].without_keys == {"": 1}
        assert not found["patient.phone"].whole
    assert clinic.encrypt()["patient.phone"].left == 3
    assert clinic.sql("SELECT count(*) FROM patient WHERE id >= 60 AND phone_sealed IS NOT NULL") == [(0,)]


def test_a_tenant_without_keys_gets_none(clinic: sealing_world.SealingWorld) -> None:
    """Keys are made with a tenant, and by nothing else."""
    clinic.sql("DELETE FROM amanah_key WHERE tenant_id = 'b'")
    clinic.guard.keyring.forget("b")
    keys = clinic.sql("SELECT count(*) FROM amanah_key")
    results = clinic.encrypt("patient.phone")
    assert (results["patient.phone"].done, results["patient.phone"].without_keys) == (2, {"b": 1})
    assert clinic.sql("SELECT count(*) FROM amanah_key") == keys
    assert acts(clinic, "b") == []


def test_keys_that_are_away_stop_it(clinic: sealing_world.SealingWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key service that does not answer is no tenant without keys."""

    def away(*_: Any) -> bytes:
        raise ConnectionError

    clinic.guard.keyring.forget("a")
    monkeypatch.setattr(clinic.guard.provider, "unwrap", away, raising=False)
    with pytest.raises(KeysUnavailable):
        clinic.encrypt("patient.phone")


def test_a_search_that_was_declared_later_gets_its_tokens(clinic: sealing_world.SealingWorld) -> None:
    """An envelope without a token is sealed anew; else the row would not be found, silently."""
    clinic.encrypt("patient")
    clinic.sql("UPDATE patient SET phone_ix = NULL WHERE id = 1")
    assert clinic.encrypt("patient")["patient.phone"].done == 1
    assert clinic.verify("patient")["patient.phone"].whole


# -- what is refused --


def test_what_is_named_wrongly_is_refused(clinic: sealing_world.SealingWorld) -> None:
    """A table or column that nobody declared."""
    for name in ("nothing", "patient.id", "patient.nothing", "amanah_key"):
        with pytest.raises(InvalidInput):
            chosen(clinic.guard, [name], ("write_both",))


@pytest.mark.parametrize("step", [None, "read_sealed", "sealed_only"])
def test_another_step_is_refused(sqlite_database: str, tmp_path: Path, step: Any) -> None:
    """Named or not: there is nothing that a backfill could do."""
    clinic = sealing_world.SealingWorld(sqlite_database, tmp_path, step)
    try:
        with pytest.raises(SealingStepWrong):
            chosen(clinic.guard, ["patient.phone"], ("write_both",))
        with pytest.raises(NothingToSeal):
            chosen(clinic.guard, [], ("write_both",))
    finally:
        clinic.close()


def test_missing_columns_are_named(clinic: sealing_world.SealingWorld) -> None:
    """Before anything is done."""
    clinic.sql("ALTER TABLE letter DROP COLUMN body_sealed")
    with pytest.raises(SiblingsMissing) as refused:
        clinic.encrypt()
    assert refused.value.facts == {"columns": "letter.body_sealed"}
    assert clinic.sql("SELECT count(*) FROM patient WHERE phone_sealed IS NOT NULL") == [(0,)]


# -- other ideas of a tenant --


def _companies() -> SimpleNamespace:
    class Base(DeclarativeBase):
        pass

    class Customer(Base):
        __tablename__ = "customer"
        id: Mapped[int] = mapped_column(primary_key=True)
        company_id: Mapped[int]
        name: Mapped[str] = mapped_column(String(40))

    class Device(Base):
        __tablename__ = "device"
        id: Mapped[int] = mapped_column(primary_key=True)
        customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
        owner: Mapped[str | None] = mapped_column(String(40))

    return SimpleNamespace(Base=Base, Customer=Customer, Device=Device)


def test_tenants_that_are_numbers_are_found(database_url: str, tmp_path: Path) -> None:
    """The column's type is the application's; rows that hang on another row go by it."""
    name = Personal(category="user.name", sealing="write_both")
    world = sql_world.build(
        database_url,
        tmp_path,
        made=_companies(),
        declared=[
            declare("customer", columns={"name": name}),
            declare("device", via="customer_id", columns={"owner": name}),
        ],
        tenants=("1", "2"),
        guarded={"tenant_column": "company_id"},
    )
    try:
        raw = _companies()
        with world.plain.begin() as connection:
            people = [{"id": n, "company_id": n % 3, "name": f"n{n}"} for n in range(1, 7)]
            connection.execute(insert(raw.Customer.__table__), people)
            devices = [{"id": n, "customer_id": n, "owner": f"o{n}"} for n in range(1, 7)]
            connection.execute(insert(raw.Device.__table__), devices)
        fields = chosen(world.guard, [], ("write_both",))
        results = backfill(world.guard, fields, operator="operator")
        assert [(one.done, one.left, one.without_keys) for one in results] == [(4, 2, {"0": 2})] * 2
    finally:
        world.close()


def test_the_rows_of_one_organisation_need_no_column(database_url: str, tmp_path: Path) -> None:
    """A fixed tenant owns them all."""

    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "person"
        id: Mapped[Any] = mapped_column(Uuid, primary_key=True)
        name: Mapped[str] = mapped_column(String(40))

    world = sql_world.build(
        database_url,
        tmp_path,
        made=SimpleNamespace(Base=Base, Person=Person),
        declared=[declare("person", columns={"name": Personal(category="user.name", sealing="write_both")})],
        tenants=("apotek",),
        guarded={"fixed_tenant": "apotek"},
    )
    try:
        for number, name in enumerate(("Budi", "Siti")):
            world.stored("INSERT INTO person (id, name) VALUES (:id, :name)", id=UUIDS[number].hex, name=name)
        (result,) = backfill(world.guard, chosen(world.guard, [], ("write_both",)), operator="operator")
        assert (result.done, result.left) == (2, 0)
        with Session(world.plain) as session:
            assert session.execute(text("SELECT count(*) FROM person WHERE name_sealed IS NULL")).scalar() == 0
    finally:
        world.close()
