"""What was written, until its transaction ends.

``commit`` stages the entries of what was written inside the same transaction; roll-backs turn them into notes of the
access, so that the fact that somebody tried is not undone.
"""

# ruff: noqa: ARG002 - the listeners' signatures are SQLAlchemy's

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from ..errors import AutocommitRefused
from .binding import forget
from .confirmed import remember
from .keys import INTERNAL
from .pending import Pending
from .shape import refuse
from .transactions import autocommits, cannot_stage, in_transaction

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..audit.entries import What
    from ..audit.staging import Staging
    from .access import Access

_OURS = {"amanah_internal": INTERNAL}


class Transactions:
    """The listeners of a gate to the ends of transactions and savepoints, and what waits for them."""

    def __init__(self, staging: Staging) -> None:
        """``staging`` takes the entries of what was written."""
        self._staging = staging
        self._pending: WeakKeyDictionary[Connection, Pending] = WeakKeyDictionary()
        self._counted: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()

    def _of(self, connection: Connection) -> Pending:
        known = self._pending.get(connection)
        if known is None:
            known = self._pending[connection] = Pending()
        return known

    def changed(self, connection: Connection, access: Access, what: What) -> None:
        """Take in a change that Amanah itself made in the application's transaction."""
        if autocommits(connection):
            refuse(AutocommitRefused())
        self._of(connection).add(access, what)

    def commit(self, connection: Connection) -> None:
        """Stage one entry per access with what it wrote, inside the transaction that is about to be committed.

        Where that fails the commit fails, and what was written is undone.
        """
        pending = self._pending.get(connection)
        receipts: list[tuple[Access, str]] = []
        if pending is not None and pending.writes:
            try:
                written = pending.entries()
                staged = self._staging.stage(connection, [entry for _, entry in written], _OURS)
            except BaseException as error:
                self._undo_all(connection)
                if (away := cannot_stage(error)) is not None:
                    raise away from error
                raise
            for write in pending.writes:
                write.access.changed = True
            receipts = [(access, receipt) for (access, _), receipt in zip(written, staged, strict=True)]
        remember(connection, receipts)
        self._pending.pop(connection, None)

    def _undo_all(self, connection: Connection) -> None:
        """SQLAlchemy takes a transaction whose commit failed for ended, and would go on in the driver's open one."""
        self.rollback(connection)
        try:
            connection.dialect.do_rollback(connection.connection)
        except Exception:  # noqa: BLE001 - whatever the driver says: a connection that cannot roll back is given up
            connection.invalidate()

    def prepare_twophase(self, connection: Connection, xid: Any) -> None:
        """With two phases the first one makes the change durable."""
        self.commit(connection)

    def commit_twophase(self, connection: Connection, xid: Any, is_prepared: bool) -> None:  # noqa: FBT001
        """Committed without the first phase: as any commit."""
        if not is_prepared:
            self.commit(connection)

    def rollback(self, connection: Connection) -> None:
        """Nothing was changed; that it was tried is noted."""
        pending = self._pending.pop(connection, None)
        if pending is not None:
            pending.undo()

    def rollback_twophase(self, connection: Connection, xid: Any, is_prepared: bool) -> None:  # noqa: FBT001
        """As any roll-back; what was prepared took its entries with it."""
        self.rollback(connection)

    def savepoint(self, connection: Connection, name: str | None) -> None:
        """One level deeper. SQLite's driver does not begin for a SAVEPOINT, and its RELEASE would then commit.

        SQLAlchemy gives a savepoint its name, which counts up on each Connection, only after it has told of it.
        """
        if name is None:
            self._counted[connection] = self._counted.get(connection, 0) + 1
            name = f"sa_savepoint_{self._counted[connection]}"
        raw = connection.connection.dbapi_connection
        if connection.dialect.name == "sqlite" and not in_transaction(raw):
            connection.exec_driver_sql("BEGIN", execution_options=_OURS)
        self._of(connection).savepoints.append(name)

    def rollback_savepoint(self, connection: Connection, name: str, context: Any) -> None:
        """What was written since the savepoint was not."""
        forget(connection)
        self._of(connection).undo(name)

    def release_savepoint(self, connection: Connection, name: str, context: Any) -> None:
        """What was written since the savepoint now belongs to the level above."""
        self._of(connection).release(name)
