"""Whom a table's subject column names: the word that all tables about the same persons share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import Integer, String, Uuid

from ..errors import DeclarationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Column

    from .fields import Protected
    from .personal import Personal

_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_LONGEST_WAY = 8


def subject_kind(protected: Protected, said: str | None, columns: Iterable[Personal]) -> str:
    """The kind that was ``said``, or the table to which the subject column's foreign keys lead in the end.

    "" for a table without a subject. Raises `DeclarationError` where personal columns are about a person of whom that
    cannot be told: an erasure would pass them by.
    """
    if protected.subject is None:
        if said is not None:
            raise DeclarationError(detail=f"{protected.name}: subject_kind= goes with subject=")
        return ""
    column = protected.table.c[protected.subject]
    kind = said or _led_to(column)
    if not kind and protected.subject in protected.key:
        kind = protected.name
    if kind and not _WORD.fullmatch(kind):
        raise DeclarationError(
            detail=f"{protected.name}: a subject_kind has at most 64 ASCII letters, digits, . _ or -"
        )
    if any(True for _ in columns):
        if not kind:
            raise DeclarationError(
                detail=f"{protected.name}.{column.name} has no foreign key: say whom it names, subject_kind="
            )
        if not isinstance(column.type, Integer | String | Uuid):
            raise DeclarationError(detail=f"{protected.name}.{column.name}: a subject is an integer, a UUID or text")
    return kind


def _led_to(column: Column[object]) -> str:
    """The table at the end of the foreign keys; "" where there are none, or they part."""
    name = ""
    for _ in range(_LONGEST_WAY):
        targets = {key.column.table.name: key.column for key in column.foreign_keys}
        if len(targets) != 1:
            return name if not targets else ""
        name, column = targets.popitem()
    return name


__all__ = ["subject_kind"]
