"""Writing personal columns: sealed for the row, refused where it is not known, left alone where a mask was seen."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

import pytest
from sqlalchemy import func, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from amanah.errors import MaskedWrite, SealedWriteRefused

OFF = {"synchronize_session": False}


def test_every_way_of_writing_a_value_can_be_read_again(empty_books: Any) -> None:
    """ORM, Core, many rows, values() of many, bulk mappings, RETURNING, updates by key and by criteria on the key."""
    m = empty_books.m
    with empty_books.session() as session:
        session.add(m.Customer(id="orm", name="orm", phone="1"))
        session.flush()
        session.execute(insert(m.Customer).values(id="core", name="core", phone="2"))
        session.execute(insert(m.Customer.__table__).values([{"id": "m1", "name": "m1"}, {"id": "m2", "name": "m2"}]))
        session.execute(insert(m.Customer), [{"id": "b1", "name": "b1"}, {"id": "b2", "name": "b2"}])
        session.bulk_insert_mappings(m.Customer, [{"id": "map", "name": "map"}])
        returned = session.scalars(insert(m.Customer).returning(m.Customer), [{"name": "r1"}, {"name": "r2"}]).all()
        assert [c.name for c in returned] == ["r1", "r2"]
        session.execute(insert(m.Staff).values(number="s", cell="0811", title="t"))
        session.execute(insert(m.Staff), [{"number": "s2", "cell": "0812"}])
        session.execute(update(m.Customer).where(m.Customer.id == "orm").values(phone="11"), execution_options=OFF)
        session.execute(update(m.Customer), [{"tenant_id": "a", "id": "core", "phone": "22"}])
        session.execute(update(m.Staff).where(m.Staff.number == "s").values(cell="0899"))
        session.commit()
        found = {row.id: row.name for row in session.execute(select(m.Customer.id, m.Customer.name))}
        assert {k for k, v in found.items() if k == v} == {"orm", "core", "m1", "m2", "b1", "b2", "map"}
        assert set(found.values()) >= {"r1", "r2"}
        assert sorted(session.scalars(select(m.Customer.phone).where(m.Customer.phone.is_not(None)))) == ["11", "22"]
        assert sorted(session.scalars(select(m.Staff.cell))) == ["0812", "0899"]


def test_client_side_keys_and_defaults_are_filled_in_before_sealing(empty_books: Any) -> None:
    """A callable with or without context, a UUID key, an integer key of the database: the value opens again."""
    m = empty_books.m
    with empty_books.session() as session:
        session.execute(insert(m.Device.__table__).values(serial="77", owner="Wati"))
        session.add_all([m.Device(serial="78", owner="Dewi"), m.Person(name="P", born=dt.date(1990, 5, 17))])
        session.commit()
        assert sorted(session.scalars(select(m.Device.owner))) == ["Dewi", "Wati"]
        assert sorted(session.scalars(select(m.Device.code))) == ["T-77", "T-78"]
        assert session.scalars(select(m.Person)).one().born == dt.date(1990, 5, 17)
        known = session.scalars(select(m.Device).where(m.Device.serial == "77")).one().id
        session.execute(update(m.Device).where(m.Device.id == known).values(owner="New"), execution_options=OFF)
        session.expire_all()
        assert isinstance(known, uuid.UUID)
        assert session.get_one(m.Device, known).owner == "New"


def test_null_stays_null(books: Any) -> None:
    """Absent is not sealed: it can be asked for, and is found again as None."""
    m = books.m
    with books.session() as session:
        assert session.scalars(select(m.Customer.id).where(m.Customer.email.is_(None))).all() == ["siti"]
        session.get_one(m.Customer, ("a", "budi")).phone = None
        session.commit()
    assert books.stored("SELECT phone, phone_ix FROM customer WHERE id = 'budi'") == [(None, None)]


def test_search_finds_what_was_written_and_follows_changes(books: Any) -> None:
    """Equality, inequality, IN and a join by a common domain, normalised, with other values in the same statement."""
    m = books.m
    with books.session() as session:
        session.add(m.Person(name="P", mobile="+62 812-3456-7890"))
        session.flush()
        find = select(m.Customer.id).order_by(m.Customer.id)
        for wanted, expected in (("081234567890", ["budi"]), ("0813 1111 2222", ["siti"]), ("0800", [])):
            assert session.scalars(find.where(m.Customer.phone == wanted)).all() == expected
            assert session.scalars(find.where(literal(wanted) == m.Customer.phone)).all() == expected
        assert session.scalars(find.where(m.Customer.phone.in_(["081234567890", "0813 1111 2222"]))).all() == [
            "budi",
            "siti",
        ]
        assert session.scalars(find.where(m.Customer.phone.not_in(["081234567890"]))).all() == ["siti"]
        assert session.scalars(find.where(m.Customer.phone != "081234567890")).all() == ["siti"]
        assert session.scalars(find.where(m.Customer.phone.in_([]))).all() == []
        joined = select(m.Customer.id, m.Person.name).join(m.Person, m.Person.mobile == m.Customer.phone)
        assert session.execute(joined).all() == [("budi", "P")]
        session.get_one(m.Customer, ("a", "budi")).phone = "0819"
        session.flush()
        assert session.scalars(find.where(m.Customer.phone == "0819")).all() == ["budi"]
        assert session.scalars(find.where(m.Customer.phone == "081234567890")).all() == []


def test_a_sealed_column_is_written_only_where_its_row_is_known(books: Any) -> None:
    """Criteria, copies, expressions, upserts, changes of key or subject: accepted, they were unreadable afterwards."""
    m = books.m
    c = m.Customer.__table__
    upsert = (sqlite.insert if "sqlite" in books.url else postgresql.insert)(c).values(id="budi", name="x", phone="1")
    target = {"index_elements": ["tenant_id", "id"]}
    refused = {
        "criteria": update(m.Customer).where(m.Customer.note == "first").values(phone="1"),
        "everything": update(m.Customer).values(phone="1"),
        "or": update(m.Customer).where((m.Customer.id == "budi") | (m.Customer.note == "x")).values(phone="1"),
        "copy": update(m.Customer).where(m.Customer.id == "budi").values(phone=m.Customer.name),
        "function": update(m.Customer).where(m.Customer.id == "budi").values(phone=func.lower("X")),
        "expression insert": insert(c).values(id="e", name=func.lower("X")),
        "subquery": insert(c).values(id="e", name=select(c.c.note).limit(1).scalar_subquery()),
        "select": insert(c).from_select(["id", "name"], select(c.c.id, c.c.note)),
        "key": update(m.Customer).where(m.Customer.id == "budi").values(id="other"),
        "upsert of a value": upsert.on_conflict_do_update(**target, set_={"phone": "1"}),
        "upsert of excluded": upsert.on_conflict_do_update(**target, set_={"phone": upsert.excluded.phone}),
        "upsert of a governed one": upsert.on_conflict_do_update(**target, set_={"city": upsert.excluded.city}),
        "alias": update(x := c.alias("x")).where(x.c.id == "budi").values(phone="1"),
        "no key": insert(m.Party.__table__).values(id=func.lower("X"), kind="party", alias="x"),
    }
    with books.session() as session:
        for name, statement in refused.items():
            books.refuses(SealedWriteRefused, name, session.execute, statement, execution_options=OFF)
        budi = session.get_one(m.Customer, ("a", "budi"))
        budi.id = "other"
        with pytest.raises(SealedWriteRefused):
            session.flush()


def test_who_sees_a_mask_may_write_back_what_was_shown_and_nothing_else(books: Any) -> None:
    """Edit forms post everything: the mask, the stand-in and the blank leave the columns as they are."""
    m = books.m
    before = books.stored("SELECT name, phone, city, religion FROM customer WHERE id = 'budi'")
    with books.session(actor="masker") as session:
        budi = session.get_one(m.Customer, ("a", "budi"))
        shown = (budi.name, budi.phone, budi.city, budi.religion)
        assert shown == ("••••", "•••• 7890", "••••", None)
        form = dict(zip(("name", "phone", "city", "religion"), shown, strict=True))
        session.execute(update(m.Customer).where(m.Customer.id == "budi").values(**form), execution_options=OFF)
        session.execute(
            update(m.Customer).where(m.Customer.id == "budi").values(**form, note="n"), execution_options=OFF
        )
        session.execute(update(m.Customer), [{"tenant_id": "a", "id": "budi", "phone": shown[1], "note": "m"}])
        session.commit()
    assert books.stored("SELECT name, phone, city, religion FROM customer WHERE id = 'budi'") == before
    assert books.stored("SELECT note FROM customer WHERE id = 'budi'") == [("m",)]
    with books.session(actor="masker") as session:
        for column in ("phone", "name", "city", "religion"):
            with pytest.raises(MaskedWrite):
                session.execute(
                    update(m.Customer).where(m.Customer.id == "budi").values({column: "other"}), execution_options=OFF
                )
        with pytest.raises(SealedWriteRefused):
            session.execute(update(m.Customer).values(city="everywhere"), execution_options=OFF)
        budi = session.get_one(m.Customer, ("a", "budi"))
        budi.phone = "0800"
        with pytest.raises(MaskedWrite):
            session.flush()
        session.rollback()
    assert books.stored("SELECT name, phone, city, religion FROM customer WHERE id = 'budi'") == before


def test_a_row_of_another_tenant_tells_nothing_by_being_written_back(books: Any) -> None:
    """The comparison with what was shown meets the wall too."""
    m = books.m
    with books.session(actor="masker") as session:
        for guess in ("•••• 7890", "x"):
            statement = update(m.Customer).where(m.Customer.id == "tono").values(phone=guess, note="hacked")
            assert session.execute(statement, execution_options=OFF).rowcount == 0
        session.commit()
    assert books.stored("SELECT note FROM customer WHERE id = 'tono'") == [("theirs",)]


def test_a_statement_can_be_executed_again_with_other_values(empty_books: Any) -> None:
    """Neither the statement nor the caller's dictionaries are changed by sealing."""
    m = empty_books.m
    statement = insert(m.Customer).values(name="same", phone="1")
    rows = [{"id": "x", "name": "X"}, {"id": "y", "name": "Y"}]
    with empty_books.access(), Session(empty_books.engine) as session:
        session.execute(statement)
        session.execute(statement)
        session.connection().execute(insert(m.Customer.__table__), rows)
        assert rows == [{"id": "x", "name": "X"}, {"id": "y", "name": "Y"}]
        assert sorted(session.scalars(select(m.Customer.name))) == ["X", "Y", "same", "same"]


