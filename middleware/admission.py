"""From an identity to an access: tenant, standing, purpose, decision, in this order, and a refusal at the first no.

1. Is the tenant known (`known_tenants`)? An access keeps the rules that were in force when it was let in, unless it
   lasts (`again`).
2. Is the tenant active?
3. Is the actor an active member, with which roles at this moment? Somebody who was never a member may become one here
   (`first_sight`), which opens nothing. Roles that the application maps count instead of grants. An operator of the
   platform has the roles that the tenant granted to this operator, and no other. A role that wants a second factor
   counts only with one.
4. For which purpose? The one that is named; else the only one that is open to these roles; never something broader.
5. May these roles do the route's action on its resource for this purpose? Where they may not, and could with a second
   factor, the refusal asks for that.

An access that lasts is judged again (`again`).

Whatever cannot be read is a refusal of its own class, never a yes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from ..database import PLATFORM
from ..errors import (
    AmanahError,
    Forbidden,
    KeyUnknown,
    NotAMember,
    NoTenantYet,
    OperatorNotGranted,
    PolicyUnavailable,
    PurposeMissing,
    RoleMissing,
    SecondFactorRequired,
    TenantSuspended,
)
from ..tenants.roster import ACTIVE
from .access import Access
from .known_tenants import KnownTenants
from .purpose_choice import check_mapped, choose_purpose, registered, shown
from .second_factor import not_counting

if TYPE_CHECKING:
    from typing import Unpack

    from ..access_policies.decision import Decision
    from ..access_policies.policies import Policies
    from ..encryption.keyring import Keyring, TenantCipher
    from ..tenants.directory import Directory
    from ..tenants.versions import VersionReader
    from .first_sight import FirstSight
    from .identify import Identity
    from .known_tenants import Known
    from .routes import Route


OPERATOR: Final = "operator"
"""The kind of an actor who belongs to the platform and not to the tenant."""


class Circumstances(TypedDict, total=False):
    """What is known of a request besides who sends it; the access keeps it for its entries."""

    request: str | None
    ip: str | None
    agent: str | None


class Admission:
    """Lets accesses in. Safe for threads; remembers the rosters of at most ``capacity`` tenants."""

    def __init__(
        self,
        *,
        keyring: Keyring,
        directory: Directory,
        policies: Policies,
        versions: VersionReader,
        first_sight: FirstSight | None = None,
        capacity: int = 500,
    ) -> None:
        """``first_sight``: what becomes of strangers."""
        self._keyring = keyring
        self._directory = directory
        self._first_sight = first_sight
        self._tenants = KnownTenants(keyring, directory, policies, versions, capacity)

    async def admit(
        self, identity: Identity, route: Route, named: str | None, **circumstances: Unpack[Circumstances]
    ) -> Access:
        """The access of ``identity`` on ``route`` for the purpose ``named`` by the client; raises the Refusal."""
        access, refusal = await self.consider(identity, route, named, **circumstances)
        if refusal is not None:
            raise refusal
        return access

    async def consider(
        self,
        identity: Identity,
        route: Route,
        named: str | None,
        *,
        at_least: int = 0,
        **circumstances: Unpack[Circumstances],
    ) -> tuple[Access, AmanahError | None]:
        """As `admit`, but a refusal is returned, with an access that knows as much as was found out before it.

        That access is never opened: it is there for the refusal's entry in the trail. ``at_least``: the version of the
        tenant that must have been seen; a process whose database lags behind it refuses with `PolicyBehind`.
        """
        try:
            known = await self._tenants.known(identity.tenant, at_least)
        except (AmanahError, SQLAlchemyError, OSError) as error:
            return self._unknown(identity, route, circumstances), _as_refusal(error)
        if self._first_sight is not None and self._first_sight.concerns(identity, known.roster, known.now):
            known = known._replace(arrived=await to_thread.run_sync(self._first_sight.meet, identity))
        return self._judge(identity, known, circumstances, route, named)

    def admit_now(
        self, identity: Identity, *, purpose: str, reason: str, **circumstances: Unpack[Circumstances]
    ) -> Access:
        """The access of a job or script, which has no route: tenant, standing and purpose are checked; raises.

        What it may touch is decided statement by statement. Never call it on an event loop's thread.
        """
        try:
            known = self._tenants.known_now(identity.tenant)
        except (SQLAlchemyError, OSError) as error:
            raise PolicyUnavailable from error
        access = self._access(identity, known, None, circumstances)
        access.kind = "job"
        access.reason = reason
        self._stand(access, identity, known)
        access.purpose = registered(known.snapshot, purpose)
        return access

    async def again(self, access: Access, identity: Identity, route: Route) -> None:
        """Judge an access that lasts as if it began now, for its own purpose; what it may from now on is by today's.

        Raises the refusal of who may no longer, or `Unavailable`.
        """
        try:
            known = await self._tenants.known(identity.tenant, 0)
        except (SQLAlchemyError, OSError) as error:
            raise PolicyUnavailable from error
        self._stand(access, identity, known)
        access.policy_changed(known.snapshot)
        _check(access, route, access.may(route.resource, route.action), identity)

    async def platform(self) -> TenantCipher:
        """The platform's keys, under which whatever happens before a tenant is known is sealed and found.

        Raises `NoTenantYet` where they do not exist because no tenant does, and what the keyring raises.
        """
        found = self._keyring.cached(PLATFORM)
        return found if found is not None else await to_thread.run_sync(self._platform_keys)

    def _platform_keys(self) -> TenantCipher:
        try:
            return self._keyring.cipher(PLATFORM)
        except KeyUnknown:
            if self._directory.is_empty():
                raise NoTenantYet from None
            raise

    def platform_if_known(self) -> TenantCipher | None:
        """The platform's keys if they are in memory: for what must be answered without any I/O."""
        return self._keyring.cached(PLATFORM)

    # -- steps 2 to 5 ------------------------------------------------------------------------------------------------

    def _judge(
        self, identity: Identity, known: Known, circumstances: Circumstances, route: Route, named: str | None
    ) -> tuple[Access, AmanahError | None]:
        access = self._access(identity, known, route.name, circumstances)
        try:
            self._stand(access, identity, known)
            try:
                decision = _decide(access, route, named, identity)
                access.note_admission(route.resource, route.action, decision)
                _check(access, route, decision, identity)
            except (Forbidden, PurposeMissing, RoleMissing) as no:
                if not _would_be_let_in(access, route, named, identity):
                    raise
                facts = {"action": route.action, "resource": route.resource, "purpose": shown(access)}
                raise SecondFactorRequired(**facts) from no
        except AmanahError as refusal:
            return access, refusal
        return access, None

    def _stand(self, access: Access, identity: Identity, known: Known) -> None:
        """Give the access the roles in force (steps 2 and 3), as far as they count."""
        roles, emergency = self._roles(identity, known)
        if known.snapshot is None:
            raise TenantSuspended
        if identity.roles and identity.actor.kind != OPERATOR:
            check_mapped(frozenset(identity.roles), known.snapshot)
        bound = known.roster.second_factor
        access.without = not_counting(roles, bound, known.snapshot, identity.actor.strength)
        access.roles = roles - access.without
        access.emergency = emergency - access.without

    @staticmethod
    def _roles(identity: Identity, known: Known) -> tuple[frozenset[str], frozenset[str]]:
        """The roles in force, and which of them were taken in an emergency.

        Roles that the application maps do not revive a suspended member.
        """
        roster = known.roster
        if roster.status != ACTIVE:
            raise TenantSuspended
        if identity.actor.kind == OPERATOR:
            roles = roster.operator(identity.actor.id, known.now)
            if not roles:
                raise OperatorNotGranted
            return roles, frozenset()
        standing = roster.standing(identity.actor.id, known.now)
        status = standing.member_status or known.arrived
        if identity.roles is not None and status in {ACTIVE, None}:
            mapped = frozenset(identity.roles)
            return mapped | standing.emergency, standing.emergency - mapped
        if status != ACTIVE:
            raise NotAMember(stranger=status is None)
        return standing.roles, standing.emergency

    def _access(self, identity: Identity, known: Known, route: str | None, circumstances: Circumstances) -> Access:
        return Access(
            kind="request",
            tenant=known.roster.tenant,
            actor=identity.actor,
            snapshot=known.snapshot,
            cipher=known.cipher,
            platform=known.platform,
            keyring=self._keyring,
            route=route,
            **circumstances,
        )

    def _unknown(self, identity: Identity, route: Route, circumstances: Circumstances) -> Access:
        """For the platform's trail: nothing was found out about the tenant that the identity names."""
        platform = self._keyring.cached(PLATFORM)
        return Access(kind="request", actor=identity.actor, platform=platform, route=route.name, **circumstances)


