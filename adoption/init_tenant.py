"""Which column says whose row it is: the one that most tables share, by name or by where its foreign key leads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ..errors import ReferenceWrong
from ..i18n import N_
from ..middleware.personal_names import is_about_persons, words

if TYPE_CHECKING:
    from sqlalchemy import Table

_SURE: Final = frozenset({"tenant"})
"""A column of that name is a tenant's whatever else there is."""
_OWNERS: Final = frozenset(
    {
        *(
            "tenant",
            "company",
            "organization",
            "organisation",
            "org",
            "merchant",
            "shop",
            "clinic",
            "hospital",
            "school",
        ),
        *("school", "workspace", "business", "firm"),
        *("perusahaan", "organisasi", "toko", "klinik", "sekolah", "usaha", "yayasan", "koperasi", "instansi"),
    }
)


def tenant_column(tables: list[Table], given: str | None = None) -> str | None:
    """The tenant column's name, or None where no column covers half of the tables.

    Covered are the tables that have it, those that it leads to, and those that reach one of them by foreign keys.
    ``given``: the name that the developer said. Raises `ReferenceWrong` where no table has it.
    """
    counted = Counter(column.name for table in tables for column in table.columns)
    if given is not None:
        if not counted[given]:
            raise ReferenceWrong(
                reference=given, detail=N_("no table has a column of that name"), example="--tenant-column company_id"
            )
        return given
    candidates = [name for name in counted if _could_be(name, tables)]
    for name in sorted(candidates, key=lambda one: (-_rank(one), -counted[one], one)):
        if _rank(name) == 2 or _covered(name, tables) * 2 >= len(tables):  # noqa: PLR2004 - the rank of a sure name
            return name
    return None


def _could_be(name: str, tables: list[Table]) -> bool:
    """A name that owners have, or a foreign key that most tables have to the same table, which is about no person."""
    if _rank(name):
        return True
    having = [table.c[name] for table in tables if name in table.c]
    targets = {key.column.table for column in having for key in column.foreign_keys}
    if len(targets) != 1 or len(having) * 2 <= len(tables):
        return False
    return not any(is_about_persons(target) for target in targets)


def _rank(name: str) -> int:
    """2 for a sure name, 1 for a likely one (``perusahaan_id``, ``org``), 0 for any other."""
    said = words(name)
    if not said or (len(said) > 1 and said[1:] not in {("id",), ("uuid",), ("code",), ("kode",)}):
        return 0
    if said[0] in _SURE:
        return 2
    return 1 if said[0] in _OWNERS and len(said) > 1 else 0


def _covered(name: str, tables: list[Table]) -> int:
    covered = {table.name for table in tables if name in table.c}
    covered |= {key.column.table.name for table in tables if name in table.c for key in table.c[name].foreign_keys}
    grown = True
    while grown:
        reached = {
            table.name for table in tables for key in table.foreign_keys if key.column.table.name in covered
        } - covered
        covered |= reached
        grown = bool(reached)
    return len(covered)
