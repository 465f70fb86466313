"""The record of processing activities (GDPR art. 30, UU PDP art. 31), from purposes, rules and declared fields.

What is processed is not what somebody wrote down but what the policy lets somebody see: for each purpose, the declared
fields that at least one role reads, in clear or masked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .hierarchy import dotted_links
from .sensitivity import Special, special

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .purposes import Purpose
    from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Activity:
    """One purpose and what is done for it.

    ``categories`` are those that some role reads; ``unread`` those for which the purpose is registered although nobody
    reads anything of the kind (what it is not registered for nobody reads at all); ``special`` the kinds that a law
    protects more; ``subjects`` whose data they are; ``roles`` who reads.
    """

    purpose: Purpose
    categories: tuple[str, ...]
    unread: tuple[str, ...]
    special: tuple[Special, ...]
    subjects: tuple[str, ...]
    roles: tuple[str, ...]


def record(snapshot: Snapshot, whose: Mapping[str, tuple[str, str]], laws: Iterable[str]) -> tuple[Activity, ...]:
    """An activity for each purpose of the register.

    ``whose``: declared field → its category, and whose it is ("" if nobody said). ``laws``: jurisdictions. Raises
    ``InvalidInput`` (no such jurisdiction) and ``PolicyUnavailable``.
    """
    wanted = tuple(laws)
    return tuple(_activity(snapshot, purpose, whose, wanted) for purpose in snapshot.purposes.values())


def _activity(
    snapshot: Snapshot, purpose: Purpose, whose: Mapping[str, tuple[str, str]], laws: tuple[str, ...]
) -> Activity:
    readers = {field: _readers(snapshot, field, purpose.key) for field in whose}
    read = [field for field in whose if readers[field]]
    categories = sorted({whose[field][0] for field in read})
    kinds = {
        kind.law + kind.told["en"]: kind for law in laws for category in categories for kind in special(category, law)
    }
    return Activity(
        purpose=purpose,
        categories=tuple(categories),
        unread=tuple(one for one in purpose.categories if not any(one in _up(read_) for read_ in categories)),
        special=tuple(kinds[name] for name in sorted(kinds)),
        subjects=tuple(sorted({whose[field][1] for field in read} - {""})),
        roles=tuple(sorted({role for field in read for role in readers[field]})),
    )


def _readers(snapshot: Snapshot, field: str, purpose: str) -> list[str]:
    return [
        role
        for role in snapshot.roles
        if any(snapshot.decide(frozenset({role}), field, action, purpose).allow for action in ("read", "read_masked"))
    ]


def _up(category: str) -> set[str]:
    return {category, *(higher for _, higher in dotted_links(category))}
