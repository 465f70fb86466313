"""Where a reporting copy lies, and the contract of every such place.

`Place.replacing` is a transaction of a new, empty copy. Left without an exception, the new copy has taken the old one's
place, whole: whoever reads sees all of the old or all of the new. Left by an exception, or by ``kill -9``, nothing has
changed for them. Only what this command made is ever replaced, and only by a copy of the same tenant.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import BigInteger, Column, DateTime, MetaData, Table, Text, select
from sqlalchemy.exc import DBAPIError

from ..errors import AmanahError, CopyFailed, CopyOfAnotherTenant, CopyPlaceTaken
from .report_copy_plan import MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

_SCHEMA: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
_NOT_OURS: Final = ("public", "information_schema")


@dataclass(frozen=True, slots=True)
class Target:
    """A new copy while it is written: its tables stand in ``schema`` until it is complete."""

    connection: Connection
    schema: str | None
    sqlite: bool


class Place(Protocol):
    """One file or schema that holds the copy of one tenant."""

    name: str
    """For people and for the trail: without user and password."""

    def check(self, tenant: str) -> None:
        """Raise what would stop a copy of ``tenant`` from being written here; change nothing."""

    def replacing(self, tenant: str) -> AbstractContextManager[Target]:
        """A new copy, which replaces the old one when the block ends well. Raises as `check`, and `CopyBusy`."""


def marker(metadata: MetaData) -> Table:
    """The table that says what a copy is: a row for each table, and as of when, whose, for what and how."""
    return Table(
        MARKER,
        metadata,
        Column("table_name", Text, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("as_of", DateTime(timezone=True), nullable=False),
        Column("posture", Text, nullable=False),
        Column("purpose", Text, nullable=False),
        Column("row_count", BigInteger, nullable=False),
        Column("clear_columns", Text, nullable=False),
        Column("masked_columns", Text, nullable=False),
        Column("withheld_columns", Text, nullable=False),
    )


def demand_ours(
    connection: Connection, place: str, tenant: str, found: Iterable[str], schema: str | None = None
) -> list[str]:
    """The tables of the copy that is there; ``found``: all that the place holds.

    Raises `CopyPlaceTaken` where it holds anything else, `CopyOfAnotherTenant` where it is another's.
    """
    names = set(found)
    if not names:
        return []
    if MARKER not in names:
        raise CopyPlaceTaken(place=place, found=min(names))
    known = marker(MetaData(schema=schema))
    try:
        rows = connection.execute(select(known.c.table_name, known.c.tenant)).all()
    except DBAPIError:
        raise CopyPlaceTaken(place=place, found=MARKER) from None
    strangers = names - {MARKER} - {row.table_name for row in rows}
    if strangers:
        raise CopyPlaceTaken(place=place, found=min(strangers))
    if any(row.tenant != tenant for row in rows):
        raise CopyOfAnotherTenant(place=place)
    return sorted(names)


def checked_schema(name: str) -> str:
    """``name``, if a copy may have a schema of that name. Raises `CopyPlaceTaken`."""
    if not _SCHEMA.fullmatch(name) or name in _NOT_OURS:
        raise CopyPlaceTaken(place=f"--schema {name[:63]}", found="a name that others use, or cannot be used")
    return name


@contextmanager
def telling(table: str) -> Iterator[None]:
    """What goes wrong with a table is told by its kind only: a driver's message may repeat a value."""
    try:
        yield
    except AmanahError:
        raise
    except DBAPIError as error:
        raise CopyFailed(table=table, detail=type(error.orig).__name__) from None
    except (ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        raise CopyFailed(table=table, detail=type(error).__name__) from None
