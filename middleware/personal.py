"""The type of a personal column.

Reading: ``column_expression`` makes each SELECT bring along, before the stored value, what opening it needs: the
field's id, each part of the row's primary key, the subject; each length-prefixed, trusted bytes first. The result
processor then asks the current access how it sees the field, opens, masks or withholds the value, and notes what was
shown.

Writing: a sealed column takes `Sealed` bytes only. They are made by the SQL gate before the statement is executed
(`writes.py`), so that an exception's parameters never hold a plaintext; a plain value that got this far is refused.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import LargeBinary
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeDecorator, TypeEngine, to_instance

from .. import measures
from ..audit.entries import What
from ..encryption.envelope import SUBJECT_FORMAT
from ..encryption.netstrings import after
from ..encryption.subject_sealing import Secret
from ..errors import DeclarationError, EngineUnprotected, ObservingEnded, SealedWriteRefused, SealError, Tampered
from .access import Sight, require
from .column_types import envelopes_only
from .pseudonyms import PREFIX as PSEUDONYMS
from .shape import refuse
from .siblings import STEPS
from .subjects import ERASED, NOTHING, VALUE, Sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect

    from .access import Access
    from .fields import Field, Register, Row
    from .holds import Hold
    from .observing import Observing
    from .siblings import Step


class Personal(TypeDecorator[Any]):
    """A personal column's type, for ORM and Core: ``mapped_column(Personal(String, category="user.name"))``.

    Args:
        type_: the column's own type; left out in `declare`, which takes the type that the column has.
        category: a fideslang key ("user.contact.phone_number").
        sealed: encrypted at rest. ``False`` gives a *governed* column: decided, masked and noted, stored plain.
        search: ``"exact"`` lets == and in_() find values, by keyed tokens in a column ``<name>_ix``.
        normalise: what is the same for the search ("phone", "phone:SG", "email", "nik", "npwp", "casefold", "digits").
        domain: columns that are joined with each other share a search domain; default: the column itself.
        platform: sign-in searches this column before the tenant is known, so its tokens are the platform's. A governed
            column (a login name, a password's hash) is seen by sign-in too.
        mask: a name from `masks`; default: by category and type.
        id: the field's id for ever; default: ``table.column``. Give the old one when you rename table or column.
        held: a duty to keep the column when its subject is erased, `Hold`.
        sealing: how far a column in use has come on its way to being sealed beside itself, see `siblings`. None: it is
            sealed in place, from its first row on.
    """

    impl = LargeBinary
    cache_ok = True
    operator_classes: ClassVar[Any] = getattr(getattr(operators, "OperatorClass", None), "ANY", None)  # none in 2.0

    def __init__(
        self,
        type_: TypeEngine[Any] | type[TypeEngine[Any]] | None = None,
        *,
        category: str,
        sealed: bool = True,
        search: str | None = None,
        normalise: str | None = None,
        domain: str | None = None,
        platform: bool = False,
        mask: str | None = None,
        id: str | None = None,  # noqa: A002 - the word of the declaration
        sealing: Step | None = None,
        held: Hold | None = None,
    ) -> None:
        """Raise `DeclarationError` for a combination that cannot be kept."""
        if search not in (None, "exact"):
            raise DeclarationError(detail=f'search={search!r} is not known; use search="exact"')
        if search and not sealed:
            raise DeclarationError(detail="a governed column is stored plain and searched as it is; leave out search=")
        if sealing not in (None, *STEPS):
            raise DeclarationError(detail=f"sealing={sealing!r} is no step; the steps are {', '.join(STEPS)}")
        if sealing and not sealed:
            raise DeclarationError(detail="a governed column is not being sealed; leave out sealed=False or sealing=")
        if domain is not None and domain.startswith(PSEUDONYMS):
            raise DeclarationError(detail=f"a search domain does not begin with {PSEUDONYMS!r}")
        if not category:
            raise DeclarationError(detail="a personal column needs a category")
        self.inner = None if type_ is None else to_instance(type_)
        self.category = category
        self.sealed = sealed
        self.sealing = sealing
        self.search = search
        self.normalise = normalise
        self.domain = domain
        self.platform = platform
        self.mask = mask
        self.held = held
        self.identifier = id
        self.field: Field | None = None
        self.register: Register | None = None
        super().__init__()
        self.take_type(self.inner)

    @property
    def stored_plain(self) -> bool:
        """Whether the column itself holds plain values: envelopes stand nowhere, or beside it."""
        return not self.sealed or self.sealing in ("write_both", "read_sealed")

    def take_type(self, inner: TypeEngine[Any] | None) -> None:
        """The type that values have; a column that is stored plain goes on behaving as one of that type."""
        self.inner = inner
        if inner is not None and self.stored_plain:
            self.__dict__["impl"] = inner

    # -- SQLAlchemy's questions --

    @property
    def _static_cache_key(self) -> Any:
        """Statements on different fields never share a compiled form, even where their types look alike."""
        return (Personal, id(self) if self.field is None else id(self.field))

    @property
    def python_type(self) -> type:
        """The type of the opened value."""
        return self.inner.python_type if self.inner is not None else object

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Bytes for a sealed column, the own type for one that is stored plain."""
        if self.stored_plain and self.inner is not None:
            return self.inner  # as it is: adapted to a dialect, TEXT would be made and compared as VARCHAR
        return dialect.type_descriptor(LargeBinary())

    def coerce_compared_value(self, op: Any, value: Any) -> Any:  # noqa: ARG002 - SQLAlchemy's signature
        """What is compared with this column is of its type, so that the compiler meets it."""
        return self

    def copy(self, **_: Any) -> Personal:
        """A declaration of the same words, not yet tied to a field; ties are kept for dialect copies."""
        twin = Personal.__new__(Personal)
        twin.__dict__.update(self.__dict__)
        return twin

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """The stored value together with where it belongs."""
        return Bound(column, self)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """A sealed column lets only envelopes through."""
        if self.stored_plain:
            return self.load_dialect_impl(dialect).dialect_impl(dialect).bind_processor(dialect)
        return envelopes_only(self.field.name if self.field else "?", dialect)

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str] | None:
        """No personal value is ever written into the text of a statement, unless its column is only observed."""
        name = self.field.name if self.field else "?"
        observing = None if self.sealed or self.register is None else self.register.observing
        plain = None
        if observing is not None:
            plain = self.load_dialect_impl(dialect).dialect_impl(dialect).literal_processor(dialect)

        def process(value: Any) -> str:
            if plain and observing and self.field and not observing.enforces(self.field.table.resource):
                return plain(value)
            raise SealedWriteRefused(field=name, detail="a value would be written into the statement's text")

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Open, mask or withhold, by the current access."""
        register = self.register
        if register is None:
            raise DeclarationError(detail="a Personal column was read before a Guard was built")
        if register.observing is None or self.field is None or self.sealed:
            return cell_opener(register)
        plain = self.load_dialect_impl(dialect).dialect_impl(dialect).result_processor(dialect, coltype)
        return _as_it_is(cell_opener(register), plain, register.observing, self.field.table.resource)


_MUTABLE = frozenset({dict, list})
_BYTES = (bytes, memoryview, bytearray)
_OF_SUBJECT = bytes((SUBJECT_FORMAT,))
_NOTHING_SIZE = len(NOTHING)


def cell_opener(register: Register) -> Callable[[Any], Any]:  # noqa: C901 - the hottest function: no call too many
    """The function that turns a carried cell into what the current access sees of it.

    It goes by the field id inside the cell and never by the column's type: in a UNION every row is processed by the
    first SELECT's types.
    """
    known: Field | None = None  # the field of the last cell: mostly this one's, too

    def process(cell: Any) -> Any:  # noqa: C901, PLR0912 - as above
        nonlocal known
        if type(cell) is bytes:
            data = cell
        elif cell is None:
            return None
        elif isinstance(cell, _BYTES):
            data = bytes(cell)
        else:
            raise EngineUnprotected
        try:
            field = known
            if field is None or not data.startswith(field.prefix):
                field = known = register.field(after(data, 0)[0])
            table = field.table
            access = require(table.resource)
            start = len(field.prefix)
            row = table.row_at(data, start)
            end = start + len(row.head)
            if field.by_subject and field.sealed:
                if data.startswith(NOTHING, end):
                    end += _NOTHING_SIZE
                else:
                    begin = _meet_subject(access, row, data, end)
                    if begin is None:  # the value is NULL; the cell is there for what it carries
                        return None
                    end = begin
            payload = data[end:]
            sight, open_one, mask = access.ways.get(field) or access.way(field)
            if sight is Sight.WITHHELD:
                standin = field.standin
                return standin.copy() if type(standin) in _MUTABLE else standin
            if field.sealed:
                place = data[: start + row.key_size] if table.bound_to_row else field.prefix
                if not field.by_subject:
                    opened = open_one(place, payload)
                elif (opened := _opened_of_subject(access, field, row, place, payload)) is ERASED:
                    return field.erased()
                value = field.codec.decode(opened)
            else:
                value = field.codec.decode_plain(payload)
            masked = sight is Sight.MASKED
            access.notes.opened(field, row.note, masked=masked)
            return mask(value) if masked else value
        except SealError as error:
            _tell(register, data)
            refuse(error)
        except UnicodeDecodeError:  # in the row's key: no text of ours
            _tell(register, data)
            refuse(Tampered())

    return process


def _tell(register: Register, data: bytes) -> None:
    """Put a cell that was not opened into the access's notes, with its row's name where that can be read.

    So that the trail has it although a handler swallows the error.
    """
    try:
        field = register.field(after(data, 0)[0])
    except Tampered:  # of no column that was declared
        return
    table = field.table
    rows: tuple[str, ...] = ()
    with suppress(Tampered, UnicodeDecodeError):
        rows = (table.row_at(data, len(field.prefix)).note[1],)
    notes = require(table.resource).notes
    notes.add(What(table.resource, "read", columns=(field.column,), rows=rows, count=1))


def _meet_subject(access: Access, row: Row, data: bytes, position: int) -> int | None:
    """Take up the secret that a cell carries at ``position``; returns where its value begins, None for NULL."""
    carried, end = after(data, position)
    access.subjects.meet(row.who, carried)
    if end == len(data):
        return None
    if not data.startswith(VALUE, end):
        raise Tampered
    return end + len(VALUE)


def _opened_of_subject(  # noqa: RET503 - refuse() raises
    access: Access, field: Field, row: Row, place: bytes, envelope: bytes
) -> bytes:
    """What ``envelope`` holds about the row's subject; `ERASED` where that was erased, whatever stands there."""
    cipher = access.cipher
    secret = access.subjects.secret(cipher, row.who)
    if type(secret) is Secret and envelope.startswith(_OF_SUBJECT):
        return cipher.open_for(secret, place, envelope)
    if isinstance(secret, Sign):
        return secret
    if not envelope.startswith(_OF_SUBJECT):  # of a row that is about nobody, or from before its table had subjects
        measures.opened()
        return cipher.open(field.id, place, envelope)
    access.subjects.refuse(row.who)


