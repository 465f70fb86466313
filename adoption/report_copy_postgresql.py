"""A reporting copy in a schema of a PostgreSQL database.

One transaction: 1. the lock of this copy; 2. the old copy is looked at; 3. a new schema under a name that nobody sees;
4. the old tables go, and the new schema takes the old one's name. A run that is killed was never there.

Nothing is granted to anybody. What depends on the old tables (somebody's view) is not dropped with them: it stops the
run.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn
from uuid import uuid4

from sqlalchemy import MetaData, Table, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateSchema, DropSchema, DropTable

from ..database import sqlstate
from ..errors import CopyBusy, CopyFailed, CopyPlaceAway, CopyPlaceTaken
from .report_copy_place import Target, checked_schema, demand_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection

_DEPENDED_ON: Final = "2BP01"
_LOCKED: Final = "55P03"
_DENIED: Final = "42501"
"""SQLSTATEs, PostgreSQL's appendix A."""

_PATIENCE: Final = "60s"
"""For readers of the old copy, who hold up everybody after them while the swap waits."""

_OWN_TABLES: Final = text("SELECT count(*) FROM pg_catalog.pg_class WHERE relname = 'amanah_version' AND relkind = 'r'")
_FOUND: Final = text(
    "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = :schema AND c.relkind NOT IN ('i', 'I', 't', 'c')"
)
_EXISTS: Final = text("SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = :schema")
_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtextextended('amanah report-copy ' || :schema, 0))")


class PostgresqlPlace:
    """The schema ``schema`` of the database at ``url``."""

    def __init__(self, url: URL, schema: str) -> None:
        self._url = url
        self._schema = checked_schema(schema)
        bare = url.set(username=None, password=None, query={}).render_as_string()
        self.name = f"{bare} ({self._schema})"

    def check(self, tenant: str) -> None:
        """See `Place.check`."""
        with self._transaction() as connection:
            self._old(connection, tenant)

    @contextmanager
    def replacing(self, tenant: str) -> Iterator[Target]:
        """See `Place.replacing`."""
        new = f"amanah_copy_{uuid4().hex}"
        with self._transaction() as connection:
            if not connection.scalar(_LOCK, {"schema": self._schema}):  # 1
                raise CopyBusy(place=self.name)
            old = self._old(connection, tenant)  # 2
            connection.execute(CreateSchema(new))  # 3
            yield Target(connection, new, sqlite=False)
            self._swap(connection, old, new)  # 4

    def _old(self, connection: Connection, tenant: str) -> list[str]:
        """The tables of the copy that is there."""
        if connection.scalar(_OWN_TABLES):
            raise CopyPlaceTaken(place=self.name, found="the database of an application")
        found = connection.scalars(_FOUND, {"schema": self._schema}).all()
        return demand_ours(connection, self.name, tenant, found, self._schema)

    def _swap(self, connection: Connection, old: list[str], new: str) -> None:
        connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
        metadata = MetaData(schema=self._schema)
        for name in old:
            connection.execute(DropTable(Table(name, metadata)))
        if connection.scalar(_EXISTS, {"schema": self._schema}):
            connection.execute(DropSchema(self._schema))
        connection.execute(text(f"ALTER SCHEMA {new} RENAME TO {self._schema}"))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        engine = create_engine(self._url, poolclass=NullPool, hide_parameters=True)
        try:
            with engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            self._tell(error)
        finally:
            engine.dispose()

    def _tell(self, error: DBAPIError) -> NoReturn:
        state = sqlstate(error)
        if state == _LOCKED:
            raise CopyBusy(place=self.name) from None
        if state == _DEPENDED_ON:
            raise CopyPlaceTaken(place=self.name, found="views or functions that depend on the old copy") from None
        if state == _DENIED:
            raise CopyPlaceAway(place=self.name, detail="permission denied") from None
        if isinstance(error, OperationalError):
            raise CopyPlaceAway(place=self.name, detail=type(error.orig).__name__) from None
        raise CopyFailed(table="-", detail=type(error.orig).__name__) from None
