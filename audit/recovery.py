"""Recoveries: signed statements that trails go on from less than was published, after the database went back.

A recovery is a signed note beside the checkpoint that is signed with it. Its text, line by line: the signer's name and
the word ``recovery`` (no origin of a checkpoint has a space); ``number`` of that checkpoint; ``after``, the number of
the last checkpoint that the database and the outside have in common; ``until``, the greatest number before it; ``time``
(µs); and for each tenant ``tenant kept size root lost``: the tree had ``kept`` entries in common with what was
published, has ``size`` and ``root`` now (base64), and was published with ``lost``.

It excuses that heads which checkpoints ``after`` + 1 to ``until`` signed with more than ``kept`` entries are not in the
tree, of the tenants that it names, and nothing else. It needs the signer's key. A later going back has greater numbers.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from ..errors import TrailDamaged
from .models import recovery
from .tree import SIZE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .checkpoints import SignerKey, VerifierKey

_FACTS: Final = ("number", "after", "until", "time")
_NUMBER: Final = r"(0|[1-9][0-9]{0,18})"
_LINE: Final = re.compile(rf"([a-z0-9-]{{1,64}}) {_NUMBER} {_NUMBER} (\S{{44}}) {_NUMBER}")


@dataclass(frozen=True, slots=True)
class Lost:
    """One tenant: ``kept`` entries are as published, ``size`` and ``root`` are there now, ``lost`` were published."""

    tenant: str
    kept: int
    size: int
    root: bytes
    lost: int


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a recovery says; numbers are those of checkpoints, ``at`` is in µs since the epoch."""

    number: int
    after: int
    until: int
    at: int
    tenants: tuple[Lost, ...]

    def note(self, signer: SignerKey) -> str:
        """It, signed."""
        facts = zip(_FACTS, (self.number, self.after, self.until, self.at), strict=True)
        lines = [f"{signer.verifier.name} recovery", *(f"{name} {value}" for name, value in facts)]
        for one in self.tenants:
            root = base64.b64encode(one.root).decode("ascii")
            lines.append(f"{one.tenant} {one.kept} {one.size} {root} {one.lost}")
        return signer.sign("".join(f"{line}\n" for line in lines))

    def of(self, tenant: str) -> Lost | None:
        """What it says about ``tenant``."""
        return next((one for one in self.tenants if one.tenant == tenant), None)

    def excuses(self, tenant: str, number: int, size: int) -> bool:
        """Whether a head of ``size`` that checkpoint ``number`` signed need not be in the tree."""
        one = self.of(tenant)
        return one is not None and self.after < number <= self.until and size > one.kept


def read(verifier: VerifierKey, note: str) -> Recovery:
    """The recovery in a signed note. Raises `TrailDamaged` where it is not one that the key signed."""
    lines = verifier.open(note).split("\n")[:-1]
    facts = [line.partition(" ") for line in lines[1:5]]
    if (
        lines[0] != f"{verifier.name} recovery"
        or tuple(name for name, _, _ in facts) != _FACTS
        or not all(re.fullmatch(_NUMBER, value) for _, _, value in facts)
    ):
        raise TrailDamaged(detail="a recovery is malformed")
    number, after, until, at = (int(value) for _, _, value in facts)
    if not after <= until < number:
        raise TrailDamaged(detail="a recovery is malformed")
    return Recovery(number, after, until, at, tuple(map(_lost, lines[5:])))


def stored(connection: Connection, verifier: VerifierKey) -> list[tuple[str, Recovery]]:
    """Every note in the database with what it says, by number. Raises `TrailDamaged`."""
    query = select(recovery).order_by(recovery.c.number)
    found = [(row.number, row.note, read(verifier, row.note)) for row in connection.execute(query)]
    for number, _, one in found:
        if number != one.number:
            raise TrailDamaged(detail="a recovery bears another number")
    return [(note, one) for _, note, one in found]


def notes_of(connection: Connection, verifier: VerifierKey, tenant: str) -> list[str]:
    """The notes that say something about ``tenant``. Raises `TrailDamaged`."""
    return [note for note, one in stored(connection, verifier) if one.of(tenant) is not None]


def _lost(line: str) -> Lost:
    match = _LINE.fullmatch(line)
    if match is None:
        raise TrailDamaged(detail="a recovery is malformed")
    try:
        root = base64.b64decode(match[4], validate=True)
    except (ValueError, binascii.Error):
        raise TrailDamaged(detail="a recovery is malformed") from None
    if len(root) != SIZE:
        raise TrailDamaged(detail="a recovery is malformed")
    return Lost(match[1], int(match[2]), int(match[3]), root, int(match[5]))
