"""``guard.consents``: recording consents from the application's handlers, under the current access.

Tenant and actor are the access's, never an argument. What is recorded is in the application's own transaction, and so
is its entry in the trail. The policy decides who may: resource ``amanah.consent``, actions create (give), update
(withdraw) and read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..access_policies import consents
from ..audit.entries import What
from ..errors import InvalidInput, KeysUnavailable, SealedWriteRefused
from ..tenants.clock import to_us
from .access import require
from .fields import key_text
from .keys import INTERNAL
from .transactions import connection_of, transaction_of

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from ..access_policies.consents import Consent
    from .access import Access
    from .fields import Register
    from .hooks import Gate

RESOURCE: Final = "amanah.consent"
_OURS: Final = {"amanah_internal": INTERNAL}


def subject_text(register: Register, kind: str, subject: Any) -> str:
    """The subject's key as text, as the tables about its kind compare it. Raises `InvalidInput`: no kind, no key."""
    tables = [one for one in register.tables.values() if one.subject is not None and one.subject_kind == kind and kind]
    if not tables:
        kinds = sorted({one.subject_kind for one in register.tables.values() if one.subject_kind})
        raise InvalidInput(
            detail=f"no table is about persons of the kind {kind!r:.80}; kinds: {', '.join(kinds) or '-'}"
        )
    column = tables[0].table.c[str(tables[0].subject)]
    try:
        return key_text(column, subject)
    except SealedWriteRefused:
        raise InvalidInput(detail=f"this is no key of a {kind}") from None


class Consents:
    """The consents of one guard's subjects. Each method works in the transaction of ``place``.

    ``place``: the application's Session or Connection; from an AsyncSession: ``run_sync``. ``kind`` and ``subject``: of
    whom, as `declare` says it (``subject_kind``) and as the subject's column holds it. ``purpose``: a key or alias.
    """

    def __init__(self, register: Register, gate: Gate) -> None:
        """``gate`` takes the note of what was changed."""
        self._register = register
        self._gate = gate

    def give(
        self,
        place: Session | Connection,
        kind: str,
        subject: Any,
        purpose: str,
        *,
        source: str,
        evidence: str = "",
        ends: datetime | None = None,
    ) -> str:
        """The subject consents to the purpose, from now on, until ``ends`` at most. Returns the consent's id.

        ``source``: how it was given, one word (form, paper, phone). ``evidence``: where that can be found, a reference
        such as ``notice:2026-03/form:812``, nothing personal. Raises `Forbidden`, `AutocommitRefused`, and
        `InvalidInput` for a purpose that does not rest on consent, a kind that no table is about, and odd words.
        """
        access, tenant = self._access("create")
        known = access.snapshot.purpose(purpose) if access.snapshot is not None else None
        key = consents.resting_on_consent(known, purpose)
        who = subject_text(self._register, kind, subject)
        connection = transaction_of(place)
        until = None if ends is None else to_us(ends)
        made = consents.give(
            connection, tenant, kind, who, key,
            by=access.actor.id, source=source, evidence=evidence, ends_at=until, options=_OURS,
        )  # fmt: skip
        self._gate.changed(connection, access, _what("give", key, (made,), who))
        return made

    def withdraw(self, place: Session | Connection, kind: str, subject: Any, purpose: str) -> int:
        """The subject takes back what they consented to; how many consents that were.

        Of any purpose, also of one that rests on something else by now. In force with the next statement of this
        transaction, and for everybody with its commit. Raises `Forbidden`, `AutocommitRefused` and `InvalidInput`.
        """
        access, tenant = self._access("update")
        known = access.snapshot.purpose(purpose) if access.snapshot is not None else None
        key = known.key if known is not None else purpose
        who = subject_text(self._register, kind, subject)
        connection = transaction_of(place)
        gone = consents.withdraw(connection, tenant, kind, who, key, by=access.actor.id, options=_OURS)
        self._gate.changed(connection, access, _what("withdraw", key, gone, who))
        return len(gone)

    def of(self, place: Session | Connection, kind: str, subject: Any) -> list[Consent]:
        """The subject's consents, oldest first, with those that were withdrawn. Raises `Forbidden`, `InvalidInput`."""
        access, tenant = self._access("read")
        who = subject_text(self._register, kind, subject)
        found = consents.consents(connection_of(place), tenant, kind=kind, subject=who, options=_OURS)
        access.notes.add(What(RESOURCE, "read", subjects=(who,), count=len(found)))
        return found

    def _access(self, action: str) -> tuple[Access, str]:
        access = require(RESOURCE)
        access.demand(RESOURCE, action)
        if access.tenant is None:
            raise KeysUnavailable
        return access, access.tenant


def _what(action: str, purpose: str, identifiers: tuple[str, ...], subject: str) -> What:
    rows = tuple(f"{purpose}/{one}" for one in identifiers)
    return What(RESOURCE, action, rows=rows, subjects=(subject,), count=len(rows))


__all__ = ["RESOURCE", "Consents", "subject_text"]
