"""What stands beside a column that is sealed while it is in use: the names in the database.

A DATE or VARCHAR(20) cannot hold an envelope, so a live column gets a sibling that can. The models and every statement
go on saying ``phone``; the database then has ``phone_sealed``, and where it is searched two columns of tokens,
``phone_ix`` and ``phone_ix2``: one for each of the two index keys that live while one is exchanged for the other.
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


def search_names(column: str) -> tuple[str, str]:
    """The two columns that hold the search tokens of ``column``, by slot."""
    return f"{column}_ix", f"{column}_ix2"


def search_index_names(table: str, column: str) -> tuple[str, str]:
    """The indexes over the search tokens of ``column``, by slot."""
    first, second = search_names(column)
    return _short(f"ix_{table}_{first}"), _short(f"ix_{table}_{second}")


def second_name(constraint: str) -> str:
    """What is demanded of the first tokens by ``constraint`` is demanded of the second ones under this name."""
    return _short(f"{constraint}_ix2")


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
