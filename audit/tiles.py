"""A tenant's log as static files, as c2sp.org/tlog-tiles describes them: any verifier of such logs can check ours.

``checkpoint``: signed for the origin ``name/tenant``; ``tile/<L>/<N>[.p/<W>]``: hashes; ``tile/entries/<N>[.p/<W>]``:
the entries themselves. An export goes on from one that is there: complete tiles never change and are not written
again, the old checkpoint must be of the beginning of the tree, and the new one takes its place at last, when all that
it speaks for is there. Nobody else may read the files until somebody lets them.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from ..errors import ConfigurationError, InvalidInput, NothingSigned, TrailDamaged
from .damage import body_of
from .models import entry
from .proofs import newest
from .subtrees import WIDTH, Subtrees
from .tree import EMPTY_ROOT, SIZE, TILE, leaf_hash

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy import Connection

    from .checkpoints import SignerKey

LONGEST: Final = 0xFFFF
"""Bytes of an entry in a bundle of entries: its length stands before it in 16 bits."""
_ENTRIES: Final = "entries"


@dataclass(frozen=True, slots=True)
class Tiled:
    """What was exported: a tree of ``size`` entries; ``files`` were written, the others were there."""

    size: int
    files: int


def export_tiles(
    connection: Connection,
    signer: SignerKey,
    tenant: str,
    folder: Path,
    *,
    hashes_only: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Tiled:
    """Bring ``folder`` up to the newest signed head of ``tenant``; ``connection`` must see one moment.

    ``hashes_only`` leaves the entries out. Raises `NothingSigned`, `TrailDamaged` where the tree is not the one that
    was signed or exported before, `InvalidInput` for an entry that is too long for the format, and
    `ConfigurationError` where the folder cannot be written.
    """
    signed = newest(connection, tenant)
    if signed is None:
        raise NothingSigned(tenant=tenant)
    size, tree = signed.head.size, Subtrees(connection, tenant)
    over_all = signer.verifier.over_heads(signed.note)
    if not signed.head.covered_by(over_all) or tree.root(0, size) != signed.head.root:
        raise TrailDamaged(detail=f"the entries of {tenant} do not have the root that was signed")
    export = _Export(connection, tree, tenant, folder, progress or (lambda _done, _of: None))
    try:
        export.goes_on(signer, size)
        for level, count in _levels(size):
            export.level(level, count)
        if not hashes_only:
            export.entries(size)
        export.write(folder / "checkpoint", signer.checkpoint(tenant, size, signed.head.root).encode())
        export.drop_partial()
    except OSError as error:
        raise ConfigurationError(detail=f"{folder} cannot be written ({error.strerror})") from None
    return Tiled(size, export.files)


def _levels(size: int) -> list[tuple[int, int]]:
    """Level and number of its hashes, up to the last level that has any."""
    return [(level, size >> TILE * level) for level in range(64) if size >> TILE * level]


def tile_path(level: int | str, index: int, width: int = WIDTH) -> str:
    """``tile/<L>/<N>[.p/<W>]``: three digits an element, with x before all but the last."""
    digits = f"{index:03d}"
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    elements = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([*(f"x{one}" for one in elements[:-1]), elements[-1]])
    return f"tile/{level}/{name}" + ("" if width == WIDTH else f".p/{width}")


class _Export:
    """Writes what is missing in the folder."""

    def __init__(
        self,
        connection: Connection,
        tree: Subtrees,
        tenant: str,
        folder: Path,
        progress: Callable[[int, int], None],
    ) -> None:
        self._connection = connection
        self._tree = tree
        self._tenant = tenant
        self._folder = folder
        self._progress = progress
        self._complete: list[tuple[int | str, int]] = []
        self.files = 0

    def goes_on(self, signer: SignerKey, size: int) -> None:
        """Whether what is there is the beginning of this tree. Raises `TrailDamaged`."""
        path = self._folder / "checkpoint"
        if not path.exists():
            return
        before = signer.verifier.checkpoint(path.read_text("utf-8"), signer.verifier.origin(self._tenant))
        if before.size > size:
            raise TrailDamaged(detail=f"{before.size} entries were exported before, {size} are here")
        root = self._tree.root(0, before.size) if before.size else EMPTY_ROOT
        if root != before.root:
            raise TrailDamaged(detail=f"the first {before.size} entries are not those that were exported before")

    def level(self, level: int, count: int) -> None:
        """The tiles of ``level``, which has ``count`` hashes."""
        for index in range((count + WIDTH - 1) >> TILE):
            width = min(WIDTH, count - (index << TILE))
            path = self._folder / tile_path(level, index, width)
            if not self._there(path, width * SIZE):
                first = index << TILE
                self.write(path, b"".join(self._tree.hash(level, first + at) for at in range(width)))
                self._completed(level, index, width)

    def entries(self, size: int) -> None:
        """The bundles of entries."""
        for index in range((size + WIDTH - 1) >> TILE):
            width = min(WIDTH, size - (index << TILE))
            path = self._folder / tile_path(_ENTRIES, index, width)
            if not self._there(path, None):
                self.write(path, self._bundle(index << TILE, width))
                self._completed(_ENTRIES, index, width)
            self._progress((index << TILE) + width, size)

    def _bundle(self, first: int, width: int) -> bytes:
        query = select(entry.c.position, entry.c.body).where(
            entry.c.tenant_id == self._tenant, entry.c.position >= first, entry.c.position < first + width
        )
        parts = []
        for position, row in enumerate(self._connection.execute(query.order_by(entry.c.position)), first):
            body = body_of(row)
            if row.position != position or leaf_hash(body) != self._tree.hash(0, position):
                raise TrailDamaged(detail=f"the entry {position} of {self._tenant} is not what was recorded")
            if len(body) > LONGEST:
                raise InvalidInput(
                    detail=f"the entry {position} has more than {LONGEST} bytes, which this format cannot hold:"
                    " leave the entries out (--hashes-only), and export them as a bundle"
                )
            parts.append(len(body).to_bytes(2, "big") + body)
        if len(parts) != width:
            raise TrailDamaged(detail=f"the trail of {self._tenant} has no entry {first + len(parts)}")
        return b"".join(parts)

    def _there(self, path: Path, length: int | None) -> bool:
        return path.is_file() and (length is None or path.stat().st_size == length)

    def write(self, path: Path, data: bytes) -> None:
        """Durable and all at once."""
        _make(path.parent)
        beside = path.with_name(f"{path.name}.new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        self.files += 1

    def _completed(self, level: int | str, index: int, width: int) -> None:
        if width == WIDTH:
            self._complete.append((level, index))

    def drop_partial(self) -> None:
        """Partial tiles of complete ones are not needed any more, once no checkpoint is there that speaks of them."""
        for level, index in self._complete:
            partial = (self._folder / tile_path(level, index, 1)).parent
            if partial.is_dir():
                for file in partial.iterdir():
                    file.unlink()
                partial.rmdir()


def _make(folder: Path) -> None:
    """Make what is missing of ``folder``; nobody else may look into it."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=0o700)
