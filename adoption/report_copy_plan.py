"""What goes into a reporting copy: which tables, and of each column how much.

Invariants:

1. The policy decides, table by table and column by column, for the access that reads. Nothing here widens its answer.
2. A copy leaves the walls: a column that the access may see in clear is masked all the same, unless it was named.
3. A column that is not declared, but looks personal or like a credential, is withheld, unless it was named.
4. Search tokens and envelopes are never copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from ..errors import Forbidden, InvalidInput, TableUndeclared
from ..i18n import N_
from ..middleware.access import Sight
from ..middleware.column_types import IndexToken, Sibling
from ..middleware.doctor import diagnose
from ..middleware.personal_names import words
from ..middleware.personal_words import SECRETS
from ..middleware.row_seals import SealColumn

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from sqlalchemy import Column, Table

    from ..guard import Guard
    from ..middleware.access import Access
    from ..middleware.fields import Field, Protected

Seen = Literal["plain", "clear", "masked", "withheld"]
"""How a column stands in the copy. Plain: it is nothing personal. Withheld: it is NULL in every row."""

Why = Literal["forbidden", "observed", "undeclared", "schema", "sign_in"]
"""Why a table is left out."""

MARKER: Final = "amanah_copy"
"""The table of a copy that says what it is."""

_DOUBTS: Final = frozenset({"AMN-D001", "AMN-D002", "AMN-D003", "AMN-D012", "AMN-D013"})
"""The doctor's findings about columns that look personal. What a guard silences with a reason is no doubt."""

_CREDENTIALS: Final = SECRETS | {"secret", "token", "otp", "pin", "salt", "hash", "credential", "apikey"}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """One column of a table in the copy. ``doubtful``: withheld because it is undeclared and looks personal."""

    column: Column[object]
    seen: Seen
    field: Field | None = None
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class TablePlan:
    """One table of the copy. ``protected`` is None for one that all tenants share."""

    table: Table
    protected: Protected | None
    columns: tuple[ColumnPlan, ...]

    def named(self, seen: Seen) -> tuple[str, ...]:
        """The columns that stand so in the copy."""
        return tuple(one.column.name for one in self.columns if one.seen == seen)

    @property
    def doubtful(self) -> tuple[str, ...]:
        """The columns that are withheld because they are undeclared and look personal."""
        return tuple(one.column.name for one in self.columns if one.doubtful)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a copy would hold. ``left_out``: table → why."""

    tables: tuple[TablePlan, ...]
    left_out: dict[str, Why]


def plan(guard: Guard, access: Access, tables: Collection[str], clear: Collection[str]) -> Plan:
    """What ``access`` may put into a copy, and see to it that it sees no more.

    ``tables``: only these; empty for all. ``clear``: ``table.column`` to be copied as they are. Raises `InvalidInput`
    for a name that is none, and what stops a table or column that was named (`Forbidden`, `TableUndeclared`).
    """
    known = {table.name: table for table in guard.metadata.sorted_tables}
    unknown = sorted(set(tables) - known.keys())
    if unknown:
        raise InvalidInput(detail=f"--table {unknown[0][:80]}: there is no such table")
    doubts = _doubts(guard)
    taken: list[TablePlan] = []
    left_out: dict[str, Why] = {}
    for name, table in known.items():
        if tables and name not in tables:
            continue
        why = _why_not(guard, access, table, named=name in tables)
        if why is None:
            protected = guard.register.by_name(name)
            taken.append(TablePlan(table, protected, tuple(_columns(access, table, protected, clear, doubts))))
        elif name in tables:
            _refuse(access, guard, name, why)
        else:
            left_out[name] = why
    _check_clear(access, taken, clear)
    access.narrow(one.field for table in taken for one in table.columns if one.field and one.seen == "masked")
    return Plan(tuple(taken), left_out)


def _doubts(guard: Guard) -> frozenset[str]:
    """``table.column`` of what looks personal and is not declared, and nobody said that it is not."""
    found = diagnose(guard.register, guard.metadata, (), silences=guard.silences)
    return frozenset(one.subject for one in found.loud if one.id in _DOUBTS)


def _why_not(guard: Guard, access: Access, table: Table, *, named: bool) -> Why | None:
    protected = guard.register.by_name(table.name)
    if table.schema or table.name.lower() == MARKER:
        return "schema"
    if protected is None:
        return None if table.name.lower() in guard.register.shared else "undeclared"
    if guard.posture is not None and not guard.posture.enforces(protected.resource):
        return "observed"  # its walls and masks are not up yet
    if not access.may(protected.resource, "read").allow:
        return "forbidden"
    return "sign_in" if protected.sign_in and not named else None


def _refuse(access: Access, guard: Guard, name: str, why: Why) -> None:
    protected = guard.register.by_name(name)
    if why == "forbidden" and protected is not None:
        raise Forbidden(action="read", resource=protected.resource, purpose=access.purpose or "-")
    if why == "undeclared":
        raise TableUndeclared(table=name)
    raise InvalidInput(detail=f"--table {name}: {REASONS[why]}")


REASONS: Final[dict[Why, str]] = {
    "forbidden": N_("the policy does not let this account read it for this purpose"),
    "observed": N_("it is only observed so far; enforce it first"),
    "undeclared": N_("it is not declared"),
    "schema": N_("it is in a named schema, or has the name of the copy's own table"),
    "sign_in": N_("it is for signing in; name it with --table if it is to be copied"),
}


def _columns(
    access: Access, table: Table, protected: Protected | None, clear: Collection[str], doubts: Collection[str]
) -> Iterator[ColumnPlan]:
    fields = protected.fields if protected is not None else {}
    for column in table.columns:
        field = fields.get(column.name)
        name = f"{table.name}.{column.name}"
        if isinstance(column.type, IndexToken | Sibling | SealColumn) or (column.system and field is None):
            continue
        if field is not None:
            sight = access.sight(field)
            shown: Seen = "withheld" if sight is Sight.WITHHELD else "masked"
            yield ColumnPlan(column, "clear" if sight is Sight.CLEAR and name in clear else shown, field)
        elif name in doubts or _CREDENTIALS & set(words(column.name)):
            named = name in clear
            yield ColumnPlan(column, "clear" if named else "withheld", doubtful=not named)
        else:
            yield ColumnPlan(column, "plain")


def _check_clear(access: Access, taken: list[TablePlan], clear: Collection[str]) -> None:
    """Each column that was named to be copied in clear is one that this access may see so."""
    planned = {f"{table.table.name}.{one.column.name}": one for table in taken for one in table.columns}
    for name in sorted(clear):
        one = planned.get(name)
        if one is None or one.seen == "plain":
            raise InvalidInput(detail=N_("--clear {column}: no such personal column is in the copy"), column=name[:160])
        if one.seen != "clear":
            raise Forbidden(action="read", resource=name, purpose=access.purpose or "-")
