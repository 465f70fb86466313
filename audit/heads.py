"""The tree of heads: one leaf per tenant. One signature speaks for all tenants' trees, and each can be shown alone.

A leaf is the text ``tenant``, ``size`` and ``root`` (base64), each on a line; leaves stand in the order of the tenants'
ids. A *record* is what is published at once: the checkpoint's note, an empty line, and for each head that changed a
line ``tenant size root place proof``, proof and root in base64 (the proof's hashes one after another, ``-`` where it
needs none); at last, where trails were recovered with it (`recovery`), ``+`` and that signed note in base64.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import TrailDamaged
from .tree import SIZE, Layers, leaf_hash, verify_inclusion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .checkpoints import HeadsCheckpoint

_LINE: Final = re.compile(r"([a-z0-9-]{1,64}) (0|[1-9][0-9]{0,18}) (\S{44}) (0|[1-9][0-9]{0,18}) (\S+)")
_NO_PROOF: Final = "-"
_RECOVERY: Final = "+ "


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A tenant's head and its place in the tree of heads of one checkpoint. Hashes have 32 bytes."""

    tenant: str
    size: int
    root: bytes
    place: int
    proof: tuple[bytes, ...]

    def covered_by(self, checkpoint: HeadsCheckpoint) -> bool:
        """Whether it stands in the tree that ``checkpoint`` signed."""
        leaf = head_leaf(self.tenant, self.size, self.root)
        return verify_inclusion(leaf, self.place, checkpoint.tenants, self.proof, checkpoint.root)

    def line(self) -> str:
        """Its line in a record."""
        proof = _base64(b"".join(self.proof)) if self.proof else _NO_PROOF
        return f"{self.tenant} {self.size} {_base64(self.root)} {self.place} {proof}"


def head_leaf(tenant: str, size: int, root: bytes) -> bytes:
    """The leaf hash of one tenant's head."""
    return leaf_hash(f"{tenant}\n{size}\n{_base64(root)}\n".encode())


def heads_tree(heads: Mapping[str, tuple[int, bytes]]) -> tuple[Layers, dict[str, int]]:
    """The tree over size and root by tenant, and each tenant's place in it."""
    tenants = sorted(heads)
    return Layers([head_leaf(name, *heads[name]) for name in tenants]), {name: at for at, name in enumerate(tenants)}


def record(note: str, heads: Iterable[SignedHead], recovery: str | None = None) -> str:
    """What is published outside the database: the note, the heads that changed, and the note of a recovery."""
    said = () if recovery is None else (f"{_RECOVERY}{_base64(recovery.encode())}",)
    return "\n".join((note, *(one.line() for one in heads), *said, ""))


def read_record(text: str) -> tuple[str, list[SignedHead]]:
    """The note and the heads of a record; nothing is verified. Raises `TrailDamaged` where it is none."""
    return parts_of(text)[:2]


def parts_of(text: str) -> tuple[str, list[SignedHead], str | None]:
    """The same, and the note of a recovery, where there is one."""
    body, first, rest = text.partition("\n\n")
    signatures, second, lines = rest.partition("\n\n")
    if not first or not second or (lines and not lines.endswith("\n")):
        raise TrailDamaged(detail="a record of a checkpoint is malformed")
    found = lines.split("\n")[:-1]
    said = None
    if found and found[-1].startswith(_RECOVERY):
        try:
            said = _unbase64(found.pop().removeprefix(_RECOVERY)).decode()
        except UnicodeDecodeError:
            raise TrailDamaged(detail="a recovery in a record of a checkpoint is malformed") from None
    return f"{body}\n\n{signatures}\n", [_head(line) for line in found], said


def hashes(data: bytes) -> tuple[bytes, ...]:
    """The hashes that stand one after another in ``data``. Raises `TrailDamaged` for another length."""
    if len(data) % SIZE:
        raise TrailDamaged(detail="a proof is not made of hashes")
    return tuple(data[at : at + SIZE] for at in range(0, len(data), SIZE))


def _head(line: str) -> SignedHead:
    found = _LINE.fullmatch(line)
    if found is None:
        raise TrailDamaged(detail="a head in a record of a checkpoint is malformed")
    tenant, size, root, place, proof = found.groups()
    hash_ = _unbase64(root)
    if len(hash_) != SIZE:
        raise TrailDamaged(detail="a head in a record of a checkpoint is malformed")
    return SignedHead(tenant, int(size), hash_, int(place), hashes(b"" if proof == _NO_PROOF else _unbase64(proof)))


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise TrailDamaged(detail="a head in a record of a checkpoint is malformed") from None
