"""Attack: reach who did not consent by an upsert, a declared report, or by moving their row."""

from __future__ import annotations

import sys
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import or_, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from amanah.errors import AutocommitRefused, RowNotThere, RowsLimited, SubjectUndeclared

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEN = {"billing": {"yes", "no", "ads"}, "letters": {"yes"}, "ads": {"ads"}}
REPORT = "SELECT c.id, c.name AS who FROM customer c WHERE c.city IS NOT NULL"
CARDS = "SELECT k.owner AS who FROM card k JOIN guest g ON g.number IS NOT NULL"


@contextmanager
def session_for(stall: Any, purpose: str, tenant: str = "a") -> Iterator[Session]:
    """A Session of the boss for that purpose."""
    with stall.access(tenant, purpose=purpose), Session(stall.engine) as session:
        yield session


def upsert(stall: Any, table: Any, key: str, where: Any = None, **set_: Any) -> Any:
    """An INSERT that updates on conflict, of the world's database."""
    insert = sqlite.insert if "sqlite" in stall.url else postgresql.insert
    return insert(table).on_conflict_do_update(index_elements=["tenant_id", key], set_=set_, where=where)


def test_an_upsert_changes_rows_of_those_who_consented(stall: Any) -> None:
    """One by one, many at once, with a condition of its own that holds an OR, and what RETURNING shows."""
    stall.stored("CREATE UNIQUE INDEX ux_customer ON customer (tenant_id, id)")
    customer = stall.m.Customer.__table__
    rows = [{"id": name, "tenant_id": "a", "group": "first"} for name in ("yes", "no", "ads")]
    either = or_(customer.c.group == "changed", customer.c.group != "changed")
    changed = "SELECT id FROM customer WHERE \"group\" <> 'old'"
    for number, where in enumerate((None, either)):
        statement = upsert(stall, customer, "id", where, group=f"changed {number}")
        with session_for(stall, "letters") as session:
            for row in rows:
                session.execute(statement.values(**row))
            session.connection().execute(statement, rows)
            assert session.execute(statement.values(rows).returning(customer.c.id)).scalars().all() == ["yes"]
            session.commit()
        assert stall.stored(changed) == [("yes",)]
    with session_for(stall, "billing") as session:
        session.execute(upsert(stall, customer, "id", group="changed").values(rows))
        session.commit()
    assert len(stall.stored(changed)) == 3


def test_an_upsert_keeps_to_consent_whatever_the_key_and_the_kind(stall: Any) -> None:
    """A UUID beside sealed columns, a subject that is a number, and rows that are not there yet."""
    stall.stored("CREATE UNIQUE INDEX ux_guest ON guest (tenant_id, number)")
    world = sys.modules["consent_world"]
    badge, guest = stall.m.Badge.__table__, stall.m.Guest.__table__
    with session_for(stall, "letters") as session:
        for key in (world.CARD, world.OTHER_CARD):
            session.execute(upsert(stall, badge, "id", colour="new").values(id=key, tenant_id="a", colour="blue"))
        for number in (71, 72, 73):
            row = {"id": number, "tenant_id": "a", "number": number, "room": "first"}
            session.execute(upsert(stall, guest, "number", room="new").values(row))
        session.commit()
    found = stall.stored("SELECT number, room FROM guest WHERE number IS NOT NULL ORDER BY number")
    assert found == [(71, "new"), (72, None), (73, "first")]
    with session_for(stall, "billing") as session:
        seen = {one.id: (one.owner, one.colour) for one in session.scalars(select(stall.m.Badge))}
        assert seen == {world.CARD: ("yes", "new"), world.OTHER_CARD: ("no", "red")}


def test_an_upsert_into_a_table_about_nobody_known_is_refused(stall: Any) -> None:
    """As every statement on it."""
    statement = upsert(stall, stall.m.Remark.__table__, "id", text="x").values(id=1, tenant_id="a")
    with session_for(stall, "letters") as session, pytest.raises(SubjectUndeclared):
        session.execute(statement)


def test_a_declared_report_shows_those_who_consented(stall: Any) -> None:
    """As text() and as the driver's own SQL, turn by turn for each purpose: no wall made for one serves another."""
    stall.guard.declared_sql("customers", REPORT, columns={"who": "customer.name"})
    for _ in range(2):
        for purpose, seen in SEEN.items():
            wanted = {(name, f"name of {name}") for name in seen}
            with session_for(stall, purpose) as session:
                assert {tuple(row) for row in session.execute(text(REPORT))} == wanted, purpose
                assert {tuple(row) for row in session.connection().exec_driver_sql(REPORT)} == wanted, purpose
    with session_for(stall, "letters", "b") as session:
        assert session.execute(text(REPORT)).all() == []


