"""The trail as the pages show it: a page of entries, one entry, and whether the log is what was signed.

Everything is read through Amanah's own engines and for one tenant, the access's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from ..audit.entries import OUTCOMES
from ..audit.log import Filter, Logged, find, list_entries
from ..audit.models import entry, head
from ..audit.standing import Standing, standing
from ..audit.tree import leaf_hash
from ..errors import CheckpointsAway, TrailDamaged
from ..i18n import N_
from ..tenants.models import member, tenant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .host import Host

PAGE: Final = 50
_ID: Final = re.compile(r"[0-9a-f]{32}")
_LONGEST: Final = 128
_LARGEST: Final = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address of the page asks for. ``nonsense``: something in it could not be understood and was left out."""

    actor: str = ""
    outcome: str = ""
    resource: str = ""
    before: int | None = None
    nonsense: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """Read the query string; never raises."""
        texts = {name: query.get(name, "").strip() for name in ("actor", "outcome", "resource")}
        known = {
            name: text
            for name, text in texts.items()
            if len(text) <= _LONGEST and text.isprintable() and (name != "outcome" or not text or text in OUTCOMES)
        }
        number = query.get("before", "")
        before = int(number) if re.fullmatch(r"[0-9]{1,19}", number) else None
        if before is not None and before > _LARGEST:
            before = None
        return cls(**known, before=before, nonsense=known != texts or (bool(number) and before is None))

    def filter(self) -> Filter:
        """The same for the log."""
        return Filter(actor=self.actor or None, outcome=self.outcome or None, resource=self.resource or None)

    def query(self) -> dict[str, str]:
        """The filters as they stand in an address, without the place in the list."""
        return {name: value for name in ("actor", "outcome", "resource") if (value := getattr(self, name))}


@dataclass(frozen=True, slots=True)
class State:
    """How far the log is signed. ``problem`` is a message: the log contradicts what was signed.

    ``at`` is in µs; ``signed`` and ``entries`` count entries; None: nothing was signed yet.
    """

    entries: int
    signed: int | None
    at: int | None
    signer: str
    problem: str | None = None

    @property
    def newer(self) -> int:
        """How many entries wait for the next signature."""
        return max(self.entries - (self.signed or 0), 0)


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, the newest first, and where the next page begins (None: this is the last)."""

    entries: list[Logged]
    older: int | None
    state: State
    labels: Mapping[str, str]
    organisation: str


def read_page(guard: Host, tenant_id: str, wanted: Wanted) -> Page:
    """A page of the tenant's trail. Raises `TrailDamaged` for an entry that cannot be read."""
    found = list_entries(guard.trail_engine, tenant_id, limit=PAGE + 1, before=wanted.before, filters=wanted.filter())
    shown = found[:PAGE]
    older = shown[-1].position if len(found) > PAGE else None
    labels, organisation = _labels(guard, tenant_id, {one.entry.actor for one in shown if one.entry.actor})
    return Page(shown, older, read_state(guard, tenant_id), labels, organisation)


def read_entry(guard: Host, tenant_id: str, event_id: str) -> tuple[Logged, Mapping[str, str], str] | None:
    """One entry of this tenant's own, with its actor's label and the organisation's name; None for any other id."""
    if not _ID.fullmatch(event_id):
        return None
    found = find(guard.trail_engine, event_id, tenant=tenant_id, core_engine=guard.engine)
    if found is None:
        return None
    return found, *_labels(guard, tenant_id, {found.entry.actor} if found.entry.actor else set())


def intact(one: Logged) -> bool:
    """Whether the entry still is what was put into the tree; one that waits for its place is taken as it is."""
    return one.position is None or leaf_hash(one.entry.encode()) == one.leaf_hash


def _labels(guard: Host, tenant_id: str, actors: set[str]) -> tuple[dict[str, str], str]:
    of_actors = select(member.c.id, member.c.display).where(member.c.tenant_id == tenant_id, member.c.id.in_(actors))
    with guard.engine.connect() as connection:
        labels = {row.id: row.display for row in connection.execute(of_actors) if row.display}
        return labels, connection.scalar(select(tenant.c.name).where(tenant.c.id == tenant_id)) or tenant_id


def read_state(guard: Host, tenant_id: str) -> State:
    """Compare the log's end with the last signed head, in the database and outside.

    1. It stands in a checkpoint that is signed by the installation's key.
    2. The head is not behind it, and has its root where the size is the same.
    3. The last entry stands where the head says.
    4. No checkpoint outside of the database knows of more.

    That the entries in between are untouched is the whole verification's business (``amanah audit verify``).
    """
    mine = entry.c.tenant_id == tenant_id
    last = select(func.coalesce(func.max(entry.c.position), -1)).where(mine).scalar_subquery()
    problem: str | None = None
    told: Standing | None = None
    try:
        # In this order: what is read later can only be further.
        told = standing(guard.trail_engine, guard.signer.verifier, guard.outside, tenant_id)  # 1
    except TrailDamaged:
        problem = N_("The last signature is not genuine.")
    except CheckpointsAway:
        problem = N_("The signatures that are kept elsewhere cannot be read now.")
    with guard.trail_engine.connect() as connection:
        ends = connection.execute(select(last.label("last"))).scalar_one()
        at_end = select(head.c.size, head.c.root, last.label("last")).where(head.c.tenant_id == tenant_id)
        end = connection.execute(at_end).first()  # one statement: head and last entry of one moment
    size, entries = (0, int(ends) + 1) if end is None else (int(end.size), int(end.last) + 1)
    if problem is None:
        problem = _contradiction(size, None if end is None else end.root, entries, told)
    signed, at = (None, None) if told is None or not told.at else (told.size, told.at)
    return State(entries, signed, at, guard.signer.verifier.name, problem)


def _contradiction(size: int, root: bytes | None, entries: int, told: Standing | None) -> str | None:
    """What is wrong with a log of ``entries`` whose head says ``size`` and ``root`` (steps 2 to 4), as a message."""
    if told is not None and told.size == size and told.root != root:  # 2
        return N_("The log is not what was signed.")
    if (told is not None and max(told.outside, told.size) > size) or entries < size:  # 2, 3, 4
        return N_("The log is shorter than what was signed.")
    if entries > size:  # 3
        return N_("The log holds entries that were never put into it properly.")
    return None
