"""Row seals: what can be declared, how rows are written, and that nothing changes for the application."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.migration import MigrationContext
from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Sequence,
    String,
    Table,
    Time,
    create_engine,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

import amanah
from amanah.errors import DeclarationError, SealedWriteRefused
from amanah.middleware.declare import build, declare
from amanah.middleware.personal import Personal
from amanah.middleware.row_seals import RowSealBytes


def _declared(*columns: Any, sealed: Any = ("x",), **options: Any) -> Any:
    metadata = MetaData()
    Table("other", metadata, Column("id", Integer, primary_key=True), Column("tenant_id", String(20)))
    Table(
        "payment",
        metadata,
        Column("tenant_id", String(20)),
        *([] if any(c.primary_key for c in columns) else [Column("id", String(36), primary_key=True)]),
        *columns,
    )
    register = build(metadata, [declare("payment", sealed_rows=sealed, **options)], "tenant_id")
    return register.by_name("payment")


REFUSED = {
    "no such column": _declared,
    "the key": lambda: _declared(sealed=["id"]),
    "the tenant": lambda: _declared(sealed=["tenant_id"]),
    "personal columns alone": lambda: _declared(Column("x", Personal(String, category="user.name"))),
    "on its way to being sealed": lambda: _declared(
        Column("x", Personal(String, category="user.name", sealing="write_both")),
        Column("y", Integer),
        sealed=["x", "y"],
    ),
    "governed bytes": lambda: _declared(
        Column("x", Personal(LargeBinary, category="user.name", sealed=False)), Column("y", Integer), sealed=["x", "y"]
    ),
    "personal with a server default": lambda: _declared(
        Column("x", Personal(String, category="user.name"), server_default="-"), Column("y", Integer), sealed=["x", "y"]
    ),
    "bytes": lambda: _declared(Column("x", LargeBinary)),
    "an array": lambda: _declared(Column("x", ARRAY(Integer))),
    "computed": lambda: _declared(Column("y", Integer), Column("x", Integer, Computed("y + 1"))),
    "server default": lambda: _declared(Column("x", Integer, server_default="1")),
    "a default of SQL": lambda: _declared(Column("x", Integer, default=func.random())),
    "a sequence": lambda: _declared(Column("x", Integer, Sequence("s"))),
    "onupdate": lambda: _declared(Column("x", Integer, onupdate=1)),
    "onupdate of the server": lambda: _declared(Column("x", Integer, server_onupdate=text("1"))),
    "a precision": lambda: _declared(Column("x", postgresql.TIMESTAMP(precision=0))),
    "a time with zone": lambda: _declared(Column("x", Time(timezone=True))),
    "ON DELETE SET NULL": lambda: _declared(Column("x", ForeignKey("other.id", ondelete="SET NULL"))),
    "ON UPDATE CASCADE": lambda: _declared(Column("x", ForeignKey("other.id", onupdate="CASCADE"))),
    "a key of the database": lambda: _declared(
        Column("id", String, primary_key=True, server_default=text("x()")), Column("x", Integer)
    ),
    "sign-in": lambda: _declared(Column("x", Integer), sign_in=True),
    "the seal's own name": lambda: _declared(Column("amanah_seal", Integer), Column("x", Integer)),
    "an odd name": lambda: _declared(Column("x's", Integer), sealed=["x's"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_kept_is_refused_at_declaration(name: str) -> None:
    """Whatever would raise false alarms, or could change behind the seal, is refused with its reason."""
    with pytest.raises(DeclarationError):
        REFUSED[name]()


def test_models_and_declarations_say_the_same() -> None:
    """Attributes or columns by name, in any order, in the model or beside it; two different lists are refused."""

    class Base(DeclarativeBase):
        pass

    class Payment(Base):
        __tablename__ = "payment"
        __sealed_rows__ = ("amount", "kind")
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(20))
        kind: Mapped[str] = mapped_column("type", String(20))
        amount: Mapped[int]

    same = [declare("payment", sealed_rows=["amount", "type"])]
    table = build(Base.metadata, same, "tenant_id").by_name("payment")
    assert table is not None
    assert table.sealed_rows is not None
    assert table.sealed_rows.columns == ("type", "amount")
    with pytest.raises(DeclarationError, match="two ways"):
        build(Base.metadata, [declare("payment", sealed_rows=["amount"])], "tenant_id")
    assert "amanah_seal" not in select(Payment.__table__).selected_columns.keys()  # noqa: SIM118 - no dictionary


def test_a_sealed_column_is_of_its_own_type_in_everything() -> None:
    """DDL, comparisons, parameters and expressions are those of the type that was declared."""
    seal = _declared(Column("x", Numeric(12, 2)), Column("at", DateTime(timezone=True)), sealed=["x", "at"])
    bare = MetaData()
    twin = Table("payment", bare, Column("x", Numeric(12, 2)), Column("at", DateTime(timezone=True)))
    for dialect in (postgresql.dialect(), sqlite.dialect()):
        for name in ("x", "at"):
            ours, theirs = seal.table.c[name], twin.c[name]
            assert ours.type.compile(dialect) == theirs.type.compile(dialect)
            assert type((ours == Decimal(1)).right.type) is type((theirs == Decimal(1)).right.type)
            assert ours.type.python_type is theirs.type.python_type
        assert str((seal.table.c.x * 2).compile(dialect=dialect)) == str((twin.c.x * 2).compile(dialect=dialect))


@pytest.mark.parametrize("dialect", [postgresql.dialect(), sqlite.dialect()], ids=lambda one: one.name)
def test_the_seals_column_takes_no_bytes_of_others(dialect: Any) -> None:
    """Whatever way a value found past the gate: what the gate did not make is refused as it goes to the driver."""
    column = _declared(Column("x", Integer), sealed=["x"]).table.c.amanah_seal
    process = column.type.bind_processor(dialect)
    assert process(None) is None
    assert bytes(process(RowSealBytes(b"seal"))) == b"seal"
    for given in (b"seal", bytearray(b"seal"), memoryview(b"seal"), "seal", 1):
        with pytest.raises(SealedWriteRefused, match=r"payment\.amanah_seal"):
            process(given)


def test_autogenerate_adds_the_seals_column_and_nothing_else(till: Any) -> None:
    """The application's Alembic sees no difference once it is there, and writes it as bytes where it is missing."""
    options = {"include_object": amanah.include_object, "render_item": amanah.render_item, "compare_type": True}
    metadata = till.m.Base.metadata
    with till.plain.connect() as connection:
        assert not compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    till.stored("ALTER TABLE line DROP COLUMN amanah_seal")
    with till.plain.connect() as connection:
        script = produce_migrations(MigrationContext.configure(connection, opts=options), metadata)
    assert script.upgrade_ops is not None
    code = render_python_code(script.upgrade_ops, render_item=amanah.render_item)
    assert "op.add_column('line', sa.Column('amanah_seal', sa.LargeBinary(length=37), nullable=True))" in code
    assert code.count("op.") == 1


