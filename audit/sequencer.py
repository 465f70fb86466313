"""The sequencer: gives durable entries their place in the log and signs how far it has grown.

Staging and log may be two databases, so moving is three steps, each safe to repeat: read, insert if absent and commit,
delete from staging. Killed anywhere in between, the next run finds the entry in staging, in the log, or in both, and in
the last case only deletes. Nothing is lost and nothing is there twice.

Only the holder of the lease works. The lease spares work; what keeps two from appending at the same place is that the
head moves on condition (`append`).

A tenant whose tree is shorter than a published checkpoint is left alone, its entries stay in staging, and `run_once`
raises `TrailRolledBack` after having served the others.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, exists, select
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from .. import measures
from ..database import sqlstate
from ..errors import AmanahError
from . import bulk, months, receipts, streams
from .append import HeadMoved, append
from .entries import new_event_id, now_us
from .models import lease, parked, queued, turn
from .months import month_of
from .publisher import Publisher
from .staging import staged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection, Engine, Row, Table

    from .checkpoints import SignerKey
    from .outside import Outside

log = logging.getLogger(__name__)

_LEASE_US: Final = 15_000_000
_POLL_SECONDS: Final = 0.5
_LARGER: Final = 8
_DEADLOCK: Final = "40P01"
_STREAM_US: Final = 30 * 86_400_000_000


class Sequencer:
    """Moves what waits in ``amanah_staged`` (core database) and ``amanah_queued`` (trail database) into the log.

    ``outside``: where the signed checkpoints are kept besides. ``batch``: entries per transaction. ``beat``: seconds
    between checkpoints.
    """

    def __init__(
        self,
        core_engine: Engine,
        trail_engine: Engine,
        signer: SignerKey,
        *,
        outside: Outside | None = None,
        batch: int = 500,
        beat: float = 10.0,
    ) -> None:
        self._core = core_engine
        self._trail = trail_engine
        self._batch = batch
        self._beat = beat
        self._publisher = Publisher(trail_engine, signer, outside)
        self._key = signer.stream_key
        self._name = new_event_id()
        self._until = 0
        self._next_beat = 0.0
        self._seen: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # -- one run -----------------------------------------------------------------------------------------------------

    def run_once(self) -> int:
        """Move everything that waits, publish if it is time, and return how many rows got their place.

        Returns 0 when there is nothing to do or another process holds the lease. Raises `TrailRolledBack` or
        `TrailDamaged` when a tenant had to be left alone (after the others), `CheckpointsAway` when it cannot be told
        whether the database went back, and SQLAlchemy's errors.
        """
        due = time.monotonic() >= self._next_beat
        if not due and not self._work():
            return 0
        if not self._take_lease():
            return 0
        self._publisher.take_over()
        months.ensure(self._trail, month_of(now_us()))
        refused: dict[str, AmanahError] = {}
        moved = self._move_all(self._trail, parked, refused) if due else 0
        moved += self._move_queue(refused) + self._move_all(self._core, staged, refused)
        if due:
            self.publish(refused)
        for tenant, error in refused.items():
            if self._refused.get(tenant) != error.code:  # once, not with every run
                log.critical("the trail of %s is not appended to: %s", tenant, error.code)
        if due or refused:  # what is refused is met again with each beat at least
            self._refused = {tenant: error.code for tenant, error in refused.items()}
        for error in refused.values():
            raise error
        return moved

    def publish(self, refused: dict[str, AmanahError] | None = None) -> int:
        """Sign and store the heads that changed, and a heartbeat; how many had changed.

        Tenants in ``refused`` are left out; those that must not be signed are added to it, or raised where it is None.
        """
        refusals = {} if refused is None else refused
        self._publisher.take_over()
        count = self._publisher.publish(refusals)
        with turn(self._trail), self._trail.begin() as connection:
            streams.forget(connection, now_us() - _STREAM_US)
        self._next_beat = time.monotonic() + self._beat
        if refused is None:
            for error in refusals.values():
                raise error
        return count

    def _work(self) -> bool:
        for engine, table in ((self._trail, queued), (self._core, staged)):
            with engine.connect() as connection:
                if connection.execute(select(table.c.event_id).limit(1)).first():
                    return True
        return False

    def _move_queue(self, refused: dict[str, AmanahError]) -> int:
        """Move what writers made durable: all of it leaves the queue, that of refused tenants to be parked."""
        moved, batch = 0, self._batch
        while True:
            query = select(queued).order_by(queued.c.stream, queued.c.number).limit(batch)
            with self._trail.connect() as connection:
                rows = connection.execute(query).all()
                taken = streams.take(connection, self._key, rows) if rows else None
            if taken is None:
                return moved
            found = receipts.unmet(self._core, self._trail, taken.rows)
            try:
                with turn(self._trail), self._trail.connect() as connection, _writing(connection):
                    sizes, left = append(connection, [*taken.rows, *found], self._bound, refused)
                    _park(connection, left)
                    streams.keep(connection, taken.ends)
                    bulk.unqueue(connection, rows)
            except (HeadMoved, DBAPIError) as error:
                self._elsewhere(error)
                return moved
            self._seen.update(sizes)
            measures.sequenced(len(rows))
            moved += len(rows)
            # A batch that is not full took all that waited; what has come since is the next run's, in one piece again.
            if len(rows) < batch or not self._take_lease():
                return moved
            batch = min(2 * batch, _LARGER * self._batch)  # what has piled up goes in larger pieces

    def _move_all(self, source: Engine, table: Table, refused: dict[str, AmanahError]) -> int:
        """Move what stands in ``table`` without a number; rows of refused tenants stay there."""
        moved = 0
        while True:
            # The names of refused tenants grow only where something is badly wrong, and then they are few.
            query = select(table).where(table.c.tenant_id.not_in(list(refused))).limit(self._batch)
            with source.connect() as connection:
                rows = connection.execute(query).all()
            if not rows:
                return moved
            try:
                moved += self._move(source, table, rows, refused)
            except (HeadMoved, DBAPIError) as error:
                self._elsewhere(error)
                return moved
            if len(rows) < self._batch or not self._take_lease():
                return moved

    def _move(self, source: Engine, table: Table, rows: Sequence[Row[Any]], refused: dict[str, AmanahError]) -> int:
        with turn(self._trail), self._trail.connect() as connection, _writing(connection):
            sizes, left = append(connection, rows, self._bound, refused)
            stay = {row.event_id for row in left}
            ids = [row.event_id for row in rows if row.event_id not in stay]
            one_database = source.url == self._trail.url
            if one_database:  # one transaction
                connection.execute(delete(table).where(table.c.event_id.in_(ids)))
        self._seen.update(sizes)
        if not one_database:
            with source.begin() as connection:
                connection.execute(delete(table).where(table.c.event_id.in_(ids)))
        measures.sequenced(len(ids))
        return len(ids)

    def _elsewhere(self, error: HeadMoved | DBAPIError) -> None:
        """Somebody else is at work, lease or not: look again in the next run. Raises any other error."""
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError) and sqlstate(error) != _DEADLOCK:
            raise error
        self._lose_lease()

    def _bound(self, tenant: str) -> int:
        """The greatest size that the tenant's tree is known to have had: here, in the database, and outside of it."""
        return max(self._publisher.published(tenant), self._seen.get(tenant, 0))

    # -- the lease ---------------------------------------------------------------------------------------------------

    def _holder(self) -> str:
        return f"{self._name}-{os.getpid()}"  # a forked child is somebody else

    def _take_lease(self) -> bool:
        """Whether this process may work now. Written only when less than half of the time is left."""
        now = now_us()
        if now < self._until - _LEASE_US // 2:
            return True
        if now >= self._until:  # others may have worked in between
            self._publisher.forget()
        until = now + _LEASE_US
        free = (
            (lease.c.holder == self._holder())
            | (lease.c.until < now)
            | (lease.c.until > now + 10 * _LEASE_US)  # whoever wrote this had a wrong clock
        )
        try:
            with turn(self._trail), self._trail.begin() as connection:
                taken = connection.execute(
                    lease.update().where(lease.c.name == "sequencer", free).values(holder=self._holder(), until=until)
                ).rowcount
                if not taken and not connection.scalar(select(exists().where(lease.c.name == "sequencer"))):
                    connection.execute(lease.insert().values(name="sequencer", holder=self._holder(), until=until))
                    taken = 1
        except IntegrityError:  # another one inserted it first
            taken = 0
        self._until = until if taken else 0
        return bool(taken)

    def _lose_lease(self) -> None:
        self._until = 0
        self._publisher.forget()

    def _give_lease_back(self) -> None:
        self._until = 0
        with turn(self._trail), self._trail.begin() as connection:
            connection.execute(lease.update().where(lease.c.holder == self._holder()).values(until=0))

    # -- the background thread ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Run in the background: entries move within a second, a checkpoint or heartbeat follows every ``beat``."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="amanah-sequencer", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop the background thread, if any, once nothing waits any more, and leave the work to others."""
        thread, self._thread = self._thread, None
        self._stop.set()
        if thread is not None:
            thread.join()
        if not self._until:  # never held, or given up
            return
        try:
            self._give_lease_back()
        except SQLAlchemyError:
            log.warning("the sequencer's lease was not given back; it ends by itself")

    def _run(self) -> None:
        while not self._stop.is_set():
            self._run_safely()
            self._stop.wait(_POLL_SECONDS)
        self._run_safely()  # for what was written since; whoever looks at the trail next finds all of it in its place

    def _run_safely(self) -> None:
        try:
            self.run_once()
        except AmanahError as error:  # named in the log already, and tried again: a restore may mend it
            log.error("the sequencer cannot go on as it should: %s", error.code)  # noqa: TRY400 - no values in logs
        except Exception as error:  # noqa: BLE001 - the thread must outlive a database that is away
            log.error("the sequencer failed: %s", type(error).__name__)  # noqa: TRY400 - no values in logs


def _park(connection: Connection, rows: Sequence[Any]) -> None:
    """Keep ``rows`` until their tenant is appended to again. The same event twice is the same entry."""
    for row in rows:
        values = {"event_id": row.event_id, "tenant_id": row.tenant_id, "at": row.at, "body": row.body}
        if not connection.scalar(select(exists().where(parked.c.event_id == row.event_id))):
            connection.execute(parked.insert().values(values))


@contextmanager
def _writing(connection: Connection) -> Iterator[None]:
    """A transaction that is going to write: on SQLite it takes the writer's place before it reads."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()
