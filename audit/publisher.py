"""Publishing: one signed checkpoint over the tree of all tenants' heads whenever one has grown, and a heartbeat.

1. The *tree of heads* has one leaf per tenant (tenant, size, root; by tenant's id). A head enters it only if it agrees
   with itself and is not behind what was published; of a tenant that is left alone its last published head stays.
2. The checkpoint's note says how many tenants there are, the root of that tree, its number and the time. The changed
   heads are stored beside it, each with its proof of inclusion, so that one tenant's trail can be proven without a
   word about the others.
3. It is committed to the database first and written outside of it afterwards, so that the outside never knows more
   than the database unless the database went back.
4. The heartbeat is the same note with the newest time: signed also when nothing happened, so that silence can be told
   from an end.
5. Whoever takes over first compares: the newest checkpoint must be the one that is known outside, and the stored heads
   must have the root that was signed. Else somebody changed them, and nothing is signed on top of it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, exists, func, select
from sqlalchemy.exc import IntegrityError

from ..errors import AmanahError, CheckpointsAway, TrailDamaged, TrailRolledBack
from .append import Head
from .checkpoints import HeadsCheckpoint
from .entries import now_us
from .heads import SignedHead, hashes, heads_tree, read_record, record
from .models import checkpoint, head, heartbeat, recovery, signed_head, turn
from .tree import EMPTY_ROOT

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from .checkpoints import SignerKey
    from .outside import Outside
    from .recovery import Recovery

log = logging.getLogger(__name__)

_NEVER: Final = 1 << 63


class Publisher:
    """Signs the heads in the trail database and writes them to ``outside`` too, where there is such a place."""

    def __init__(self, engine: Engine, signer: SignerKey, outside: Outside | None) -> None:
        self._engine = engine
        self._signer = signer
        self._outside = outside
        self.forget()

    def forget(self) -> None:
        """Another process may have published since: look again before the next time."""
        self._ready = False
        self._number = 0
        self._heads: dict[str, tuple[int, bytes]] = {}
        self._behind: set[str] = set()
        self._root, self._tenants = EMPTY_ROOT, 0
        self._written = 0

    def published(self, tenant: str) -> int:
        """The size of the tenant's tree that was signed last, here or outside. After `take_over`.

        A tree of which the outside knows more than the database is behind whatever it grows to: it grows differently.
        """
        return _NEVER if tenant in self._behind else self._heads.get(tenant, (0, b""))[0]

    # -- taking over ---------------------------------------------------------------------------------------------------

    def take_over(self) -> None:
        """Learn what was published before, once, before anything is appended.

        Raises `CheckpointsAway` where it cannot be compared with what is outside, and `TrailDamaged` where the database
        contradicts what was signed.
        """
        if self._ready:
            return
        self.forget()
        with self._engine.connect() as connection:
            newest = connection.execute(select(checkpoint).order_by(checkpoint.c.number.desc()).limit(1)).first()
            if newest is not None:
                self._believe(connection, newest.note)
        self._compare(newest.note if newest else None)
        self._ready = not self._behind  # where it is behind it looks again: a recovery may have been recorded

    def _believe(self, connection: Connection, note: str) -> None:
        """Take over the stored heads if they are those that ``note`` signs."""
        signed = self._signer.verifier.over_heads(note)
        self._heads = newest_heads(connection)
        tree, _ = heads_tree(self._heads)
        if (len(self._heads), tree.root()) != (signed.tenants, signed.root):
            raise TrailDamaged(detail="the stored heads are not those of the newest checkpoint")
        self._number, self._root, self._tenants = signed.number, signed.root, signed.tenants

    def _compare(self, note: str | None) -> None:
        """Look at what is known outside. Raises `TrailDamaged`."""
        if self._outside is None:
            return
        newest, here = self._outside.newest(), self._number
        for number, text in self._outside.read(max(here, 1)) if newest >= here else ():
            there, heads = read_record(text)
            if number == here:
                if there != note:
                    raise TrailDamaged(detail=f"checkpoint {number} is another one outside the database")
                continue
            for one in heads:  # the database is always the first to know: it went back
                self._behind.add(one.tenant)
                self._heads[one.tenant] = (one.size, one.root)
        self._number = max(here, newest)
        self._written = newest

    # -- publishing ----------------------------------------------------------------------------------------------------

    def publish(self, refused: dict[str, AmanahError]) -> int:
        """Publish what changed and a heartbeat; how many heads had changed. After `take_over`.

        Tenants in ``refused`` are left out, those that must not be signed are added to it.
        """
        changed = self._changed(refused)
        if changed:
            note = self._sign({**self._heads, **changed}, changed)
            if note is None:  # another process was faster: it signed what there was
                self.forget()
                return 0
        self._beat()
        self._write_outside()
        return len(changed)

    def _changed(self, refused: dict[str, AmanahError]) -> dict[str, tuple[int, bytes]]:
        published = exists().where(signed_head.c.tenant_id == head.c.tenant_id, signed_head.c.size == head.c.size)
        changed = {}
        with self._engine.connect() as connection:
            names = connection.scalars(select(head.c.tenant_id).where(~published, head.c.size > 0)).all()
            for tenant in names:
                if tenant in refused:
                    continue
                try:
                    now = Head.read(connection, tenant)
                except TrailDamaged as error:
                    refused[tenant] = error
                    continue
                if now is None:
                    continue
                if now.frontier.size < self.published(tenant):
                    refused[tenant] = TrailRolledBack(tenant=tenant)
                    continue
                changed[tenant] = (now.frontier.size, now.frontier.root())
        return changed

    def recover(self, number: int, lost: Recovery) -> bool:
        """Sign checkpoint ``number``, and beside it that trails go on from less than was published.

        False where another process signed meanwhile. Raises `CheckpointsAway` where it does not get outside at once.
        """
        self.forget()
        with self._engine.connect() as connection:
            heads = newest_heads(connection)
            now = {one.tenant: (one.size, one.root) for one in lost.tenants if one.size}
        changed = {tenant: found for tenant, found in now.items() if heads.get(tenant) != found}
        self._number = number - 1
        note = self._sign({**heads, **changed}, changed, lost.note(self._signer))
        if note is None:
            self.forget()
            return False
        if self._outside is not None:
            with self._engine.connect() as connection:
                self._outside.write(
                    number, record(note, stored_heads(connection, number), said_with(connection, number))
                )
        self._written = number
        self._beat()
        self.forget()
        return True

    def _sign(
        self,
        heads: dict[str, tuple[int, bytes]],
        changed: dict[str, tuple[int, bytes]],
        said: str | None = None,
    ) -> str | None:
        tree, places = heads_tree(heads)
        number, at = self._number + 1, now_us()
        note = self._signer.over_heads(HeadsCheckpoint(number, at, len(heads), tree.root()))
        rows = [
            {
                "tenant_id": tenant,
                "size": size,
                "root": root,
                "number": number,
                "place": places[tenant],
                "proof": b"".join(tree.inclusion_proof(places[tenant])),
            }
            for tenant, (size, root) in sorted(changed.items())
        ]
        try:
            with turn(self._engine), self._engine.begin() as connection:
                connection.execute(checkpoint.insert(), {"number": number, "at": at, "note": note})
                if rows:
                    connection.execute(signed_head.insert(), rows)
                if said is not None:
                    connection.execute(recovery.insert(), {"number": number, "note": said})
        except IntegrityError:
            return None
        self._number, self._heads, self._root, self._tenants = number, heads, tree.root(), len(heads)
        return note

    def _beat(self) -> None:
        now = now_us()
        note = self._signer.over_heads(HeadsCheckpoint(self._number, now, self._tenants, self._root))
        values = {"at": now, "note": note}
        try:
            with turn(self._engine), self._engine.begin() as connection:
                if not connection.execute(
                    heartbeat.update().where(heartbeat.c.name == "heads").values(values)
                ).rowcount:
                    connection.execute(heartbeat.insert().values(name="heads", **values))
        except IntegrityError:  # another process inserted the very first one at the same moment: that one will do
            return
        if self._outside is not None:
            try:
                self._outside.beat(note)
            except CheckpointsAway as away:
                log.error("the heartbeat is not written outside: %s", away.code)  # noqa: TRY400 - no values in logs

    def _write_outside(self) -> None:
        """Write outside what is committed here and not there: also what a process before did not live to write."""
        if self._outside is None or self._written >= self._number:
            return
        try:
            with self._engine.connect() as connection:
                missing = select(checkpoint.c.number, checkpoint.c.note).where(checkpoint.c.number > self._written)
                for number, note in connection.execute(missing.order_by(checkpoint.c.number)).all():
                    heads = stored_heads(connection, number)
                    self._outside.write(number, record(note, heads, said_with(connection, number)))
                    self._written = number
        except CheckpointsAway as away:
            log.error("a checkpoint is not written outside: %s", away.code)  # noqa: TRY400 - no values in logs


def stored_heads(connection: Connection, number: int) -> list[SignedHead]:
    """The heads that changed with checkpoint ``number``, by tenant. Raises `TrailDamaged` for a proof that is none."""
    query = select(signed_head).where(signed_head.c.number == number).order_by(signed_head.c.tenant_id)
    return [
        SignedHead(row.tenant_id, row.size, row.root, row.place, hashes(row.proof)) for row in connection.execute(query)
    ]


def said_with(connection: Connection, number: int) -> str | None:
    """The note of the recovery that was signed with checkpoint ``number``."""
    return connection.scalar(select(recovery.c.note).where(recovery.c.number == number))


def newest_heads(connection: Connection) -> dict[str, tuple[int, bytes]]:
    """Size and root by tenant, as they were signed last."""
    last = (
        select(signed_head.c.tenant_id, func.max(signed_head.c.size).label("size"))
        .group_by(signed_head.c.tenant_id)
        .subquery()
    )
    query = select(signed_head.c.tenant_id, signed_head.c.size, signed_head.c.root).join(
        last, and_(signed_head.c.tenant_id == last.c.tenant_id, signed_head.c.size == last.c.size)
    )
    return {tenant: (size, root) for tenant, size, root in connection.execute(query)}