def test_a_table_of_another_shape_of_model_is_sealed_too(empty_books: Any) -> None:
    """Joined and single-table inheritance, a secondary table, a mixin's column in two tables."""
    m = empty_books.m
    with empty_books.session() as session:
        tag = m.Tag(label="vip")
        session.add_all(
            [
                m.Human(id="h", alias="Al", nik="3578 0000 1111 2222"),
                m.Party(id="p", alias="Firm"),
                m.Card(id="c", number="1234567890"),
                m.Payment(id="cash"),
                m.Customer(id="k", name="K", tags=[tag]),
                m.Person(name="Same mixin"),
            ]
        )
        session.commit()
        session.expunge_all()
        human = session.scalars(select(m.Human).where(m.Human.nik == "3578000011112222")).one()
        assert (human.alias, human.nik) == ("Al", "3578 0000 1111 2222")
        assert {(p.id, p.alias) for p in session.scalars(select(m.Party))} == {("h", "Al"), ("p", "Firm")}
        assert session.scalars(select(m.Card)).one().number == "1234567890"
        assert {p.id for p in session.scalars(select(m.Payment))} == {"c", "cash"}
        assert session.get_one(m.Customer, ("a", "k")).tags[0].label == "vip"
        assert session.scalars(select(m.Person.name)).all() == ["Same mixin"]
        human.alias, human.nik = "Changed", "1"
        session.commit()
        assert session.scalars(select(m.Human.nik)).all() == ["1"]
    assert empty_books.stored("SELECT tenant_id FROM customer_tag") == [("a",)]
    with empty_books.session("b") as session:
        assert session.scalars(select(m.Party)).all() == []
        assert session.scalars(select(m.Card)).all() == []
