"""What stands beside a column that is sealed while it is in use: the names in the database.

A DATE or VARCHAR(20) cannot hold an envelope, so a live column gets a sibling that can. The models and every statement
go on saying ``phone``; the database then has ``phone_sealed``, and ``phone_ix`` where it is searched.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Step = Literal["write_both", "read_sealed", "sealed_only"]
"""How far a live column has come: both are written and the plain one is read; both are written and the sealed one is
read; the plain one is no longer used."""

STEPS: Final[tuple[Step, ...]] = ("write_both", "read_sealed", "sealed_only")
_LONGEST: Final = 60  # PostgreSQL cuts identifiers at 63 bytes, silently


def sealed_name(column: str) -> str:
    """The column that holds the envelopes of ``column``."""
    return f"{column}_sealed"


def search_name(column: str) -> str:
    """The column that holds the search tokens of ``column``."""
    return f"{column}_ix"


def search_index_name(table: str, column: str) -> str:
    """The index over the search tokens of ``column``."""
    return _short(f"ix_{table}_{search_name(column)}")


def unique_index_name(table: str, columns: Iterable[str]) -> str:
    """The unique index over ``columns`` as the database has them: tokens in place of searched columns."""
    return _short("_".join(["uq", table, *columns]))


def trigger_name(table: str, column: str, state: str, event: str = "") -> str:
    """What keeps ``column`` and its sealed sibling in step. The database fires triggers by name: this one last."""
    return _short("_".join(filter(None, ["zz_amanah", state, event, table, column])))


def _short(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 9]}_{sha256(name.encode()).hexdigest()[:8]}"