def _as_it_is(
    opener: Callable[[Any], Any], plain: Callable[[Any], Any] | None, observing: Observing, resource: str
) -> Callable[[Any], Any]:
    """Values of a governed column are shown as they are while it is only observed, and from then on like any other."""

    def process(cell: Any) -> Any:
        if observing.enforces(resource):
            if cell is not None and not isinstance(cell, _BYTES):
                raise ObservingEnded  # sent while observing, and answered after its last day
            return opener(cell)
        return cell if plain is None else plain(cell)

    return process


class Bound(ColumnElement[Any]):
    """A personal column with what it belongs to before it: rendered by the guard's compiler, and by no other."""

    __visit_name__ = "amanah_bound"
    inherit_cache = False

    def __init__(self, column: ColumnElement[Any], type_: Personal) -> None:
        """``column`` may be a Label; it is looked through."""
        self.column: Any = getattr(column, "element", column) if column.__visit_name__ == "label" else column
        self.type: Any = type_


@compiles(Bound)
def _render(bound: Bound, compiler: Any, **kw: Any) -> str:
    """By the guard's compiler with the place; by any other the bare column: SQLAlchemy compiles to look at a statement.

    A cell that was fetched bare, by an engine that is not protected, is refused by the result processor.
    """
    guarded = getattr(compiler, "visit_amanah_bound", None)
    return str(guarded(bound, **kw) if guarded else compiler.process(bound.column, **kw))
