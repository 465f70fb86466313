"""A purpose of the tenant's register: why data is processed, and on which legal basis."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from ..errors import InvalidInput
from .names import ANY, CATEGORY, check_alias, check_object, check_purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

CONSENT: Final = "consent"
"""The basis of purposes that open only rows whose subject has a live consent; a purpose's own, none above it."""

LEGAL_BASES: Final = (
    CONSENT,
    "contract",
    "legal_obligation",
    "vital_interest",
    "public_interest",
    "legitimate_interest",
)
"""GDPR art. 6(1)(a)-(f) and UU PDP 27/2022 art. 20(2)(a)-(f), in this order."""

_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose. ``key`` is fideslang's (``essential.legal_obligation``), ``alias`` the tenant's short name for it.

    ``description``: language code → one sentence for the people whose data it is.
    ``parent``: a purpose above it besides those that its dots name, or "".

    ``categories``: of personal data that it needs; if it names any, columns of all others are closed for it and for the
    purposes below it (`categories`). The rest is for the record of processing and decides nothing. ``recipients``: who
    else gets them; ``retention``: how long they are kept, in words, or a number of days; ``owner``: who answers for it,
    an office and no person; ``review_at``: the day of its next review, ISO 8601.
    """

    key: str
    alias: str
    legal_basis: str
    description: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""
    categories: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    retention: str = ""
    owner: str = ""
    review_at: str = ""

    def stored(self) -> dict[str, Any]:
        """JSON that is equal where purposes are."""
        lists = {"categories": list(self.categories), "recipients": list(self.recipients)}
        return {**asdict(self), **lists, "description": dict(self.description)}

    def row(self) -> dict[str, Any]:
        """The columns of its row."""
        empty = {"alias", "parent", "retention", "owner", "review_at"}
        return {name: (value or None) if name in empty else value for name, value in self.stored().items()}


def of_row(columns: Mapping[str, Any]) -> Purpose:
    """The purpose of a row, or of what `Purpose.stored` gave. Raises ``KeyError`` and ``TypeError``."""
    return Purpose(
        key=columns["key"],
        alias=columns["alias"] or "",
        legal_basis=columns["legal_basis"],
        description=dict(columns["description"]),
        parent=columns["parent"] or "",
        categories=tuple(columns.get("categories") or ()),
        recipients=tuple(columns.get("recipients") or ()),
        retention=columns.get("retention") or "",
        owner=columns.get("owner") or "",
        review_at=columns.get("review_at") or "",
    )


def check(purpose: Purpose) -> Purpose:
    """Return ``purpose`` if the register can take it; raises ``InvalidInput``."""
    check_purpose(purpose.key)
    if purpose.alias:
        check_alias(purpose.alias)
    if purpose.parent:
        check_purpose(purpose.parent)
    if purpose.legal_basis not in LEGAL_BASES:
        bases = ", ".join(LEGAL_BASES)
        raise InvalidInput(detail=f"{purpose.legal_basis!r:.80} is no legal basis; one of: {bases}")
    for category in purpose.categories:
        check_object(f"{CATEGORY}{category}")
    for text in (*purpose.recipients, purpose.retention, purpose.owner):
        if len(text) > _LONGEST or not text.isprintable():
            raise InvalidInput(detail=f"recipients, retention and owner are one line, at most {_LONGEST} characters")
    if not all(text.strip() for text in purpose.recipients):
        raise InvalidInput(detail="a recipient has no name")
    if purpose.review_at and not _is_day(purpose.review_at):
        raise InvalidInput(detail="the day of the review is written like 2027-01-31")
    return purpose


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def known(name: str, keys: Mapping[str, Purpose]) -> bool:
    """Whether a rule may name ``name``: ``*``, a registered key, or one above a registered key or its parent."""
    if name == ANY or name in keys:
        return True
    below = f"{name}."
    return any(
        key.startswith(below) or purpose.parent == name or purpose.parent.startswith(below)
        for key, purpose in keys.items()
    )
