"""What an access is made of: who asks, where, for what; the policy by which it is judged, and the keys.

What it may not do is decided by the tenant's snapshot; without a snapshot the answer is no.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass
from os import urandom
from typing import TYPE_CHECKING, Any, Literal

from ..access_policies.decision import NO_LIMITS
from ..access_policies.snapshot import Decision
from ..database import PLATFORM
from ..errors import AccessClosed, Forbidden, KeysUnavailable, SecondFactorRequired
from .notes import Notes
from .second_factor import decide, limits
from .subjects import SubjectSecrets

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from ..access_policies.decision import Limits
    from ..access_policies.snapshot import Snapshot
    from ..encryption.keyring import Keyring, TenantCipher
    from ..errors import AmanahError
    from .fields import Field
    from .masks import Mask
    from .recording import Recorder
    from .seeing import Sight, Way
    from .sign_ins import SignIn

Kind = Literal["request", "job", "sign_in", "public"]

AUTHENTICATION = "essential.service.authentication"
"""The purpose of every sign-in access."""

_NO = Decision(allow=False, rule=None, version=0)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking. ``id`` is the app's account id as text; ``strength`` says how they signed in ("password+totp")."""

    id: str
    kind: str = "member"
    strength: str = ""


ANONYMOUS = Actor(id="anonymous", kind="anonymous")


class Ticket:
    """The facts of an access, its decisions and its keys; `Access` is the whole of it.

    ``refusal`` is set by the SQL gate when it stops a statement, so that the HTTP gate can answer with the reason
    whatever the application made of the exception; ``changed``, when it lets a change be committed.
    ``would_be_refused`` is why the access would not have been let in, where that is only observed.
    ``receipts``: of changes that were committed and are not told yet; ``recorder`` takes what is told after the end.
    ``sign_in``: where the actor's address and browser are on record.

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
        "receipts",
        "recorder",
        "refusal",
        "request",
        "roles",
        "route",
        "sign_in",
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
        self.receipts: list[str] = []
        self.recorder: Recorder | None = None
        self.sign_in: SignIn | None = None
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
