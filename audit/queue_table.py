"""The writer's connection: one statement and one commit for a whole batch, straight on the database driver.

Everything between a request and its answer passes here, so SQLAlchemy's execution layer is left out: on PostgreSQL one
statement in autocommit is one round trip for any number of entries; on SQLite one ``executemany`` and one commit.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from sqlalchemy.exc import SQLAlchemyError

from ..errors import ConfigurationError
from ..postgresql import bigint_array, bytea_array, text_array
from .streams import Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Engine

    from .streams import Numbered

Row: TypeAlias = "tuple[str, str, int, str]"
"""event id, tenant id, at, body; a stream adds its id, number and MAC"""

_COLUMNS: Final = "INSERT INTO amanah_queued (event_id, tenant_id, at, body, stream, number, mac) "
_AGAIN: Final = " ON CONFLICT (stream, number, mac) DO NOTHING"  # the same rows again, after an answer that never came
_TYPES: Final = ("text", "text", "bigint", "text", "text", "bigint", "bytea")
_SQL: Final = {  # made of constants only
    # ON CONFLICT and not INSERT OR IGNORE: the latter also swallows rows that violate something else.
    "sqlite": f"{_COLUMNS}VALUES (?, ?, ?, ?, ?, ?, ?){_AGAIN}",
    "postgresql": f"{_COLUMNS}SELECT * FROM unnest({', '.join(f'%s::{kind}[]' for kind in _TYPES)}){_AGAIN}",  # noqa: S608
}
LOOP_SQL: Final = (
    f"{_COLUMNS}SELECT * FROM unnest({', '.join(f'${n}::{kind}[]' for n, kind in enumerate(_TYPES, 1))}){_AGAIN}"  # noqa: S608
).encode()
"""The same for an event loop's own connection; `parameters` makes its parameters."""

_ATTEMPTS: Final = 2


def parameters(rows: Sequence[Numbered]) -> list[bytes]:
    """The parameters of `LOOP_SQL` in PostgreSQL's binary format."""
    ids, tenants, times, bodies, streams, numbers, macs = zip(*rows, strict=True)
    return [
        *(text_array([text.encode() for text in column]) for column in (ids, tenants)),
        bigint_array(times),
        *(text_array([text.encode() for text in column]) for column in (bodies, streams)),
        bigint_array(numbers),
        bytea_array(macs),
    ]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a batch is not durable. ``away``: the database, not an entry, is the cause. ``name``: the error's class."""

    away: bool
    name: str


class QueueTable:
    """``amanah_queued`` on a connection of its own, opened when needed and opened anew after a failure.

    ``key``: of the stream in which its rows are numbered (`SignerKey.stream_key`).
    """

    def __init__(self, engine: Engine, key: bytes) -> None:
        if engine.dialect.name not in _SQL:
            raise ConfigurationError(detail=f"the trail cannot live in a database of the kind {engine.dialect.name}")
        self._engine = engine
        self._sql = _SQL[engine.dialect.name]
        self._postgresql = engine.dialect.name == "postgresql"
        self._connection: Any = None
        self._stream = Stream(key)

    def insert(self, rows: Sequence[Row]) -> Failure | None:
        """Make ``rows`` durable, all or none."""
        # A connection that was idle may have died with a restart of the server; only a second failure counts.
        numbered = self._stream.numbered(rows)
        failure = None
        for _ in range(_ATTEMPTS):
            was_open = self._connection is not None
            failure = self._try(numbered)
            if failure is None or not failure.away or not was_open:
                break
        if failure is None:
            self._stream.written(len(rows))
        elif failure.away:  # nobody knows whether they are there
            self._stream.begin()
        return failure

    def drop(self) -> None:
        """Close the connection, whatever state it is in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def _try(self, rows: Sequence[Numbered]) -> Failure | None:
        wrong_entry = (self._engine.dialect.loaded_dbapi.IntegrityError, self._engine.dialect.loaded_dbapi.DataError)
        try:
            connection = self._connection or self._open()
            if self._postgresql:
                connection.execute(self._sql, [list(column) for column in zip(*rows, strict=True)])
            else:
                connection.executemany(self._sql, rows)
                connection.commit()
        except wrong_entry as error:
            if not self._postgresql:
                connection.rollback()
            return Failure(away=False, name=type(error).__name__)
        except (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error, OSError) as error:
            self.drop()
            return Failure(away=True, name=type(error).__name__)
        return None

    def _open(self) -> Any:
        proxy = self._engine.raw_connection()
        connection = proxy.driver_connection
        proxy.detach()  # ours alone: the pool must neither reset nor lend it
        if connection is None:  # pragma: no cover - a pool never lends nothing
            raise OSError
        if self._postgresql:
            connection.rollback()
            connection.autocommit = True
            # "off" answers before the log is on disk; stronger settings than "on" are left as they are.
            if connection.execute("SHOW synchronous_commit").fetchone()[0] == "off":
                connection.execute("SET synchronous_commit TO on")
        self._connection = connection
        return connection
