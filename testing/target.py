"""What an application's developer says about the application that the attack kit attacks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..middleware.declare_rows import names_of
from ..middleware.personal import Personal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Engine, MetaData
    from sqlalchemy.orm import Session

    from ..guard import Guard
    from ..middleware.declare import Declaration


@dataclass(frozen=True, slots=True)
class AttackTarget:
    """An application with its guard and a database of its own, which the attacks change and put right again.

    Args:
        guard: the application's.
        engine: a synchronous engine that the guard protects. An application with an AsyncEngine gives its guard a
            second one: ``engine=[async_engine, engine]``.
        access: ``access(tenant)`` opens an access of somebody who sees every sealed column in clear and may create and
            update: ``lambda tenant: as_member(guard, tenant=tenant, role="owner", purpose="billing")``.
        populate: ``populate(session, tenant)`` adds at least two rows to each table with sealed columns, of two
            persons, with a value in each of these columns, by the application's own models. The kit commits.
        tenants: two tenants that exist. One is enough for a guard with a fixed tenant.
    """

    guard: Guard
    engine: Engine
    access: Callable[[str], AbstractContextManager[Any]]
    populate: Callable[[Session, str], object]
    tenants: Sequence[str] = ("a", "b")


class SealedNames(NamedTuple):
    """The names of what is sealed in a schema, as the ids of the tests give them."""

    columns: tuple[str, ...]
    """``table.column`` of each sealed column."""
    searched: tuple[str, ...]
    """Those of them that have search tokens."""
    tables: tuple[str, ...]
    """Tables whose rows are sealed."""


def sealed_in(metadata: MetaData, declarations: Iterable[Declaration | list[Declaration]] = ()) -> SealedNames:
    """What is sealed, read off the models and declarations before or after a guard is built from the same.

    pytest wants the names of its tests before any fixture runs. A test of the kit then compares them with what the
    guard protects, so that none is left out.
    """
    said = list(_each(declarations))
    columns = {f"{d.table}.{name}": type_ for d in said for name, type_ in d.columns.items()}
    for table in metadata.tables.values():
        columns |= {f"{table.name}.{c.name}": c.type for c in table.columns if isinstance(c.type, Personal)}
    declared_rows = {d.table: d.sealed_rows for d in said}
    return SealedNames(
        columns=tuple(sorted(name for name, type_ in columns.items() if type_.sealed)),
        searched=tuple(sorted(name for name, type_ in columns.items() if type_.search)),
        tables=tuple(sorted(n for n, t in metadata.tables.items() if names_of(t, declared_rows.get(n, ())))),
    )


def _each(declarations: Iterable[Declaration | list[Declaration]]) -> Iterator[Declaration]:
    for said in declarations:
        yield from said if isinstance(said, list) else [said]


__all__ = ["AttackTarget", "SealedNames", "sealed_in"]
