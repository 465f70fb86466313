"""Bundles: the trail of one tenant, or a part of it, in one file that proves itself without the database.

A bundle is the whole tree of a signed head: entries, and in place of those that are left out the roots of the largest
complete subtrees. So the same lines prove all entries, a range, or some of them. `offline` reads it;
docs/reference/bundle.md describes the format.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final

from sqlalchemy import select

from ..errors import InvalidInput, NothingSigned, TrailDamaged
from ..i18n import N_
from .damage import body_of
from .heads import record
from .models import entry
from .offline import FIRST_LINK, FORMAT, Growing, leaf_hash, next_link
from .proofs import heads_between, newest
from .recovery import notes_of
from .subtrees import Subtrees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from .checkpoints import VerifierKey
    from .proofs import Signed

_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Bundled:
    """What was written: ``entries`` of a tree of ``size``, which the checkpoint ``number`` covers."""

    entries: int
    size: int
    number: int


def write_bundle(
    connection: Connection,
    verifier: VerifierKey,
    tenant: str,
    file: BinaryIO,
    ranges: Sequence[tuple[int, int]] | None = None,
    *,
    heads: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Bundled:
    """Write the entries of ``tenant`` that are signed, or those of ``ranges`` (first, excluded end; ascending).

    ``heads``: with every signed head before the newest, each of which narrows down where a change begins.
    ``connection`` must see one moment. Raises `NothingSigned`, `InvalidInput` for ranges that are none or not signed,
    and `TrailDamaged` where the entries do not have the signed root: what was written is then no bundle.
    """
    signed = newest(connection, tenant)
    if signed is None:
        raise NothingSigned(tenant=tenant)
    if signed.number != verifier.over_heads(signed.note).number or not signed.head.covered_by(
        verifier.over_heads(signed.note)
    ):
        raise TrailDamaged(detail=f"a head is not in checkpoint {signed.number}")
    size = signed.head.size
    wanted = [(0, size)] if ranges is None else list(ranges)
    _check(wanted, size)
    header = {
        "bundle": FORMAT,
        "record": record(signed.note, [signed.head]),
        "recoveries": notes_of(connection, verifier, tenant),
        "tenant": tenant,
    }
    file.write(json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    writer = _Writer(connection, tenant, file)
    marks = heads_between(connection, tenant, 0, size) if heads else iter(())
    writer.run(wanted, size, marks, progress or (lambda _done, _of: None))
    file.write(f"end {writer.entries}\n".encode())
    if writer.tree.root() != signed.head.root:
        raise TrailDamaged(detail=f"the entries of {tenant} do not have the root that was signed")
    return Bundled(writer.entries, size, signed.number)


def _check(ranges: Sequence[tuple[int, int]], size: int) -> None:
    before = 0
    for first, end in ranges:
        if not before <= first < end:
            raise InvalidInput(detail=N_("positions are given in ascending order, each once"))
        before = end
    if before > size:
        raise InvalidInput(detail=f"positions up to {size - 1} are signed")


class _Writer:
    """Lines of a bundle, in order."""

    def __init__(self, connection: Connection, tenant: str, file: BinaryIO) -> None:
        self._connection = connection
        self._tenant = tenant
        self._file = file
        self._subtrees = Subtrees(connection, tenant)
        self._link = FIRST_LINK
        self.tree = Growing()
        self.entries = 0

    def run(
        self,
        ranges: Sequence[tuple[int, int]],
        size: int,
        marks: Iterator[Signed],
        progress: Callable[[int, int], None],
    ) -> None:
        """Cover ``size`` entries; a signed head of ``marks`` stands behind the last entry that it covers."""
        steps = [step for first, end in ranges for step in ((first, False), (end, True))]
        mark = next(marks, None)
        for end, shown in (*steps, (size, False)):
            while self.tree.size < end:
                until = end if mark is None else min(end, mark.head.size)
                (self._show if shown else self._leave_out)(until, lambda done: progress(done, size))
                if mark is not None and mark.head.size == until:
                    self._file.write(b"h " + base64.b64encode(record(mark.note, [mark.head]).encode()) + b"\n")
                    mark = next(marks, None)

    def _show(self, end: int, progress: Callable[[int], None]) -> None:
        while self.tree.size < end:
            first = self.tree.size
            query = select(entry.c.position, entry.c.leaf_hash, entry.c.body).where(
                entry.c.tenant_id == self._tenant,
                entry.c.position >= first,
                entry.c.position < min(end, first + _PAGE),
            )
            page = self._connection.execute(query.order_by(entry.c.position).limit(_PAGE)).all()
            if not page:
                raise TrailDamaged(detail=f"the trail of {self._tenant} has no entry {first}")
            lines = []
            for position, row in enumerate(page, first):
                body = body_of(row)
                leaf = leaf_hash(body)
                if row.position != position or leaf != row.leaf_hash or b"\n" in body:
                    raise TrailDamaged(detail=f"the entry {position} of {self._tenant} is not what was recorded")
                self._link = next_link(self._link, leaf)
                self.tree.add(leaf)
                place = f"e {position} {self._link.hex()} ".encode()
                lines.append(place + base64.b64encode(leaf) + b" " + body + b"\n")
            self._file.writelines(lines)
            self.entries += len(page)
            progress(self.tree.size)

    def _leave_out(self, end: int, _progress: Callable[[int], None]) -> None:
        while (first := self.tree.size) < end:
            height = (end - first).bit_length() - 1
            if first:
                height = min(height, (first & -first).bit_length() - 1)
            hash_ = self._subtrees.root(first, first + (1 << height))
            self._link = next_link(self._link, hash_)
            self.tree.add(hash_, height)
            line = f"s {first} {height} {self._link.hex()} ".encode()
            self._file.write(line + base64.b64encode(hash_) + b"\n")
