"""What the trail remembers: one entry for each access, write, refusal, act of administration or job.

Invariants:

1. An entry names rows, columns, subjects, purpose, rule and policy version, never a personal value in the clear. What
   is personal about the actor (IP address, browser, justification) arrives here already sealed, with keyed tokens to
   find it.
2. An entry has exactly one encoding: JSON, keys sorted, no spaces, ASCII, integers only (`encoding`). The leaf hash of
   the tree is taken over these bytes.
3. ``decode`` is the strict inverse of ``encode``: whatever ``encode`` would not have written, byte for byte, is
   refused. Entries of every version that was ever written can be read; new ones are of the newest.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from os import urandom
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidInput, TrailDamaged
from . import encoding

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Final = 2
KINDS: Final = frozenset({"access", "write", "refusal", "admin", "job", "sign_in", "receipt"})
OUTCOMES: Final = frozenset({"answered", "committed", "rolled_back", "refused", "failed", "would_refuse"})
MAXIMUM_BYTES: Final = 1_000_000
"""An entry longer than this is refused: a reader of a million rows writes several entries."""

_EVENT_ID: Final = re.compile(r"[0-9a-f]{32}")
_TENANT_ID: Final = re.compile(r"[a-z0-9-]{1,64}")


def new_event_id() -> str:
    """128 random bits as 32 lower-case hexadecimal digits."""
    return urandom(16).hex()


def now_us() -> int:
    """Microseconds since the epoch, UTC."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Change:
    """One cell's values before and after, as base64 of what is sealed for that cell; None where there was no value."""

    row: str
    column: str
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True)
class What:
    """What was touched: one per table, action and set of columns.

    ``columns`` were seen in clear (or written), ``masked`` only masked. ``rows`` are primary keys and ``subjects`` the
    persons whom they are about, both as text. ``count`` is the number of rows, also where ``rows`` does not list them.
    ``changes``: of columns whose values are kept in the trail.
    """

    resource: str
    action: str
    columns: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    count: int = 0
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of one tenant's trail.

    ``id``: 32 hexadecimal digits, unique. ``at``: µs since the epoch, UTC. ``kind`` is one of `KINDS`, ``outcome`` of
    `OUTCOMES`. ``route`` is a template ("GET /invoices/{id}"), never a URL. ``decision`` holds resource, action, allow,
    rule and policy_version. ``refusal`` is an error's code. ``sealed`` holds base64 of values that the caller sealed,
    ``tokens`` hexadecimal keyed tokens, ``detail`` facts about an act of administration without personal values.

    ``sign_in``: id of the entry of that kind that holds address and browser, once for all accesses that share them.
    ``wrote``: receipts of changes of this access that were committed, each as `receipt` writes it.
    """

    id: str
    at: int
    tenant: str
    access: str
    kind: str
    actor: str | None = None
    actor_kind: str = "anonymous"
    roles: tuple[str, ...] = ()
    strength: str = ""
    purpose: str | None = None
    inferred: bool = False
    route: str | None = None
    request: str | None = None
    status: int | None = None
    outcome: str = "answered"
    what: tuple[What, ...] = ()
    decision: Mapping[str, Any] | None = None
    refusal: str | None = None
    sealed: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, str | int | bool] = field(default_factory=dict)
    sign_in: str | None = None
    wrote: tuple[str, ...] = ()
    v: int = VERSION

    def encode(self) -> bytes:
        """The one canonical encoding of this entry, ASCII.

        Raises `InvalidInput` where a field has a type or value that the format does not know.
        """
        try:
            if (
                self.v not in _TEXT_OF
                or self.kind not in KINDS
                or self.outcome not in OUTCOMES
                or not _EVENT_ID.fullmatch(self.id)
                or not _TENANT_ID.fullmatch(self.tenant)
                or not 0 <= self.at < 1 << 63
            ):
                raise InvalidInput(detail="the entry's version, kind, outcome, id, tenant or time is not of the format")
            text = _TEXT_OF[self.v](self)
        except (TypeError, ValueError, AttributeError) as wrong:
            # Not chained: the original message would repeat the value.
            raise InvalidInput(detail=f"a field of the entry has the wrong type ({type(wrong).__name__})") from None
        if len(text) > MAXIMUM_BYTES:
            raise InvalidInput(detail=f"the entry is longer than {MAXIMUM_BYTES} bytes")
        return text.encode("ascii")


_TEXT_OF: Final = {1: encoding.version_1, 2: encoding.version_2}
_LISTS: Final = ("roles", "wrote")
_LISTS_OF_WHAT: Final = ("columns", "masked", "rows", "subjects")


def receipt(event_id: str, leaf_hash: bytes) -> str:
    """How an entry says in ``wrote`` that a change was committed: the event's id, a colon, its leaf hash in hex."""
    return f"{event_id}:{leaf_hash.hex()}"


def decode(body: bytes) -> Entry:
    """The entry of which ``body`` is the encoding.

    Raises `TrailDamaged` for anything that `Entry.encode` would not have written: unknown versions, missing or unknown
    keys, wrong types, floats, spaces, another order, a key given twice.
    """
    try:
        values = json.loads(body)
        if not isinstance(values, dict):
            raise TypeError  # noqa: TRY301 - handled like everything that has the wrong type
        version = values.get("v")
        if type(version) is int and version not in _TEXT_OF:
            raise TrailDamaged(detail=f"an entry is of the version {version}; this library reads up to {VERSION}")
        if version != 1:
            values.setdefault("actor_kind", encoding.USUAL_ACTOR)
            values.setdefault("access", "")
        values["what"] = tuple(map(_decode_what, values.get("what", ())))
        for name in _LISTS:
            values[name] = tuple(_list(values.get(name, [])))
        entry = Entry(**values)
        # The comparison is what makes this strict: there is one encoding only, and this must be it.
        same = entry.encode() == bytes(body)
    except (ValueError, TypeError, RecursionError, InvalidInput):
        raise TrailDamaged(detail="an entry cannot be read") from None
    if not same:
        raise TrailDamaged(detail="an entry is not in its canonical encoding")
    return entry


def _decode_what(values: Any) -> What:
    for name in _LISTS_OF_WHAT:
        if name in values:
            values[name] = tuple(_list(values[name]))
    if "changes" in values:
        values["changes"] = tuple(Change(**change) for change in values["changes"])
    return What(**values)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value
