"""Row seals: ``__sealed_rows__ = ("amount", "status")``, a MAC over these columns and the key, checked on loading.

The seal stands in a column of its own, ``amanah_seal``, which is no attribute of the model. Of each row of a result the
first of the sealed columns brings along what checking needs (`RowCell`): the texts of all of them, the row's key, and
the seal. Its result processor checks the seal under the current access and hands over its own value; the others come as
they are.

A personal column may be sealed, too, by what is stored of it: its envelope, or the plain value of a governed one. It
keeps its type and brings no seal along; one of the plain columns does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import LargeBinary
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeDecorator, TypeEngine

from ..audit.entries import What
from ..encryption.netstrings import after, netstring
from ..encryption.row_seal import SIZE
from ..errors import RowTampered, RowUnsealed, SealedWriteRefused, SealError, Tampered
from .access import require
from .row_spelling import WRONG_TEXT, Spelling, envelope_spelling, spelling
from .shape import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import Dialect

    from ..encryption.keyring import TenantCipher
    from .fields import Protected

SEAL_COLUMN: Final = "amanah_seal"
"""The column that holds the seals; NULL in a row that has none."""

_NULL = b"-"


def body(texts: Iterable[str | None], key: Iterable[str]) -> bytes:
    """What a seal is made over: a piece per sealed column, then a netstring per part of the row's key."""
    pieces = [_NULL if text is None else netstring(text) for text in texts]
    return b"".join([*pieces, *(netstring(part) for part in key)])


