"""The hand-over: a short text that carries an access's work past its end, through a queue or to another process.

The text is ``amh1.<tenant>.<envelope>``, in characters that need no quoting in a URL. The envelope (base64url without
padding) is sealed under the tenant's keys, bound to the tenant, and holds who the work is done for, for what and until
when. Only the version and the tenant's id are in the clear.

Invariants:

1. Whoever has not the tenant's keys can neither make nor change nor read one. Sealing authenticates: a tag of 128 bits
   and a commitment to the key of 256 (:mod:`~amanah.encryption.sealing`). A second MAC would be one more key to look
   after and prove nothing more; the blind index's 16 bytes are for finding. The field id under which it is sealed holds
   a character that no column's can, so no sealed cell is ever a hand-over.
2. It grants nothing by itself. What it says about who and for what is judged anew when it is taken up.
3. It is good for one time and until its time is over; `amanah.middleware.resuming` sees to that.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from ..audit.entries import new_event_id, now_us
from ..database import PLATFORM
from ..encryption.netstrings import netstring
from ..errors import (
    AccessClosed,
    ConfigurationError,
    HandoffExpired,
    HandoffForged,
    KeyRetired,
    KeyUnknown,
    PurposeUnknown,
    Tampered,
)

if TYPE_CHECKING:
    from ..encryption.keyring import TenantCipher
    from .access import Access

LONGEST: Final = 30 * 24 * 3600
"""Seconds that a hand-over can wait at most: what is remembered of the used ones must end some day."""

_VERSION: Final = "amh1"
_TEXT: Final = re.compile(r"amh1\.([a-z0-9-]{1,64})\.([A-Za-z0-9_-]{1,4000})")
_FIELD: Final = "amanah/handoff"
_PLACE: Final = netstring(_FIELD)
_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Handoff:
    """What a hand-over says. ``parent``: id of the access that made it; ``expires``: µs since the epoch, UTC."""

    id: str
    actor: str
    actor_kind: str
    strength: str
    purpose: str
    parent: str
    route: str | None
    request: str | None
    expires: int

    def seal(self, cipher: TenantCipher) -> str:
        """The text."""
        body = json.dumps(asdict(self), separators=(",", ":")).encode("ascii")
        envelope = cipher.seal(_FIELD, _PLACE, body)
        return f"{_VERSION}.{cipher.tenant_id}.{base64.urlsafe_b64encode(envelope).decode('ascii').rstrip('=')}"

    @classmethod
    def open(cls, text: str, cipher: TenantCipher) -> Handoff:
        """What ``text`` says. Raises `HandoffForged` unless it was sealed for the tenant of ``cipher``.

        Raises `HandoffExpired` where the key under which it was sealed has been retired.
        """
        found = _TEXT.fullmatch(text)
        if found is None or found[1] != cipher.tenant_id:
            raise HandoffForged
        try:
            envelope = base64.b64decode(found[2] + "=" * (-len(found[2]) % 4), altchars=b"-_", validate=True)
            return cls(**json.loads(cipher.open(_FIELD, _PLACE, envelope)))
        except KeyRetired:
            raise HandoffExpired from None
        except (Tampered, KeyUnknown, ValueError, TypeError):
            raise HandoffForged from None  # what was wrong with it is of use to a forger only


def tenant_of(text: object) -> str | None:
    """The tenant that ``text`` claims to be of; None where it cannot be a hand-over at all."""
    found = _TEXT.fullmatch(text) if isinstance(text, str) else None
    return None if found is None else found[1]


def hand_over(access: Access, *, seconds: int, purpose: str | None) -> str:
    """See `Access.handoff`."""
    if access.closed:
        raise AccessClosed
    if access.tenant in {None, PLATFORM} or access.snapshot is None or access.kind not in {"request", "job"}:
        raise ConfigurationError(detail="only the work of a tenant's member can be handed over")
    if isinstance(seconds, bool) or not 1 <= seconds <= LONGEST:
        raise ConfigurationError(detail=f"a hand-over is good for 1 to {LONGEST} seconds")
    named = access.purpose if purpose is None else purpose
    registered = None if named is None else access.snapshot.purpose(named)
    if registered is None:
        raise PurposeUnknown(purposes=", ".join(access.snapshot.purposes))
    handoff = Handoff(
        id=new_event_id(),
        actor=access.actor.id,
        actor_kind=access.actor.kind,
        strength=access.actor.strength,
        purpose=registered.key,
        parent=access.id,
        route=access.route,
        request=access.request,
        expires=now_us() + int(seconds * _MICROSECONDS),
    )
    return handoff.seal(access.cipher)
