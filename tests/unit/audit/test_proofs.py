"""Proofs from the database: the same as by the definition, and from few rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alembic import command
from sqlalchemy import delete, event, select, update

from amanah import database, migrations
from amanah.audit import months, subtrees, tree
from amanah.audit.append import append
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.models import entry, signed_head, subtree
from amanah.audit.proofs import consistency, covering, heads_between, inclusion, newest
from amanah.audit.publisher import Publisher
from amanah.audit.streams import Waiting
from amanah.errors import TrailDamaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

TENANT = "klinik"
SIZE = 90


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 4 hashes, so that a small tree has four levels of them."""
    for module in (tree, subtrees):
        monkeypatch.setattr(module, "TILE", 2)


def fill(connection: Connection, count: int, tenant: str = TENANT) -> None:
    """Append so many entries."""
    if connection.dialect.name == "postgresql":
        months.create(connection, months.month_of(now_us()))
    rows = []
    for _ in range(count):
        one = Entry(id=new_event_id(), at=now_us(), tenant=tenant, access="", kind="access")
        rows.append(Waiting(one.id, one.tenant, one.at, one.encode().decode()))
    append(connection, rows, lambda _: 0, {})


def leaves(connection: Connection) -> list[bytes]:
    """The leaf hashes of the tenant."""
    return list(
        connection.scalars(select(entry.c.leaf_hash).where(entry.c.tenant_id == TENANT).order_by(entry.c.position))
    )


@pytest.fixture
def connection(small_tiles: None, trail_database: Engine) -> Iterator[Connection]:
    """A trail of two tenants."""
    with trail_database.begin() as connection:
        for count in (1, 2, 30, SIZE - 33):
            fill(connection, count)
            fill(connection, 3, "toko")
        yield connection


def test_proofs_are_those_of_the_definition(connection: Connection) -> None:
    """Of every position in trees of many sizes, and between any two sizes, whatever is kept of the subtrees."""
    known = leaves(connection)
    for part in ("all kept", "some kept", "none kept"):
        for size in (1, 2, 4, 5, 17, 64, SIZE):
            for position in {0, *range(1, size, 7), size - 1}:
                assert inclusion(connection, TENANT, position, size) == tree.inclusion_proof(known[:size], position)
            for first in {1, *range(2, size, 7), size}:
                assert consistency(connection, TENANT, first, size) == tree.consistency_proof(known[:size], first)
        connection.execute(delete(subtree).where(subtree.c.level == 2) if part == "all kept" else delete(subtree))


def test_the_kept_subtrees_are_those_of_the_entries(connection: Connection) -> None:
    """Level by level, complete ones only, whatever the batches were."""
    known = leaves(connection)
    stored = {
        (row.level, row.number): row.hash
        for row in connection.execute(select(subtree).where(subtree.c.tenant_id == TENANT))
    }
    assert stored == {
        (level, number): tree.root(known[number * 4**level : (number + 1) * 4**level])
        for level in (1, 2, 3)
        for number in range(SIZE // 4**level)
    }


@pytest.mark.parametrize("outside", [(-1, 5), (5, 5), (0, 0)])
def test_there_is_no_proof_of_what_is_not_there(connection: Connection, outside: tuple[int, int]) -> None:
    """A position outside the tree, a size of more entries than there are."""
    with pytest.raises(IndexError):
        inclusion(connection, TENANT, *outside)
    with pytest.raises(IndexError):
        consistency(connection, TENANT, 6 if outside[1] else 0, outside[1])
    with pytest.raises(TrailDamaged, match="no entry 90"):
        inclusion(connection, TENANT, 3, SIZE + 1)
    with pytest.raises(TrailDamaged, match="no entry 90"):
        consistency(connection, TENANT, 3, SIZE + 1)


def test_a_wrong_kept_hash_makes_no_proof_that_verifies(connection: Connection) -> None:
    """Whoever changes it makes proofs fail, and nothing else true."""
    known = leaves(connection)
    connection.execute(update(subtree).where(subtree.c.level == 1).values(hash=b"\1" * 32))
    proof = inclusion(connection, TENANT, 3, SIZE)
    assert not tree.verify_inclusion(known[3], 3, SIZE, proof, tree.root(known))
    connection.execute(update(subtree).where(subtree.c.level == 1).values(hash=b"\1"))
    with pytest.raises(TrailDamaged, match="none"):
        inclusion(connection, TENANT, 3, SIZE)


def test_a_proof_in_a_long_log_reads_few_rows(trail_database: Engine) -> None:
    """At 3,000 entries with tiles of 256: a few hundred rows, not all of them."""
    with trail_database.begin() as connection:
        fill(connection, 3000)
        known, read = leaves(connection), []
        event.listen(connection, "after_cursor_execute", lambda *args: read.append(args[1]))
        assert inclusion(connection, TENANT, 300, 3000) == tree.inclusion_proof(known, 300)
        assert len(read) <= 3  # 256 leaf hashes there, those at the end, and what is kept
        read.clear()
        assert consistency(connection, TENANT, 700, 3000) == tree.consistency_proof(known, 700)
        assert len(read) <= 3


def test_signed_heads_that_cover_a_position(trail_database: Engine, tmp_path) -> None:
    """The first one that has it, the newest one, and those in between; none where nothing was signed."""
    signer = SignerKey.create(tmp_path / "signer.key")
    with trail_database.begin() as connection:
        fill(connection, 3)
        assert covering(connection, TENANT, 0) is newest(connection, TENANT) is None
    for count in (2, 4, 1):
        publisher = Publisher(trail_database, signer, None)
        publisher.take_over()
        publisher.publish({})
        with trail_database.begin() as connection:
            fill(connection, count)
    with trail_database.begin() as connection:
        sizes = {position: covering(connection, TENANT, position) for position in (0, 2, 3, 8, 9)}
        assert {position: one and one.head.size for position, one in sizes.items()} == {0: 3, 2: 3, 3: 5, 8: 9, 9: None}
        last = newest(connection, TENANT)
        assert last is not None
        assert (last.number, last.head.size, last.head.root) == (3, 9, tree.root(leaves(connection)[:9]))
        assert last.head.covered_by(signer.verifier.over_heads(last.note))
        assert [one.head.size for one in heads_between(connection, TENANT, 3, 9)] == [5]
        connection.execute(delete(signed_head).where(signed_head.c.size == 5))
        connection.exec_driver_sql("DELETE FROM amanah_checkpoint WHERE number = 3")
        with pytest.raises(TrailDamaged, match="checkpoint 3 is gone"):
            newest(connection, TENANT)


def test_the_migration_computes_what_is_kept_of_a_log_that_is_there(database_url: str) -> None:
    """Down and up again, the same rows are there."""
    migrations.upgrade(database_url)
    engine = database.own_engine(database.trail_url(database_url))
    with engine.begin() as connection:
        fill(connection, 600)
        fill(connection, 300, "toko")
        query = select(subtree).order_by(subtree.c.tenant_id, subtree.c.level, subtree.c.number)
        before = connection.execute(query).all()
        command.downgrade(migrations.configuration(connection), "trail_0002")
        command.upgrade(migrations.configuration(connection), "trail@head")
        assert connection.execute(query).all() == before
        assert len(before) == 3
    engine.dispose()
