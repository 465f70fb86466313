"""Attack: reach another tenant's rows along a relationship, however it is loaded."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    aliased,
    contains_eager,
    defaultload,
    immediateload,
    joinedload,
    lazyload,
    mapped_column,
    raiseload,
    relationship,
    selectinload,
    subqueryload,
    with_parent,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def models() -> SimpleNamespace:
    """Keys of one column: a row of one tenant can point at a row of another, put there behind the guard."""

    class Base(DeclarativeBase):
        pass

    class Shop(Base):
        __tablename__ = "shop"
        number: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("shop.number"))
        name: Mapped[str] = mapped_column(String(20))
        parent: Mapped[Shop | None] = relationship(remote_side=[number], back_populates="children")
        children: Mapped[list[Shop]] = relationship(back_populates="parent")

    names = dict(locals())
    return SimpleNamespace(**names)


@pytest.fixture
def chain(worlds: None, database_url: str, tmp_path: Path) -> Iterator[Any]:
    """Shops 1 and 2 of tenant ``a``, 7 of ``b``: 7 is under 1, and 2 under 7, by an edit past the guard."""
    made = sys.modules["sql_world"].build(database_url, tmp_path, declared=[], made=models())
    made.stored("INSERT INTO shop (number, tenant_id, parent_id, name) VALUES (1, 'a', NULL, 'first')")
    made.stored("INSERT INTO shop (number, tenant_id, parent_id, name) VALUES (7, 'b', 1, 'theirs')")
    made.stored("INSERT INTO shop (number, tenant_id, parent_id, name) VALUES (2, 'a', 7, 'second')")
    yield made
    made.close()


LOADS = {
    "lazy": lazyload,
    "joined": joinedload,
    "inner joined": lambda attribute: joinedload(attribute, innerjoin=True),
    "selectin": selectinload,
    "subquery": subqueryload,
    "immediate": immediateload,
    "default": defaultload,
}


@pytest.mark.parametrize("load", LOADS)
def test_no_load_of_a_relationship_reaches_another_tenant(chain: Any, load: str) -> None:
    """To one and to many: what leads across shows nothing there."""
    m = chain.m
    option = LOADS[load]
    with chain.session() as session:
        found = session.scalars(select(m.Shop).options(option(m.Shop.children))).unique().all()
        assert {child.name for one in found for child in one.children} <= {"first", "second"}
    with chain.session() as session:
        found = session.scalars(select(m.Shop).options(option(m.Shop.parent))).unique().all()
        assert {one.parent.name for one in found if one.parent is not None} <= {"first", "second"}


def test_joins_along_a_relationship_stay_inside(chain: Any) -> None:
    """join(), contains_eager, any(), has(), with_parent, and nested loads."""
    m = chain.m
    with chain.session() as session:
        first = session.get_one(m.Shop, 1)
        child = aliased(m.Shop)
        joined = select(m.Shop).join(m.Shop.children.of_type(child))
        other = joined.options(contains_eager(m.Shop.children.of_type(child)))
        assert session.scalars(other).unique().all() == []
        assert session.scalars(select(m.Shop.name).where(m.Shop.children.any())).all() == []
        assert session.scalars(select(m.Shop.name).where(m.Shop.parent.has())).all() == []
        assert session.scalars(select(m.Shop.name).where(with_parent(first, m.Shop.children))).all() == []
        deep = select(m.Shop).options(selectinload(m.Shop.children).selectinload(m.Shop.children))
        session.expire_all()
        names = {two.name for one in session.scalars(deep) for child in one.children for two in child.children}
        assert names == set()
        assert session.scalars(select(m.Shop.name).options(raiseload("*"))).all() == ["first", "second"]


def test_the_owner_of_the_row_sees_it(chain: Any) -> None:
    """The same loads under an access of ``b`` show its own row and neither neighbour."""
    m = chain.m
    for option in LOADS.values():
        with chain.session("b") as session:
            found = session.scalars(select(m.Shop).options(option(m.Shop.children))).unique().all()
            assert [(one.name, one.children) for one in found] in ([("theirs", [])], [])
