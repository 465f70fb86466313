"""Attack: meet a row of the own tenant that a row filter keeps away."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import exists, func, literal, select, true, union_all
from sqlalchemy.orm import Session, aliased, joinedload, selectinload, subqueryload

SEEN = {
    "boss": {"o1", "o2", "o3", "o4", "o5"},
    "7": {"o1", "o2"},
    "8": {"o3"},
    "lead": {"o1", "o3", "o5"},
    "both": {"o2", "o4", "o5"},
    "apprentice": {"o1", "o3", "o5"},
}
"""Which orders each member of tenant ``a`` may see. NULL is no yes: what has no note is kept from the apprentice, too."""

SHAPES = {
    "entity": lambda m: select(m.Order.id),
    "core table": lambda m: select(m.Order.__table__.c.id),
    "alias": lambda m: select(aliased(m.Order).id),
    "alias of an alias": lambda m: select(m.Order.__table__.alias("x").alias("y").c.id),
    "self-join": lambda m: select((other := aliased(m.Order)).id).join(m.Order, other.id != m.Order.id, isouter=True),
    "cross join": lambda m: select(aliased(m.Order).id).join(m.Order, true()),
    "subquery": lambda m: select(select(m.Order.id).subquery().c.id),
    "cte": lambda m: select(select(m.Order.id).cte("everybody").c.id),
    "recursive cte": lambda m: select(
        (base := select(m.Order.id).cte("r", recursive=True)).union_all(select(base.c.id).where(literal(1) == 2)).c.id
    ),
    "union": lambda m: union_all(select(m.Order.id), select(m.Order.id)),
    "in a subquery": lambda m: select(m.Order.id).where(m.Order.id.in_(select(m.Order.id))),
    "outer join": lambda m: select(m.Order.id).select_from(m.Order).outerjoin(m.Line, true()),
    "from a function": lambda m: select(func.lower(m.Order.id)),
    "exists": lambda m: select(m.Order.id).where(exists().where(m.Line.order_id == m.Order.id)),
    "for update": lambda m: select(m.Order.id).with_for_update(),
    "the other table of the resource": lambda m: select(m.Line.order_id),
}


def test_no_shape_of_select_meets_a_row_that_is_kept_away(parcels: Any) -> None:
    """Whatever the statement looks like, each member gets the rows of theirs; one form never serves another's."""
    for _ in range(2):
        for member, seen in SEEN.items():
            with parcels.session("a", member) as session:
                for shape, make in SHAPES.items():
                    if shape == "for update" and "sqlite" in parcels.url:
                        continue
                    for run in (session.execute, session.connection().execute):
                        found = {str(row[0]) for row in run(make(parcels.m))}
                        assert found == seen, (member, shape)


def test_a_row_that_is_kept_away_gives_no_fact(parcels: Any) -> None:
    """Counts, maxima, EXISTS and scalar subqueries are of the rows that may be seen."""
    m = parcels.m
    with parcels.session("a", "8") as session:
        assert session.scalar(select(func.count()).select_from(m.Order)) == 1
        assert session.scalar(select(func.max(m.Order.id))) == "o3"
        assert session.scalar(select(select(func.min(m.Order.id)).scalar_subquery())) == "o3"
        assert session.scalar(select(literal(1)).where(exists().where(m.Order.id == "o1"))) is None
        assert session.scalar(select(literal(1)).where(select(m.Order).where(m.Order.id == "o1").exists())) is None


def test_the_orm_loads_the_rows_that_may_be_seen(parcels: Any) -> None:
    """get, refresh, from_statement, stream, and relationship loads of every kind."""
    m = parcels.m
    with parcels.session("a", "7") as session:
        assert session.get(m.Order, "o3") is None
        own = session.get_one(m.Order, "o1")
        assert own.customer == "of o1"
        session.refresh(own)
        assert [line.id for line in own.lines] == ["lo1"]
        assert {o.id for o in session.scalars(select(m.Order).from_statement(select(m.Order)))} == {"o1", "o2"}
        assert {o.id for o in session.scalars(select(m.Order).execution_options(yield_per=1))} == {"o1", "o2"}
    for load in (joinedload, selectinload, subqueryload):
        for _ in range(2):
            for member, seen in SEEN.items():
                with parcels.session("a", member) as session:
                    found = session.scalars(select(m.Order).options(load(m.Order.lines))).unique().all()
                    assert {line.order_id for order in found for line in order.lines} == seen


def test_who_has_no_rule_has_no_rows(parcels: Any) -> None:
    """Row filters open nothing by themselves."""
    from amanah.errors import Forbidden

    with parcels.session("a", "stranger") as session, pytest.raises(Forbidden):
        session.scalars(select(parcels.m.Order.id)).all()


def test_the_tenant_stays_the_first_wall(parcels: Any) -> None:
    """The same actor in another tenant meets that tenant's rows, and no table in an expression is of another tenant."""
    m = parcels.m
    for _ in range(2):
        for tenant, member, seen in (("a", "7", {"o1", "o2"}), ("b", "7", {"t1"}), ("b", "lead", set())):
            with parcels.access(tenant, member), Session(parcels.engine) as session:
                assert set(session.scalars(select(m.Order.id))) == seen


def test_an_actor_is_compared_in_the_type_of_the_column(parcels: Any) -> None:
    """The account id is text; the column a number. Who has no number for an id has no rows."""
    m = parcels.m
    for member, seen in (("7", [7]), ("8", [8]), ("both", [])):
        with parcels.session("a", member) as session:
            assert session.scalars(select(m.Shift.worker)).all() == seen
