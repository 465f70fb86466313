"""Step-up: which roles count only with a second factor, and whether somebody signed in with one.

``Actor.strength`` names how they signed in, in words joined by ``+``, of RFC 8176 (what a token's ``amr`` holds) or
like them: ``password+totp``. It comes from the application's login alone; no header of a request is asked.

A second factor is a word of `SECOND` beside another word, or ``mfa``, by which a login says that there were several.
One word alone is one factor, whichever it is.

Invariant: to sign in with less never opens more. A role that does not count allows nothing, and denies as ever: what
its rules deny, the rows that they exclude, and the strictest of their masks stay so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..access_policies.decision import ALL_ROWS, Limits, Rows

if TYPE_CHECKING:
    from ..access_policies.decision import Decision
    from ..access_policies.snapshot import Snapshot

SEVERAL: Final = "mfa"
SECOND: Final = frozenset(
    {"otp", "totp", "hotp", "sms", "tel", "hwk", "swk", "sc", "pop", "face", "fpt", "iris", "retina", "vbm"}
    | {"webauthn", "passkey", "fido", "u2f", "push"}
)
CHALLENGE: Final = (
    b'Bearer error="insufficient_user_authentication", '
    b'error_description="A second factor is required", acr_values="mfa"'
)
"""RFC 9470 section 3."""


def is_strong(strength: str) -> bool:
    """Whether these words name a second factor."""
    words = {word.strip().lower() for word in strength.split("+")} - {""}
    return SEVERAL in words or (len(words) > 1 and not words.isdisjoint(SECOND))


def not_counting(roles: frozenset[str], bound: frozenset[str], snapshot: Snapshot, strength: str) -> frozenset[str]:
    """Those of ``roles`` that do not count for somebody who signed in so. ``bound``: which want a second factor.

    A role that inherits a bound one is bound as a whole.
    """
    if not bound or is_strong(strength):
        return frozenset()
    return frozenset(role for role in roles if not bound.isdisjoint(snapshot.brought(role)))


def decide(
    snapshot: Snapshot, roles: frozenset[str], without: frozenset[str], question: tuple[str, str, str]
) -> Decision:
    """The decision on (object, action, purpose) where the roles ``without`` do not count.

    Yes if nobody denies it; of what they let see masked, by the strictest mask of all.
    """
    decision = snapshot.decide(roles, *question)
    if not decision.allow:
        return decision
    whole = snapshot.decide(roles | without, *question)
    return replace(decision, mask=whole.mask) if whole.allow else whole


def limits(snapshot: Snapshot, roles: frozenset[str], without: frozenset[str], purpose: str | None) -> Limits:
    """Of which rows the yeses speak: of those that ``roles`` are allowed and none of all these roles is denied."""
    mine, whole = snapshot.limits(roles, purpose), snapshot.limits(roles | without, purpose)
    own = {(resource, action): rows for resource, action, rows in mine.rows}
    every = {(resource, action): rows for resource, action, rows in whole.rows}
    found = []
    for resource, action in sorted(own.keys() | every.keys()):
        allowed, denied = own.get((resource, action), ALL_ROWS), every.get((resource, action), ALL_ROWS).denied
        rows = Rows(allowed.allowed, tuple(sorted({*allowed.denied, *denied})))
        if rows != ALL_ROWS:
            found.append((resource, action, rows))
    return Limits(tuple(found), mine.consent or whole.consent)
