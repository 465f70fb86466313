"""Finding a person by what they are known by (an identity number, a telephone number, a name): the sealed search.

Under an access with a purpose, and behind the gate, like any search of the application's own: who may not see the
column in clear may not search by it, and row filters, consents and the wall between tenants hold.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from ..audit.staging import Staging
from ..database import own_engine
from ..errors import InvalidInput
from ..i18n import N_
from ..middleware.fields import key_text
from ..middleware.hooks import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ..guard import Guard
    from ..middleware.fields import Field

MOST: Final = 100
"""Persons that one value can find."""


@dataclass(frozen=True, slots=True, order=True)
class Person:
    """Of which kind, and their key in the application as the trail writes it."""

    kind: str
    subject: str


def find_persons(guard: Guard, name: str, value: str) -> list[Person]:
    """Who has ``value`` in the searchable column ``name`` (``nik``, or ``patient.nik``), under the current access.

    A name without a table is searched in every table about persons that has it. Raises `InvalidInput` for a column that
    cannot be searched or a value that is found too often, and what the gate raises: `Forbidden`, `FieldProbed`.
    """
    fields = searchable(guard, name)
    if not value.strip():
        raise InvalidInput(detail=N_("nothing was given to search by"))
    found: set[Person] = set()
    with _gated(guard) as connection:
        for field in fields:
            table = field.table.table
            subject = table.c[field.table.subject or ""]
            query = select(subject).where(table.c[field.column] == value).distinct().limit(MOST + 1)
            for one in connection.scalars(query):
                if one is not None:
                    found.add(Person(field.table.subject_kind, _text(field, one)))
    if len(found) > MOST:
        raise InvalidInput(detail=N_("too many persons are found by this value"))
    return sorted(found)


def searchable(guard: Guard, name: str) -> list[Field]:
    """The searchable columns of tables about persons that ``name`` means. Raises `InvalidInput` where there is none."""
    found = [
        field
        for table in sorted(guard.register.tables.values(), key=lambda one: one.name)
        for field in table.fields.values()
        if field.search and table.subject is not None and name in (field.column, field.name)
    ]
    if not found:
        raise InvalidInput(detail=N_("there is no such column by which persons can be searched"))
    return found


def _text(field: Field, value: object) -> str:
    return key_text(field.table.table.c[field.table.subject or ""], value)


@contextmanager
def _gated(guard: Guard) -> Iterator[Connection]:
    """The application's database behind a gate that enforces everything, also where the guard only observes."""
    engine = own_engine(guard.engine.url)
    Gate(guard.register, Staging(guard.trail_engine)).protect(engine)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


__all__ = ["MOST", "Person", "find_persons", "searchable"]
