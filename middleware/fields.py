"""The register of what is protected: tables and their personal columns, found by name.

A `Protected` table belongs to a tenant by one of its columns; a `Field` is one personal column of it. Tables are matched by
name and never by object identity: pandas and reflection bring Table objects of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import Tampered
from .netstring import after, netstring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Column, Table

    from ..encryption.codecs import Codec


@dataclass(slots=True, eq=False)
class Field:
    """One personal column.

    ``id`` is fixed at declaration and names the column to the cipher for ever, so that table and column can be renamed.
    ``name`` is ``table.column``, as policies say it.
    """

    id: str
    name: str
    table: Protected
    column: str
    category: str
    sealed: bool
    codec: Codec
    mask: Callable[[Any], Any]
    standin: Any
    search: bool = False
    platform: bool = False
    domain: str = ""
    normalise: Callable[[Any], str] | None = None
    position: int = 0
    prefix: bytes = b""

    def __post_init__(self) -> None:
        """Compute what the hot path needs."""
        self.prefix = netstring(self.id.encode())

    @property
    def clear_bit(self) -> int:
        """The bit of the notes that says "seen in clear"."""
        return 1 << (2 * self.position)

    @property
    def masked_bit(self) -> int:
        """The bit of the notes that says "seen masked"."""
        return 2 << (2 * self.position)

    @property
    def index_column(self) -> str:
        """The name of the column that holds the search tokens."""
        return f"{self.column}_ix"

    def place(self, key: Iterable[str]) -> bytes:
        """The bytes that bind a value to its field and row: one netstring for the field id and one for each key part."""
        return self.prefix + b"".join(netstring(part.encode()) for part in key)


@dataclass(slots=True, eq=False)
class Protected:
    """One protected table. ``tenant`` is the column that says whose row it is, ``key`` the primary key's columns."""

    name: str
    resource: str
    table: Table
    tenant: str
    key: tuple[str, ...]
    subject: str | None = None
    sign_in: bool = False
    bound_to_row: bool = True
    fields: dict[str, Field] = field(default_factory=dict)

    def columns_seen(self, seen: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The columns that the bits of a note name: in clear, and masked."""
        clear = tuple(f.column for f in self.fields.values() if seen & f.clear_bit)
        return clear, tuple(f.column for f in self.fields.values() if seen & f.masked_bit)

    def row_name(self, row: bytes) -> str:
        """The primary key in the netstrings ``row`` as the trail writes it: without the tenant, parts joined by "/"."""
        parts, position = [], 0
        for name in self.key:
            part, position = after(row, position)
            if name != self.tenant or len(self.key) == 1:
                parts.append(part.decode())
        return "/".join(parts)

    def key_columns(self) -> tuple[Column[Any], ...]:
        """The Column objects of the primary key, in its order."""
        return tuple(self.table.c[name] for name in self.key)


class Register:
    """All protected tables of one guard, by name, and all fields, by id."""

    def __init__(self) -> None:
        """Start empty; `declare.build` fills it."""
        self.tables: dict[str, Protected] = {}
        self.shared: set[str] = set()
        self.undeclared: set[str] = set()
        self.fields: dict[bytes, Field] = {}
        self.personal_columns: frozenset[str] = frozenset()
        """Names of personal and search columns, in lower case."""

    def add(self, table: Protected) -> None:
        """Take in a table."""
        self.tables[table.name] = table

    def by_name(self, name: str) -> Protected | None:
        """The protected table of that name; SQL folds the case of unquoted names, so do we."""
        return self.tables.get(name) or self.tables.get(name.lower())

    def field(self, identifier: bytes) -> Field:
        """The field with that id. Raises `Tampered` for an id that nobody declared."""
        try:
            return self.fields[identifier]
        except KeyError:
            raise Tampered from None

    def categories(self) -> dict[str, str]:
        """``table.column`` → category, for the policies."""
        return {f.name: f.category for f in self.fields.values()}

    def close(self) -> None:
        """Compute the look-ups once all tables are in."""
        self.fields = {f.id.encode(): f for table in self.tables.values() for f in table.fields.values()}
        names = {f.column.lower() for f in self.fields.values()}
        names |= {f.index_column.lower() for f in self.fields.values() if f.search}
        self.personal_columns = frozenset(names)
