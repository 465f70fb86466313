"""The access: one unit of work by one actor, for one purpose, in one tenant. The ticket that everything below consults.

Invariants:

1. Keys, tenant and purpose are taken from here and from nowhere else: never from the row that was read, never from a
   default argument.
2. An access lives in one ContextVar and is reset in ``finally``. When it closes it is marked dead; whoever kept it gets
   `AccessClosed`.
3. What it may not do is decided by the tenant's snapshot; without a snapshot the answer is no.
"""

from __future__ import annotations

import asyncio
import base64
import math
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from enum import Enum
from os import urandom
from typing import TYPE_CHECKING, Any, Literal

from ..access_policies.decision import NO_LIMITS
from ..access_policies.snapshot import Decision
from ..audit.entries import Entry, new_event_id, now_us
from ..database import PLATFORM
from ..encryption.netstrings import netstring
from ..errors import (
    AccessClosed,
    AccessLost,
    AccessRequired,
    AmanahError,
    CategoryUnregistered,
    FieldWithheld,
    Forbidden,
    KeysUnavailable,
    SecondFactorRequired,
    Tampered,
)
from .handoff import hand_over
from .notes import Notes
from .second_factor import decide, limits
from .subjects import SubjectSecrets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from sqlalchemy.orm import Session

    from ..access_policies.decision import Limits
    from ..access_policies.snapshot import Snapshot
    from ..audit.entries import What
    from ..encryption.keyring import Keyring, TenantCipher
    from .fields import Field
    from .masks import Mask

Kind = Literal["request", "job", "sign_in", "public"]

AUTHENTICATION = "essential.service.authentication"
"""The purpose of every sign-in access."""

_NO = Decision(allow=False, rule=None, version=0)


class Sight(Enum):
    """How an access sees a personal column."""

    CLEAR = "clear"
    MASKED = "masked"
    WITHHELD = "withheld"


Way = tuple[Sight, Callable[[bytes, bytes], bytes], "Mask"]
"""How an access sees a field, `FieldCipher.opener` of it, and what is shown where it is seen masked."""


def _shut(place: bytes, envelope: bytes) -> bytes:  # noqa: ARG001 - an opener
    raise Tampered


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking. ``id`` is the app's account id as text; ``strength`` says how they signed in ("password+totp")."""

    id: str
    kind: str = "member"
    strength: str = ""


ANONYMOUS = Actor(id="anonymous", kind="anonymous")


