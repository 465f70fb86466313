"""The policy's answer to one question, and of which rows it speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple


@dataclass(frozen=True, slots=True)
class Decision:
    """``rule``: id of the rule that decided, ``None`` if no rule is about the question. ``version``: of the policy.

    ``mask``: in a yes to ``read_masked``, the mask that is asked for; "" for the column's own.
    """

    allow: bool
    rule: str | None
    version: int
    mask: str = ""


class Rows(NamedTuple):
    """Of which rows a yes speaks: of those that one filter of ``allowed`` lets through, and none of ``denied``.

    ``allowed`` is None where some rule allows all rows. Names of row filters, sorted.
    """

    allowed: tuple[str, ...] | None = None
    denied: tuple[str, ...] = ()


ALL_ROWS: Final = Rows()


class Limits(NamedTuple):
    """Which rows an access may meet where it may not meet all. Equal limits need the same SQL.

    ``rows``: (resource, action, rows) for each yes that does not speak of all rows, sorted. ``consent``: of rows that
    are about persons, those only whose person has a live consent to the purpose.
    """

    rows: tuple[tuple[str, str, Rows], ...] = ()
    consent: bool = False


NO_LIMITS: Final = Limits()
