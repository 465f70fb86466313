"""Break-glass from a request: whoever is signed in takes a role that their tenant lets them take in an emergency.

1. Who and where: from the access alone. A person, in a request, under an access that was let in.
2. May they? The tenant's list says so, by the roles that count in this access; roles that were taken do not.
3. Given, with its entry in the trail, in one transaction of Amanah's own: the application's transaction neither delays
   nor takes it back.
4. It counts from the next request on.

A no is the access's refusal, so it is on record whatever the application makes of the exception.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..audit.staging import stage
from ..errors import EmergencyNotAllowed, Refusal
from ..tenants.names import could_be_role
from .access import require

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ..tenants.directory import Directory
    from ..tenants.emergencies import Taken


def take(engine: Engine, directory: Directory, role: str, reason: str) -> Taken:
    """Take ``role`` under the current access. Blocks for a transaction. Raises as `Guard.break_glass` says."""
    access = require("amanah.emergency")
    person = access.kind == "request" and access.actor.kind == "member" and access.would_be_refused is None
    try:
        if not person or access.tenant is None:
            raise EmergencyNotAllowed(role=role if could_be_role(role) else "-")
        with engine.begin() as connection:
            taken = directory.emergencies.take(
                connection,
                access.tenant,
                access.actor.id,
                role,
                reason=reason,
                by=access.actor.id,
                roles=access.roles - access.emergency,
            )
            entry = access.entry("admin", "committed", what=(), reason=reason)
            detail = {**entry.detail, "act": "emergency.take", "role": role, "grant": taken.grant}
            stage(connection, [replace(entry, detail=detail)])
    except Refusal as refusal:
        access.refusal = refusal
        raise
    return taken
