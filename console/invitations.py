"""Invitations: a link that can be sent by any messenger, good for one use within 72 hours.

Opening the link changes nothing (messengers look at links for a preview); only setting the password uses it up.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import delete, insert, select, update

from ..errors import InvalidInput
from ..i18n import N_
from ..tenants.clock import now_us
from ..tenants.models import tenant
from .credentials import Who, check_active, check_name_free, keep_password, name_token
from .models import invitation
from .tokens import new_token, token_hash

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .host import Host

VALID: Final = timedelta(hours=72)


class Invitation(NamedTuple):
    """An invitation that is still good. ``by_name``: the member will sign in by the name that it knows."""

    who: Who
    by_name: bool
    organisation: str


def invite(guard: Host, connection: Connection, tenant_id: str, member_id: str, *, name: str = "") -> str:
    """A path ("/join/<token>", below the console's) by which an active member sets a password, once, within 72 hours.

    In the caller's transaction; an invitation that the member had before ends. ``name``: the e-mail address by which
    they will sign in; without it they sign in by organisation and member id. The token is in the path and nowhere else.
    Raises `InvalidInput`.
    """
    who = Who(tenant_id, member_id)
    check_active(connection, who)
    name_of = name_token(guard.keyring, name) if name else None
    if name_of is not None:
        check_name_free(connection, who, name_of)
    open_before = (invitation.c.tenant_id == tenant_id, invitation.c.member_id == member_id)
    connection.execute(delete(invitation).where(*open_before, invitation.c.used_at.is_(None)))
    token = new_token()
    connection.execute(
        insert(invitation).values(
            token_hash=token_hash(token),
            tenant_id=tenant_id,
            member_id=member_id,
            name_token=name_of,
            expires_at=now_us() + VALID // timedelta(microseconds=1),
        )
    )
    return f"/join/{token}"


def look_up(connection: Connection, token: str | None) -> Invitation | None:
    """The invitation that is still good, or None."""
    hashed = token_hash(token)
    if hashed is None:
        return None
    columns = (invitation.c.tenant_id, invitation.c.member_id, invitation.c.name_token, tenant.c.name)
    query = select(*columns).join_from(invitation, tenant, tenant.c.id == invitation.c.tenant_id)
    good = (invitation.c.used_at.is_(None), invitation.c.expires_at > now_us())
    row = connection.execute(query.where(invitation.c.token_hash == hashed, *good)).first()
    return None if row is None else Invitation(Who(row[0], row[1]), row[2] is not None, row[3])


def accept(connection: Connection, token: str | None, password: str) -> Who:
    """Use the invitation up and keep the password, in the caller's transaction. Raises `InvalidInput`."""
    hashed, now = token_hash(token), now_us()
    good = (invitation.c.token_hash == hashed, invitation.c.used_at.is_(None), invitation.c.expires_at > now)
    # The condition is in the UPDATE: of two who come at once one finds it used.
    if hashed is None or not connection.execute(update(invitation).where(*good).values(used_at=now)).rowcount:
        raise InvalidInput(detail=N_("This invitation was used already, has expired, or was never given."))
    row = connection.execute(select(invitation).where(invitation.c.token_hash == hashed)).one()
    who = Who(row.tenant_id, row.member_id)
    keep_password(connection, who, password, row.name_token)
    return who
