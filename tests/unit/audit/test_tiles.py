"""The static export, checked by a reader of its own that knows the specification only."""

from __future__ import annotations

import base64
import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import text

from amanah.audit.snapshot import snapshot
from amanah.audit.staging import stage
from amanah.audit.tiles import export_tiles, tile_path
from amanah.errors import ConfigurationError, InvalidInput, NothingSigned, TrailDamaged
from tests.trail_world import TrailWorld, an_entry

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

TENANT = "klinik-a"


# -- a reader of c2sp.org/tlog-tiles, tlog-checkpoint and signed-note, without anything of ours --


def parts(index: int) -> str:
    """Zero-padded 3-digit path elements; all but the last begin with an x."""
    name = f"{index % 1000:03d}"
    while index >= 1000:
        index //= 1000
        name = f"x{index % 1000:03d}/{name}"
    return name


def read(folder: Path, key: str) -> tuple[int, list[bytes]]:
    """Size and entries of a log, once its checkpoint and all its tiles are verified."""
    name, _, encoded = key.split("+", 2)
    note = (folder / "checkpoint").read_text("utf-8")
    body, signature = note.rsplit("\n\n", 1)
    mark, signer, value = signature.rstrip("\n").split(" ")
    assert (mark, signer) == ("\N{EM DASH}", name)
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded)[1:])
    public.verify(base64.b64decode(value)[4:], (body + "\n").encode())
    origin, count, root, *more = body.split("\n")
    assert (origin, more) == (f"{name}/{TENANT}", [])
    size = int(count)
    levels = [[hash_ for tile in tiles(folder, str(level), size >> 8 * level) for hash_ in tile] for level in range(3)]
    for below, above in pairwise(levels):  # each hash is that of a full tile below
        assert above == [mth(below[at * 256 : (at + 1) * 256]) for at in range(len(above))]
    assert base64.b64encode(mth(levels[0])).decode() == root
    entries = []
    if (folder / "tile" / "entries").exists():
        for bundle in bundles(folder, size):
            at = 0
            while at < len(bundle):
                end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
                entries.append(bundle[at + 2 : end])
                at = end
        assert [hashlib.sha256(b"\0" + one).digest() for one in entries] == levels[0]
    return size, entries