def test_the_entity_knows_its_defaults(till: Any) -> None:
    """A function's default is called once per row; the entity has the value without another load, and it is sealed."""
    m = till.m
    with till.session() as session:
        made = [m.Receipt(number=n) for n in range(3)]
        session.add_all(made)
        session.flush()
        known = [one.__dict__["made"] for one in made]
        assert len(set(known)) == len(made)
        assert made[0].__dict__["method"].value == "cash"
        session.commit()
        assert [one.made for one in session.scalars(select(m.Receipt).order_by(m.Receipt.number))] == known
        assert isinstance(known[0], uuid.UUID)


def test_rows_of_one_insert_need_not_name_the_same_columns(till: Any) -> None:
    """What a row leaves out is its default or NULL, and sealed so."""
    receipt = till.m.Receipt.__table__
    with till.access(), till.engine.connect() as connection:
        connection.execute(insert(receipt), [{"number": 1}, {"branch": "x"}, {"extra": None, "number": 3}])
        found = connection.execute(select(receipt.c.number, receipt.c.branch).order_by(receipt.c.id)).all()
        assert [(number, branch and branch.strip()) for number, branch in found] == [(1, None), (None, "x"), (3, None)]


def test_an_update_of_many_rows_reads_them_at_once(till: Any) -> None:
    """One query for all rows of an UPDATE by key; columns that it leaves alone keep their values."""
    m = till.m
    texts: list[str] = []
    event.listen(till.engine, "before_cursor_execute", lambda *args: texts.append(args[2]))
    rows = [{"tenant_id": "a", "id": f"l{n}", "amount": 100 + n} for n in range(3)]
    with till.session() as session:
        session.execute(update(m.Line), rows)
        assert len([one for one in texts if one.startswith("SELECT")]) == 1
        found = session.execute(select(m.Line.amount, m.Line.product).order_by(m.Line.id)).all()
        assert [tuple(one) for one in found] == [(100, "p0"), (101, "p1"), (102, "p2")]
        session.execute(update(m.Line).values(amount=7).where(m.Line.id == "nothing"))
        session.execute(update(m.Bill).values(note="kept out of the seal"))


