"""A column in use is sealed beside itself, one deployment after the other, and the application notices nothing."""

from __future__ import annotations

import datetime as dt
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import JSON, Index, String, UniqueConstraint, bindparam, create_engine, func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, aliased, mapped_column

from amanah import Personal, declare
from amanah.errors import DeclarationError, FieldProbed, RawSqlRefused, SealedUseRefused, SealedWriteRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from amanah.middleware.siblings import Step

PLAIN = None
STEPS: tuple[Step, ...] = ("write_both", "read_sealed", "sealed_only")
BESIDE = (
    *("phone_sealed", "phone_ix", "phone_ix2", "email_sealed", "email_ix", "email_ix2"),
    *("born_sealed", "level_sealed", "extra_sealed"),
)


def models() -> SimpleNamespace:
    """A table as one finds it."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patient"
        __table_args__ = (UniqueConstraint("tenant_id", "email"), Index("ix_patient_phone", "phone"))
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        phone: Mapped[str] = mapped_column(String(20))
        email: Mapped[str | None] = mapped_column(String(80))
        born: Mapped[dt.date | None]
        level: Mapped[str | None] = mapped_column(String(10), default="new")
        extra: Mapped[Any] = mapped_column(JSON, nullable=True)

    return SimpleNamespace(Base=Base, Patient=Patient)


class Steps:
    """One database, and one guard after the other over it, as deployments follow each other."""

    def __init__(self, url: str, folder: Path) -> None:
        """The table as it was before Amanah came, with the columns beside it as the first migration adds them."""
        self.url, self.folder = url, folder
        self.world: Any = None
        plain = create_engine(url)
        models().Base.metadata.create_all(plain)
        with plain.begin() as connection:
            for name in BESIDE:
                kind = "BYTEA" if plain.dialect.name == "postgresql" else "BLOB"
                connection.execute(text(f"ALTER TABLE patient ADD COLUMN {name} {kind}"))
        plain.dispose()

    def deploy(self, step: Step | None) -> Any:
        """Stop what runs, and start with the next declaration."""
        first = self.world is None
        if not first:
            self.world.close()

        def personal(category: str, **more: Any) -> Personal:
            return Personal(category=category, sealed=False) if step is None else Personal(
                category=category, sealing=step, **more
            )  # fmt: skip

        searched: dict[str, Any] = {} if step is None else {"search": "exact"}
        self.world = sys.modules["sql_world"].build(
            self.url,
            self.folder,
            made=models(),
            declared=[
                declare(
                    "patient",
                    resource="customer",
                    subject="id",
                    columns={
                        "phone": personal("user.contact.phone_number", **searched),
                        "email": personal("user.contact.email", **searched),
                        "born": personal("user.demographic.date_of_birth"),
                        "level": personal("user.demographic"),
                        "extra": personal("user.health_and_medical"),
                    },
                )
            ],
            tenants=("a", "b") if first else (),
        )
        return self.world

    def rows(self) -> list[Any]:
        """What the database holds."""
        with self.world.plain.connect() as connection:
            return list(connection.execute(text("SELECT * FROM patient ORDER BY id")).mappings())

    def release(self) -> None:
        """As the third migration does, as far as the tests need it."""
        with self.world.plain.begin() as connection:
            connection.execute(text("DROP INDEX ix_patient_phone"))
            if self.world.plain.dialect.name == "postgresql":
                connection.execute(text("ALTER TABLE patient ALTER COLUMN phone DROP NOT NULL"))
                return
            made = connection.scalar(text("SELECT sql FROM sqlite_master WHERE name = 'patient'"))
            loose = made.replace("phone VARCHAR(20) NOT NULL", "phone VARCHAR(20)").replace("patient", "patient_new")
            connection.execute(text(loose))
            connection.execute(text("INSERT INTO patient_new SELECT * FROM patient"))
            connection.execute(text("DROP TABLE patient"))
            connection.execute(text("ALTER TABLE patient_new RENAME TO patient"))

    def close(self) -> None:
        """Let go."""
        if self.world is not None:
            self.world.close()


@pytest.fixture
def steps(database_url: str, tmp_path: Path, worlds: None) -> Iterator[Steps]:
    """An application before its first deployment."""
    made = Steps(database_url, tmp_path)
    yield made
    made.close()


def add(world: Any, tenant: str = "a", **values: Any) -> int:
    """A patient, by the ORM."""
    with world.session(tenant) as session:
        patient = world.m.Patient(**{"phone": "0812", "email": "budi@x.id", "born": dt.date(1990, 1, 5), **values})
        session.add(patient)
        session.commit()
        return int(patient.id)


def seen(world: Any, key: int) -> tuple[Any, ...]:
    """How the application sees a patient."""
    with world.session() as session:
        one = session.get(world.m.Patient, key)
        return (one.phone, one.email, one.born, one.level)


@pytest.mark.parametrize("step", STEPS)
def test_what_is_written_is_read_again_at_each_step(steps: Steps, step: Step) -> None:
    """Insert, read, change, read: by key and by the ORM, and the default of a column holds."""
    world = steps.deploy(step)
    if step == "sealed_only":
        steps.release()
    key = add(world)
    assert seen(world, key) == ("0812", "budi@x.id", dt.date(1990, 1, 5), "new")
    with world.session() as session:
        one = session.get(world.m.Patient, key)
        one.phone, one.born = "0813", None
        session.commit()
    assert seen(world, key) == ("0813", "budi@x.id", None, "new")
    row = steps.rows()[0]
    plain = (row["phone"], row["email"], row["level"])
    assert plain == ((None, None, None) if step == "sealed_only" else ("0813", "budi@x.id", "new"))
    assert row["phone_sealed"]
    assert row["email_sealed"]
    assert row["level_sealed"]
    assert row["born_sealed"] is None
    assert len(row["phone_ix"]) == len(row["email_ix"]) == 16


def test_rows_are_carried_from_step_to_step(steps: Steps) -> None:
    """What was written at one step is read at the next, and back again."""
    world = steps.deploy("write_both")
    key = add(world)
    for step in ("read_sealed", "write_both", "read_sealed"):
        world = steps.deploy(step)  # type: ignore[arg-type]
        assert seen(world, key) == ("0812", "budi@x.id", dt.date(1990, 1, 5), "new"), step
    steps.release()
    world = steps.deploy("sealed_only")
    later = add(world, email="siti@x.id", phone="0899")
    world = steps.deploy("read_sealed")
    assert seen(world, key) == ("0812", "budi@x.id", dt.date(1990, 1, 5), "new")
    assert seen(world, later)[:2] == ("0899", "siti@x.id")


def test_what_is_read_is_what_the_step_says(steps: Steps) -> None:
    """Only at the first step the plain column is believed; from the second on nobody looks at it."""
    world = steps.deploy("write_both")
    key = add(world)
    world.stored("UPDATE patient SET phone = '0000'")
    assert seen(world, key)[0] == "0000"
    world = steps.deploy("read_sealed")
    assert seen(world, key)[0] == "0812"
    world.stored("UPDATE patient SET phone = '1111'")
    assert seen(steps.deploy("sealed_only"), key)[0] == "0812"


def test_the_plain_column_may_be_gone_in_the_end(steps: Steps) -> None:
    """The last step neither reads nor writes it."""
    world = steps.deploy("write_both")
    key = add(world)
    world = steps.deploy("sealed_only")
    steps.release()
    world.stored("ALTER TABLE patient DROP COLUMN phone")
    assert seen(world, key)[0] == "0812"
    other = add(world, email="siti@x.id", phone="0899")
    with world.session() as session:
        patient = world.m.Patient
        assert session.scalars(select(patient.id).where(patient.phone == "0899")).all() == [other]
        session.execute(update(patient).where(patient.id == other).values(phone="0800"))
        session.commit()
    assert seen(world, other)[0] == "0800"


def test_a_new_database_has_only_what_the_step_needs(worlds: None, database_url: str, tmp_path: Path) -> None:
    """CREATE TABLE at the last step makes no plain column."""
    made = models()
    world = sys.modules["sql_world"].build(
        database_url,
        tmp_path,
        made=made,
        declared=[declare("patient", resource="customer", columns={
            "phone": Personal(category="user.contact.phone_number", sealing="sealed_only"),
        })],
    )  # fmt: skip
    with world.access(), Session(world.engine) as session:
        session.add(made.Patient(phone="0812"))
        session.commit()
        assert session.scalars(select(made.Patient.phone)).all() == ["0812"]
    with world.plain.connect() as connection:
        names = connection.execute(text("SELECT * FROM patient")).keys()
    assert "phone_sealed" in names
    assert "phone" not in names
    world.close()


def _with_alias(model: Any, build: Callable[[Any], Any]) -> Any:
    return build(aliased(model, name="other"))


QUERIES: dict[str, Callable[[Any], Any]] = {
    "entity": select,
    "column": lambda p: select(p.id, p.phone),
    "label": lambda p: select(p.phone.label("number")),
    "alias": lambda p: select(aliased(p)),
    "subquery": lambda p: select(select(p.id, p.phone).subquery()),
    "cte": lambda p: select(select(p.id, p.phone, p.born).cte("some")),
    "deep": lambda p: select(select(select(p.id, p.phone).subquery()).subquery().c.phone),
    "alias in a subquery": lambda p: _with_alias(p, lambda o: select(select(o.id, o.phone).subquery())),
    "join": lambda p: _with_alias(p, lambda o: select(p.phone, o.phone).join(o, o.id == p.id)),
    "union all": lambda p: select(p.id, p.phone).union_all(select(p.id, p.phone)),
    "core": lambda p: select(p.__table__),
    "count": lambda p: select(func.count(p.phone)),
    "exists": lambda p: select(select(p.phone).exists()),
    "not null": lambda p: select(p.id).where(p.phone.is_not(None)),
    "null": lambda p: select(p.id).where(p.born.is_(None)),
    "equal": lambda p: select(p.id, p.born).where(p.phone == "0812"),
    "member": lambda p: select(p.id).where(p.email.in_(["budi@x.id", "tono@x.id"])),
    "outer equal": lambda p: select(p.id).where(p.id.in_(select(p.id).where(p.phone == "0812"))),
    "aliased equal": lambda p: _with_alias(p, lambda o: select(o.phone).where(o.phone != "0")),
    "order by key": lambda p: select(p.phone).order_by(p.id.desc()).limit(1),
}


@pytest.mark.parametrize("shape", QUERIES)
def test_each_step_gives_the_same_answers(steps: Steps, shape: str) -> None:
    """Whatever the statement looks like: what it finds at the last step is what it found before the first."""

    def answer() -> str:
        world = steps.world
        patient = world.m.Patient
        with world.session() as session:
            rows = session.execute(QUERIES[shape](patient)).all()
            told = [[_plain(cell) for cell in row] for row in rows]
        return repr(sorted(told, key=repr))

    world = steps.deploy("write_both")
    add(world)
    add(world, email="siti@x.id", phone="0899", born=None)
    add(world, tenant="b", email="budi@x.id")
    world = steps.deploy(PLAIN)
    expected = answer()
    for step in STEPS:
        steps.deploy(step)
        assert answer() == expected, step


def _plain(cell: Any) -> Any:
    return (cell.id, cell.phone, cell.email, cell.born, cell.level) if hasattr(cell, "born") else cell


@pytest.mark.parametrize("step", STEPS[1:])
def test_a_column_that_is_read_sealed_is_refused_where_a_sealed_one_is(steps: Steps, step: Step) -> None:
    """Patterns, order and expressions would work on envelopes, also while the plain value still stands beside."""
    world = steps.deploy(step)
    patient = world.m.Patient
    for name, statement in {
        "like": select(patient.id).where(patient.phone.like("08%")),
        "order": select(patient.id).order_by(patient.phone),
        "group": select(func.count()).group_by(patient.born),
        "function": select(func.lower(patient.email)),
        "unsearched": select(patient.id).where(patient.born == dt.date(1990, 1, 5)),
        "the column beside": select(patient.__table__.c.phone_sealed),
        "the tokens": select(patient.__table__.c.phone_ix),
        "beside in a condition": select(patient.id).where(patient.__table__.c.phone_sealed.is_(None)),
    }.items():
        with world.session() as session:
            world.refuses(SealedUseRefused, name, session.execute, statement)
    with world.session() as session:
        for values in ({"phone": func.upper("x")}, {"phone_sealed": b"x"}, {"phone_sealed": patient.__table__.c.email}):
            change = update(patient.__table__).where(patient.__table__.c.id == 1).values(values)
            world.refuses((SealedWriteRefused, SealedUseRefused), str(values), session.execute, change)


def test_a_change_that_cannot_be_sealed_leaves_nothing_stale(steps: Steps) -> None:
    """While the plain column is read, a change that names no row goes through, and what stood sealed beside it goes."""
    world = steps.deploy("write_both")
    add(world)
    patient = world.m.Patient
    with world.session() as session:
        session.execute(update(patient).where(patient.level == "new").values(phone="0855"))
        session.commit()
    row = steps.rows()[0]
    assert (row["phone"], row["phone_sealed"], row["phone_ix"]) == ("0855", None, None)
    assert row["email_sealed"]
    world = steps.deploy("read_sealed")
    with world.session() as session:
        statement = update(world.m.Patient).where(world.m.Patient.id > 0).values(phone="0866")
        world.refuses(SealedWriteRefused, "by criteria", session.execute, statement)


def test_many_rows_at_once_are_sealed_each_for_itself(steps: Steps) -> None:
    """executemany, values() of many rows and a bulk update by key."""
    for step in STEPS:
        world = steps.deploy(step)
        if step == "sealed_only":
            steps.release()
        table = world.m.Patient.__table__
        with world.access(), world.engine.begin() as connection:
            connection.execute(table.insert(), [{"phone": f"{step}{n}", "email": None} for n in (1, 2)])
            connection.execute(table.insert().values([{"phone": f"{step}{n}", "email": None} for n in (3, 4)]))
            keys = connection.execute(select(table.c.id).order_by(table.c.id.desc()).limit(2)).scalars().all()
            connection.execute(
                table.update().where(table.c.id == bindparam("key")),
                [{"key": key, "phone": f"{step}-{key}"} for key in keys],
            )
        with world.session() as session:
            numbers = set(session.scalars(select(world.m.Patient.phone)))
            assert {f"{step}1", f"{step}2", *(f"{step}-{key}" for key in keys)} <= numbers
    assert all(row["phone_sealed"] for row in steps.rows())


def test_what_is_unique_stays_unique(steps: Steps) -> None:
    """By the plain constraint while there is one, by an index over the tokens from the second step on."""
    world = steps.deploy("read_sealed")
    unique = {i.name: [c.name for c in i.columns] for i in world.m.Patient.__table__.indexes if i.unique}
    assert unique == {f"uq_patient_tenant_id_{one}": ["tenant_id", one] for one in ("email_ix", "email_ix2")}
    assert any(isinstance(c, UniqueConstraint) for c in world.m.Patient.__table__.constraints)
    steps.release()
    world = steps.deploy("sealed_only")
    assert not any(isinstance(c, UniqueConstraint) for c in world.m.Patient.__table__.constraints)
    world.stored("CREATE UNIQUE INDEX uq_patient_tenant_id_email_ix ON patient (tenant_id, email_ix)")
    add(world)
    with pytest.raises(IntegrityError):
        add(world)
    add(world, tenant="b")


def test_who_sees_a_mask_sees_one_at_each_step(steps: Steps) -> None:
    """And writes back what was shown, which changes nothing."""
    world = steps.deploy("write_both")
    with world.guard.engine.begin() as connection:
        world.guard.policies.add_rule(
            connection,
            "a",
            role="masker",
            object="patient.phone",
            action="read_masked",
            purpose=sys.modules["sql_world"].BILLING,
        )
    key = add(world, phone="081234567890")
    masks = set()
    for step in STEPS:
        world = steps.deploy(step)
        with world.session(actor="masker") as session:
            one = session.get(world.m.Patient, key)
            masks.add(one.phone)
            assert one.email is None
        with world.access(actor="masker"), world.engine.begin() as connection:
            table = world.m.Patient.__table__
            connection.execute(table.update().where(table.c.id == key).values(phone=next(iter(masks))))
        with world.session(actor="masker") as session:
            statement = select(world.m.Patient.id).where(world.m.Patient.phone == "081234567890")
            world.refuses(FieldProbed, step, session.execute, statement)
    assert len(masks) == 1
    assert "081234567890" not in masks
    assert steps.rows()[0]["phone"] == "081234567890"


def test_an_entry_names_the_column_that_the_application_named(steps: Steps) -> None:
    """Not the ones beside it."""
    for step in STEPS:
        world = steps.deploy(step)
        if step == "sealed_only":
            steps.release()
        key = add(world, email=f"{step}@x.id")
        with world.session() as session:
            session.get(world.m.Patient, key).phone = "0899"
            session.commit()
        create, change = world.changes("a")[-2:]
        assert set(create["columns"]) == {"id", "tenant_id", "phone", "email", "born", "level", "extra"}
        assert change["columns"] == ["phone"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sealing": "later"}, "is no step"),
        ({"sealing": "write_both", "sealed": False}, "governed"),
    ],
)
def test_a_step_that_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    """When it is declared."""
    with pytest.raises(DeclarationError, match=words):
        Personal(category="user.name", **options)


def test_a_unique_column_needs_search_from_the_first_step_on(steps: Steps) -> None:
    """Two steps later would be too late to hear of it."""
    made = models()
    with pytest.raises(DeclarationError, match="unique"):
        sys.modules["sql_world"].build(
            steps.url,
            steps.folder,
            made=made,
            declared=[declare("patient", columns={"email": Personal(category="user.contact", sealing="write_both")})],
        )


REPORT = "SELECT p.phone, p.born, COUNT(*) AS n FROM patient p GROUP BY p.id, p.phone, p.born ORDER BY p.id"


@pytest.mark.parametrize("way", ["text", "driver"])
def test_a_declared_report_shows_the_same_at_each_step(steps: Steps, way: str) -> None:
    """It is text, and knows nothing of what stands beside its columns."""
    add(steps.deploy("write_both"))
    add(steps.world, tenant="b")
    for step in STEPS:
        world = steps.deploy(step)
        columns = {"phone": "patient.phone", "born": "patient.born"}
        world.guard.declared_sql("patients", REPORT, columns=columns)
        with world.access(), world.engine.connect() as connection:
            run = connection.execute(text(REPORT)) if way == "text" else connection.exec_driver_sql(REPORT)
            ((phone, born, count),) = run.all()
        assert (phone, str(born), count) == ("0812", "1990-01-05", 1), step


def test_a_report_cannot_name_the_columns_beside(steps: Steps) -> None:
    """Neither declared nor as raw SQL."""
    world = steps.deploy("read_sealed")
    add(world)
    for column in ("phone_sealed", "phone_ix", "phone_ix2"):
        sql = f"SELECT {column} FROM patient"
        with world.access(), world.engine.connect() as connection:
            world.refuses(RawSqlRefused, column, connection.execute, text(sql))
            world.guard.declared_sql(column, sql)
            world.refuses(DBAPIError, column, connection.execute, text(sql))


def test_a_null_of_json_is_a_value_at_each_step(steps: Steps) -> None:
    """It was one before: a plain value without an envelope would be taken for one that nobody has sealed yet."""
    world = steps.deploy("write_both")
    keys = [add(world, email=f"{n}@x.id", extra=extra) for n, extra in enumerate((None, {"allergic": None}, [1]))]
    assert all(row["extra_sealed"] for row in steps.rows())
    for step in ("read_sealed", "sealed_only"):
        if step == "sealed_only":
            steps.release()
        world = steps.deploy(step)  # type: ignore[arg-type]
        with world.session() as session:
            shown = [session.get(world.m.Patient, key).extra for key in keys]
            assert shown == [None, {"allergic": None}, [1]], step
            session.get(world.m.Patient, keys[1]).extra = None
            session.commit()
        assert all(row["extra_sealed"] for row in steps.rows())
        with world.session() as session:
            session.get(world.m.Patient, keys[1]).extra = {"allergic": None}
            session.commit()
