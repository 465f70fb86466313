"""What to look for in the log, several conditions at once.

A condition is a fact that an entry says (`terms.facts`), a time, or an address from which something was done. That what
is asked makes sense is `sensible`'s business, for what people type; a filter that makes none finds nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_args

from ..errors import InvalidInput
from ..i18n import N_
from .entries import KINDS, OUTCOMES
from .terms import Facet, facts, term

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .entries import Entry

LARGEST: Final = (1 << 63) - 1
_FACETS: Final = get_args(Facet)
_HEX: Final = re.compile(r"[0-9a-f]{32}")
_LONGEST: Final = 1000


@dataclass(frozen=True, slots=True)
class Origin:
    """An IP address, as entries tell it: any of ``tokens`` stands in the entry itself or in its entry of ``sign_ins``.

    ``tokens``: keyed, hexadecimal, one for each version of the index key. ``sign_ins``: ids of entries of the kind
    ``sign_in`` that have one of them by their terms (`origins.origin` finds them); whoever searches looks at the entry.
    """

    tokens: tuple[str, ...]
    sign_ins: frozenset[str] = frozenset()

    def facts(self) -> list[tuple[Facet, str]]:
        """Of which an entry must say one."""
        told: list[tuple[Facet, str]] = [("token", token) for token in self.tokens]
        return told + [("sign_in", one) for one in self.sign_ins]

    def itself(self, values: Mapping[str, Any]) -> bool:
        """Whether the entry of which these are the decoded JSON has one of the tokens itself."""
        return not set(self.tokens).isdisjoint((values.get("tokens") or {}).values())

    def fits(self, values: Mapping[str, Any]) -> bool:
        """Whether it has, or names one of the sign-ins."""
        return values.get("sign_in") in self.sign_ins or self.itself(values)


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; None means anything. ``since`` and, excluded, ``until`` are µs since the epoch, UTC.

    ``column`` is ``resource.column``, ``row`` is ``resource/key``.
    """

    kind: str | None = None
    outcome: str | None = None
    actor: str | None = None
    access: str | None = None
    purpose: str | None = None
    refusal: str | None = None
    route: str | None = None
    rule: str | None = None
    sign_in: str | None = None
    token: str | None = None
    resource: str | None = None
    action: str | None = None
    column: str | None = None
    subject: str | None = None
    row: str | None = None
    since: int | None = None
    until: int | None = None
    origin: Origin | None = None

    def facts(self) -> list[tuple[Facet, str]]:
        """What an entry must say, all of it."""
        return [(facet, value) for facet in _FACETS if (value := getattr(self, facet)) is not None]

    def names(self) -> list[str]:
        """Which conditions there are, in words that say nothing about whom or what."""
        named: list[str] = [facet for facet, _ in self.facts()]
        others = (("since", self.since), ("until", self.until), ("ip", self.origin))
        return named + [name for name, value in others if value is not None]

    def matches(self, one: Entry) -> bool:
        """Whether the entry itself says so; terms are only there to find it fast, and two facts may share one."""
        return self.fits(one.at, json.loads(one.encode()))

    def fits(self, at: int, values: Mapping[str, Any]) -> bool:
        """The same of an entry's time and decoded JSON."""
        if not ((self.since is None or at >= self.since) and (self.until is None or at < self.until)):
            return False
        if self.origin is not None and not self.origin.fits(values):
            return False
        wanted = self.facts()
        return not wanted or set(facts(values)).issuperset(wanted)

    def terms(self, tenant: str) -> list[int]:
        """The numbers of the facts that an entry must say, each once."""
        return sorted({term(tenant, facet, value) for facet, value in self.facts()})

    def any_terms(self, tenant: str) -> list[int]:
        """The numbers of the facts of which it must say one; none where there is no such condition."""
        return [] if self.origin is None else sorted({term(tenant, *fact) for fact in self.origin.facts()})


def sensible(wanted: Filter) -> Filter:
    """``wanted``, if it can find anything at all. Raises `InvalidInput` for a filter that makes no sense."""
    for facet, value in wanted.facts():
        if not value or len(value) > _LONGEST:
            raise InvalidInput(detail=N_("a filter is empty or too long; leave it out to find everything"))
        _check(facet, value)
    for at in (wanted.since, wanted.until):
        if at is not None and not 0 <= at <= LARGEST:
            raise InvalidInput(detail=N_("a time of the filter is before 1970 or too far away"))
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise InvalidInput(detail=N_("the filter ends before it begins: since is not before until"))
    return wanted


def _check(facet: Facet, value: str) -> None:
    if facet == "outcome" and value not in OUTCOMES:
        raise InvalidInput(detail=N_("there is no such outcome; the trail's are in the reference of its entries"))
    if facet == "kind" and value not in KINDS:
        raise InvalidInput(detail=N_("there is no such kind of entry; the trail's are in the reference of its entries"))
    if facet in {"access", "sign_in", "token"} and not _HEX.fullmatch(value):
        raise InvalidInput(detail=N_("this id or token is none: they have 32 digits from 0 to f"))
    if facet == "column" and not all(value.partition(".")[::2]):
        raise InvalidInput(detail=N_("a column is named with its resource: patient.phone"))
    if facet == "row" and not all(value.partition("/")[::2]):
        raise InvalidInput(detail=N_("a row is named with its resource: patient/17"))
