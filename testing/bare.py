"""The attacker's way in: plain SQL by an engine that the guard does not protect; what it changes is put back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import LargeBinary, column, create_engine, table, text
from sqlalchemy.exc import DBAPIError

from ..database import own_url
from ..middleware.column_types import IndexToken, Sibling
from ..middleware.personal import Personal
from ..middleware.row_seals import SealColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy import Column, ColumnElement, Connection, TableClause
    from sqlalchemy.types import TypeEngine

    from ..guard import Guard
    from ..middleware.fields import Protected

_BYTES: Final = (IndexToken, Sibling, SealColumn)


class Bare:
    """The database of ``guard``, as somebody sees it who has its password and not the application."""

    def __init__(self, guard: Guard) -> None:
        """Nothing is asked of the database yet."""
        url = own_url(guard.settings.owner_url or guard.engine.url)
        self._engine = create_engine(url, hide_parameters=True, pool_size=1)

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction, with foreign keys and triggers off where this is allowed: an attacker would do that, too."""
        with self._engine.connect() as connection:
            if "amanah_heedless" not in connection.info:
                connection.info["amanah_heedless"] = True
                self._heed_nothing(connection)
            with connection.begin():
                yield connection

    def _heed_nothing(self, connection: Connection) -> None:
        off = "PRAGMA foreign_keys = OFF"
        if self.dialect == "postgresql":
            off = "SET session_replication_role = replica"
        try:
            connection.exec_driver_sql(off)
            connection.commit()
        except DBAPIError:  # not a superuser of PostgreSQL: the attack goes on as the database lets it
            connection.rollback()

    def execute(self, statement: Any) -> Sequence[Any]:
        """The rows of one statement in a transaction of its own; none where it returns none."""
        with self.begin() as connection:
            result = connection.execute(text(statement) if isinstance(statement, str) else statement)
            return result.all() if result.returns_rows else []

    def read(self, of: Protected, key: Sequence[Any], names: Sequence[str]) -> tuple[Any, ...]:
        """What stands in these columns of one row; envelopes, tokens and seals as bytes."""
        lean = lean_table(of)
        statement = lean.select().with_only_columns(*(lean.c[name] for name in names)).where(*_is(lean, of, key))
        return tuple(self.execute(statement)[0])

    def write(self, of: Protected, key: Sequence[Any], values: Mapping[str, Any]) -> None:
        """Put ``values`` into one row, and nothing else."""
        lean = lean_table(of)
        self.execute(lean.update().where(*_is(lean, of, key)).values(dict(values)))

    @contextmanager
    def kept(self, of: Protected, names: Sequence[str], *keys: Sequence[Any]) -> Iterator[list[dict[str, Any]]]:
        """What stands in these columns of some rows stands there again after the block."""
        before = [dict(zip(names, self.read(of, key, names), strict=True)) for key in keys]
        try:
            yield before
        finally:
            tokens = {name: None for name in names if isinstance(of.table.c[name].type, IndexToken)}
            for key in keys if tokens else ():  # they may be unique: first away with all of them
                self.write(of, key, tokens)
            for key, row in zip(keys, before, strict=True):
                self.write(of, key, row)

    @contextmanager
    def planted(self, of: Protected, key: Sequence[Any], values: Mapping[str, Any]) -> Iterator[None]:
        """``values`` stand in one row for as long as the block lasts."""
        with self.kept(of, list(values), key):
            self.write(of, key, values)
            yield

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()


def lean_table(of: Protected) -> TableClause:
    """The table with the types that the database has: no type of ours that would refuse, open or seal."""
    sealed = {f.sealed_column for f in of.fields.values() if f.writes_sealed}
    return table(of.table.name, *(column(c.name, _stored(c, sealed)) for c in of.table.columns))


def _stored(of: Column[Any], sealed: set[str]) -> TypeEngine[Any]:
    if of.name in sealed or isinstance(of.type, _BYTES):
        return LargeBinary()
    inner: TypeEngine[Any] | None = getattr(of.type, "inner", None)
    return inner if inner is not None and (isinstance(of.type, Personal) or hasattr(of.type, "seal")) else of.type


def _is(lean: TableClause, of: Protected, key: Sequence[Any]) -> list[ColumnElement[bool]]:
    return [lean.c[name] == part for name, part in zip(of.key, key, strict=True)]


__all__ = ["Bare", "lean_table"]
