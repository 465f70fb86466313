"""The secrets of subjects as one access knows them: met in rows that it read, fetched and made for rows that it writes.

A SELECT brings a subject's wrapped secret along with the first sealed cell of each row (`compiler_cell`), so a secret
is as old as its row: once the subject is erased, the next row says so. What was met serves later writes, too.
"""

from __future__ import annotations

import time
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sqlalchemy import bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from ..encryption.models import subject as subject_table
from ..encryption.netstrings import after, netstring
from ..encryption.remembered import Remembered
from ..encryption.subject_sealing import Secret
from ..errors import SubjectSecretMissing, SubjectSecretNotCarried, Tampered
from .keys import INTERNAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from ..encryption.cipher import TenantCipher


class Sign(bytes):
    """What is carried in place of a secret."""

    __slots__ = ()


ERASED: Final = Sign(b"-")
"""The subject was erased: with this begins a `tombstone`."""
MISSING: Final = Sign(b"~")
"""There is no secret of this subject."""
NOTHING: Final = netstring(b"")
"""Carried by all cells of a row but the first."""
VALUE: Final = b"+"
"""Behind what the first cell carries: there is a value. Nothing at all stands for NULL."""

Who = tuple[str, str]
"""A subject: of which kind, and its id as text."""

_TOMBSTONES: Final = "amanah_subject.erased"
"""The domain of their tokens; an application's begins otherwise."""
_OURS: Final = {"amanah_internal": INTERNAL}
_REMEMBERED: Final = 1024
_AT_ONCE: Final = 5_000


def tombstone(cipher: TenantCipher, kind: str, subject: str) -> bytes:
    """What is kept in place of the secret of a subject that was erased.

    Nobody without the tenant's keys can make it, nor take one subject's for another's. It is under the first version of
    the index key, which outlasts every exchange, rotation and retirement.
    """
    return ERASED + cipher.lasting_token(_TOMBSTONES, netstring(kind, subject))


class SubjectSecrets:
    """What one access has met. Bounded; a secret that was dropped is met again with the next row."""

    __slots__ = ("_last", "_met", "_writing")

    def __init__(self) -> None:
        """Start with none."""
        self._met: Remembered[Who, bytes] = Remembered(_REMEMBERED)
        self._last: tuple[Who | None, Secret | Sign | None] = (None, None)
        self._writing: dict[Who, Secret] = {}

    def meet(self, who: Who, carried: bytes) -> None:
        """``carried``: a wrapped secret, or what stands for one that is not there: a `tombstone`, `MISSING`."""
        if carried.startswith(ERASED) and self._met.get(who) == carried:
            return  # it was checked already
        self._met.put(who, MISSING if carried == MISSING else carried)
        self._last = (None, None)

    def secret(self, cipher: TenantCipher, who: Who) -> Secret | Sign | None:
        """The secret, or the `Sign` `ERASED`; None where there is none or it was not met.

        Raises what `TenantCipher.unwrap_secret` raises, and `Tampered` for a tombstone that was forged.
        """
        last, found = self._last
        if last is who:  # the cells of a row come one after the other, with the very same object for their subject
            return found
        found = self._secret(cipher, who)
        self._last = (who, found)  # together: threads that share an access never take one's secret for another's
        return found

    def _secret(self, cipher: TenantCipher, who: Who) -> Secret | Sign | None:
        met = self._met.get(who)
        if type(met) is Secret:
            return met
        if met is None:
            return self._writing.get(who)
        if met is MISSING:
            return None
        if met.startswith(ERASED):
            if type(met) is not Sign:
                if not compare_digest(met, tombstone(cipher, *who)):
                    raise Tampered
                self._met.put(who, Sign(met))
            return ERASED
        secret = cipher.unwrap_secret(*who, met)
        self._met.put(who, secret)
        return secret

    def write_under(self, secrets: dict[Who, Secret]) -> None:
        """All secrets of the statement that is about to write, for what it returns: not bounded, until the next one."""
        self._writing = secrets
        self._last = (None, None)

    def refuse(self, who: Who) -> NoReturn:
        """Say why there is no secret: raise `SubjectSecretMissing` or `SubjectSecretNotCarried`."""
        raise SubjectSecretNotCarried if self._met.get(who) is None else SubjectSecretMissing


def secrets_for(
    connection: Connection,
    known: SubjectSecrets,
    cipher: TenantCipher,
    kind: str,
    subjects: Iterable[str],
    *,
    make: bool = True,
    new: bool = False,
) -> dict[str, Secret]:
    """The secrets of ``subjects``, made where there are none yet (unless ``make`` is False), in the transaction.

    In sorted order, so that two transactions never wait for each other. Who was erased is left out. ``new``: mostly
    there are none yet, so they are made at once, and asked for only where somebody has one.
    """
    found: dict[str, Secret] = {}
    unknown = []
    for subject in sorted(set(subjects)):
        secret = known.secret(cipher, (kind, subject))
        if type(secret) is Secret:
            found[subject] = secret
        else:
            unknown.append(subject)
    for start in range(0, len(unknown), _AT_ONCE):
        some = unknown[start : start + _AT_ONCE]
        stored = {} if new and make else _stored(connection, cipher, kind, some)
        lacking = [one for one in some if one not in stored]
        if lacking and make:
            stored |= _made(connection, cipher, kind, lacking)
        for subject in some:
            known.meet((kind, subject), stored.get(subject, MISSING))
            secret = known.secret(cipher, (kind, subject))
            if type(secret) is Secret:
                found[subject] = secret
    known.write_under({(kind, subject): secret for subject, secret in found.items()})
    return found


def _stored(connection: Connection, cipher: TenantCipher, kind: str, subjects: list[str]) -> dict[str, bytes]:
    columns = subject_table.c
    query = select(columns.subject, columns.wrapped).where(
        columns.tenant_id == cipher.tenant_id,
        columns.kind == kind,
        columns.subject.in_(bindparam("subjects", subjects, expanding=True)),
    )
    rows = connection.execute(query, execution_options=_OURS).all()
    return {subject: after(bytes(wrapped), 0)[0] for subject, wrapped in rows}


def _made(connection: Connection, cipher: TenantCipher, kind: str, subjects: list[str]) -> dict[str, bytes]:
    """New secrets; where somebody else was quicker, theirs."""
    made = {one: cipher.wrap_secret(kind, one, Secret.new()) for one in subjects}
    insert: Any = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    now = time.time_ns() // 1000
    rows = [
        {
            "tenant_id": cipher.tenant_id,
            "kind": kind,
            "subject": one,
            "epoch": cipher.epoch,
            "wrapped": netstring(wrapped),
            "created_at": now,
        }
        for one, wrapped in made.items()
    ]
    statement = insert(subject_table).on_conflict_do_nothing()
    reached = connection.execute(statement, rows, execution_options=_OURS).rowcount
    return made if reached == len(rows) else _stored(connection, cipher, kind, subjects)


__all__ = ["ERASED", "MISSING", "NOTHING", "VALUE", "Sign", "SubjectSecrets", "Who", "secrets_for", "tombstone"]
