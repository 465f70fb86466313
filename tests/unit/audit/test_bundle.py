"""Bundles: written from the database, verified without it."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from amanah.audit import offline
from amanah.audit.bundle import write_bundle
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.outside_folder import FolderOutside
from amanah.audit.sequencer import Sequencer
from amanah.audit.snapshot import snapshot
from amanah.audit.staging import stage
from amanah.errors import InvalidInput, NothingSigned, TrailDamaged
from tests.bundle_made import made_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

TENANT = "klinik-a"
SIZES = (3, 20, 21, 33)


class World:
    """A trail with four signed heads, beside another tenant's."""

    def __init__(self, core: Engine, trail: Engine, folder: Path) -> None:
        self.core, self.trail, self.folder = core, trail, folder
        self.signer = SignerKey.create(folder / "signer.key")
        self.key = str(self.signer.verifier)
        (folder / "checkpoints").mkdir()
        self.outside = FolderOutside(folder / "checkpoints")
        for before, size in zip((0, *SIZES), SIZES, strict=False):
            self.record(size - before)

    def record(self, count: int, tenant: str = TENANT) -> None:
        """Have entries recorded and signed."""
        with self.core.begin() as connection:
            for each in [*[tenant] * count, "toko-b"]:
                one = Entry(id=new_event_id(), at=now_us(), tenant=each, access="x", kind="access", actor="17")
                stage(connection, [one])
        sequencer = Sequencer(self.core, self.trail, self.signer, outside=self.outside)
        sequencer.run_once()
        sequencer.close()

    def bundle(self, ranges: list[tuple[int, int]] | None = None, tenant: str = TENANT, **options: Any) -> bytes:
        """The bytes of a bundle."""
        file = io.BytesIO()
        with snapshot(self.trail) as connection:
            write_bundle(connection, self.signer.verifier, tenant, file, ranges, **options)
        return file.getvalue()

    def checkpoint(self, number: int) -> str:
        """The record outside."""
        return dict(self.outside.read())[number]


@pytest.fixture
def world(own_database: Engine, trail_database: Engine, tmp_path: Path) -> World:
    """The trail, in a folder of its own."""
    return World(own_database, trail_database, tmp_path)


def check(bundle: bytes, key: str, **options: Any) -> offline.Checked:
    """What the auditor sees."""
    return offline.verify(io.BytesIO(bundle), key, **options)


def positions(bundle: bytes) -> list[int]:
    """Of the entries that are in it."""
    return [int(line.split(b" ")[1]) for line in bundle.split(b"\n") if line.startswith(b"e ")]


def test_a_bundle_of_everything_verifies(world: World) -> None:
    """All signed entries, the same bytes as in the log, and each earlier head where it is asked for."""
    bundle, told = world.bundle(), []
    done = check(bundle, world.key, tenant=TENANT, progress=lambda *of: told.append(of))
    assert (done.tenant, done.entries, done.size, done.number, done.heads) == (TENANT, 33, 33, 4, 1)
    assert told[-1] == (33, 33)
    assert positions(bundle) == list(range(33))
    first = bundle.split(b"\n")[1].split(b" ", 4)[4]
    assert json.loads(first)["tenant"] == TENANT
    with_heads = world.bundle(heads=True)
    assert with_heads.count(b"\nh ") == 3
    assert check(with_heads, world.key).heads == 4


@pytest.mark.parametrize(
    "ranges", [[(0, 1)], [(32, 33)], [(5, 19)], [(0, 33)], [(3, 4), (16, 17), (31, 32)], [(7, 8), (8, 9), (9, 30)]]
)
@pytest.mark.parametrize("heads", [False, True])
def test_a_part_of_the_trail_proves_itself(world: World, ranges: list[tuple[int, int]], heads: bool) -> None:
    """A range, and some positions: nothing of the other entries is in the file but hashes."""
    bundle = world.bundle(ranges, heads=heads)
    wanted = [position for first, end in ranges for position in range(first, end)]
    assert positions(bundle) == wanted
    done = check(bundle, world.key)
    assert (done.entries, done.size, done.heads) == (len(wanted), 33, 4 if heads else 1)


@pytest.mark.parametrize("ranges", [[(5, 5)], [(8, 9), (3, 4)], [(3, 5), (4, 6)], [(-1, 2)], [(30, 34)]])
def test_positions_that_make_no_sense_are_refused(world: World, ranges: list[tuple[int, int]]) -> None:
    """Empty, out of order, twice, negative, not signed."""
    with pytest.raises(InvalidInput):
        world.bundle(ranges)


def test_what_is_not_signed_is_not_exported(world: World) -> None:
    """A tenant without a trail; entries that were changed since they were signed."""
    with pytest.raises(NothingSigned):
        world.bundle(tenant="nobody")
    with world.trail.begin() as connection:
        connection.execute(text("DELETE FROM amanah_entry WHERE tenant_id = 'klinik-a' AND position = 9"))
    with pytest.raises(TrailDamaged, match="entry 9"):
        world.bundle()
    with pytest.raises(TrailDamaged, match="no entry 9"):
        world.bundle([(20, 21)])


def test_an_older_and_a_newer_checkpoint_are_compared(world: World) -> None:
    """What the auditor kept must be the beginning; a newer one says that the bundle is behind."""
    older = world.bundle()
    for number in range(1, 5):
        assert check(older, world.key, checkpoint=world.checkpoint(number)).heads == 2
    world.record(2)
    with pytest.raises(offline.Wrong) as found:
        check(older, world.key, checkpoint=world.checkpoint(5))
    assert (found.value.kind, found.value.position, found.value.last) == ("rolled back", 33, 34)
    with pytest.raises(offline.Unusable, match="leaves out"):
        check(world.bundle([(30, 31)]), world.key, checkpoint=world.checkpoint(1))


def test_the_reader_stands_alone(world: World, tmp_path: Path) -> None:
    """One file, in a folder that has nothing else, isolated: it imports the standard library and cryptography only."""
    lonely = tmp_path / "lonely"
    lonely.mkdir()
    shutil.copy(offline.__file__, lonely / "offline.py")
    (lonely / "bundle").write_bytes(world.bundle())
    (lonely / "edited").write_bytes(world.bundle().replace(b'"actor":"17"', b'"actor":"18"', 1))
    (lonely / "checkpoint").write_text(world.checkpoint(2), "utf-8")
    program = (
        "import runpy, sys\n"
        "try:\n    runpy.run_path('offline.py', run_name='__main__')\n"
        "finally:\n    print([one for one in sys.modules if one.split('.')[0] in {'amanah', 'sqlalchemy', 'rich'}])\n"
    )
    for name, code, said in (("bundle", 0, "whole: 33 entries of 33"), ("edited", 1, "edited at 0")):
        done = subprocess.run(
            [sys.executable, "-I", "-c", program, name, world.key, "--checkpoint", "checkpoint", "--tenant", TENANT],
            cwd=lonely,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (code, "")
        assert said in done.stdout
        assert done.stdout.endswith("[]\n")
    assert offline.main([str(lonely / "bundle"), "nonsense"]) == 2
    assert offline.main([str(lonely / "nothing"), world.key]) == 2


def test_fifty_thousand_entries_are_verified_in_a_second_and_a_half(tmp_path: Path) -> None:
    """Even beside everything else that the machine does while tests run: the benchmark says how fast it is."""
    bundle, key = made_bundle(tmp_path, 50_000)
    begun = time.process_time()
    assert check(bundle, key).entries == 50_000
    assert time.process_time() - begun < 2.5
