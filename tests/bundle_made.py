"""A bundle without a database: what its format says, in a few lines."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from amanah.audit.checkpoints import HeadsCheckpoint, SignerKey
from amanah.audit.entries import Entry
from amanah.audit.heads import SignedHead, heads_tree, record
from amanah.audit.offline import FIRST_LINK, Growing, leaf_hash, next_link

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TENANT = "klinik-a"


def body_at(position: int, **changes: object) -> bytes:
    """The entry at a position."""
    fields = {"tenant": TENANT, "access": "x" * 200, "kind": "access", **changes}
    return Entry(id=f"{position:032x}", at=position, **fields).encode()  # type: ignore[arg-type]


def lines_of(bodies: Sequence[bytes], first: int = 0, link: bytes = FIRST_LINK) -> list[bytes]:
    """The lines of entries, each with its leaf hash and link."""
    lines = []
    for position, body in enumerate(bodies, first):
        leaf = leaf_hash(body)
        link = next_link(link, leaf)
        lines.append(f"e {position} {link.hex()} ".encode() + base64.b64encode(leaf) + b" " + body)
    return lines


def signed_record(signer: SignerKey, bodies: Sequence[bytes], number: int, tenant: str = TENANT) -> str:
    """What is published when so many entries are there."""
    tree = Growing()
    for body in bodies:
        tree.add(leaf_hash(body))
    heads, _ = heads_tree({tenant: (tree.size, tree.root())})
    note = signer.over_heads(HeadsCheckpoint(number, 5, 1, heads.root()))
    return record(note, [SignedHead(tenant, tree.size, tree.root(), 0, ())])


def header(record_: str, recoveries: Sequence[str] = (), **changes: object) -> bytes:
    """The first line."""
    return json.dumps(
        {"bundle": 1, "record": record_, "recoveries": [*recoveries], "tenant": TENANT, **changes}
    ).encode()


def joined(first: bytes, lines: Sequence[bytes]) -> bytes:
    """A bundle of these lines."""
    count = sum(line.startswith(b"e ") for line in lines)
    return b"\n".join([first, *lines, f"end {count}\n".encode()])


def made_bundle(folder: Path, count: int) -> tuple[bytes, str]:
    """A bundle of so many entries, and the key."""
    signer = SignerKey.create(folder / "signer.key")
    bodies = [body_at(position) for position in range(count)]
    return joined(header(signed_record(signer, bodies, 1)), lines_of(bodies)), str(signer.verifier)
