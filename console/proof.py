"""A member proves at a terminal who they are, by the password of the console.

Invariants:

1. An attempt counts as wrong from before the password is looked at until it was right: many processes at once guess no
   faster than one, and one that is killed has used its attempt up.
2. After five wrong ones for a name the next has to wait, 1 s, 2 s, 4 s … 60 s. The counts are in the database, because
   each command is a process of its own; an hour after the last wrong one they are forgotten.
3. Every attempt costs one verification of Argon2id, whether or not there is such a member.
4. A wrong password of a member who has one is an entry in their tenant's trail before it is answered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..audit.staging import stage
from ..encryption.passwords import matches
from ..errors import AttemptsTooMany, PasswordWrong
from ..middleware.access import AUTHENTICATION, Access, Actor
from ..tenants.clock import now_us
from ..tenants.names import check_member
from .credentials import LONGEST, name_token
from .models import attempt, credential
from .throttle import FORGOTTEN, pause

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from .host import Host

_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Proven:
    """A member of a tenant who has just proven who they are. Made by `prove` and by nothing else."""

    tenant: str
    member: str


def prove(guard: Host, tenant: str, member: str, password: str, *, clock: Callable[[], int] = now_us) -> Proven:
    """Who has typed this password for the member with the id ``member``.

    ``clock``: µs since the epoch. Raises `PasswordWrong`, `AttemptsTooMany`, and `InvalidInput` for what is no member's
    id. Whether they still are an active member with any right is another question: the policy's.
    """
    mine = (credential.c.tenant_id == tenant, credential.c.member_id == check_member(member))
    token = name_token(guard.keyring, f"terminal\n{tenant}\n{member}")
    with guard.engine.begin() as connection:
        _count(connection, token, clock())
    with guard.engine.connect() as connection:
        kept = connection.scalar(select(credential.c.password_hash).where(*mine))
    if not matches(password[: LONGEST + 1], kept):
        if kept is not None:
            _note_failure(guard, tenant, member)
        raise PasswordWrong
    with guard.engine.begin() as connection:
        connection.execute(delete(attempt).where(attempt.c.name_token == token))
    return Proven(tenant, member)


def _count(connection: Connection, token: bytes, now: int) -> None:
    """Count one more attempt at this name, or raise `AttemptsTooMany`."""
    mine = attempt.c.name_token == token
    since = now - int(FORGOTTEN * _SECOND)
    connection.execute(delete(attempt).where(attempt.c.last_at < since))
    last = connection.execute(select(attempt).where(mine)).first()
    if last is None:
        try:
            connection.execute(insert(attempt).values(name_token=token, wrong=1, last_at=now))
        except IntegrityError as other:
            raise AttemptsTooMany(seconds=1) from other
        return
    wait = last.last_at + int(pause(last.wrong) * _SECOND) - now
    if wait > 0:
        raise AttemptsTooMany(seconds=math.ceil(wait / _SECOND))
    unchanged = (mine, attempt.c.wrong == last.wrong, attempt.c.last_at == last.last_at)
    counted = connection.execute(update(attempt).where(*unchanged).values(wrong=last.wrong + 1, last_at=now))
    if counted.rowcount != 1:  # somebody else tries this name at the same moment
        raise AttemptsTooMany(seconds=1)


def _note_failure(guard: Host, tenant: str, member: str) -> None:
    access = Access(
        kind="sign_in",
        tenant=tenant,
        actor=Actor(member),
        purpose=AUTHENTICATION,
        cipher=guard.keyring.cipher(tenant),
    )
    refused = access.entry("refusal", "refused", refusal=PasswordWrong())
    with guard.engine.begin() as connection:
        stage(connection, [replace(refused, detail={"act": "terminal.sign_in_failed"})])
