"""A purpose of the tenant's register: why data is processed, and on which legal basis."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ..errors import InvalidInput
from .names import ANY, check_alias, check_purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

LEGAL_BASES: Final = (
    "consent",
    "contract",
    "legal_obligation",
    "vital_interest",
    "public_interest",
    "legitimate_interest",
)
"""GDPR art. 6(1)(a)-(f) and UU PDP 27/2022 art. 20(2)(a)-(f), in this order."""


@dataclass(frozen=True, slots=True)
class Purpose:
    """One purpose. ``key`` is fideslang's (``essential.legal_obligation``), ``alias`` the tenant's short name for it.

    ``description``: language code → one sentence for the people whose data it is.
    ``parent``: a purpose above it besides those that its dots name, or "".
    """

    key: str
    alias: str
    legal_basis: str
    description: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""


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
    return purpose


def known(name: str, keys: Mapping[str, Purpose]) -> bool:
    """Whether a rule may name ``name``: ``*``, a registered key, or one above a registered key or its parent."""
    if name == ANY or name in keys:
        return True
    below = f"{name}."
    return any(
        key.startswith(below) or purpose.parent == name or purpose.parent.startswith(below)
        for key, purpose in keys.items()
    )
