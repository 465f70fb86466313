"""Publishing: one signed checkpoint for each tenant whose tree has grown, and a heartbeat over all heads.

1. A head is signed only if it agrees with itself and is not behind what was published.
2. The checkpoint is committed to the database first and written outside of it afterwards, so that the outside never
   knows more than the database unless the database went back.
3. The heartbeat is a checkpoint whose tree has one leaf per tenant (tenant, size, root; by tenant), with the time as an
   extension line: it is signed also when nothing happened, so that silence can be told from an end.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, select
from sqlalchemy.exc import IntegrityError

from ..errors import AmanahError, TrailDamaged, TrailRolledBack
from .append import Head
from .checkpoints import Checkpoint
from .entries import now_us
from .models import checkpoint, head, heartbeat, turn
from .tree import Frontier, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from .checkpoints import SignerKey
    from .published import PublishedCheckpoints


class Publisher:
    """Signs the heads in the trail database and writes them to ``outside`` too, where there is such a place."""

    def __init__(self, engine: Engine, signer: SignerKey, outside: PublishedCheckpoints | None) -> None:
        self._engine = engine
        self._signer = signer
        self._outside = outside
        self._caught_up = outside is None

    def publish(self, bound: Callable[[Connection, str], int], refused: dict[str, AmanahError]) -> int:
        """Publish what changed and a heartbeat; the number of new checkpoints.

        ``bound`` tells how far a tenant's tree was known to have grown. Tenants in ``refused`` are left out, those that
        must not be signed are added to it.
        """
        if self._outside and not self._caught_up:
            self._catch_up(self._outside)
        signed = self._sign(bound, refused)
        for tenant, size, note in signed:
            values = {"tenant_id": tenant, "size": size, "at": now_us(), "note": note}
            try:
                with turn(self._engine), self._engine.begin() as connection:
                    connection.execute(checkpoint.insert(), values)
            except IntegrityError:  # another process published the same head
                continue
            if self._outside:
                self._caught_up = False  # until it is written: what the disk refuses now is made up for later
                self._outside.append(tenant, note)
                self._caught_up = True
        self._beat()
        return len(signed)

    def _sign(
        self, bound: Callable[[Connection, str], int], refused: dict[str, AmanahError]
    ) -> list[tuple[str, int, str]]:
        published = exists().where(checkpoint.c.tenant_id == head.c.tenant_id, checkpoint.c.size == head.c.size)
        signed = []
        with self._engine.connect() as connection:
            changed = connection.scalars(select(head.c.tenant_id).where(~published).order_by(head.c.tenant_id)).all()
            for tenant in changed:
                if tenant in refused:
                    continue
                try:
                    known = bound(connection, tenant)  # before the head, which may grow in between
                    now = Head.read(connection, tenant)
                    if now is None:
                        continue
                except TrailDamaged as error:
                    refused[tenant] = error
                    continue
                size = now.frontier.size
                if size < known:
                    refused[tenant] = TrailRolledBack(tenant=tenant)
                    continue
                signed.append((tenant, size, self._signer.checkpoint(tenant, size, now.frontier.root())))
        return signed

    def _catch_up(self, outside: PublishedCheckpoints) -> None:
        """Write outside what a process committed and did not live to write."""
        newest = select(checkpoint.c.tenant_id, func.max(checkpoint.c.size)).group_by(checkpoint.c.tenant_id)
        with self._engine.connect() as connection:
            for tenant, size in connection.execute(newest).all():
                if outside.size(tenant) < size:
                    note = connection.scalar(
                        select(checkpoint.c.note).where(checkpoint.c.tenant_id == tenant, checkpoint.c.size == size)
                    )
                    outside.append(tenant, str(note))
        self._caught_up = True

    def _beat(self) -> None:
        heads = Frontier.empty()
        with self._engine.connect() as connection:
            query = select(head.c.tenant_id, head.c.size, head.c.root).order_by(head.c.tenant_id)
            for row in connection.execution_options(yield_per=1000).execute(query):
                heads.append(head_leaf(*row))
        now = now_us()
        # The signer's bare name is the origin: no tenant's origin is without a slash.
        text = Checkpoint(self._signer.verifier.name, heads.size, heads.root(), (f"time {now}",)).text()
        note = self._signer.sign(text)
        values = {"at": now, "note": note}
        with suppress(IntegrityError), turn(self._engine), self._engine.begin() as connection:
            if not connection.execute(heartbeat.update().where(heartbeat.c.name == "heads").values(values)).rowcount:
                # Another process may insert the very first one at the same moment: that one will do.
                connection.execute(heartbeat.insert().values(name="heads", **values))
        if self._outside:
            self._outside.beat(note)


def head_leaf(tenant: str, size: int, root: bytes) -> bytes:
    """The leaf hash of one tenant's head in the heartbeat's tree."""
    return leaf_hash(f"{tenant}\n{size}\n{base64.b64encode(root).decode('ascii')}\n".encode())