def test_a_row_of_another_tenant_is_not_sealed_anew(till: Any) -> None:
    """An UPDATE that names a foreign row reaches nothing, and its seal stays."""
    m = till.m
    before = till.stored("SELECT amanah_seal FROM bill WHERE tenant_id = 'b'")
    with till.session() as session:
        session.execute(update(m.Bill.__table__).where(m.Bill.id == "one").values(status="paid"))
        session.commit()
    assert till.stored("SELECT amanah_seal FROM bill WHERE tenant_id = 'b'") == before


def test_an_upsert_that_sets_a_sealed_column_is_refused(till: Any) -> None:
    """Whose values the row then has is decided by the database."""
    m = till.m
    dialect = sqlite if "sqlite" in till.url else postgresql
    row = {"id": "one", "total": Decimal(1), "tenant_id": "a"}
    upsert = dialect.insert(m.Bill.__table__).values(**row)
    clash = ["tenant_id", "id"]
    with till.session() as session, pytest.raises(SealedWriteRefused):
        session.execute(upsert.on_conflict_do_update(index_elements=clash, set_={"total": 1}))
    with till.session() as session:
        session.execute(upsert.on_conflict_do_update(index_elements=clash, set_={"note": "x"}))
        session.execute(upsert.on_conflict_do_nothing())
        assert session.get(m.Bill, ("a", "one")).total == Decimal(5)


def test_two_who_change_one_row_leave_a_seal_that_holds(till: Any) -> None:
    """Each sets another sealed column; the second waits for the first and seals what is then there."""
    if "sqlite" in till.url:
        pytest.skip("one writer at a time")
    from threading import Thread

    m = till.m

    def change(**values: Any) -> None:
        with till.session() as session:
            session.execute(update(m.Bill).where(m.Bill.id == "one").values(**values))
            session.commit()

    with till.session() as session:
        session.execute(update(m.Bill).where(m.Bill.id == "one").values(status="sent"))
        other = Thread(target=change, kwargs={"due": dt.date(2027, 1, 1)})
        other.start()
        other.join(0.2)
        session.commit()
    other.join()
    with till.session() as session:
        bill = session.get(m.Bill, ("a", "one"))
        assert (bill.status, bill.due) == ("sent", dt.date(2027, 1, 1))


@pytest.mark.anyio
async def test_drivers_of_asyncio_read_and_write_sealed_rows(till: Any) -> None:
    """The same seals hold with aiosqlite and asyncpg."""
    from amanah.middleware.hooks import Gate

    m = till.m
    url = till.url.replace("sqlite:", "sqlite+aiosqlite:").replace("+psycopg", "+asyncpg")
    engine = create_async_engine(url)
    Gate(till.guard.register, till.guard.resuming._staging).protect(engine.sync_engine)
    try:
        async with till.guard.access(tenant="a", actor="boss", purpose=BILLING, reason="test"):
            async with AsyncSession(engine) as session:
                bill = await session.get(m.Bill, ("a", "one"))
                bill.total = Decimal("6.25")
                bill.rate = 0.3
                session.add(m.Receipt(number=1, exact=0.1, extra={"a": 1}, at=dt.time(1, 2)))
                await session.commit()
            async with AsyncSession(engine) as session:
                assert (await session.get(m.Bill, ("a", "one"))).total == Decimal("6.25")
                assert (await session.scalars(select(m.Receipt))).one().number == 1
    finally:
        await engine.dispose()


def test_the_application_runs_without_a_guard(tmp_path: Any) -> None:
    """``__sealed_rows__`` alone changes nothing."""

    class Base(DeclarativeBase):
        pass

    class Payment(Base):
        __tablename__ = "payment"
        __sealed_rows__ = ("amount",)
        id: Mapped[int] = mapped_column(primary_key=True)
        amount: Mapped[int]
        __table_args__ = (CheckConstraint("amount > 0"),)

    engine = create_engine(f"sqlite:///{tmp_path / 'bare.db'}")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Payment(amount=5))
        session.commit()
        assert session.scalars(select(Payment)).one().amount == 5
    engine.dispose()


BILLING = "essential.service.payment_processing"
