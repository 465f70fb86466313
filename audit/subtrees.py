"""Hashes of any part of a stored tree, read from few rows: the roots of complete subtrees are kept as they are made.

``amanah_subtree`` holds the root of each 256 entries that are complete (level 1), of each 256 of those (level 2), and
so on. It says nothing that the entries do not say: where one is missing, it is computed from what is below it. A wrong
one cannot make a wrong proof verify, since a proof leads to a root that was signed; verification compares them all the
same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from ..errors import TrailDamaged
from .models import entry, subtree
from .tree import EMPTY_ROOT, SIZE, TILE, node_hash, root, split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

WIDTH: Final = 1 << TILE
"""Hashes in a complete tile."""
_TILES: Final = 64
"""Tiles that are remembered, 8 KiB each."""


def kept(tenant: str, position: int, complete: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    """The rows to be stored for the subtrees that `Frontier.append` completed with the entry at ``position``."""
    for level, hash_ in enumerate(complete, 1):
        yield {"tenant_id": tenant, "level": level, "number": position >> (TILE * level), "hash": hash_}


class Subtrees:
    """The hashes of one tenant's tree as it is stored. Tiles are read once; it must see one moment of the database."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self._tiles: dict[tuple[int, int], dict[int, bytes]] = {}

    def root(self, start: int, end: int) -> bytes:
        """MTH(D[start:end]), RFC 6962, section 2.1, of a range that is a subtree there.

        Raises `TrailDamaged` where an entry is missing.
        """
        count = end - start
        if not count:
            return EMPTY_ROOT
        height = count.bit_length() - 1
        if count == 1 << height and height % TILE == 0:
            return self.hash(height // TILE, start >> height)
        k = split(count)
        return node_hash(self.root(start, start + k), self.root(start + k, end))

    def hash(self, level: int, number: int) -> bytes:
        """The root of the complete subtree ``number`` of ``level``; level 0 are the leaf hashes."""
        found = self._tile(level, number >> TILE).get(number)
        if found is None:
            if not level:
                raise TrailDamaged(detail=f"the trail of {self._tenant} has no entry {number}")
            found = root([self.hash(level - 1, each) for each in range(number << TILE, (number + 1) << TILE)])
            self._tile(level, number >> TILE)[number] = found
        return found

    def _tile(self, level: int, index: int) -> dict[int, bytes]:
        known = self._tiles.get((level, index))
        if known is None:
            first, last = index << TILE, (index + 1) << TILE
            if level:
                table, column, hash_ = subtree, subtree.c.number, subtree.c.hash
                query = select(column, hash_).where(subtree.c.level == level)
            else:
                table, column, hash_ = entry, entry.c.position, entry.c.leaf_hash
                query = select(column, hash_)
            query = query.where(table.c.tenant_id == self._tenant, column >= first, column < last)
            known = {number: bytes(found) for number, found in self._connection.execute(query)}
            if any(len(found) != SIZE for found in known.values()):
                raise TrailDamaged(detail=f"a stored hash of the trail of {self._tenant} is none")
            while len(self._tiles) >= _TILES:
                self._tiles.pop(next(iter(self._tiles)))
            self._tiles[level, index] = known
        return known
