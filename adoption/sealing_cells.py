"""One tenant's cells of one column: read as stored plain, sealed for their row, opened again.

They are sealed exactly as the gate seals what the application writes (``middleware/writes.py``): for the same field and
row, in the same encoding, with the same token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from sqlalchemy import LargeBinary

from ..database import PLATFORM
from ..encryption.envelope import FORMAT, SUBJECT_FORMAT, start
from ..encryption.subject_sealing import Secret
from ..errors import DeclarationError, InvalidInput, SealError
from ..middleware.subjects import SubjectSecrets, secrets_for
from .sealing_tables import inner_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Dialect, Engine

    from ..encryption.keyring import TenantCipher
    from ..guard import Guard
    from ..middleware.fields import Field

_OF_SUBJECT: Final = bytes((SUBJECT_FORMAT,))

# What codecs, normalisers and SQLAlchemy's types raise over a value that is none of theirs.
_FOREIGN: Final = (InvalidInput, DeclarationError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


Tokens: TypeAlias = tuple[bytes | None, bytes | None]
"""What stands in the two search columns."""

NO_TOKENS: Final[Tokens] = (None, None)


class Made(NamedTuple):
    """A column's new cells: for each row an envelope or None, and tokens; and the numbers of rows that are refused."""

    envelopes: list[bytes | None]
    tokens: list[Tokens]
    refused: list[int]


class Opened(NamedTuple):
    """What an envelope holds."""

    value: Any
    encoded: bytes
    tokens: Tokens


class Cells:
    """The cells of ``field`` under one tenant's keys. Keys are asked for anew by making a new one, batch by batch.

    A row is named by the part of its place that follows from its key (`Stored.row_part`).
    """

    def __init__(
        self, guard: Guard, field: Field, tenant: str, engine: Engine, subjects: SubjectSecrets | None = None
    ) -> None:
        """``subjects``: those that the cells of one batch have met, shared by the columns of a table.

        Raises what `Keyring.cipher` raises; no key of the tenant is ever made.
        """
        self.field = field
        self._engine = engine
        self._subjects = SubjectSecrets() if subjects is None else subjects
        self._cipher: TenantCipher = guard.keyring.cipher(tenant)
        self._index = guard.keyring.cipher(PLATFORM) if field.platform else self._cipher
        self._read = _reader(field, engine.dialect)

    def meet(self, subjects: Iterable[str | None], *, make: bool) -> None:
        """Fetch the secrets of a batch's subjects; ``make`` those that there are not, durably, before they are used."""
        wanted = {one for one in subjects if one is not None}
        if not self.field.by_subject or not wanted:
            return
        with self._engine.begin() as connection:
            secrets_for(connection, self._subjects, self._cipher, self.field.table.subject_kind, wanted, make=make)

    def make(self, rows: Sequence[bytes], seen: Iterable[Any], subjects: Sequence[str | None]) -> Made:
        """Envelopes and tokens of what was ``seen`` plain (`Stored.seen`), in rows about ``subjects``; None stays None.

        The values of a subject that was erased are among those that are refused.
        """
        self.meet(subjects, make=True)
        read, encode = self._read, self.field.codec.encode
        envelopes: list[bytes | None] = [None] * len(rows)
        tokens: list[Tokens] = [NO_TOKENS] * len(rows)
        refused: list[int] = []
        for number, stored in enumerate(seen):
            if stored is None:
                continue
            try:
                value = read(stored)
                encoded = encode(value)
                searched = self._searched(value, encoded)
            except _FOREIGN:
                refused.append(number)
                continue
            envelope = self.seal(rows[number], encoded, subjects[number])
            if envelope is None:
                refused.append(number)
                continue
            envelopes[number] = envelope
            if searched is not None:
                tokens[number] = self._index.slots(self.field.domain, searched)
        return Made(envelopes, tokens, refused)

    def seal(self, row: bytes, encoded: bytes, subject: str | None) -> bytes | None:
        """A new envelope; None for a subject that was erased. Subjects are met before (`meet`)."""
        field, place = self.field, self.field.prefix + row
        if subject is None or not field.by_subject:
            return self._cipher.seal(field.id, place, encoded)
        secret = self._secret(subject)
        return None if secret is None else self._cipher.seal_for(secret, place, encoded)

    @property
    def begin(self) -> bytes:
        """The first 5 bytes of every envelope that is made now: format and key version."""
        return start(SUBJECT_FORMAT if self.field.by_subject else FORMAT, self._cipher.sealing_version)

    def moved(self, row: bytes, envelope: bytes, subject: str | None) -> bytes | None:
        """A new envelope of what ``envelope`` holds, whatever that is; None where it does not open here."""
        try:
            return self.seal(row, self._opened(row, bytes(envelope), subject), subject)
        except (SealError, TypeError):
            return None

    def open(self, row: bytes, envelope: bytes, subject: str | None) -> Opened | None:
        """What ``envelope`` holds; None where it does not open here, or holds no value of this column."""
        field = self.field
        try:
            encoded = self._opened(row, bytes(envelope), subject)
            value = field.codec.decode(encoded)
            searched = self._searched(value, encoded)
        except (SealError, *_FOREIGN):
            return None
        tokens = NO_TOKENS if searched is None else self._index.slots(field.domain, searched)
        return Opened(value, encoded, tokens)

    @property
    def slot(self) -> int:
        """In which of the two search columns it is sought now."""
        return self._index.slot

    def holds(self, seen: Any, opened: Opened) -> bool:
        """What was ``seen`` plain is the opened value."""
        if seen is None:
            return False
        try:
            value = self._read(seen)
            return self.field.codec.encode(value) == opened.encoded or bool(value == opened.value)
        except _FOREIGN:
            return False

    def _opened(self, row: bytes, data: bytes, subject: str | None) -> bytes:
        """Raises `SealError`, also for a value about somebody who was erased."""
        field, place = self.field, self.field.prefix + row
        secret = None if subject is None or data[:1] != _OF_SUBJECT else self._secret(subject)
        if secret is None:
            return self._cipher.open(field.id, place, data)
        return self._cipher.open_for(secret, place, data)

    def _secret(self, subject: str) -> Secret | None:
        secret = self._subjects.secret(self._cipher, (self.field.table.subject_kind, subject))
        return secret if type(secret) is Secret else None

    def _searched(self, value: Any, encoded: bytes) -> bytes | None:
        """What the search token is made of; None where the column is not searched."""
        field = self.field
        if not field.search:
            return None
        return encoded if field.normalise is None else field.searched(value)


def _reader(field: Field, dialect: Dialect) -> Callable[[Any], Any]:
    if dialect.name == "postgresql":
        return bytes if isinstance(inner_type(field), LargeBinary) else field.codec.decode_text
    process = inner_type(field).dialect_impl(dialect).result_processor(dialect, None)
    return process or _as_it_is


def _as_it_is(value: Any) -> Any:
    return value


__all__ = ["NO_TOKENS", "Cells", "Made", "Opened", "Tokens"]
