"""What only the gate writes, envelopes and search tokens, and the types of the columns that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.types import TypeDecorator

from ..errors import DeclarationError, SealedWriteRefused
from .access import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect

    from .fields import Field


class Sealed(bytes):
    """An envelope made by the gate: the only thing that a sealed column takes."""

    __slots__ = ()


class SearchToken(bytes):
    """A search token made by the gate."""

    __slots__ = ()


def envelopes_only(name: str, dialect: Dialect) -> Callable[[Any], Any]:
    """A bind processor that refuses what the gate did not make, for the column ``name``."""
    finish = LargeBinary().dialect_impl(dialect).bind_processor(dialect)

    def process(value: Any) -> Any:
        if value is None:
            return None
        if type(value) is not Sealed:
            raise SealedWriteRefused(field=name, detail="a plain value reached the driver")
        return finish(value) if finish else bytes(value)

    return process


class StoredEnvelope(ColumnElement[Any]):
    """The envelope of a field as it is stored, for Amanah's own statements: rendered by the guard's compiler only."""

    __visit_name__ = "amanah_envelope"
    inherit_cache = False

    def __init__(self, field: Field) -> None:
        self.field = field
        self.column: Any = field.table.table.c[field.column]
        self.type: Any = LargeBinary()

    @property
    def _from_objects(self) -> list[Any]:
        return list(self.column._from_objects)  # noqa: SLF001 - SQLAlchemy asks which table it is of


@compiles(StoredEnvelope)
def _render(element: StoredEnvelope, compiler: Any, **kw: Any) -> str:
    """By the guard's compiler behind the wall; by Amanah's own engine as the column that it is."""
    guarded = getattr(compiler, "visit_amanah_envelope", None)
    bare = element.field.table.table.c[element.field.sealed_column]
    return str(guarded(element, **kw) if guarded else compiler.process(bare, **kw))


class Sibling(TypeDecorator[Any]):
    """The type of the column beside a live one, ``<name>_sealed``. Only the gate writes it, and nothing reads it by its
    own name.
    """  # noqa: D205

    impl = LargeBinary
    cache_ok = True

    def __init__(self, field: Field | None = None) -> None:
        """``field`` is None where Alembic renders the type."""
        self.field = field
        super().__init__()

    @property
    def _static_cache_key(self) -> Any:
        return (Sibling, id(self.field))

    def copy(self, **_: Any) -> Sibling:
        """The same field."""
        return Sibling(self.field)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Envelopes pass, and nothing else."""
        return envelopes_only(self.field.name if self.field else "?", dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002
        """Envelopes are never handed out."""
        return lambda _value: None


@dataclass(frozen=True, slots=True)
class Search:
    """How a search value becomes a token."""

    field: Field

    def token(self, value: Any) -> SearchToken:
        """The token by which ``value`` is found, under the current access.

        Raises `AccessRequired` and what the keys raise.
        """
        field = self.field
        access = require(field.table.resource)
        raw = field.searched(value)
        return SearchToken((access.platform if field.platform else access.cipher).token(field.domain, raw))

    def tokens(self, value: Any) -> tuple[SearchToken | None, SearchToken | None]:
        """What is stored of ``value``, by slot. Raises as `token`."""
        field = self.field
        access = require(field.table.resource)
        cipher = access.platform if field.platform else access.cipher
        first, second = cipher.slots(field.domain, field.searched(value))
        return None if first is None else SearchToken(first), None if second is None else SearchToken(second)


class IndexToken(TypeDecorator[Any]):
    """The type of a search column, ``<name>_ix`` or ``<name>_ix2``: 16 bytes.

    A plain value that is compared with it becomes a token when the statement is executed, under the access of that
    moment.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, search: Search | None = None) -> None:
        """``search`` is None where Alembic renders the type."""
        self.search = search
        super().__init__(16)

    @property
    def _static_cache_key(self) -> Any:
        return (IndexToken, id(self.search.field) if self.search else None)

    def copy(self, **_: Any) -> IndexToken:
        """The same search."""
        return IndexToken(self.search)

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        """Tokens pass; everything else becomes one."""
        search = self.search
        finish = LargeBinary().dialect_impl(dialect).bind_processor(dialect)

        def process(value: Any) -> Any:
            if value is None:
                return None
            if search is None:
                raise DeclarationError(detail="a search column was used before a Guard was built")
            token = value if type(value) is SearchToken else search.token(value)
            return finish(token) if finish else bytes(token)

        return process

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:  # noqa: ARG002
        """Tokens are never handed out."""
        return lambda _value: None
