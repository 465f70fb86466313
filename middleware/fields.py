"""The register of what is protected: tables and their personal columns, found by name.

The rows of a `Protected` table belong to a tenant by one of its columns, by a parent (`Via`), or all to one fixed
tenant; a `Field` is one personal column of it. Tables are matched by name and never by object identity: pandas and
reflection bring Table objects of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import CHAR, Integer, Uuid

from ..encryption.netstrings import after, netstring
from ..errors import SealedWriteRefused, Tampered, TenantCrossed
from .row_filters import RowFilters
from .siblings import search_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Column, Table

    from ..encryption.codecs import Codec
    from .declared_sql import DeclaredSql
    from .holds import Hold
    from .masks import Mask
    from .observing import Observing
    from .references import Reference
    from .row_seals import SealedRows
    from .siblings import Step
    from .subjects import Who

CONSENTS: Final = "amanah_consent"
"""The table of consents, as the wall asks it."""

_ONE_WORD = re.compile(r"[^\W\d][\w$]*")


def key_text(column: Column[Any], value: Any) -> str:
    """One part of a primary key as text, spelled as the compiler's SQL spells what the database then holds.

    Raises `SealedWriteRefused` for a value of another kind: it would be found by the database and sealed to another
    place.
    """
    kind = column.type
    try:
        if isinstance(kind, Uuid):
            return (value if isinstance(value, UUID) else UUID(value)).hex
        if isinstance(kind, Integer):
            return str(int(value))
        text = value.hex if isinstance(value, UUID) else str.__str__(value)
    except (TypeError, ValueError, AttributeError):
        name = f"{column.table.name}.{column.name}"
        raise SealedWriteRefused(field=name, detail="its key is not of the column's type") from None
    return text.rstrip(" ") if isinstance(kind, CHAR) else text


@dataclass(slots=True, eq=False)
class Field:
    """One personal column.

    ``id`` is fixed at declaration and names the column to the cipher for ever, so that table and column can be renamed.
    ``name`` is ``table.column``, as policies say it. ``sealed``: statements meet envelopes in place of values.
    """

    id: str
    name: str
    table: Protected
    column: str
    category: str
    sealed: bool
    codec: Codec
    mask: Mask
    standin: Any
    search: bool = False
    platform: bool = False
    domain: str = ""
    normalise: Callable[[Any], str] | None = None
    position: int = 0
    instead: Callable[[str], Mask | None] = lambda _name: None
    """The mask that a rule names, in place of `mask`; None where it does not fit, or would show more."""
    sealing: Step | None = None
    """How far a column that was in use has come; None for one that is governed, or sealed in place."""
    sealed_column: str = ""
    """The column in the database that holds the envelopes: this one, or the one beside it."""
    required: bool = False
    """The model does not take NULL."""
    seals_none: bool = False
    """None is a value of its own, and not NULL: JSON's null beside a column that was in use."""
    default: Any = None
    """The client-side default of a column that is no longer written itself."""
    by_subject: bool = False
    """It is sealed under the secret of the row's subject, too, and goes when that is destroyed."""
    held: Hold | None = None
    """Why it stays when its subject is erased."""
    erased: Callable[[], Any] = lambda: None
    """What it reads as once its subject is erased."""
    prefix: bytes = b""
    clear_bit: int = 0
    """The bit of the notes that says "seen in clear"."""
    masked_bit: int = 0
    """The bit of the notes that says "seen masked"."""

    def __post_init__(self) -> None:
        """Compute what the hot path needs."""
        self.clear_bit, self.masked_bit = 1 << (2 * self.position), 2 << (2 * self.position)
        self.prefix = netstring(self.id.encode())
        self.sealed_column = self.sealed_column or self.column

    def mask_by(self, name: str) -> Mask | None:
        """What is shown masked by a rule that names this mask, "" for the column's own; None: nothing can be."""
        return self.instead(name) if name else self.mask

    @property
    def index_columns(self) -> tuple[str, str]:
        """The names of the columns that hold the search tokens, by slot."""
        return search_names(self.column)

    @property
    def beside(self) -> bool:
        """Its envelopes stand in a column of their own."""
        return self.sealing is not None

    @property
    def writes_plain(self) -> bool:
        """What is written is stored in the column itself as it is."""
        return self.sealing in ("write_both", "read_sealed") or not self.writes_sealed

    @property
    def writes_sealed(self) -> bool:
        """What is written is stored sealed."""
        return self.sealed or self.beside

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns in the database that belong to it."""
        return tuple(dict.fromkeys([self.column, self.sealed_column, *(self.index_columns if self.search else ())]))

    def searched(self, value: Any) -> bytes:
        """What the search token of ``value`` is made of. Raises `InvalidInput` for a value of another kind."""
        return self.codec.encode(value) if self.normalise is None else self.normalise(value).encode()

    def place(self, key: Iterable[str]) -> bytes:
        """The bytes that bind a value to its field and row: a netstring for the field id and for each key part."""
        return self.prefix + b"".join(netstring(part.encode()) for part in key)


class Row(NamedTuple):
    """Whose cell it is, as the cell carries it: ``head``, netstrings of the row's key and its subject."""

    head: bytes
    key_size: int
    """Of the head, so many bytes are the key's."""
    note: tuple[Protected, str, str]
    """The row as the notes keep it: table, key and subject as the trail writes them."""
    who: Who
    """Its subject: of which kind, and its id; "" for none."""


