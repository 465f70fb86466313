"""Taking a hand-over up: from a text out of a queue to an access, or a refusal that is on record.

1. Genuine? It opens under the keys of the tenant that it names.
2. In time?
3. Judged now, as if nothing had been handed over: is the tenant active, is the actor still an active member, with which
   roles at this moment, is the purpose in the register?
4. Taken: one transaction marks it as used and stages the entry that names the access it came from. Of two that race for
   it the database lets one commit.
5. Opened, by the caller, when both are durable.

Invariants:

- At most once. A process that dies between step 4 and the end of the work leaves a hand-over that is used up.
- A refusal is in the trail before it is raised: in the tenant's where the text names one that exists, else in the
  platform's. A hand-over that is refused before step 4 is not used up.
- What is remembered of a used hand-over outlives the hand-over by a day, so that a process whose clock is late does not
  take it a second time.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ..audit.entries import now_us
from ..database import PLATFORM
from ..errors import (
    HandoffExpired,
    HandoffForged,
    HandoffUsed,
    KeyUnknown,
    NotAMember,
    Refusal,
    Unavailable,
)
from ..migrations import check
from ..tenants.names import could_be_tenant
from .access import ANONYMOUS, Access, Actor, open_access
from .handoff import Handoff, tenant_of
from .identify import Identity
from .models import used_handoff
from .routes import AUTHENTICATION

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from typing import TypeAlias

    from sqlalchemy import Engine

    from ..audit.entries import What
    from ..audit.staging import Staging
    from ..audit.writer import TrailWriter
    from ..encryption.keyring import Keyring, TenantCipher
    from .admission import Admission

    RolesNow: TypeAlias = Callable[[str, str], "Collection[str] | None"]

_KEPT: Final = 24 * 3600 * 1_000_000
_SWEEP_EVERY: Final = 3600 * 1_000_000


class Resuming:
    """Takes hand-overs up. One per guard; safe for threads and after a fork."""

    def __init__(
        self,
        *,
        engine: Engine,
        keyring: Keyring,
        admission: Admission,
        writer: TrailWriter,
        staging: Staging,
        clock: Callable[[], int] = now_us,
    ) -> None:
        """``engine`` reaches Amanah's own tables; ``clock``: µs since the epoch, UTC."""
        self._engine = engine
        self._keyring = keyring
        self._admission = admission
        self._writer = writer
        self._staging = staging
        self._clock = clock
        self._sweep_at = 0

    def take(self, text: str, roles: RolesNow | None = None) -> Access:
        """The access that ``text`` hands over, on record and not yet open. Never call it on an event loop's thread.

        ``roles``: where the application has a table of roles of its own, the actor's roles now, by tenant and account
        id (None: there is no such account any more); asked under a sign-in access, as `identify` is. Raises
        `HandoffForged`, `HandoffExpired`, `HandoffUsed`, the refusals of admission, `Unavailable`.
        """
        cipher = self._cipher_of(text)
        handed: Handoff | None = None
        seen: list[What] = []
        try:
            if cipher is None:
                raise HandoffForged
            handed = Handoff.open(text, cipher)
            if self._clock() >= handed.expires:
                raise HandoffExpired
            access = self._admitted(handed, cipher.tenant_id, roles, seen)
            self._use_up(handed, access)
        except Refusal as refusal:
            self._record(refusal, handed, cipher, seen)
            raise
        self._sweep()
        return access

    # 1.
    def _cipher_of(self, text: str) -> TenantCipher | None:
        """The keys of the tenant that ``text`` claims; None where there is no such tenant."""
        tenant = tenant_of(text)
        if tenant is None or not could_be_tenant(tenant):
            return None
        try:
            return self._keyring.cipher(tenant)
        except KeyUnknown:
            return None

    # 3.
    def _admitted(self, handed: Handoff, tenant: str, roles: RolesNow | None, seen: list[What]) -> Access:
        """Judge now. ``seen`` takes the personal cells that the application's own roles were found by."""
        mapped = None if roles is None else self._mapped(roles, tenant, handed.actor, seen)
        actor = Actor(handed.actor, handed.actor_kind, handed.strength)
        access = self._admission.admit_now(
            Identity(tenant, actor, roles=mapped), purpose=handed.purpose, reason="", request=handed.request
        )
        access.route = handed.route
        for what in seen:
            access.notes.add(what)
        return access

    def _mapped(self, roles: RolesNow, tenant: str, actor: str, seen: list[What]) -> frozenset[str]:
        asking = Access(kind="sign_in", purpose=AUTHENTICATION, platform=self._keyring.cipher(PLATFORM))
        try:
            with open_access(asking):
                found = roles(tenant, actor)
        finally:
            seen.extend(what for what in asking.notes.drain() if what.columns or what.masked)
        if found is None:
            raise NotAMember
        return frozenset(found)

    # 4.
    def _use_up(self, handed: Handoff, access: Access) -> None:
        """Mark it as used and stage the access's first entry, both or neither."""
        entry = access.entry("job", "answered")
        entry = replace(entry, detail={**entry.detail, **_origin(handed)})
        row = {"tenant_id": entry.tenant, "id": handed.id, "expires_at": handed.expires}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(used_handoff).values(row))
                self._staging.stage(connection, [entry], {})
        except IntegrityError as taken:
            raise HandoffUsed from taken
        except SQLAlchemyError as error:
            check(self._engine)  # says so where our tables are missing
            raise Unavailable from error

    def _record(self, refusal: Refusal, handed: Handoff | None, cipher: TenantCipher | None, seen: list[What]) -> None:
        """Put the refusal on record, durably; of a text that does not open nothing is believed."""
        access = Access(
            kind="job",
            tenant=None if cipher is None else cipher.tenant_id,
            actor=ANONYMOUS if handed is None else Actor(handed.actor, handed.actor_kind, handed.strength),
            purpose=None if handed is None else handed.purpose,
            route=None if handed is None else handed.route,
            request=None if handed is None else handed.request,
        )
        entry = access.entry("refusal", "refused", status=refusal.status, refusal=refusal, what=tuple(seen))
        if handed is not None:
            entry = replace(entry, detail={**entry.detail, **_origin(handed)})
        self._writer.record(entry)
        refusal.decision_id = entry.id

    def _sweep(self) -> None:
        """Forget, once in a while, the used ones whose time has long been over. What fails here can wait."""
        now = self._clock()
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_EVERY
            with suppress(SQLAlchemyError), self._engine.begin() as connection:
                connection.execute(delete(used_handoff).where(used_handoff.c.expires_at < now - _KEPT))


def _origin(handed: Handoff) -> dict[str, str]:
    return {"handoff": handed.id, "parent": handed.parent}
