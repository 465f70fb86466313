"""Attack: change rows behind the application, by SQL of one's own, so that the application takes them for true."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from sqlalchemy import MetaData, Table, func, insert, literal, select, union_all, update
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from amanah.errors import KeyUnknown, RowTampered, RowUnsealed, SealedUseRefused, SealedWriteRefused
from amanah.middleware.access import current
from amanah.testing import trail_of

if TYPE_CHECKING:
    import sqlite3

ONE = "tenant_id = 'a' AND id = 'one'"
TWO = "tenant_id = 'a' AND id = 'two'"
BILLING = "essential.service.payment_processing"
OF_TWO = f"(SELECT amanah_seal FROM bill WHERE {TWO})"

EDITS = {
    "an amount": f"UPDATE bill SET total = 1 WHERE {ONE}",
    "a part of a cent, where the database keeps it": f"UPDATE bill SET total = total + 0.01 WHERE {ONE}",
    "a status": f"UPDATE bill SET status = 'paid' WHERE {ONE}",
    "a status of spaces": f"UPDATE bill SET status = 'open ' WHERE {ONE}",
    "a value to NULL": f"UPDATE bill SET due = NULL WHERE {ONE}",
    "NULL to a value": f"UPDATE bill SET seen_at = '2026-12-01 00:00:00' WHERE {ONE}",
    "NULL to an empty text": "UPDATE line SET code = '' WHERE tenant_id = 'a' AND id = 'l0'",
    "a moment": f"UPDATE bill SET paid_at = '2026-12-01 09:30:00.120001' WHERE {ONE}",
    "the last bit of a number": f"UPDATE bill SET rate = 0.10000000000000002 WHERE {ONE}",
    "a yes": f"UPDATE bill SET cancelled = NOT cancelled WHERE {ONE}",
    "a line moved to another bill": "UPDATE line SET bill_id = 'two' WHERE tenant_id = 'a' AND id = 'l1'",
    "the seal of another row": f"UPDATE bill SET amanah_seal = {OF_TWO} WHERE {ONE}",
    "the seal of another tenant's row": (
        f"UPDATE bill SET amanah_seal = (SELECT amanah_seal FROM bill b WHERE b.tenant_id = 'b') WHERE {ONE}"
    ),
    "the seal of another table": (
        "UPDATE bill SET amanah_seal = (SELECT amanah_seal FROM line WHERE line.id = 'l0') WHERE tenant_id = 'a'"
    ),
    "the values of another row, with its seal": (
        f"UPDATE bill SET total = 7.5, due = NULL, paid_at = NULL, rate = NULL, amanah_seal = {OF_TWO} WHERE {ONE}"
    ),
    "a row given another key": f"UPDATE bill SET id = 'three' WHERE {TWO}",
    "a row given to another tenant": f"UPDATE bill SET tenant_id = 'b' WHERE {TWO}",
    "the seal away": f"UPDATE bill SET amanah_seal = NULL WHERE {ONE}",
    "the seal away and an amount": f"UPDATE bill SET amanah_seal = NULL, total = 1 WHERE {ONE}",
    "the seal to nothing": f"UPDATE bill SET amanah_seal = CAST('' AS {{bytes}}) WHERE {ONE}",
    "the seal cut": f"UPDATE bill SET amanah_seal = substr(amanah_seal, 1, 36) WHERE {ONE}",
    "the seal longer": f"UPDATE bill SET amanah_seal = amanah_seal || amanah_seal WHERE {ONE}",
    "a row of one's own": (
        "INSERT INTO bill (tenant_id, id, total, status, cancelled, amanah_seal) "
        f"SELECT tenant_id, 'mine', total, status, cancelled, amanah_seal FROM bill WHERE {TWO}"
    ),
}


def both(till: Any) -> None:
    """Load everything, as ``a`` and as ``b``."""
    m = till.m
    for tenant in ("a", "b"):
        with till.session(tenant) as session:
            session.scalars(select(m.Bill)).all()
            session.scalars(select(m.Line)).all()


def put_back(till: Any, rows: list[tuple[Any, ...]], lines: list[tuple[Any, ...]]) -> None:
    """The tables as they were, byte for byte."""
    for table, kept in (("line", lines), ("bill", rows)):
        till.stored(f"DELETE FROM {table}")
        assert kept
    for table, kept in (("bill", rows), ("line", lines)):
        for row in kept:
            names = [f"v{n}" for n in range(len(row))]
            sql = f"INSERT INTO {table} VALUES ({', '.join(':' + n for n in names)})"
            till.stored(sql, **dict(zip(names, row, strict=True)))


def test_every_edit_behind_the_application_is_found(till: Any) -> None:
    """Whatever is changed, moved, swapped or taken away by SQL: loading the row is refused, and nothing else is."""
    both(till)
    till.stored("DELETE FROM line WHERE id = 'l2'")  # what is deleted is not found: there is no row to check
    rows, lines = till.stored("SELECT * FROM bill"), till.stored("SELECT * FROM line")
    if "postgresql" in till.url:
        till.stored("ALTER TABLE line DROP CONSTRAINT line_tenant_id_bill_id_fkey")
    for name, sql in EDITS.items():
        till.stored(sql.replace("{bytes}", "BLOB" if "sqlite" in till.url else "BYTEA"))
        till.refuses((RowTampered, KeyUnknown), name, both, till)
        put_back(till, rows, lines)
        both(till)


def test_every_byte_of_a_seal_counts(till: Any) -> None:
    """A seal in which any one byte was changed does not hold."""
    ((seal,),) = till.stored(f"SELECT amanah_seal FROM bill WHERE {ONE}")
    for position in (0, 1, 4, 5, 20, 36):
        changed = bytearray(seal)
        changed[position] ^= 1
        till.stored(f"UPDATE bill SET amanah_seal = :seal WHERE {ONE}", seal=bytes(changed))
        till.refuses((RowTampered, KeyUnknown), f"byte {position}", both, till)


def ways(m: Any, session: Session) -> dict[str, Any]:
    """Ways to read bill one, or line l1, of which a sealed column is shown."""
    bill, line = m.Bill.__table__, m.Line.__table__
    inner = select(m.Bill).subquery()
    cte = select(m.Bill).cte()
    other = aliased(m.Bill)
    return {
        "entity": lambda: session.scalars(select(m.Bill)).all(),
        "get": lambda: session.get(m.Bill, ("a", "one")),
        "one column": lambda: session.execute(select(m.Bill.status)).all(),
        "one column of Core": lambda: session.execute(select(bill.c.cancelled)).all(),
        "the whole table": lambda: session.execute(select(bill)).all(),
        "an alias": lambda: session.execute(select(bill.alias("t").c.total)).all(),
        "a label": lambda: session.execute(select(m.Bill.total.label("owed"))).all(),
        "a join": lambda: session.execute(select(m.Line.product, m.Bill.total).join(m.Bill)).all(),
        "a join from the other side": lambda: session.execute(select(m.Bill.due).join(m.Line)).all(),
        "an outer join": lambda: session.execute(select(m.Line.id, m.Bill.due).outerjoin(m.Bill)).all(),
        "a self join": lambda: session.execute(
            select(m.Bill.id, other.total).join(other, other.id != m.Bill.id).where(other.id == "one")
        ).all(),
        "a joined relationship": lambda: session.scalars(select(m.Line).options(joinedload(m.Line.bill))).all(),
        "joined, behind a limit": lambda: (
            session.scalars(select(m.Bill).options(joinedload(m.Bill.lines)).limit(5)).unique().all()
        ),
        "a lazy relationship": lambda: session.get(m.Line, ("a", "l1")).bill,
        "selectin": lambda: session.scalars(select(m.Line).options(selectinload(m.Line.bill))).all(),
        "a subquery": lambda: session.execute(select(inner.c.total)).all(),
        "an entity over a subquery": lambda: session.scalars(select(aliased(m.Bill, inner))).all(),
        "a subquery of a subquery": lambda: session.execute(
            select(select(inner).subquery("again").c.status, literal(1))
        ).all(),
        "a CTE": lambda: session.execute(select(cte.c.status).join(m.Line, m.Line.bill_id == cte.c.id)).all(),
        "UNION ALL": lambda: session.execute(union_all(select(m.Bill), select(m.Bill))).all(),
        "the second part of a UNION ALL": lambda: session.execute(
            union_all(select(m.Bill.total).where(m.Bill.id == "two"), select(m.Bill.total).where(m.Bill.id == "one"))
        ).all(),
        "a stream": lambda: list(session.execute(select(m.Bill).execution_options(yield_per=1))),
        "pandas": lambda: pd.read_sql(select(bill.c.id, bill.c.total), session.connection()),
        "returning": lambda: session.execute(
            update(m.Bill).where(m.Bill.id == "one").values(note="x").returning(m.Bill.total)
        ).all(),
        "ordered by it": lambda: session.scalars(select(m.Bill).order_by(m.Bill.total, m.Bill.status)).all(),
        "a join of Core": lambda: session.execute(select(line.c.amount, bill.c.total).join(bill)).all(),
    }


def test_a_row_is_checked_however_it_is_read(till: Any) -> None:
    """Entity, column, join, relationship, subquery, stream, pandas, RETURNING: none shows a changed row."""
    m = till.m
    with till.session() as session:
        names = list(ways(m, session))
    for name in names:
        with till.session() as session:
            ways(m, session)[name]()  # it works as long as nothing was changed
    till.stored(f"UPDATE bill SET total = total + 1 WHERE {ONE}")
    for name in names:
        with till.session() as session:
            till.refuses(RowTampered, name, ways(m, session)[name])


def test_a_refresh_is_checked(till: Any) -> None:
    """What was loaded before the edit is not taken for what it is now."""
    with till.session() as session:
        bill = session.get(till.m.Bill, ("a", "one"))
        session.commit()
        till.stored(f"UPDATE bill SET total = 1 WHERE {ONE}")
        with pytest.raises(RowTampered):
            session.refresh(bill)


def test_an_honest_change_does_not_seal_an_edit(till: Any) -> None:
    """Who changes one sealed column of an edited row is refused, by entity and by statement: no edit is laundered."""
    m = till.m
    with till.session() as session:
        bill = session.get(m.Bill, ("a", "one"))
        till.stored(f"UPDATE bill SET total = 1 WHERE {ONE}")
        bill.status = "paid"
        with pytest.raises(RowTampered):
            session.flush()
    with till.session() as session, pytest.raises(RowTampered):
        session.execute(update(m.Bill).where(m.Bill.id == "one").values(status="paid"))
    with till.session() as session, pytest.raises(RowTampered):  # nor by setting just what was edited
        session.execute(update(m.Bill), [{"tenant_id": "a", "id": "one", "total": Decimal(5)}])
    till.stored(f"UPDATE bill SET amanah_seal = NULL WHERE {ONE}")
    with till.session() as session, pytest.raises(RowUnsealed):
        session.execute(update(m.Bill).where(m.Bill.id == "one").values(status="paid"))


def test_a_seal_is_written_by_nobody_else(till: Any) -> None:
    """The application cannot set, copy or read the seal itself, nor set a sealed column by SQL that nobody looks at."""
    m = till.m
    bill = m.Bill.__table__
    line, key = m.Line.__table__, (bill.c.id == "one",)
    copied = select(bill.c.status).where(bill.c.id == "two").scalar_subquery()
    attacks = {
        "set": update(bill).where(*key).values(amanah_seal=b"x"),
        "emptied": update(bill).where(*key).values(amanah_seal=None),
        "set beside a sealed column": update(bill).where(*key).values(amanah_seal=None, status="paid"),
        "inserted": insert(bill).values(id="x", total=1, amanah_seal=literal(b"x")),
        "an expression": update(bill).where(*key).values(total=bill.c.total + 1),
        "a copy": update(bill).where(*key).values(status=copied),
        "no row named": update(bill).where(bill.c.note.is_(None)).values(status="paid"),
        "all rows": update(bill).values(status="paid"),
        "another's row named": update(line).where(line.c.code == "p1").values(amount=1),
        "the key": update(bill).where(*key).values(id="elsewhere"),
        "an expression inserted": insert(bill).values(id="x", total=func.abs(-1)),
    }
    for name, statement in attacks.items():
        with till.session() as session:
            till.refuses(SealedWriteRefused, name, session.execute, statement)
    with till.session() as session, pytest.raises(SealedUseRefused):
        session.execute(select(bill.c.amanah_seal))
    with till.session() as session, pytest.raises(SealedUseRefused):
        session.execute(select(bill.c.id).order_by(bill.c.amanah_seal))
    both(till)


def test_another_table_object_shows_no_unchecked_column(till: Any) -> None:
    """A reflected or hand-made Table of the same name does not bring the declared one's check, so it is refused."""
    from sqlalchemy import column, table

    with till.session() as session, pytest.raises(SealedUseRefused):
        session.execute(select(table("bill", column("total"))))
    reflected = Table("bill", MetaData(), autoload_with=till.plain)
    with till.session() as session, pytest.raises(SealedUseRefused):
        session.execute(select(reflected.c.total))
    with till.session() as session:
        session.execute(select(reflected.c.note)).all()


