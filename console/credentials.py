"""How a member signs in to the console: a password, and perhaps a name (their e-mail address) that is not kept itself.

Invariants:

1. Of the name only a keyed token under the platform's index key is kept: whoever has the database alone cannot tell
   whose it is. It is the platform's because the organisation is not known before the sign-in.
2. Every attempt costs one verification of Argon2id, whether or not there is such a member.
3. A new password ends every session of the member, in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import and_, delete, insert, or_, select, update

from ..database import PLATFORM
from ..encryption.normalise import normaliser
from ..encryption.passwords import hash_password, matches
from ..errors import InvalidInput
from ..i18n import N_
from ..tenants.clock import now_us
from ..tenants.models import member
from ..tenants.roster import ACTIVE
from .models import credential, session

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ..encryption.keyring import Keyring
    from .host import Host

SHORTEST: Final = 12
LONGEST: Final = 256
_DOMAIN: Final = "console.sign_in"
_email = normaliser("email")


class Who(NamedTuple):
    """A member of a tenant."""

    tenant: str
    member: str


def set_password(
    guard: Host, connection: Connection, tenant_id: str, member_id: str, password: str, *, name: str = ""
) -> None:
    """Let an active member sign in to the console with ``password`` (12 to 256 characters).

    In the caller's transaction. ``name``: their e-mail address, by which they sign in without
    knowing any id; "" keeps the one that they have.
    Raises `InvalidInput`.
    """
    token = name_token(guard.keyring, name) if name else None
    keep_password(connection, Who(tenant_id, member_id), password, token)


def keep_password(connection: Connection, who: Who, password: str, token: bytes | None) -> None:
    """As `set_password`, with the name's token."""
    check_password(password)
    check_active(connection, who)
    mine = and_(credential.c.tenant_id == who.tenant, credential.c.member_id == who.member)
    if token is not None:
        check_name_free(connection, who, token)
    values = {"password_hash": hash_password(password), "set_at": now_us(), **({"name_token": token} if token else {})}
    if not connection.execute(update(credential).where(mine).values(values)).rowcount:
        connection.execute(insert(credential).values(tenant_id=who.tenant, member_id=who.member, **values))
    connection.execute(delete(session).where(session.c.tenant_id == who.tenant, session.c.member_id == who.member))


def name_token(keyring: Keyring, name: str) -> bytes:
    """The keyed token (16 bytes) of a name to sign in by. The name is kept nowhere, so that it cannot be made anew."""
    assert _email is not None  # noqa: S101 - a normaliser of that name exists
    return keyring.cipher(PLATFORM).lasting_token(_DOMAIN, _email(name).encode("utf-8", "surrogatepass"))


def check_password(password: str) -> str:
    """Return ``password`` if it is long enough and can be typed. Raises `InvalidInput`."""
    if len(password) < SHORTEST:
        raise InvalidInput(detail=N_("The password has fewer than 12 characters."))
    if len(password) > LONGEST or "\x00" in password:
        raise InvalidInput(detail=N_("The password has more than 256 characters."))
    return password


def check_active(connection: Connection, who: Who) -> None:
    """Raise `InvalidInput` unless this is an active member."""
    query = select(member.c.status).where(member.c.tenant_id == who.tenant, member.c.id == who.member)
    if connection.scalar(query) != ACTIVE:
        raise InvalidInput(detail="there is no such active member")


def check_name_free(connection: Connection, who: Who, token: bytes) -> None:
    """Raise `InvalidInput` if another member of the same tenant signs in by this name."""
    taken = select(credential.c.member_id).where(credential.c.tenant_id == who.tenant, credential.c.name_token == token)
    if connection.scalar(taken) not in (None, who.member):
        raise InvalidInput(detail="another member signs in by this name")


def find(engine: Engine, keyring: Keyring, organisation: str, name: str) -> tuple[Who, str] | None:
    """The one member of this name (address, or with ``organisation`` also their id) and what is kept of the password.

    None where nobody fits, or where several organisations know the address and none is named.
    """
    by_name = credential.c.name_token == name_token(keyring, name)
    query = select(credential)
    if organisation:
        by_id = credential.c.member_id == name.replace("\x00", "")
        query = query.where(credential.c.tenant_id == organisation.replace("\x00", ""), or_(by_name, by_id))
    else:
        query = query.where(by_name)
    with engine.connect() as connection:
        rows = connection.execute(query.limit(2)).all()
    if len(rows) != 1:
        return None
    return Who(rows[0].tenant_id, rows[0].member_id), rows[0].password_hash


def authenticate(guard: Host, organisation: str, name: str, password: str) -> tuple[Who | None, bool]:
    """Who this name is, if anybody, and whether the password is theirs. Takes as long for nobody (invariant 2)."""
    found = find(guard.engine, guard.keyring, organisation, name)
    right = matches(password[: LONGEST + 1], None if found is None else found[1])
    return (None if found is None else found[0]), right
