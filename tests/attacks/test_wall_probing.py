"""Attack: learn a value that is masked or withheld by asking about it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import case, delete, exists, func, literal, literal_column, select, text, tuple_, type_coerce, update
from sqlalchemy.types import String

from amanah.errors import FieldProbed, FieldWithheld, SealedUseRefused


def test_who_sees_a_mask_cannot_search_by_it(books: Any) -> None:
    """Filter, order, group, aggregate, join, CASE and a WHERE of a write: each would tell what is masked."""
    c, i = books.m.Customer, books.m.Invoice
    questions = {
        "phone": select(c.id).where(c.phone == "0812 3456 7890"),
        "phone in": select(c.id).where(c.phone.in_(["0812 3456 7890"])),
        "phone exists": select(exists().where(c.phone == "0812 3456 7890")),
        "phone join": select(i.id).join(c, c.phone == literal("0812 3456 7890")),
        "phone case": select(case((c.phone == "0812 3456 7890", 1), else_=0)),
        "city": select(c.id).where(c.city.like("S%")),
        "city order": select(c.id).order_by(c.city),
        "city label": select(c.city.label("x")).order_by("x"),
        "city aggregate": select(func.max(c.city)),
        "city group": select(func.count()).select_from(c).group_by(c.city),
        "city scalar": select(select(c.city).limit(1).scalar_subquery()),
        "city update": update(i).where(i.customer_id == c.id, c.city == "Malang").values(total=1),
        "city copied": update(c).values(note=c.city),
        "religion presence": select(c.id).where(c.religion.is_not(None)),
        "religion count": select(func.count(c.religion)),
    }
    with books.session(actor="masker") as session:
        for name, question in questions.items():
            books.refuses(
                FieldProbed, name, session.execute, question, execution_options={"synchronize_session": False}
            )
        assert session.scalar(select(func.count(c.phone))) == 2
        for named in (select(c.religion), select(c.religion.label("x")), select(func.lower(c.name))):
            with pytest.raises((FieldWithheld, SealedUseRefused)):
                session.execute(named)


def test_a_delete_cannot_be_a_question(books: Any) -> None:
    """The count of what a DELETE reached is an answer too."""
    c = books.m.Customer
    with books.session() as session, pytest.raises(SealedUseRefused):
        session.execute(delete(c).where(c.email.like("%@%")), execution_options={"synchronize_session": False})


def test_ciphertext_is_never_compared(books: Any) -> None:
    """Constructs that would quietly work on ciphertext are refused with the remedy, for who sees everything too."""
    c = books.m.Customer
    p = books.m.Person
    with books.session() as session:
        for name, statement in {
            "function": select(c.id).where(func.lower(c.phone) == "x"),
            "order": select(c.id).order_by(c.phone),
            "order by label": select(c.phone.label("q")).order_by("q"),
            "group": select(func.count()).select_from(c).group_by(c.name),
            "group expression": select(func.count()).select_from(c).group_by(func.lower(c.phone)),
            "group by place": select(c.phone, func.count()).group_by(text("1")),
            "group by literal": select(c.phone, func.count()).group_by(literal_column("1")),
            "order by place": select(c.phone).order_by(text("1 DESC")),
            "order by literal": select(c.id, c.phone).order_by(literal_column("2").desc()),
            "distinct": select(c.phone).distinct(),
            "like": select(c.id).where(c.phone.like("0%")),
            "greater": select(c.id).where(c.phone > "0"),
            "between": select(c.id).where(c.phone.between("0", "9")),
            "not searchable": select(c.id).where(c.name == "Budi Santoso"),
            "other domain": select(c.id).where(c.phone == c.email),
            "tuple": select(c.id).where(tuple_(c.phone, c.id).in_([("0812 3456 7890", "budi")])),
            "distinct from": select(c.id).where(c.phone.is_distinct_from("x")),
            "coerced": select(type_coerce(c.phone, String)),
            "cast": select(c.phone.cast(String)),
            "concatenated": select(c.phone + "x"),
            "maximum": select(func.max(c.phone)),
            "count distinct": select(func.count(c.phone.distinct())),
            "scalar": select(select(c.phone).limit(1).scalar_subquery()),
            "search column": select(c.__table__.c.phone_ix),
            "search column filter": select(c.id).where(c.__table__.c.phone_ix == b"x"),
            "without its key": select(select(c.phone).subquery().c.phone),
            "in a subquery": select(c.id).where(c.phone.in_(select(p.mobile))),
        }.items():
            books.refuses(SealedUseRefused, name, session.execute, statement)


def test_one_parameter_cannot_be_token_and_value(books: Any) -> None:
    """A parameter shared by two comparisons would be what the last of them makes of it."""
    c = books.m.Customer
    shared = literal("0812 3456 7890")
    with books.session() as session:
        for condition in (
            (c.phone == shared) | (c.note == shared),
            (c.note == shared) | (c.phone == shared),
            (c.phone == shared) | (c.email == shared),
        ):
            with pytest.raises(SealedUseRefused):
                session.execute(select(c.id).where(condition))
