"""Row seals over personal columns: what is stored of them is sealed, however it is written."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm.exc import StaleDataError

from amanah.encryption.row_seal import SIZE
from amanah.errors import DeclarationError, MaskedWrite, SealedWriteRefused
from amanah.middleware.declare import build, declare
from amanah.middleware.hooks import Gate
from amanah.middleware.personal import Personal
from amanah.middleware.row_seals import RowSealed, SealedRow, body, read_row
from tests.cards_world import load
from tests.sql_world import BILLING


def declared(*sealed: str) -> Any:
    """A table with a column of each kind, and its row seal."""
    metadata = MetaData()
    Table(
        "member",
        metadata,
        Column("tenant_id", String(20)),
        Column("id", String(36), primary_key=True),
        Column("phone", Personal(String, category="user.contact.phone_number")),
        Column("city", Personal(String(40), category="user.contact.address.city", sealed=False)),
        Column("version", Integer),
    )
    return build(metadata, [declare("member", sealed_rows=sealed)], "tenant_id").by_name("member")


def test_personal_columns_keep_their_types_and_plain_ones_bear_the_seal() -> None:
    """Named in any order, in the table's."""
    table = declared("version", "phone", "city")
    assert table.sealed_rows.columns == ("phone", "city", "version")
    assert table.sealed_rows.bearers == ("version",)
    assert [type(table.table.c[n].type) for n in table.sealed_rows.columns] == [Personal, Personal, RowSealed]
    with pytest.raises(DeclarationError, match="such as a version column"):
        declared("phone", "city")


def test_what_is_stored_is_spelled_the_same_when_written_and_when_read() -> None:
    """An envelope in lower-case hexadecimal digits, a governed value as its own type's."""
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        phone, city, version = declared("version", "phone", "city").sealed_rows.spelled(dialect)
        assert phone.from_value(b"\x01\xab") == phone.from_text("01AB") == "01ab"
        assert city.from_value("Kediri") == "Kediri"
        assert version.from_value(3) == "3"
        with pytest.raises(SealedWriteRefused):
            phone.from_value("0812")


def test_the_bytes_of_a_seal_without_personal_columns_are_what_they_were() -> None:
    """Seals from before hold: the place, the pieces and their order."""
    seal = declared("version").sealed_rows
    assert seal.place == b"6:member,7:version,"
    row = SealedRow(("k1",), ("3",))
    assert body(row.texts, row.key) == b"1:3,2:k1,"
    assert read_row(seal, seal.spelled(sqlite.dialect()), b"1:3,2:k1,seal", 0) == (row, b"seal")
    covering = declared("version", "phone").sealed_rows
    assert covering.place == b"6:member,5:phone,7:version,"
    assert body(["01ab", None], ["k1"]) == b"4:01ab,-2:k1,"


def test_rows_are_inserted_with_a_seal_over_what_is_stored(cards: Any) -> None:
    """By entity, by Core with many rows, with defaults and without, NULL, keys of the database, RETURNING."""
    m = cards.m
    assert load(cards)["one"] == ("0812 0001", "Kediri", "new", 1)
    with cards.session() as session:
        rows = [{"id": f"c{n}", "version": n, "phone": f"0813 {n}", "city": "Solo" if n else None} for n in range(3)]
        session.execute(insert(m.Card), rows)
        session.execute(insert(m.Card).values(id="bare", version=1))
        session.execute(insert(m.Card), [{"id": "x", "version": 1}, {"id": "y", "version": 1, "phone": "0814"}])
        given = insert(m.Badge).values(level=2).returning(m.Badge.level, m.Badge.holder)
        assert session.execute(given).one() == (2, "nobody")
        session.add_all([m.Badge(holder=None), m.Badge(holder="Siti", level=3), m.Badge()])
        session.commit()
    found = load(cards)
    assert found["c2"] == ("0813 2", "Solo", "new", 1)
    assert found["bare"] == found["x"] == (None, None, "new", 1)
    with cards.session() as session:
        holders = session.scalars(select(m.Badge.holder).order_by(m.Badge.id)).all()
        assert holders[:2] == ["Budi Santoso", "nobody"]
        days = session.scalars(select(m.Card.since)).all()
        assert len(set(days)) == len(days)