@dataclass(slots=True, eq=False)
class SealedRows:
    """The row seal of one table. ``columns`` are the sealed ones, in the table's order.

    ``id`` names the table to the cipher for ever; it and the columns' names are the seal's *place*.
    """

    table: Protected
    id: str
    columns: tuple[str, ...]
    types: Mapping[str, TypeEngine[Any] | None]
    """The columns' own types; None for one that holds envelopes."""
    bearers: tuple[str, ...]
    """Those of the columns that are not personal: loading one of them checks the row."""
    place: bytes = b""
    prefixes: dict[str, bytes] = field(default_factory=dict)
    """What a cell of each column begins with."""
    _spelled: dict[str, tuple[Spelling, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Compute what the hot path needs."""
        self.place = netstring(self.id, *self.columns)
        self.prefixes = {name: netstring(self.id, name) for name in self.bearers}

    def spelled(self, dialect: Dialect) -> tuple[Spelling, ...]:
        """How the values of each column are spelled."""
        known = self._spelled.get(dialect.name)
        if known is None:
            known = self._spelled[dialect.name] = tuple(self._spelling(name, dialect) for name in self.columns)
        return known

    def _spelling(self, name: str, dialect: Dialect) -> Spelling:
        label, type_ = f"{self.table.name}.{name}", self.types[name]
        return envelope_spelling(label, dialect) if type_ is None else spelling(label, type_, dialect)


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A row as its cell carries it, checked. ``texts`` are the spelled values, None for NULL."""

    key: tuple[str, ...]
    texts: tuple[str | None, ...]


def read_row(seal: SealedRows, spelled: Sequence[Spelling], data: bytes, start: int) -> tuple[SealedRow, bytes]:
    """The row whose pieces stand in ``data`` from ``start`` on, its texts spelled, and what follows it: its seal.

    Raises `Tampered` for what is no row, and `WRONG_TEXT`.
    """
    texts: list[str | None] = []
    for known in spelled:
        text, start = _piece(data, start)
        texts.append(None if text is None else known.from_text(text))
    key = []
    for _ in seal.table.key:
        part, start = after(data, start)
        key.append(part.decode())
    return SealedRow(tuple(key), tuple(texts)), data[start:]


def reseal(cipher: TenantCipher, seal: SealedRows, row: SealedRow) -> bytes:
    """The seal of ``row`` under the newest data key; a pure function of the row, for whoever has checked it."""
    return cipher.row_seal(seal.place, body(row.texts, row.key))


def check(cipher: TenantCipher, seal: SealedRows, spelled: Sequence[Spelling], data: bytes, start: int) -> SealedRow:
    """The row in ``data`` from ``start`` on, where its seal holds.

    Raises `RowTampered`, `RowUnsealed` (one of these), and `KeyUnknown`.
    """
    try:
        row, found = read_row(seal, spelled, data, start)
    except (Tampered, UnicodeDecodeError, *WRONG_TEXT):
        raise RowTampered(resource=seal.table.resource) from None
    if not found:
        raise RowUnsealed(resource=seal.table.resource, table=seal.table.name)
    if not cipher.check_row_seal(seal.place, body(row.texts, row.key), found):
        raise RowTampered(resource=seal.table.resource)
    return row


def _piece(data: bytes, start: int) -> tuple[str | None, int]:
    if data.startswith(_NULL, start):
        return None, start + 1
    part, end = after(data, start)
    return part.decode(), end


def checked(seal: SealedRows, spelled: Sequence[Spelling], data: bytes, start: int) -> SealedRow:
    """`check` under the current access: a refusal is put on it, and the row's name in its notes."""
    access = require(seal.table.resource)
    try:
        return check(access.cipher, seal, spelled, data, start)
    except SealError as error:
        rows = _name(seal, spelled, data, start)
        access.notes.add(What(seal.table.resource, "read", columns=seal.columns, rows=rows, count=1))
        refuse(error)


def _name(seal: SealedRows, spelled: Sequence[Spelling], data: bytes, start: int) -> tuple[str, ...]:
    """The row's key as the trail writes it, where it can be read."""
    parts = {}
    try:
        for _ in spelled:
            start = _piece(data, start)[1]
        for name in seal.table.key:
            part, start = after(data, start)
            parts[name] = part.decode()
    except (Tampered, UnicodeDecodeError):
        return ()
    return (seal.table.row_name(parts),)


class RowSealed(TypeDecorator[Any]):
    """The type of a row-sealed column: its own type in everything, and the first of a row brings the seal along."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, inner: TypeEngine[Any], seal: SealedRows, column: str) -> None:
        """``inner`` is the column's own type."""
        super().__init__()
        self.inner = inner
        self.seal = seal
        self.column = column
        self.__dict__["impl"] = inner

    @property
    def _static_cache_key(self) -> Any:
        return (RowSealed, id(self.seal), self.column)

    @property
    def python_type(self) -> type:
        """The own type's."""
        return self.inner.python_type

    @property
    def should_evaluate_none(self) -> bool:
        """The own type's."""
        return self.inner.should_evaluate_none

    @should_evaluate_none.setter
    def should_evaluate_none(self, value: bool) -> None:
        self.inner.should_evaluate_none = value

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:  # noqa: ARG002 - SQLAlchemy's signature
        """The own type as it is: adapted to a dialect, TEXT would be made and compared as VARCHAR."""
        return self.inner

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """As the own type does."""
        return self.inner.coerce_compared_value(op, value)

    def copy(self, **_: Any) -> RowSealed:
        """The same column's."""
        twin = RowSealed.__new__(RowSealed)
        twin.__dict__.update(self.__dict__)
        return twin

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """The value, or what checking its row needs; the compiler knows which."""
        return RowCell(column, self)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Check the row's seal where the cell brings it; anything else is a value as the own type reads it.

        It goes by the id inside the cell: in a UNION every row is processed by the first SELECT's types.
        """
        plain = None
        if not (dialect.name == "postgresql" and coltype == _BYTEA):
            plain = self.inner.dialect_impl(dialect).result_processor(dialect, coltype)
        return _opener(self.seal, self.column, dialect, plain)


_BYTEA: Final = 17  # the object id of PostgreSQL's BYTEA
_BYTES = (bytes, memoryview, bytearray)


def _opener(
    seal: SealedRows, column: str, dialect: Dialect, plain: Callable[[Any], Any] | None
) -> Callable[[Any], Any]:
    spelled = seal.spelled(dialect)
    prefix = seal.prefixes[column]
    start = len(prefix)
    position = seal.columns.index(column)
    to_value = spelled[position].to_value
    place, resource = seal.place, seal.table.resource

    def process(cell: Any) -> Any:
        if not isinstance(cell, _BYTES):
            return cell if plain is None or cell is None else plain(cell)
        data = bytes(cell)
        if not data.startswith(prefix):
            refuse(RowTampered(resource=resource))
        cipher = require(resource).cipher
        # As the database spells it first: mostly that is how it was sealed. A body can be read in one way only.
        try:
            held = cipher.check_row_seal(place, data[start:-SIZE], data[-SIZE:])
        except SealError:
            held = False
        if not held:
            checked(seal, spelled, data, start)
        text, end = _piece(data, start)
        for _ in range(position):
            text, end = _piece(data, end)
        return None if text is None else to_value(text)

    return process


class CheckedRow(TypeDecorator[Any]):
    """The type of a whole row that is read to be sealed again: a `SealedRow`, or the refusal."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, seal: SealedRows) -> None:
        """``seal``: of the row's table."""
        super().__init__()
        self.seal = seal
        self.column = seal.bearers[0]

    @property
    def _static_cache_key(self) -> Any:
        return (CheckedRow, id(self.seal))

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002
        """Check the seal; None where there is no row."""
        seal, spelled = self.seal, self.seal.spelled(dialect)
        start = len(seal.prefixes[self.column])

        def process(cell: Any) -> Any:
            return checked(seal, spelled, bytes(cell), start)

        return process


class RowSealBytes(bytes):
    """A seal made by the gate: the only thing that a seal's column takes. Beside it are the defaults that it covers."""

    defaults: Mapping[str, Any]


class SealColumn(TypeDecorator[Any]):
    """The type of ``amanah_seal``. Only the gate writes it, and nothing reads it by its own name."""

    impl = LargeBinary
    cache_ok = True

    def __init__(self, seal: SealedRows | None = None) -> None:
        """``seal`` is None where Alembic renders the type."""
        self.seal = seal
        super().__init__(SIZE)

    @property
    def _static_cache_key(self) -> Any:
        return (SealColumn, id(self.seal))

    def copy(self, **_: Any) -> SealColumn:
        """The same table's."""
        return SealColumn(self.seal)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Seals pass, and nothing else."""
        finish = LargeBinary().dialect_impl(dialect).bind_processor(dialect)
        name = self.seal.table.name if self.seal else "?"

        def process(value: Any) -> Any:
            if value is None:
                return None
            if type(value) is not RowSealBytes:
                raise SealedWriteRefused(field=f"{name}.{SEAL_COLUMN}", detail="it is written by Amanah only")
            return finish(bytes(value)) if finish else bytes(value)

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002
        """Seals are never handed out."""
        return lambda _value: None


class RowCell(ColumnElement[Any]):
    """A row-sealed column where it is shown: rendered by the guard's compiler, and by no other."""

    __visit_name__ = "amanah_row_cell"
    inherit_cache = True
    _traverse_internals: Any = [  # noqa: RUF012 - SQLAlchemy's declaration
        ("column", InternalTraversal.dp_clauseelement),
        ("type", InternalTraversal.dp_type),
    ]

    def __init__(self, column: ColumnElement[Any], type_: RowSealed | CheckedRow) -> None:
        """``column`` may be a Label; it is looked through."""
        self.column: Any = getattr(column, "element", column) if column.__visit_name__ == "label" else column
        self.type: Any = type_


@compiles(RowCell)
def _render(cell: RowCell, compiler: Any, **kw: Any) -> str:
    """By any other compiler the bare column: an engine that is not protected has no rows to check."""
    guarded = getattr(compiler, "visit_amanah_row_cell", None)
    return str(guarded(cell, **kw) if guarded else compiler.process(cell.column, **kw))
