"""What the trail remembers: one entry for each access, write, refusal, act of administration or job.

Invariants:

1. An entry names rows, columns, subjects, purpose, rule and policy version, never a personal value in the clear. What
   is personal about the actor (IP address, browser, justification) arrives here already sealed, with keyed tokens to
   find it.
2. An entry has exactly one encoding: JSON, keys sorted, no spaces, ASCII, integers only. The leaf hash of the tree is
   taken over these bytes.
3. ``decode`` is the strict inverse of ``encode``: whatever ``encode`` would not have written, byte for byte, is
   refused.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from json.encoder import encode_basestring_ascii as _quote
from os import urandom
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidInput, TrailDamaged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

VERSION: Final = 1
KINDS: Final = frozenset({"access", "write", "refusal", "admin", "job"})
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
class What:
    """What was touched: one per table, action and set of columns.

    ``columns`` were seen in clear (or written), ``masked`` only masked. ``rows`` are primary keys and ``subjects`` the
    persons whom they are about, both as text. ``count`` is the number of rows, also where ``rows`` does not list them.
    """

    resource: str
    action: str
    columns: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()
    count: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of one tenant's trail.

    ``id``: 32 hexadecimal digits, unique. ``at``: µs since the epoch, UTC. ``kind``: one of `KINDS`; ``outcome``: one
    of
    `OUTCOMES`. ``route`` is a template ("GET /invoices/{id}"), never a URL. ``decision`` holds resource, action, allow,
    rule and policy_version. ``refusal`` is an error's code. ``sealed`` holds base64 of values that the caller sealed,
    ``tokens`` hexadecimal keyed tokens, ``detail`` facts about an act of administration without personal values.
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
    v: int = VERSION

    def encode(self) -> bytes:
        """The one canonical encoding of this entry, ASCII.

        Raises `InvalidInput` where a field has a type or value that the format does not know.
        """
        try:
            if (
                self.v != VERSION
                or self.kind not in KINDS
                or self.outcome not in OUTCOMES
                or not _EVENT_ID.fullmatch(self.id)
                or not _TENANT_ID.fullmatch(self.tenant)
                or not 0 <= self.at < 1 << 63
            ):
                raise InvalidInput(detail="the entry's version, kind, outcome, id, tenant or time is not of the format")
            text = self._text()
        except (TypeError, ValueError, AttributeError) as wrong:
            # Not chained: the original message would repeat the value.
            raise InvalidInput(detail=f"a field of the entry has the wrong type ({type(wrong).__name__})") from None
        if len(text) > MAXIMUM_BYTES:
            raise InvalidInput(detail=f"the entry is longer than {MAXIMUM_BYTES} bytes")
        return text.encode("ascii")

    def _text(self) -> str:
        """The encoding by hand, in the keys' alphabetical order: faster than ``json.dumps``, and strict: no floats."""
        return (
            f'{{"access":{_quote(self.access)},"actor":{_text(self.actor)},"actor_kind":{_quote(self.actor_kind)}'
            f',"at":{self.at:d},"decision":{_decision(self.decision)},"detail":{_mapping(self.detail, _scalar)}'
            f',"id":"{self.id}","inferred":{_flag(self.inferred)},"kind":"{self.kind}","outcome":"{self.outcome}"'
            f',"purpose":{_text(self.purpose)},"refusal":{_text(self.refusal)},"request":{_text(self.request)}'
            f',"roles":{_texts(self.roles)},"route":{_text(self.route)},"sealed":{_mapping(self.sealed, _quote)}'
            f',"status":{"null" if self.status is None else f"{self.status:d}"},"strength":{_quote(self.strength)}'
            f',"tenant":"{self.tenant}","tokens":{_mapping(self.tokens, _quote)},"v":{self.v:d}'
            f',"what":[{",".join(map(_what, self.what))}]}}'
        )


def _text(value: str | None) -> str:
    return "null" if value is None else _quote(value)


def _flag(value: object) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise TypeError


def _texts(values: Iterable[str]) -> str:
    if isinstance(values, str):  # a lone text would be taken apart into letters
        raise TypeError
    return f"[{','.join(map(_quote, values))}]"


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:d}"
    raise TypeError


def _nullable_scalar(value: object) -> str:
    return "null" if value is None else _scalar(value)


def _mapping(values: Mapping[str, Any], encode: Callable[[Any], str]) -> str:
    if not values:
        return "{}"
    return f"{{{','.join(f'{_quote(key)}:{encode(values[key])}' for key in sorted(values))}}}"


def _decision(values: Mapping[str, Any] | None) -> str:
    return "null" if values is None else _mapping(values, _nullable_scalar)


def _what(what: What) -> str:
    return (
        f'{{"action":{_quote(what.action)},"columns":{_texts(what.columns)},"count":{what.count:d}'
        f',"masked":{_texts(what.masked)},"resource":{_quote(what.resource)},"rows":{_texts(what.rows)}'
        f',"subjects":{_texts(what.subjects)}}}'
    )


_ENTRY_KEYS: Final = frozenset(Entry.__dataclass_fields__)
_WHAT_KEYS: Final = frozenset(What.__dataclass_fields__)


def decode(body: bytes) -> Entry:
    """The entry of which ``body`` is the encoding.

    Raises `TrailDamaged` for anything that `Entry.encode` would not have written: other versions, missing or unknown
    keys, wrong types, floats, spaces, another order, a key given twice.
    """
    try:
        values = json.loads(body)
        if not isinstance(values, dict) or values.keys() != _ENTRY_KEYS:
            raise TrailDamaged(detail="an entry's keys are not those of the format")
        if values["v"] != VERSION:
            raise TrailDamaged(detail="an entry is of an unknown version")
        values["what"] = tuple(_decode_what(item) for item in values["what"])
        values["roles"] = tuple(values["roles"])
        entry = Entry(**values)
        # The comparison is what makes this strict: there is one encoding only, and this must be it.
        same = entry.encode() == bytes(body)
    except (ValueError, TypeError, RecursionError, InvalidInput):
        raise TrailDamaged(detail="an entry cannot be read") from None
    if not same:
        raise TrailDamaged(detail="an entry is not in its canonical encoding")
    return entry


def _decode_what(values: Any) -> What:
    if not isinstance(values, dict) or values.keys() != _WHAT_KEYS:
        raise TypeError
    for name in ("columns", "masked", "rows", "subjects"):
        if not isinstance(values[name], list):
            raise TypeError
        values[name] = tuple(values[name])
    return What(**values)