def _as_refusal(error: Exception) -> AmanahError:
    if isinstance(error, AmanahError):
        return error
    unavailable = PolicyUnavailable()
    unavailable.__cause__ = error
    return unavailable


def _decide(access: Access, route: Route, named: str | None, identity: Identity) -> Decision:
    """Steps 4 and 5 for the access's roles."""
    snapshot = access.snapshot
    if snapshot is None:
        raise PolicyUnavailable
    choose_purpose(access, snapshot, route, named, identity)
    return access.may(route.resource, route.action)


def _check(access: Access, route: Route, decision: Decision, identity: Identity) -> None:
    if not decision.allow:
        facts = {"action": route.action, "resource": route.resource, "purpose": shown(access)}
        raise Forbidden(**facts, mapped=identity.roles is not None)


def _would_be_let_in(access: Access, route: Route, named: str | None, identity: Identity) -> bool:
    """Whether a second factor would do; the access keeps the purpose that it then would have, for what it is told."""
    if not access.without:
        return False
    before = access.roles, access.purpose, access.inferred
    access.roles |= access.without
    try:
        let_in = _decide(access, route, named, identity).allow
    except AmanahError:
        let_in = False
    access.roles = before[0]
    if not let_in:
        access.purpose, access.inferred = before[1:]
    return let_in
