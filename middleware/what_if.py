"""What a draft of the policy would change in the accesses that the trail knows.

Each entry is read as the questions that its access put to the policy: the route's, one for each table that it touched,
and one for each personal column of a table that it read. Both policies are asked the same, so what is told is what the
draft changes, not what has changed since. The roles are those that the access had.

What cannot be replayed: a refusal before roles and purpose were known, since there is nothing to ask; rows, since the
trail keeps no values by which a row filter could be judged (that its rows are others is told); who had consented (told
is that a purpose begins or ceases to rest on consent, with the accesses for it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..access_policies.draft import Difference, Question, difference
from ..access_policies.purposes import CONSENT
from .explain import asked_last

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..access_policies.snapshot import Snapshot
    from ..audit.entries import Entry
    from .fields import Register

_SEEN_BY = frozenset({"read", "update"})
"""Actions that see columns: an update of what is not seen in clear is refused."""


@dataclass(frozen=True, slots=True)
class Change:
    """A difference, and the accesses that it is about. ``last``: µs since the epoch; ``example``: an entry's id."""

    difference: Difference
    accesses: int
    actors: int
    last: int
    example: str


@dataclass(frozen=True, slots=True)
class Basis:
    """A purpose, by key, that rests on consent by one of the policies only. ``accesses``: so many were for it."""

    purpose: str
    now: bool
    draft: bool
    accesses: int


@dataclass(frozen=True, slots=True)
class Replay:
    """``accesses`` were replayed, ``skipped`` ended before there was anything to ask. Most frequent changes first."""

    accesses: int
    skipped: int
    changes: tuple[Change, ...]
    bases: tuple[Basis, ...] = ()

    def __bool__(self) -> bool:
        """Whether the draft would change anything for these accesses, or for the next ones of a purpose."""
        return bool(self.changes or self.bases)


def replay(entries: Iterable[Entry], now: Snapshot, draft: Snapshot, register: Register, last: int) -> Replay:
    """Ask both policies what the ``last`` accesses of ``entries`` asked; entries come with the newest first."""
    met: dict[str, bool] = {}
    known: dict[Question, Difference | None] = {}
    about: dict[Question, list[Entry]] = {}
    purposes: dict[str, set[str]] = {}
    for entry in entries:
        if entry.kind == "admin":
            continue
        if entry.access not in met and len(met) == last:
            break
        wanted = set(questions(entry, register))
        met[entry.access] = met.get(entry.access, False) or bool(wanted)
        if wanted and entry.purpose is not None:
            purposes.setdefault(entry.purpose, set()).add(entry.access)
        for question in wanted:
            if question not in known:
                known[question] = difference(now, draft, question)
            if known[question] is not None:
                about.setdefault(question, []).append(entry)
    changes = [_change(found, about[question]) for question, found in known.items() if found is not None]
    order = sorted(changes, key=lambda one: (-one.accesses, one.difference.question[1:]))
    replayed = sum(met.values())
    return Replay(replayed, len(met) - replayed, tuple(order), tuple(_bases(now, draft, purposes)))


def _bases(now: Snapshot, draft: Snapshot, accesses: Mapping[str, set[str]]) -> Iterator[Basis]:
    """Of purposes that both policies know: where one is gone, its accesses are changes."""
    for key in sorted(now.purposes.keys() & draft.purposes.keys()):
        before, after = (one.purposes[key].legal_basis == CONSENT for one in (now, draft))
        if before != after:
            yield Basis(key, before, after, len(accesses.get(key, ())))


def questions(entry: Entry, register: Register) -> Iterator[Question]:
    """What the access of ``entry`` asked the policy, as far as the trail tells; nothing where there were no roles."""
    if entry.purpose is None or not entry.roles:
        return
    roles = frozenset(entry.roles)
    decision = entry.decision
    if decision:
        yield Question(roles, str(decision.get("action")), str(decision.get("resource")), entry.purpose)
    if entry.refusal and (refused := asked_last(entry)):
        yield Question(roles, refused[1], refused[0], entry.purpose)
    for what in entry.what:
        yield Question(roles, what.action, what.resource, entry.purpose)
        if what.action in _SEEN_BY:
            for table in register.tables.values():
                for field in table.fields.values() if table.resource == what.resource else ():
                    yield Question(roles, "read", field.name, entry.purpose)


def _change(found: Difference, entries: list[Entry]) -> Change:
    accesses, actors = {entry.access for entry in entries}, {entry.actor for entry in entries}
    return Change(found, len(accesses), len(actors), entries[0].at, entries[0].id)