class Via(NamedTuple):
    """How a row without a tenant column belongs to its tenant: ``column`` holds the key of its row in ``parent``."""

    column: str
    parent: Protected


@dataclass(slots=True, eq=False)
class Protected:
    """One protected table. ``key`` are the primary key's columns.

    One of three says whose rows they are: the column ``tenant``, the parent ``via`` which they belong, or ``fixed``,
    the one tenant of an application without any such column.
    """

    name: str
    resource: str
    table: Table
    tenant: str | None
    key: tuple[str, ...]
    subject: str | None = None
    subject_kind: str = ""
    """Whom the subject column names: ``patient``, in every table that is about patients."""
    sign_in: bool = False
    bound_to_row: bool = True
    fields: dict[str, Field] = field(default_factory=dict)
    via: Via | None = None
    fixed: str | None = None
    has_children: bool = False
    """Rows of other tables belong to their tenant by a row of this one."""
    looked_up: bool = False
    """A callback's owner is found by its rows, before a tenant is known."""
    sealed_rows: SealedRows | None = None
    """The seal of its rows."""
    references: tuple[Reference, ...] = ()
    """Its foreign keys that do not carry the tenant."""
    _last: Row | None = None
    _carried: tuple[str, ...] | None = None
    _layout: tuple[int, tuple[int, ...], int] | None = None
    """Of what a cell carries: how many parts, which of them name the row, and which is the subject (-1: none)."""

    @property
    def about_persons(self) -> bool:
        """Its rows are about persons: it says about whom, or holds what is personal."""
        return self.subject is not None or bool(self.fields)

    def names(self, name: str) -> bool:
        """Whether the column of that name, in any case, is personal or sealed with its row."""
        sealed = self.sealed_rows.columns if self.sealed_rows is not None else ()
        return self.column_named(name) is not None or name.lower() in (one.lower() for one in sealed)

    def column_named(self, name: str) -> Field | None:
        """The field to which the column of that name belongs, in any case: SQL folds what is not quoted."""
        folded = name.lower()
        return next((f for f in self.fields.values() if folded in (name.lower() for name in f.columns)), None)

    @property
    def writes_sealed(self) -> bool:
        """Some of what is written to it is sealed for its row, or the row itself is."""
        return self.sealed_rows is not None or any(f.writes_sealed for f in self.fields.values())

    @property
    def owner_column(self) -> str | None:
        """The column of a row that says whose it is: by itself, or by the parent to which it leads."""
        return self.via.column if self.via is not None else self.tenant

    @property
    def belongs(self) -> str:
        """For people: "tenant_id", "invoice_id → invoice.tenant_id", or "= apotek" for a fixed tenant."""
        if self.via is None:
            return self.tenant or f"= {self.fixed}"
        parent = self.via.parent
        return f"{self.via.column} → {parent.name}.{parent.belongs}"

    def tenant_value(self, tenant: str) -> Any:
        """The tenant's identifier in the type of the application's column. Raises `TenantCrossed` where it is none."""
        if self.tenant is None:  # a fixed tenant stands in no column
            return tenant
        python_type = self.table.c[self.tenant].type.python_type
        try:
            return tenant if python_type is str else python_type(tenant)
        except (TypeError, ValueError):
            raise TenantCrossed(resource=self.resource) from None

    def columns_seen(self, seen: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The columns that the bits of a note name: in clear, and masked."""
        clear = tuple(f.column for f in self.fields.values() if seen & f.clear_bit)
        return clear, tuple(f.column for f in self.fields.values() if seen & f.masked_bit)

    def carried(self) -> tuple[str, ...]:
        """The columns that a cell carries before its value: the row's key, and its subject where that is another."""
        if self._carried is None:
            self._carried = (*self.key, *([self.subject] if self.subject and self.subject not in self.key else []))
        return self._carried

    def row_at(self, data: bytes, start: int) -> Row:
        """The row whose head stands in ``data`` at ``start``. Raises `Tampered` where none does.

        The cells of a row come one after the other, so the last row is remembered: netstrings can be read in one way
        only, so the same bytes are the same row.
        """
        row = self._last
        if row is None or not data.startswith(row.head, start):
            row = self._last = self._read_row(data, start)
        return row

    def _read_row(self, data: bytes, start: int) -> Row:
        if self._layout is None:
            carried = self.carried()
            named = tuple(number for number, name in enumerate(self.key) if name != self.tenant or len(self.key) == 1)
            self._layout = len(carried), named, -1 if self.subject is None else carried.index(self.subject)
        count, named, about = self._layout
        parts: list[str] = []
        position = key_end = start
        for number in range(1, count + 1):
            part, position = after(data, position)
            parts.append(part.decode())
            if number == len(self.key):
                key_end = position
        subject = parts[about] if about >= 0 else ""
        name = parts[named[0]] if len(named) == 1 else "/".join([parts[number] for number in named])
        return Row(data[start:position], key_end - start, (self, name, subject), (self.subject_kind, subject))

    def row_name(self, parts: Mapping[str, str]) -> str:
        """A primary key as the trail writes it: without the tenant, parts joined by "/"."""
        return "/".join([parts[name] for name in self.key if name != self.tenant or len(self.key) == 1])

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
        self.reports: dict[str, DeclaredSql] = {}
        """Declared raw SQL, by its normal spelling."""
        self.personal_columns: frozenset[str] = frozenset()
        """Names of personal columns and of those beside them, in lower case."""
        self.row_sealed_columns: frozenset[str] = frozenset()
        """Names of columns that are sealed with their rows, in lower case."""
        self.row_filters = RowFilters()
        """Which rows the rules of the policy speak of that name a row filter."""
        self.lenient = False
        """Only a part of what there is: other relations are let be, while the guard observes."""
        self.observing: Observing | None = None
        """What is enforced already, where the guard only observes the rest."""
        self.odd_names: tuple[str, ...] = ()
        """Names of tables and personal columns that are not one word, in lower case."""

    @property
    def empty(self) -> bool:
        """Nothing is enforced yet: the guard only observes."""
        return self.lenient and not self.tables

    def add(self, table: Protected) -> None:
        """Take in a table. Its name is kept in lower case: SQL folds the case of unquoted names, so do we."""
        self.tables[table.name.lower()] = table

    def by_name(self, name: str) -> Protected | None:
        """The protected table of that name, in any case."""
        return self.tables.get(name.lower())

    def leads_to(self, name: str) -> bool:
        """Whether a wall asks the table of that name, in any case: a parent, one in a row filter, that of consents."""
        if name.lower() == CONSENTS or self.row_filters.meets(name):
            return True
        for known in self.tables.values():
            table = known
            while table.via is not None:
                table = table.via.parent
                if table.name.lower() == name.lower():
                    return True
        return False

    def field(self, identifier: bytes) -> Field:
        """The field with that id. Raises `Tampered` for an id that nobody declared."""
        try:
            return self.fields[identifier]
        except KeyError:
            raise Tampered from None

    def categories(self) -> dict[str, str]:
        """``table.column`` → category, for the policies."""
        return {f.name: f.category for f in self.fields.values()}

    def mask_fits(self, field: str, mask: str) -> bool:
        """Whether a rule can name the mask for the field ``table.column``."""
        table, _, column = field.rpartition(".")
        known = self.by_name(table)
        one = known.fields.get(column) if known is not None else None
        return one is not None and one.name == field and one.instead(mask) is not None

    def close(self) -> None:
        """Compute the look-ups once all tables are in."""
        self.fields = {f.id.encode(): f for table in self.tables.values() for f in table.fields.values()}
        names = {name.lower() for f in self.fields.values() for name in f.columns}
        self.personal_columns = frozenset(names)
        sealed = [table.sealed_rows.columns for table in self.tables.values() if table.sealed_rows is not None]
        self.row_sealed_columns = frozenset(name.lower() for columns in sealed for name in columns)
        everything = sorted({*self.tables, *self.undeclared, *names})
        self.odd_names = tuple(name for name in everything if not _ONE_WORD.fullmatch(name))