def test_a_frame_is_sealed_row_by_row_and_brings_no_seal(till: Any) -> None:
    """Rows that pandas appends are sealed like any other; a seal in the frame, and its own Table elsewhere, are not."""
    frame = pd.DataFrame({"id": ["l9"], "bill_id": ["one"], "amount": [9], "code": ["p9"]})
    with till.access():
        frame.to_sql("line", till.engine, if_exists="append", index=False)
    assert till.stored("SELECT count(amanah_seal) FROM line WHERE id = 'l9' AND tenant_id = 'a'") == [(1,)]
    (seal,) = till.stored("SELECT amanah_seal FROM line WHERE id = 'l9'")[0]
    for given in (bytes(seal), b"x", None):
        more = frame.assign(id="l8", amanah_seal=[given])
        with till.access(), pytest.raises(SealedWriteRefused):
            more.to_sql("line", till.engine, if_exists="append", index=False)
    reflected = Table("line", MetaData(), autoload_with=till.plain)
    with till.session() as session:
        changed = update(reflected).where(reflected.c.id == "l9").values(amount=1)
        till.refuses(SealedWriteRefused, "update", session.execute, changed)
        till.refuses(SealedWriteRefused, "seal", session.execute, changed.values(amanah_seal=b"x"))
    with till.session() as session:
        assert session.get(till.m.Line, ("a", "l9")).amount == 9
    till.stored("UPDATE line SET amount = 1 WHERE id = 'l9'")
    with till.session() as session, pytest.raises(RowTampered):
        session.get(till.m.Line, ("a", "l9"))