def test_a_report_finds_consents_of_every_kind_of_key(stall: Any) -> None:
    """UUIDs and numbers, of two tables with two kinds of subjects."""
    stall.guard.declared_sql("cards", CARDS, columns={"who": "card.owner"})
    with session_for(stall, "letters") as session:
        assert session.execute(text(CARDS)).scalars().all() == ["yes"]
        assert [row[0] for row in session.connection().exec_driver_sql(CARDS)] == ["yes"]
    with session_for(stall, "ads") as session:
        assert session.execute(text(CARDS)).all() == []
    with session_for(stall, "billing") as session:
        assert len(session.execute(text(CARDS)).all()) == 4


def test_a_withdrawal_is_in_force_with_the_next_report(stall: Any) -> None:
    """The text is the same and is kept: who consented is asked when it is executed."""
    stall.guard.declared_sql("customers", REPORT, columns={"who": "customer.name"})
    with session_for(stall, "letters") as session:
        assert len(session.execute(text(REPORT)).all()) == 1
        stall.guard.consents.withdraw(session, "customer", "yes", "letters")
        assert session.execute(text(REPORT)).all() == []
        assert session.connection().exec_driver_sql(REPORT).all() == []
        stall.guard.consents.give(session, "customer", "no", "letters", source="form")
        assert [row[0] for row in session.execute(text(REPORT))] == ["no"]


def test_a_report_that_was_made_for_another_purpose_is_refused(stall: Any) -> None:
    """For which purpose it is stands in its text."""
    stall.guard.declared_sql("customers", REPORT, columns={"who": "customer.name"})
    for first, seen in SEEN.items():
        with session_for(stall, first) as session:
            made = session.connection().execute(text(REPORT)).context.compiled.statement
        for second in SEEN:
            with session_for(stall, second) as session:
                if first == second:
                    assert {row[0] for row in session.connection().execute(made)} == seen
                else:
                    with pytest.raises(RowsLimited):
                        session.connection().execute(made)


def test_what_a_report_cannot_keep_to_consents_is_refused(stall: Any) -> None:
    """A table about nobody known; a child beside its parent, whose wall would ask the report's own rows."""
    remarks, wishes = "SELECT r.id FROM remark r", "SELECT w.text FROM wish w JOIN purchase p ON p.id = w.purchase_id"
    stall.guard.declared_sql("remarks", remarks)
    stall.guard.declared_sql("wishes", wishes)
    stall.guard.declared_sql("stock", "SELECT p.label FROM product p")
    with session_for(stall, "letters") as session:
        for said, error in ((remarks, SubjectUndeclared), (wishes, RowsLimited)):
            for run in (lambda said=said: session.execute(text(said)),
                        lambda said=said: session.connection().exec_driver_sql(said)):  # fmt: skip
                with pytest.raises(error):
                    run()
        assert session.execute(text("SELECT p.label FROM product p")).scalars().all() == ["tea"]


def test_a_row_is_moved_of_who_consented_only(stall: Any) -> None:
    """To another subject or to another key; that of anybody else is not there."""
    reseal, m = stall.guard.reseal, stall.m
    with session_for(stall, "letters") as session:
        for key in (2, 3, 9, 77):
            with pytest.raises(RowNotThere):
                reseal(session, "purchase", key={"id": key}, to={"customer_id": "yes"})
        with pytest.raises(RowNotThere):
            reseal(session, "card", key={"id": sys.modules["consent_world"].OTHER_CARD}, to={"id": uuid_of(5)})
        reseal(session, "card", key={"id": sys.modules["consent_world"].CARD}, to={"id": uuid_of(6)})
        reseal(session, "purchase", key={"id": 1}, to={"customer_id": "no"})
        with pytest.raises(RowNotThere):  # it is about somebody else now
            reseal(session, "purchase", key={"id": 1}, to={"customer_id": "yes"})
        with pytest.raises(SubjectUndeclared):
            reseal(session, "remark", key={"id": 1}, to={"id": 2})
        session.commit()
    assert stall.stored("SELECT id, customer_id FROM purchase WHERE id <> 9 ORDER BY id") == [
        (1, "no"), (2, "no"), (3, "ads"),
    ]  # fmt: skip
    with session_for(stall, "billing") as session:
        assert {one.owner for one in session.scalars(select(m.Card))} == {"yes", "no"}
    moved = [what["rows"] for what in stall.changes("a") if what["action"] == "reseal"]
    assert len(moved) == 2


def test_no_row_is_moved_outside_a_transaction(stall: Any) -> None:
    """It would be durable before its entry is: refused before anything is done."""
    for purpose in ("billing", "letters"):
        alone = stall.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with stall.access("a", purpose=purpose), alone as connection, pytest.raises(AutocommitRefused):
            stall.guard.reseal(connection, "purchase", key={"id": 1}, to={"customer_id": "no"})
        assert stall.stored("SELECT customer_id FROM purchase WHERE id = 1") == [("yes",)]


def uuid_of(number: int) -> Any:
    """A UUID that is not there yet."""
    return uuid.UUID(int=number)