def test_an_update_of_a_personal_column_alone_renews_the_seal(cards: Any) -> None:
    """Sealed and governed, one row and many, by entity with a version and by statement."""
    m = cards.m

    def seal() -> bytes:
        ((found,),) = cards.stored("SELECT amanah_seal FROM card WHERE tenant_id = 'a' AND id = 'one'")
        assert len(found) == SIZE
        return bytes(found)

    seals = [seal()]
    one = update(m.Card).where(m.Card.id == "one")
    for values in ({"phone": "0899 1"}, {"city": "Solo"}, {"since": dt.date(2025, 5, 5)}, {"phone": None}):
        with cards.session() as session:
            session.execute(one.values(**values))
            session.commit()
        load(cards)
        seals.append(seal())
    with cards.session() as session:
        session.execute(one.values(memo="not under the seal"))
        session.commit()
    assert seal() == seals[-1]
    assert len(set(seals)) == len(seals)
    with cards.session() as session:
        many = [
            {"tenant_id": "a", "id": name, "version": 1, "phone": f"0877 {name}"} for name in ("one", "two", "three")
        ]
        session.execute(update(m.Card), many)
        session.commit()
    assert [found[0] for _, found in sorted(load(cards).items())] == ["0877 one", "0877 three", "0877 two"]


def test_the_orms_version_goes_with_the_seal(cards: Any) -> None:
    """It is raised with each change, and who comes too late is told so as ever."""
    m = cards.m
    with cards.session() as session:
        session.get(m.Card, ("a", "one")).phone = "0899 1"
        session.commit()
    with cards.session() as session:
        one = session.get(m.Card, ("a", "one"))
        behind_it = update(m.Card).where(m.Card.id == "one").values(version=7)
        session.execute(behind_it.execution_options(synchronize_session=False))
        one.city = "Solo"
        with pytest.raises(StaleDataError):
            session.flush()
    assert load(cards)["one"] == ("0899 1", "Kediri", "new", 2)


def test_what_was_shown_may_be_written_back(cards: Any) -> None:
    """A masked and a withheld value leave the column as it is, and the seal holds; any other is refused."""
    m = cards.m
    with cards.session(actor="masker") as session:
        shown = session.get(m.Card, ("a", "one"))
        same = update(m.Card).where(m.Card.id == "one")
        session.execute(same.values(phone=shown.phone, city=shown.city))
        session.execute(same.values(phone=shown.phone, status="kept"))
        session.commit()
        with pytest.raises(MaskedWrite):
            session.execute(same.values(phone="0866"))
    assert load(cards)["one"] == ("0812 0001", "Kediri", "kept", 1)


def test_what_has_no_known_row_or_value_is_refused(cards: Any) -> None:
    """An expression for a covered column, no key, an upsert that sets one."""
    m = cards.m
    upsert = (sqlite if "sqlite" in cards.url else postgresql).insert(m.Card).values(id="one", version=1, status="x")
    for name, statement in {
        "an expression": update(m.Card).where(m.Card.id == "one").values(city=m.Card.status),
        "no row": update(m.Card).where(m.Card.status == "new").values(city="Solo"),
        "upsert, sealed": upsert.on_conflict_do_update(
            index_elements=["tenant_id", "id"], set_={"phone": upsert.excluded.phone}
        ),
        "upsert, governed": upsert.on_conflict_do_update(index_elements=["tenant_id", "id"], set_={"city": "Solo"}),
        "inserted": insert(m.Card).values(id="z", version=1, city=select(m.Card.status).limit(1).scalar_subquery()),
    }.items():
        with cards.session() as session:
            cards.refuses(SealedWriteRefused, name, session.execute, statement)
    with cards.session() as session:  # what is not covered may be set so
        session.execute(upsert.on_conflict_do_update(index_elements=["tenant_id", "id"], set_={"note": "again"}))
        session.commit()
    assert load(cards)["one"] == ("0812 0001", "Kediri", "new", 1)


@pytest.mark.anyio
async def test_drivers_of_asyncio_do_so_too(cards: Any) -> None:
    """Those of SQLite and of PostgreSQL."""
    m = cards.m
    url = cards.url.replace("sqlite:", "sqlite+aiosqlite:").replace("+psycopg", "+asyncpg")
    engine = create_async_engine(url)
    Gate(cards.guard.register, cards.guard.resuming._staging).protect(engine.sync_engine)
    try:
        access = cards.guard.access(tenant="a", actor="boss", purpose=BILLING, reason="test")
        async with access, AsyncSession(engine) as session:
            one = await session.get(m.Card, ("a", "one"))
            one.phone = "0899 1"
            session.add(m.Badge(holder="Siti"))
            await session.commit()
    finally:
        await engine.dispose()
    assert load(cards)["one"] == ("0899 1", "Kediri", "new", 2)
