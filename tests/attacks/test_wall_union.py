"""Attack: launder a governed column through a column of another kind."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import null, select, union, union_all

from amanah.errors import FieldProbed, FieldWithheld, SealedUseRefused


def test_a_subquery_cannot_lend_one_columns_name_to_another(books: Any) -> None:
    """UNION ALL in a FROM speaks with its first column's field for every row: all must be the same."""
    c = books.m.Customer.__table__.c
    i = books.m.Invoice.__table__.c
    mixed = union_all(select(c.tenant_id, c.id, c.city), select(c.tenant_id, c.id, c.religion)).subquery()
    plain = union_all(select(i.id, i.customer_id), select(c.id, c.religion)).subquery()
    absent = union_all(select(c.tenant_id, c.id, null().label("x")), select(c.tenant_id, c.id, c.religion)).subquery()
    swapped = union_all(select(c.tenant_id, c.id, c.city), select(c.tenant_id, c.note, c.city)).subquery()
    with books.session(actor="masker") as session:
        for statement in (
            select(mixed.c.city),
            select(plain.c.customer_id),
            select(absent.c.x),
            select(swapped.c.city),
            union_all(select(i.customer_id), select(c.city)),
            union_all(select(c.city), select(c.note)),
        ):
            books.refuses(SealedUseRefused, str(statement), session.execute, statement)


def test_a_union_shows_each_cell_as_its_own_field(books: Any) -> None:
    """At the top each cell carries its own field, so a union of two personal columns is decided cell by cell."""
    c = books.m.Customer.__table__.c
    both = union_all(select(c.phone), select(c.city))
    with books.session() as session:
        assert set(session.scalars(both)) == {"0812 3456 7890", "0813 1111 2222", "Surabaya", "Malang"}
        same = union_all(select(c.tenant_id, c.id, c.phone), select(c.tenant_id, c.id, c.phone)).subquery()
        assert len(session.scalars(select(same.c.phone)).all()) == 4
        with pytest.raises(SealedUseRefused):
            session.execute(union(select(c.phone), select(c.email)))
    with books.session(actor="masker") as session:
        assert set(session.scalars(both)) == {"•••• 7890", "•••• 2222", "••••"}
        with pytest.raises(FieldWithheld):
            session.execute(union_all(select(c.city), select(c.religion)))


def test_equal_governed_values_fall_together(books: Any) -> None:
    """DISTINCT, GROUP BY and UNION compare the values of a governed column, and need to see it in clear."""
    c = books.m.Customer.__table__.c
    grouped = select(c.city).group_by(c.city)
    with books.session() as session:
        session.add(books.m.Customer(name="Third", city="Malang"))
        session.flush()
        for statement in (select(c.city).distinct(), grouped, union(select(c.city), select(c.city))):
            assert sorted(session.scalars(statement)) == ["Malang", "Surabaya"]
    with books.session(actor="masker") as session:
        for statement in (select(c.city).distinct(), grouped, union(select(c.city), select(c.city))):
            with pytest.raises(FieldProbed):
                session.execute(statement)
