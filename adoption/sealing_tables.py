"""A protected table as the database has it: plain columns of their own types, envelopes and tokens as bytes.

Statements on it go through Amanah's own engine. They say themselves whose rows they mean, because no wall stands there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    CHAR,
    LargeBinary,
    Text,
    and_,
    case,
    collate,
    column,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    table,
    true,
    tuple_,
    type_coerce,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.types import NullType, TypeEngine, UserDefinedType

from ..encryption.envelope import OVERWRITTEN
from ..encryption.netstrings import netstring
from ..errors import TenantCrossed
from ..middleware.fields import key_text
from ..middleware.row_seals import SEAL_COLUMN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnClause, ColumnElement, Dialect, FromClause, Select

    from ..middleware.fields import Field, Protected


class Raw(UserDefinedType[Any]):
    """Values as the driver takes and gives them."""

    cache_ok = True

    def __init__(self, spelled: str = "BYTEA") -> None:
        """``spelled``: the type's name in PostgreSQL."""
        self.spelled = spelled

    def get_col_spec(self, **_: Any) -> str:
        """For a cast."""
        return self.spelled


def inner_type(field: Field) -> TypeEngine[Any]:
    """The type of the plain column."""
    type_: Any = field.table.table.c[field.column].type
    inner: TypeEngine[Any] = type_.inner
    return inner


class Stored:
    """One table, and those of its columns that are worked on."""

    def __init__(self, protected: Protected, fields: Sequence[Field], dialect: Dialect) -> None:
        self.protected = protected
        self.fields = tuple(fields)
        self.dialect = dialect
        types: dict[str, TypeEngine[Any]] = {c.name: c.type for c in protected.key_columns()}
        if protected.owner_column is not None:
            types[protected.owner_column] = protected.table.c[protected.owner_column].type
        for field in fields:
            types[field.column] = inner_type(field)
            types[field.sealed_column] = Raw()
            if field.search:
                types |= dict.fromkeys(field.index_columns, Raw())
        if protected.subject is not None:
            types[protected.subject] = protected.table.c[protected.subject].type
        if protected.sealed_rows is not None:
            types[SEAL_COLUMN] = Raw()
        self.table = table(protected.name, *(column(name, type_) for name, type_ in types.items()))
        self.keys: tuple[ColumnClause[Any], ...] = tuple(self.table.c[name] for name in protected.key)
        self._key_columns = protected.key_columns()

    def plain(self, field: Field) -> ColumnElement[Any]:
        """The plain column."""
        return self.table.c[field.column]

    def envelope(self, field: Field) -> ColumnElement[Any]:
        """The column of the envelopes."""
        return self.table.c[field.sealed_column]

    def row_seal(self) -> ColumnElement[Any]:
        """The column of the rows' seals, where rows are sealed."""
        return self.table.c[SEAL_COLUMN]

    def tokens(self, field: Field) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
        """The columns of the search tokens, by slot."""
        first, second = field.index_columns
        return self.table.c[first], self.table.c[second]

    def seen(self, field: Field) -> ColumnElement[Any]:
        """The plain value exactly as it is stored, for a comparison that no collation or rounding softens.

        PostgreSQL: its text (bytes stay bytes). SQLite: whatever the storage holds.
        """
        plain = self.plain(field)
        if self.dialect.name != "postgresql":
            return type_coerce(plain, NullType())
        return type_coerce(plain, Raw()) if isinstance(plain.type, LargeBinary) else sql_cast(plain, Text)

    def unchanged(self, field: Field, seen: ColumnElement[Any]) -> ColumnElement[bool]:
        """The plain value is still the one that was ``seen``."""
        now = self.seen(field)
        if self.dialect.name != "postgresql":
            now = collate(type_coerce(now, Text), "BINARY")
        elif isinstance(now.type, Text):
            now = collate(now, "C")
        return now.is_not_distinct_from(seen)

    def wanting(self, field: Field) -> ColumnElement[bool]:
        """There is a value, and no envelope of it, or no token at all where it is searched."""
        without: ColumnElement[bool] = self.envelope(field).is_(None)
        if field.search:
            without = or_(without, and_(*(token.is_(None) for token in self.tokens(field))))
        return and_(self.plain(field).is_not(None), without)

    def filled(self, field: Field) -> ColumnElement[bool]:
        """There is a value, plain or sealed."""
        if field.sealed_column == field.column:
            return self.sealed(field) if field.writes_sealed else self.plain(field).is_not(None)
        return or_(self.plain(field).is_not(None), self.sealed(field))

    def sealed(self, field: Field) -> ColumnElement[bool]:
        """There is an envelope, of somebody who was not erased."""
        return and_(self.envelope(field).is_not(None), self.envelope(field) != literal(OVERWRITTEN, Raw()))

    def emptied(self, field: Field) -> ColumnElement[bool]:
        """There is an envelope, and no plain value."""
        return and_(self.sealed(field), self.plain(field).is_(None))

    # -- whom rows are about --

    def subject(self) -> ColumnElement[Any]:
        """The column that names it; NULL where the table is about nobody."""
        name = self.protected.subject
        return null() if name is None else self.table.c[name]

    def subject_text(self, value: Any) -> str | None:
        """A subject as its secret is kept for it."""
        name = self.protected.subject
        return None if value is None or name is None else key_text(self.protected.table.c[name], value)

    # -- whose rows --

    def owned(self, tenant: str) -> ColumnElement[bool]:
        """A row is the tenant's."""
        return _owned(self.protected, self.table, tenant)

    def owner(self) -> ColumnElement[Any]:
        """Whose a row is; NULL where it is nobody's."""
        return _owner(self.protected, self.table)

    # -- rows --

    def page(
        self, tenant: str, chosen: ColumnElement[bool], what: Sequence[ColumnElement[Any]], after: Any, size: int
    ) -> Select[Any]:
        """The next ``size`` of the tenant's ``chosen`` rows by primary key: the key, then ``what``."""
        found = select(*self.keys, *what).where(self.owned(tenant), chosen).order_by(*self.keys).limit(size)
        if after is None:
            return found
        last = [literal(part, key.type) for part, key in zip(after, self.keys, strict=True)]
        if len(last) == 1:
            return found.where(self.keys[0] > last[0])
        return found.where(tuple_(*self.keys) > tuple_(*last))

    def counts(self, wanted: Sequence[ColumnElement[bool]], tenant: str | None = None) -> Select[Any]:
        """For each owner (or for ``tenant`` alone): how many rows any of ``wanted`` is true of, and how many each."""
        flags = [case((one, 1), else_=0).label(f"n{number}") for number, one in enumerate(wanted)]
        chosen = or_(*wanted) if tenant is None else and_(self.owned(tenant), or_(*wanted))
        rows = select(self.owner().label("owner"), *flags).where(chosen).subquery()
        sums = [func.sum(rows.c[f"n{number}"]) for number in range(len(wanted))]
        return select(rows.c.owner, func.count(), *sums).group_by(rows.c.owner)

    def key_texts(self, key: Sequence[Any]) -> list[str]:
        """A primary key as its values are bound to it."""
        return [key_text(one, part) for one, part in zip(self._key_columns, key, strict=True)]

    def row_part(self, key: Sequence[Any]) -> bytes:
        """The part of `Field.place` that is the same for all columns of a row."""
        if not self.protected.bound_to_row:
            return b""
        return netstring(*self.key_texts(key))

    def row_name(self, key: Sequence[Any]) -> str:
        """A primary key as the trail writes it."""
        return self.protected.row_name(dict(zip(self.protected.key, self.key_texts(key), strict=True)))


