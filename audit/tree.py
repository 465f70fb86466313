"""The Merkle tree of RFC 6962, as small pure functions.

A hash is 32 bytes (SHA-256), a leaf hash is that of an entry's encoding. Sizes and positions count entries; position
0 is the first. Section numbers are those of RFC 6962; for the verification of proofs, which that RFC leaves open, of
RFC 9162. Proofs are lists of hashes in the RFC's order. Anything malformed does not verify: nothing here raises for a
bad proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SIZE: Final = 32
TILE: Final = 8
"""Height of the subtrees whose roots are kept: they have 256 leaves, the next ones 256 of those, and so on."""
EMPTY_ROOT: Final = sha256().digest()
"""MTH({}), section 2.1."""


def leaf_hash(data: bytes) -> bytes:
    """MTH({d(0)}) = SHA-256(0x00 || d(0)), section 2.1."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right), section 2.1."""
    return sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """MTH(D[n]) of the leaf hashes, section 2.1."""
    if not leaves:
        return EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(root(leaves[:k]), root(leaves[k:]))


def inclusion_proof(leaves: Sequence[bytes], position: int) -> list[bytes]:
    """PATH(m, D[n]), section 2.1.1. Raises `IndexError` for a position outside the tree."""
    if not 0 <= position < len(leaves):
        raise IndexError(position)
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if position < k:
        return [*inclusion_proof(leaves[:k], position), root(leaves[k:])]
    return [*inclusion_proof(leaves[k:], position - k), root(leaves[:k])]


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """PROOF(m, D[n]), m being ``size``, section 2.1.2. Raises `IndexError` unless 0 < m <= n."""
    if not 0 < size <= len(leaves):
        raise IndexError(size)
    return _subproof(leaves, size, complete=True)


def _subproof(leaves: Sequence[bytes], size: int, *, complete: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b), section 2.1.2."""
    if size == len(leaves):
        return [] if complete else [root(leaves)]
    k = split(len(leaves))
    if size <= k:
        return [*_subproof(leaves[:k], size, complete=complete), root(leaves[k:])]
    return [*_subproof(leaves[k:], size - k, complete=False), root(leaves[:k])]


def verify_inclusion(leaf: bytes, position: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> bool:
    """Whether ``proof`` shows that ``leaf`` stands at ``position`` in the tree of ``size``. RFC 9162, 2.1.3.2."""
    if not 0 <= position < size or not _hashes((leaf, expected_root, *proof)):  # 1
        return False
    fn, sn, r = position, size - 1, leaf  # 2, 3
    for p in proof:  # 4
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == expected_root  # 5


def verify_consistency(first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """Whether ``proof`` shows that the tree of size ``first`` is a prefix of that of ``second``. RFC 9162, 2.1.4.2.

    Every tree begins with the empty one; that needs no proof, and one that is given is refused.
    """
    if 0 < first == second:  # nothing to compute: also the published vector whose two equal roots are no hashes
        return not proof and first_root == second_root
    if not 0 <= first <= second or not _hashes((first_root, second_root, *proof)):
        return False
    if first == 0:
        return not proof and first_root == EMPTY_ROOT and (second > 0 or second_root == EMPTY_ROOT)
    path = list(proof) if first & (first - 1) else [first_root, *proof]  # 2
    if not path:  # 1
        return False
    fn, sn = first - 1, second - 1  # 3
    while fn & 1:  # 4
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]  # 5
    for c in path[1:]:  # 6
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and fr == first_root and sr == second_root  # 7


@dataclass(slots=True)
class Frontier:
    """What must be remembered of a tree to append to it: the roots of its complete subtrees, the largest first.

    At most one hash per bit of ``size``; appending costs one hash on average.
    """

    size: int
    hashes: list[bytes]

    @classmethod
    def empty(cls) -> Frontier:
        """The frontier of the tree without leaves."""
        return cls(0, [])

    @classmethod
    def decode(cls, size: int, data: bytes) -> Frontier:
        """The inverse of `encode`. Raises `ValueError` where ``data`` is not of the length that ``size`` asks for."""
        if size < 0 or len(data) != SIZE * size.bit_count():
            message = "a frontier of this size has another length"
            raise ValueError(message)
        return cls(size, [data[i : i + SIZE] for i in range(0, len(data), SIZE)])

    def encode(self) -> bytes:
        """The hashes one after another; `size` says how many there are."""
        return b"".join(self.hashes)

    def append(self, leaf: bytes) -> tuple[bytes, ...]:
        """Add one leaf hash: merge as many subtrees as the old size has trailing one bits.

        Returns the roots of the subtrees of 256, 65,536, … leaves that are complete with it; mostly there are none.
        """
        size, height = self.size, 0
        complete: tuple[bytes, ...] = ()
        while size & 1:
            leaf = node_hash(self.hashes.pop(), leaf)
            size >>= 1
            height += 1
            if height % TILE == 0:
                complete = (*complete, leaf)
        self.hashes.append(leaf)
        self.size += 1
        return complete

    def root(self) -> bytes:
        """MTH of the whole tree, section 2.1: the subtrees joined from the smallest upwards."""
        if not self.hashes:
            return EMPTY_ROOT
        result = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            result = node_hash(left, result)
        return result


class Layers:
    """A whole small tree in memory, for many proofs: layer above layer; a node without a partner moves up as it is.

    That is the shape of section 2.1: every subtree but the last of a layer is complete.
    """

    __slots__ = ("_layers",)

    def __init__(self, leaves: Sequence[bytes]) -> None:
        """``leaves``: leaf hashes."""
        self._layers = [list(leaves)]
        while len(below := self._layers[-1]) > 1:
            above = [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
            self._layers.append(above if len(below) % 2 == 0 else [*above, below[-1]])

    def root(self) -> bytes:
        """MTH(D[n])."""
        return self._layers[-1][0] if self._layers[0] else EMPTY_ROOT

    def inclusion_proof(self, position: int) -> list[bytes]:
        """PATH(m, D[n]). Raises `IndexError` for a position outside the tree."""
        if not 0 <= position < len(self._layers[0]):
            raise IndexError(position)
        proof = []
        for layer in self._layers[:-1]:
            if position ^ 1 < len(layer):
                proof.append(layer[position ^ 1])
            position >>= 1
        return proof


def split(size: int) -> int:
    """The largest power of two smaller than ``size`` (k in section 2.1)."""
    return 1 << ((size - 1).bit_length() - 1)


def _hashes(values: Iterable[bytes]) -> bool:
    """Whether all are hashes: one of another length could be read as two."""
    return all(len(value) == SIZE for value in values)