def names(count: int) -> list[str]:
    """The names of the tiles of a level with so many hashes."""
    whole = [parts(index) for index in range(count // 256)]
    return [*whole, f"{parts(count // 256)}.p/{count % 256}"] if count % 256 else whole


def tiles(folder: Path, level: str, count: int) -> list[list[bytes]]:
    """The hashes of a level, tile by tile."""
    read_ = [(folder / "tile" / level / name).read_bytes() for name in names(count)]
    found = [[data[at : at + 32] for at in range(0, len(data), 32)] for data in read_]
    assert sum(map(len, found)) == count
    return found


def bundles(folder: Path, size: int) -> list[bytes]:
    """The bundles of entries."""
    return [(folder / "tile" / "entries" / name).read_bytes() for name in names(size)]


def mth(hashes: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\1" + mth(hashes[:k]) + mth(hashes[k:])).digest()


# -- the tests --


@pytest.fixture
def trail(own_database: Engine, trail_database: Engine, tmp_path: Path) -> TrailWorld:
    """A trail of two tenants."""
    trail = TrailWorld.build(own_database, trail_database, tmp_path)
    trail.record(200, TENANT, "toko-b")
    return trail


def export(trail: TrailWorld, to: Path, tenant: str = TENANT, **options: bool) -> tuple[int, int]:
    """Size, and how many files were written."""
    with snapshot(trail.trail) as connection:
        done = export_tiles(connection, trail.signer, tenant, to, **options)
    return done.size, done.files


def test_an_unrelated_reader_verifies_the_export(trail: TrailWorld, tmp_path: Path) -> None:
    """And what is exported later: complete tiles are not written again, partial ones go."""
    key, to = str(trail.signer.verifier), tmp_path / "tiles"
    assert export(trail, to) == (200, 3)
    size, entries = read(to, key)
    assert (size, len(entries)) == (200, 200)
    assert (to / "tile/0/000.p/200").is_file()
    trail.record(400)
    assert export(trail, to) == (600, 8)
    assert read(to, key)[1][:200] == entries
    assert not (to / "tile/0/000.p").exists()
    assert (to / "tile/1/000.p/2").stat().st_size == 64
    assert export(trail, to) == (600, 1)
    trail.record(1)
    assert export(trail, to) == (601, 3)
    read(to, key)
    assert all(path.stat().st_mode & 0o077 == 0 for path in to.rglob("*"))


def test_hashes_only_holds_no_entries(trail: TrailWorld, tmp_path: Path) -> None:
    """Whoever gets it can verify proofs, and learns nothing of what was accessed."""
    to = tmp_path / "tiles"
    export(trail, to, hashes_only=True)
    assert read(to, str(trail.signer.verifier)) == (200, [])
    assert not any(b"klinik" in path.read_bytes() for path in to.rglob("*") if path.is_file() and path.parent != to)


@pytest.mark.parametrize(
    ("index", "path"), [(0, "000"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067"), (12, "012")]
)
def test_paths_are_those_of_the_specification(index: int, path: str) -> None:
    """Its own example among them."""
    assert tile_path(0, index) == f"tile/0/{path}"
    assert tile_path("entries", index, 7) == f"tile/entries/{path}.p/7"
    assert parts(index) == path


def test_an_export_is_not_carried_on_over_another_history(trail: TrailWorld, tmp_path: Path) -> None:
    """What was exported must be the beginning: the checkpoint of another tree, or of a longer one, is not replaced."""
    to = tmp_path / "tiles"
    (to / "x").mkdir(parents=True)
    good = trail.signer.checkpoint(TENANT, 100, b"\1" * 32)
    (to / "checkpoint").write_text(good, "utf-8")
    with pytest.raises(TrailDamaged, match="are not those that were exported"):
        export(trail, to)
    (to / "checkpoint").write_text(trail.signer.checkpoint(TENANT, 300, b"\1" * 32), "utf-8")
    with pytest.raises(TrailDamaged, match="300 entries were exported before, 200 are here"):
        export(trail, to)
    (to / "checkpoint").write_text(trail.signer.checkpoint("toko-b", 3, b"\1" * 32), "utf-8")
    with pytest.raises(TrailDamaged, match="another trail"):
        export(trail, to)


def test_what_is_not_as_it_was_signed_is_not_exported(trail: TrailWorld, tmp_path: Path) -> None:
    """No trail, changed entries, a folder that is a file; an entry that the format cannot hold."""
    with pytest.raises(NothingSigned):
        export(trail, tmp_path / "a", tenant="nobody")
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(ConfigurationError):
        export(trail, tmp_path / "file")
    with trail.core.begin() as connection:
        stage(connection, [an_entry("besar", access="x" * 70_000)])
    trail.sequence()
    with pytest.raises(InvalidInput, match="hashes-only"):
        export(trail, tmp_path / "b", tenant="besar")
    assert export(trail, tmp_path / "e", tenant="besar", hashes_only=True) == (1, 2)
    with trail.trail.begin() as connection:
        connection.execute(text("UPDATE amanah_entry SET body = (SELECT body FROM amanah_entry LIMIT 1)"))
    with pytest.raises(TrailDamaged):
        export(trail, tmp_path / "c")
    trail.sql("UPDATE amanah_signed_head SET root = :x", x=b"\1" * 32)
    with pytest.raises(TrailDamaged, match="root"):
        export(trail, tmp_path / "d")


def test_the_checkpoint_is_the_last_that_is_written(trail: TrailWorld, tmp_path: Path) -> None:
    """An export that stops in between leaves the old checkpoint, for which everything is there."""
    to = tmp_path / "tiles"
    export(trail, to)
    trail.record(100)
    (to / "tile" / "entries" / "000").mkdir()  # in the way
    with pytest.raises(ConfigurationError):
        export(trail, to)
    assert read(to, str(trail.signer.verifier))[0] == 200