def test_a_planted_cell_is_no_cell(till: Any) -> None:
    """SQLite takes bytes in any column: a genuine cell of another row, put into a value, is not taken for a check."""
    if "sqlite" not in till.url:
        pytest.skip("PostgreSQL's columns take their own types only")
    m = till.m
    query = select(m.Bill.total).where(m.Bill.id == "two")
    with till.access(), till.engine.connect() as connection:
        text = str(query.compile(till.engine))
        raw: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
        (cell,) = raw.execute(text, ("a", "two")).fetchone()
    assert isinstance(cell, bytes)
    till.stored(f"UPDATE bill SET status = :cell WHERE {ONE}", cell=cell)
    for column in (m.Bill.status, m.Bill.total, func.max(m.Bill.status)):
        with till.session() as session, pytest.raises(RowTampered):
            session.execute(select(column).where(m.Bill.id == "one")).all()


@pytest.mark.parametrize("swallowed", [False, True])
def test_what_was_found_is_in_the_trail(till: Any, swallowed: bool) -> None:
    """A refusal that names the row, also where the code took the exception for an answer."""
    till.stored(f"UPDATE bill SET total = 1 WHERE {ONE}")
    try:
        with till.session() as session:
            try:
                session.scalars(select(till.m.Bill)).all()
            except RowTampered:
                if not swallowed:
                    raise
            access = current()
            assert access is not None
            assert isinstance(access.refusal, RowTampered)
    except RowTampered:
        assert not swallowed
    (entry,) = [one for one in trail_of(till.guard, "a") if one.kind == "refusal"]
    assert entry.refusal == "row-tampered"
    assert ("one",) in [what.rows for what in entry.what if "total" in what.columns]
    assert entry.detail["resource"] == "bill"
    assert ("one",) in [what.rows for what in entry.what]


@pytest.mark.anyio
async def test_what_an_asynchronous_job_found_is_in_the_trail(till: Any) -> None:
    """As of one without ``async``, and although it goes on."""
    till.stored(f"UPDATE bill SET total = 1 WHERE {ONE}")
    async with till.guard.access(tenant="a", actor="boss", purpose=BILLING, reason="test"):
        with Session(till.engine) as session, pytest.raises(RowTampered):
            session.get(till.m.Bill, ("a", "one"))
    assert [one.refusal for one in trail_of(till.guard, "a") if one.kind == "refusal"] == ["row-tampered"]