def owner_text(value: Any, stored: Stored) -> str:
    """The tenant that an owner column names; "" for none."""
    if value is None:
        return ""
    root = stored.protected
    while root.via is not None:
        root = root.via.parent
    padded = root.tenant is not None and isinstance(root.table.c[root.tenant].type, CHAR)
    return str(value).rstrip(" ") if padded else str(value)


def _above(known: Protected) -> FromClause:
    """The parent's table, under a name of its own."""
    names = dict.fromkeys([*known.key, *filter(None, [known.owner_column])])
    plain = table(known.name, *(column(name, known.table.c[name].type) for name in names))
    return plain.alias(f"owner_of_{known.name}")


def _owned(known: Protected, rows: FromClause, tenant: str) -> ColumnElement[bool]:
    if known.tenant is not None:
        try:
            value = known.tenant_value(tenant)
        except TenantCrossed:  # no such value can stand there
            return false()
        return rows.c[known.tenant] == literal(value, known.table.c[known.tenant].type)
    if known.via is None:
        return true() if tenant == known.fixed else false()
    parent = _above(known.via.parent)
    leads = parent.c[known.via.parent.key[0]] == rows.c[known.via.column]
    return exists().where(leads, _owned(known.via.parent, parent, tenant))


def _owner(known: Protected, rows: FromClause) -> ColumnElement[Any]:
    if known.tenant is not None:
        return rows.c[known.tenant]
    if known.via is None:
        return literal(known.fixed)
    parent = _above(known.via.parent)
    leads = parent.c[known.via.parent.key[0]] == rows.c[known.via.column]
    return select(_owner(known.via.parent, parent)).where(leads).scalar_subquery()


__all__ = ["Raw", "Stored", "inner_type", "owner_text"]