class Access:
    """The ticket. Made by the admission (requests, jobs) and by the gate (sign-in, public); never by an application.

    ``refusal`` is set by the SQL gate when it stops a statement, so that the HTTP gate can answer with the reason
    whatever the application made of the exception; ``changed``, when it lets a change be committed.
    ``would_be_refused`` is why the access would not have been let in, where that is only observed.

    ``roles`` count. ``emergency``: those of them that were taken in an emergency. ``without``: roles in force that
    allow nothing, because they want a second factor and the actor signed in without; what they deny stays denied.
    """

    __slots__ = (
        "__weakref__",
        "_checked",
        "_cipher",
        "_closed",
        "_decision",
        "_keyring",
        "_masks",
        "_platform",
        "_renew_at",
        "_sessions",
        "_sights",
        "actor",
        "agent",
        "changed",
        "emergency",
        "id",
        "inferred",
        "ip",
        "kind",
        "notes",
        "purpose",
        "reason",
        "refusal",
        "request",
        "roles",
        "route",
        "snapshot",
        "subjects",
        "tenant",
        "ways",
        "without",
        "would_be_refused",
    )

    def __init__(
        self,
        *,
        kind: Kind,
        tenant: str | None = None,
        actor: Actor = ANONYMOUS,
        roles: frozenset[str] = frozenset(),
        purpose: str | None = None,
        inferred: bool = False,
        reason: str | None = None,
        route: str | None = None,
        request: str | None = None,
        ip: str | None = None,
        agent: str | None = None,
        snapshot: Snapshot | None = None,
        cipher: TenantCipher | None = None,
        platform: TenantCipher | None = None,
        keyring: Keyring | None = None,
    ) -> None:
        """``cipher`` opens the tenant's values, ``platform`` seals and finds what belongs to no tenant.

        ``keyring``: where both are taken anew by an access that lasts for long.
        """
        self.id = urandom(16).hex()
        self.kind = kind
        self.tenant = tenant
        self.actor = actor
        self.roles = roles
        self.emergency: frozenset[str] = frozenset()
        self.without: frozenset[str] = frozenset()
        self.purpose = purpose
        self.inferred = inferred
        self.reason = reason
        self.route = route
        self.request = request
        self.ip = ip
        self.agent = agent
        self.snapshot = snapshot
        self.refusal: AmanahError | None = None
        self.changed = False
        self.would_be_refused: AmanahError | None = None
        self.notes = Notes()
        self.subjects = SubjectSecrets()
        self._cipher = cipher
        self._platform = platform
        self._keyring = keyring
        self._renew_at = math.inf if keyring is None else keyring.now() + keyring.ttl
        self._closed = False
        self._decision: dict[str, Any] | None = None
        self._sights: dict[Field, Sight] = {}
        self._masks: dict[Field, Mask] = {}
        self.ways: dict[Field, Way] = {}
        """By field, what `way` found."""
        self._checked: set[object] = set()
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()

    # -- may it? --

    def may(self, obj: str, action: str) -> Decision:
        """The policy's decision for this access's roles and purpose. Raises `AccessClosed` on a dead ticket."""
        if self._closed:
            raise AccessClosed
        if self.snapshot is None or self.purpose is None:
            return _NO
        if self.without:
            return decide(self.snapshot, self.roles, self.without, (obj, action, self.purpose))
        return self.snapshot.decide(self.roles, obj, action, self.purpose)

    def demand(self, obj: str, action: str) -> Decision:
        """`may`, or raise `Forbidden`; in a request that a second factor would let do it, `SecondFactorRequired`."""
        decision = self.may(obj, action)
        if not decision.allow:
            stronger = self.kind == "request" and self.would_with_second_factor(obj, action)
            no = SecondFactorRequired if stronger else Forbidden
            raise no(action=action, resource=obj, purpose=self.purpose or "-")
        return decision

    def would_with_second_factor(self, obj: str, action: str) -> bool:
        """Whether the answer would be yes if the roles counted that want a second factor."""
        if not self.without or self.snapshot is None or self.purpose is None:
            return False
        return self.snapshot.decide(self.roles | self.without, obj, action, self.purpose).allow

    @property
    def limits(self) -> Limits:
        """Which yeses do not speak of all rows, and whether rows take a consent. Raises `PolicyUnavailable`."""
        if self.snapshot is None:
            return NO_LIMITS
        if self.without:
            return limits(self.snapshot, self.roles, self.without, self.purpose)
        return self.snapshot.limits(self.roles, self.purpose)

    def sight(self, field: Field) -> Sight:
        """How this access sees ``field``: two questions to the policy, remembered for the access.

        Sign-in has no policy: it sees the plain columns that are named for it, such as a password's hash.
        """
        known = self._sights.get(field)
        if known is None or self._closed:
            named = self.kind == "sign_in" and not self._closed and field.platform and not field.sealed
            if named or self.may(field.name, "read").allow:
                known = Sight.CLEAR
            elif self._mask(field) is not None:
                known = Sight.MASKED
            else:
                known = Sight.WITHHELD
            self._sights[field] = known
        return known

    def policy_changed(self, snapshot: Snapshot | None) -> None:
        """From now on what it may is asked of ``snapshot`` and for the roles that it has now."""
        self.snapshot = snapshot
        self._sights.clear()
        self._masks.clear()
        self.ways.clear()
        self._checked.clear()

    def _mask(self, field: Field) -> Mask | None:
        """What the policy lets see masked, by the mask of the rule that decided; None where it lets see nothing."""
        decision = self.may(field.name, "read_masked")
        mask = field.mask_by(decision.mask) if decision.allow else None
        if mask is not None:
            self._masks[field] = mask
        return mask

    def mask(self, field: Field) -> Mask:
        """What this access is shown of a value of ``field`` that it sees masked."""
        return self._masks.get(field, field.mask)

    def closes(self, field: Field) -> bool:
        """Whether the purpose is registered for other categories of personal data than that of ``field``."""
        if self.snapshot is None or self.purpose is None:
            return False
        return self.snapshot.closed_by(field.name, self.purpose) != ""

    def withheld(self, field: Field) -> FieldWithheld:
        """Why ``field`` is withheld, as the refusal to raise."""
        kind = CategoryUnregistered if self.closes(field) else FieldWithheld
        return kind(field=field.name, purpose=self.purpose or "-")

    def narrow(self, fields: Iterable[Field]) -> None:
        """From now on these columns are seen masked at most: less than the policy lets, never more.

        By the mask of the rules that let the same roles see them masked, where there are any.
        """
        for field in fields:
            if self.sight(field) is Sight.CLEAR:
                self._mask(field)
                self._sights[field] = Sight.MASKED
        self.ways.clear()
        self._checked.clear()

    def way(self, field: Field) -> Way:
        """How this access sees ``field``, and what opens its values; remembered until its sight or its keys change.

        Raises `AccessClosed`, and `KeysUnavailable` where there is something to open and the access has no tenant.
        """
        sight = self.sight(field)
        opens = field.sealed and sight is not Sight.WITHHELD
        way = self.ways[field] = (sight, self.cipher.opener(field.id) if opens else _shut, self.mask(field))
        return way

    # -- keys --

    @property
    def cipher(self) -> TenantCipher:
        """The tenant's keys. Raises `AccessClosed`, or `KeysUnavailable` where the access has no tenant."""
        if self._closed:
            raise AccessClosed
        if self._cipher is None:
            raise KeysUnavailable
        return self._cipher

    @property
    def platform(self) -> TenantCipher:
        """The platform's keys, for columns that sign-in searches before a tenant is known."""
        if self._closed:
            raise AccessClosed
        if self._platform is None:
            raise KeysUnavailable
        return self._platform

    def renew(self) -> None:
        """Take the keys anew where they were taken longer than the keyring's ``ttl`` ago. Asked before each statement.

        So nobody seals or searches by keys that are older than two ``ttl``, however long an access lasts: what is
        written is found after an index key was exchanged, and what is searched is sought where it stands. The keyring
        has them in memory or asks database and provider; raises what `Keyring.cipher` raises.
        """
        if self._keyring is None or self._closed or self._keyring.now() < self._renew_at:
            return
        due = self._keyring.now() + self._keyring.ttl
        if self._cipher is not None:
            self._cipher = self._keyring.cipher(self._cipher.tenant_id)
            self.ways.clear()
        if self._platform is not None:
            self._platform = self._keyring.cipher(PLATFORM)
        self._renew_at = due

    # -- the trail --

    def note_admission(self, resource: str, action: str, decision: Decision) -> None:
        """Remember the route's decision for the access's entry."""
        self._decision = {
            "resource": resource,
            "action": action,
            "allow": decision.allow,
            "rule": decision.rule,
            "policy_version": decision.version,
        }

    def entry(
        self,
        kind: str,
        outcome: str,
        *,
        status: int | None = None,
        refusal: AmanahError | None = None,
        what: tuple[What, ...] | None = None,
        reason: str | None = None,
    ) -> Entry:
        """One entry of the trail with all that the notes hold, or with ``what`` instead, which leaves the notes.

        ``reason``: of what the entry is about, where that is not the access's own.
        """
        event = new_event_id()
        sealed: dict[str, str] = {}
        tokens: dict[str, str] = {}
        cipher = self._cipher if self.tenant is not None and self._cipher is not None else self._platform
        if cipher is not None:
            for name, value in (("agent", self.agent), ("ip", self.ip), ("reason", reason or self.reason)):
                if value:
                    raw = value.encode("utf-8", "surrogateescape")
                    place = netstring(f"trail.{name}".encode()) + netstring(event.encode())
                    sealed[name] = base64.b64encode(cipher.seal(f"trail.{name}", place, raw)).decode()
                    if name == "ip":
                        tokens[name] = cipher.token("trail.ip", raw).hex()
        return Entry(
            id=event,
            at=now_us(),
            tenant=self.tenant or PLATFORM,
            access=self.id,
            kind=kind,
            actor=self.actor.id,
            actor_kind=self.actor.kind,
            roles=tuple(sorted(self.roles)),
            strength=self.actor.strength,
            purpose=self.purpose,
            inferred=self.inferred,
            route=self.route,
            request=self.request,
            status=status,
            outcome=outcome,
            what=self.notes.drain() if what is None else what,
            decision=self._decision,
            refusal=refusal.code if refusal is not None else None,
            detail=self._detail(refusal),
            sealed=sealed,
            tokens=tokens,
        )

    def _detail(self, refusal: AmanahError | None) -> dict[str, str]:
        """What a refusal is about, and which of the roles were taken in an emergency."""
        detail = refusal.named() if refusal is not None else {}
        return {**detail, "emergency": ",".join(sorted(self.emergency))} if self.emergency else detail

    # -- its life --

    def handoff(self, *, seconds: int, purpose: str | None = None) -> str:
        """A short text by which work of this access goes on after its end, or in another process: `Guard.resume`.

        For queues: URL-safe, nothing personal in clear, good for one time within ``seconds`` (at most 30 days).
        ``purpose``: a key or alias, where it differs from this access's. Raises `ConfigurationError`, `PurposeUnknown`,
        and `AccessClosed` on a dead ticket.
        """
        return hand_over(self, seconds=seconds, purpose=purpose)

    @property
    def closed(self) -> bool:
        """True once the unit of work has ended."""
        return self._closed

    def adopt(self, session: Session) -> None:
        """Tie a Session to this access; what it holds in memory is dropped when the access closes."""
        self._sessions.add(session)

    def first_check(self, shape: object) -> bool:
        """True until ``shape`` (a statement's analysis) has `passed` under this access."""
        return shape not in self._checked

    def passed(self, shape: object) -> None:
        """The decision on ``shape`` was yes; it need not be asked again under this access."""
        self._checked.add(shape)

    def close(self) -> None:
        """Mark the ticket dead. Calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        self.ways.clear()
        for session in list(self._sessions):
            session.expunge_all()
        self._sessions.clear()

    def __repr__(self) -> str:
        """Kind and id: nothing about the actor."""
        return f"<Access {self.kind} {self.id}{' closed' if self._closed else ''}>"


_current: ContextVar[Access | None] = ContextVar("amanah_access", default=None)
current = _current.get


def require(resource: str) -> Access:
    """The open access, or `AccessRequired` (`AccessLost` in a thread) or `AccessClosed`.

    ``resource`` is what was about to be touched.
    """
    access = _current.get()
    if access is None:
        raise (AccessLost if _in_worker_thread() else AccessRequired)(resource=resource)
    if access._closed:  # noqa: SLF001 - once for each cell
        raise AccessClosed
    return access


def _in_worker_thread() -> bool:
    """Whether this thread was started by other code to do some work: neither the main one nor an event loop's."""
    if threading.current_thread() is threading.main_thread():
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


class open_access:  # noqa: N801 - reads as a function at its call sites: ``with open_access(access):``
    """Make ``access`` the current one for the block, then reset the ContextVar and close the access."""

    __slots__ = ("_access", "_token")

    def __init__(self, access: Access) -> None:
        """``access`` must not have been closed."""
        self._access = access
        self._token: Token[Access | None] | None = None

    def __enter__(self) -> Access:
        """Set the ContextVar."""
        if self._access.closed:
            raise AccessClosed
        self._token = _current.set(self._access)
        return self._access

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Reset the ContextVar and close the access, whatever happened."""
        if self._token is not None:
            _current.reset(self._token)
        self._access.close()
