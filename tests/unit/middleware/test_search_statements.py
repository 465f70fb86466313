"""What a statement may do with a searchable sealed column, and what it may not: a table of each."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    any_,
    bindparam,
    delete,
    except_,
    exists,
    func,
    insert,
    intersect,
    literal,
    not_,
    or_,
    select,
    true,
    union,
    union_all,
    update,
)
from sqlalchemy.orm import aliased

from amanah.encryption.index_keys import add_index_key, read_by
from amanah.errors import SealedUseRefused

BUDI, SITI = "0812 3456 7890", "0813 1111 2222"


def exchanged(books: Any) -> None:
    """Searches go by the other column, which holds the tokens, because the rows are written anew."""
    guard = books.guard
    with guard.engine.begin() as connection:
        version = add_index_key(connection, guard.provider, "a")
    guard.keyring.forget("a")
    with books.session() as session:
        c = books.m.Customer
        for number, phone, email in session.execute(select(c.id, c.phone, c.email)).all():
            session.execute(update(c).where(c.id == number).values(phone=phone, email=email))
        session.commit()
    with guard.engine.begin() as connection:
        read_by(connection, "a", version)
    guard.keyring.forget("a")


@pytest.mark.parametrize("slot", [0, 1])
def test_what_tokens_can_answer_is_answered(books: Any, slot: int) -> None:
    """Output, presence, count, equality and membership, joins in a domain, groups; by either search column."""
    c, p = books.m.Customer, books.m.Person
    other = aliased(c)
    with books.session() as session:
        session.execute(insert(p), [{"tenant_id": "a", "name": "B", "mobile": BUDI, "born": None}])
        session.execute(insert(c), [{"id": "edo", "name": "Edo"}])
        session.commit()
    if slot:
        exchanged(books)
        with books.session() as session:
            session.execute(update(p).where(p.id == session.scalar(select(p.id))).values(mobile=BUDI))
            session.commit()
    answers = {
        "equal": (select(c.id).where(c.phone == BUDI), ["budi"]),
        "turned round": (select(c.id).where(literal(BUDI) == c.phone), ["budi"]),
        "another spelling": (select(c.id).where(c.phone == "+62 812-3456-7890"), ["budi"]),
        "unequal": (select(c.id).where(c.phone != BUDI), ["siti"]),
        "negated": (select(c.id).where(not_(c.phone == BUDI)), ["siti"]),
        "in": (select(c.id).where(c.phone.in_([BUDI, SITI])), ["budi", "siti"]),
        "in nothing": (select(c.id).where(c.phone.in_([])), []),
        "not in": (select(c.id).where(c.phone.not_in([BUDI])), ["siti"]),
        "not in nothing": (select(c.id).where(c.phone.not_in([])), ["budi", "edo", "siti"]),
        "in a parameter": (
            select(c.id).where(c.phone.in_(bindparam("all", [BUDI], expanding=True, unique=True))),
            ["budi"],
        ),
        "null": (select(c.id).where(c.phone.is_(None)), ["edo"]),
        "equal to none": (select(c.id).where(c.phone == None), ["edo"]),  # noqa: E711 - SQLAlchemy's IS NULL
        "not null": (select(c.id).where(c.phone.is_not(None)), ["budi", "siti"]),
        "count": (select(func.count(c.phone)), [2]),
        "either": (select(c.id).where(or_(c.phone == BUDI, c.phone == SITI)), ["budi", "siti"]),
        "two columns": (select(c.id).where(c.phone == BUDI, c.email == "budi@example.com"), ["budi"]),
        "join in a domain": (select(c.id).join(p, p.mobile == c.phone), ["budi"]),
        "self join": (select(c.id).join(other, other.phone == c.phone).where(other.id == "siti"), ["siti"]),
        "exists": (select(c.id).where(exists().where(p.mobile == c.phone)), ["budi"]),
        "group": (select(func.count()).select_from(c).group_by(c.phone), [1, 1, 1]),
        "union all": (
            union_all(select(c.id).where(c.phone == BUDI), select(c.id).where(c.phone == SITI)),
            ["budi", "siti"],
        ),
        "subquery": (select(select(c.id).where(c.phone == BUDI).subquery().c.id), ["budi"]),
        "cte": (select(select(c.id).where(c.phone == BUDI).cte().c.id), ["budi"]),
        "output": (select(c.phone).where(c.phone == SITI), [SITI]),
        "scalar": (select(select(c.id).where(c.phone == BUDI).scalar_subquery()), ["budi"]),
        "always": (select(c.id).where(true(), c.phone == BUDI), ["budi"]),
    }
    with books.session() as session:
        for name, (statement, expected) in answers.items():
            assert sorted(str(one).strip() for one in session.scalars(statement)) == sorted(map(str, expected)), name
        quiet = {"synchronize_session": False}
        changed = session.execute(update(c).where(c.phone == BUDI).values(note="x"), execution_options=quiet)
        gone = session.execute(delete(c).where(c.phone.in_(["+6281311112222"]), c.id == "edo"), execution_options=quiet)
        assert (changed.rowcount, gone.rowcount) == (1, 0)


def test_what_tokens_cannot_answer_is_refused_with_the_remedy(books: Any) -> None:
    """Each would compare or order ciphertext, and quietly answer wrong."""
    c, p = books.m.Customer, books.m.Person
    questions = {
        "a function": select(c.id).where(func.trim(c.phone) == BUDI),
        "like": select(c.id).where(c.phone.ilike("%0812%")),
        "starts with": select(c.id).where(c.phone.startswith("0812")),
        "less": select(c.id).where(c.phone < BUDI),
        "order": select(c.id).order_by(c.phone.desc()),
        "order nulls": select(c.id).order_by(c.phone.nulls_last()),
        "distinct": select(c.phone, c.id).distinct(),
        "an expression": select(c.id).where(c.phone == func.concat("0812", "3")),
        "a plain column": select(c.id).where(c.phone == c.note),
        "a scalar subquery": select(c.id).where(c.phone == select(p.name).limit(1).scalar_subquery()),
        "any": select(c.id).where(literal(BUDI) == any_(select(c.phone).scalar_subquery())),
        "a subquery": select(c.id).where(c.phone.in_(select(c.note))),
        "a concatenation": select(c.id).where(c.phone + "" == BUDI),
        "a window": select(func.row_number().over(partition_by=c.phone)),
        "a window's order": select(func.row_number().over(order_by=c.phone)),
        "having": select(c.id).group_by(c.id).having(func.max(c.phone) == BUDI),
        "union": union(select(c.phone), select(c.phone)),
        "intersect": intersect(select(c.phone), select(c.phone)),
        "except": except_(select(c.phone), select(c.phone)),
        "a sum": select(func.min(c.phone)),
        "copied": update(c).where(c.id == "budi").values(note=c.phone),
        "another domain": select(c.id).join(p, p.mobile == c.email),
        "not searchable": select(c.id).where(c.name.in_(["Budi Santoso"])),
    }
    with books.session() as session:
        for name, statement in questions.items():
            books.refuses(SealedUseRefused, name, session.execute, statement)
        with pytest.raises(SealedUseRefused) as refusal:
            session.execute(questions["like"])
    assert "search=" in refusal.value.remedy
