"""One tenant's cells of one column: read as stored plain, sealed for their row, opened again.

They are sealed exactly as the gate seals what the application writes (``middleware/writes.py``): for the same field and
row, in the same encoding, with the same token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import LargeBinary

from ..database import PLATFORM
from ..errors import DeclarationError, InvalidInput
from .sealing_tables import inner_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect

    from ..encryption.keyring import TenantCipher
    from ..guard import Guard
    from ..middleware.fields import Field

# What codecs, normalisers and SQLAlchemy's types raise over a value that is none of theirs.
_FOREIGN: Final = (InvalidInput, DeclarationError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


class Unsealable(Exception):
    """A stored value is no value of its column's type. Says nothing of what it is."""


class Cells:
    """The cells of ``field`` under one tenant's keys. Keys are asked for anew by making a new one, batch by batch."""

    def __init__(self, guard: Guard, field: Field, tenant: str, dialect: Dialect) -> None:
        """Raises what `Keyring.cipher` raises; no key is ever made."""
        self.field = field
        self._cipher: TenantCipher = guard.keyring.cipher(tenant)
        self._index = guard.keyring.cipher(PLATFORM) if field.platform else self._cipher
        self._read = _reader(field, dialect)

    def value(self, seen: Any) -> Any:
        """The Python value of what is stored plain (`Stored.seen`). Raises `Unsealable`."""
        try:
            return self._read(seen)
        except _FOREIGN:
            raise Unsealable from None

    def encode(self, value: Any) -> bytes:
        """The bytes that are sealed for ``value``. Raises `Unsealable`."""
        try:
            return self.field.codec.encode(value)
        except _FOREIGN:
            raise Unsealable from None

    def seal(self, place: bytes, encoded: bytes) -> bytes:
        """The envelope of ``encoded``; ``place``: `place` of its row."""
        return self._cipher.seal(self.field.id, place, encoded)

    def open(self, place: bytes, envelope: bytes) -> bytes:
        """The bytes that were sealed. Raises `Tampered` and `KeyUnknown`."""
        return self._cipher.open(self.field.id, place, envelope)

    def token(self, value: Any, encoded: bytes) -> bytes | None:
        """The search token of ``value``; None where the column is not searched. Raises `Unsealable`."""
        field = self.field
        if not field.search:
            return None
        if field.normalise is not None:
            try:
                encoded = field.normalise(value).encode()
            except _FOREIGN:
                raise Unsealable from None
        return self._index.token(field.domain, encoded)

    def place(self, row: bytes) -> bytes:
        """Where the cell belongs; ``row``: `row_part` of its key."""
        return self.field.prefix + row if self.field.table.bound_to_row else self.field.prefix


def row_part(field: Field, key: list[str]) -> bytes:
    """The part of `Field.place` that is the same for all columns of a row."""
    return field.place(key)[len(field.prefix) :]


def _reader(field: Field, dialect: Dialect) -> Callable[[Any], Any]:
    if dialect.name == "postgresql":
        return _bytes_of if isinstance(inner_type(field), LargeBinary) else field.codec.decode_text
    process = inner_type(field).dialect_impl(dialect).result_processor(dialect, None)
    return process or _as_it_is


def _bytes_of(value: Any) -> bytes:
    return bytes(value)


def _as_it_is(value: Any) -> Any:
    return value


__all__ = ["Cells", "Unsealable", "row_part"]
