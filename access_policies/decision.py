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

Limits = tuple[tuple[str, str, Rows], ...]
"""(resource, action, rows) for each yes that does not speak of all rows, sorted. Equal limits need the same SQL."""
