"""Steps 3 and 4 of the admission as far as they are about the tenant's own words: roles and purposes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import PurposeMissing, PurposeNotServed, PurposeUnknown, RoleMissing, RoleUnknown
from ..tenants.names import could_be_role

if TYPE_CHECKING:
    from ..access_policies.snapshot import Snapshot
    from .access import Access
    from .identify import Identity
    from .routes import Route


def check_mapped(roles: frozenset[str], snapshot: Snapshot) -> None:
    """Refuse a role that the application maps to and the policy lacks: what it would deny is not known."""
    for role in sorted(roles - snapshot.roles):
        raise RoleUnknown(role=role if could_be_role(role) else "-")


def choose_purpose(access: Access, snapshot: Snapshot, route: Route, header: str | None, identity: Identity) -> None:
    """Set the purpose (step 4). ``header`` is what this request names; the identity's own is a choice made earlier."""
    session = identity.purpose
    served = [found.key for name in route.purposes if (found := snapshot.purpose(name)) is not None]
    listed = ", ".join(route.purposes)
    if header is not None:
        wanted = snapshot.purpose(header)
        if wanted is None:
            raise PurposeUnknown(purposes=listed)
        if wanted.key not in served:
            raise PurposeNotServed(purpose=wanted.alias or wanted.key, purposes=listed)
        access.purpose = wanted.key
        return
    chosen = snapshot.purpose(session) if session else None
    if chosen is not None and chosen.key in served:
        access.purpose = chosen.key
        return
    if not served:
        raise PurposeUnknown(purposes=listed)
    if len(served) > 1:
        served = [key for key in served if snapshot.decide(access.roles, route.resource, route.action, key).allow]
        if len(served) != 1:
            if access.roles:
                raise PurposeMissing(purposes=listed)
            mapped = identity.roles is not None
            raise RoleMissing(purposes=listed, resource=route.resource, action=route.action, mapped=mapped)
    access.purpose, access.inferred = served[0], True


def registered(snapshot: Snapshot | None, name: str) -> str:
    """The key of the purpose that is called so. Raises `PurposeUnknown`."""
    found = None if snapshot is None else snapshot.purpose(name)
    if found is None:
        raise PurposeUnknown(purposes="" if snapshot is None else ", ".join(snapshot.purposes))
    return found.key


def shown(access: Access) -> str:
    """The purpose by the name that people use."""
    found = None if access.snapshot is None or access.purpose is None else access.snapshot.purpose(access.purpose)
    return "-" if found is None else found.alias or found.key
