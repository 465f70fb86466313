"""What was signed: every checkpoint in the database and outside of it, verified, and compared with each other.

1. Checkpoints are read by number, inside and outside side by side. A note must have the signer's signature and its own
   number; each head beside it must stand in the tree of heads that the note signs.
2. What is outside under the same number must be the same record. Where it is another one with a good signature, its
   heads are claims, too.
3. A checkpoint that only the outside knows makes claims that the database does not: it went back.
4. What a signed recovery, in the database or outside, says was lost is no claim any more (`recovery`): a gap.

The heads of the database are not kept in memory; those that only the outside claims are, and normally there are none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from ..errors import TrailDamaged
from .heads import heads_tree, parts_of, record
from .models import checkpoint
from .models import recovery as recovery_table
from .publisher import newest_heads, stored_heads
from .recovery import read
from .report import Finding, Gap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from .checkpoints import VerifierKey
    from .heads import SignedHead
    from .outside import Outside
    from .recovery import Recovery

_PAGE: Final = 500


@dataclass(slots=True)
class Claims:
    """What the checkpoints say. ``checked``: how many; ``newest``: the greatest number that verified.

    ``outside``: heads by tenant that only the outside claims. ``gaps``: by tenant, what was lost and said to be.
    ``findings``: by tenant, "*" for what is nobody's alone.
    """

    checked: int = 0
    newest: int = 0
    outside: dict[str, list[SignedHead]] = field(default_factory=dict)
    gaps: dict[str, list[Gap]] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    claimed: list[tuple[int, SignedHead]] = field(default_factory=list, repr=False)
    recoveries: dict[int, Recovery] = field(default_factory=dict, repr=False)

    def found(self, tenant: str, position: int, detail: str) -> None:
        """A checkpoint that is not what was signed; the first one of each tenant is told."""
        self.findings.setdefault(tenant, Finding(tenant, "forged", position, position, None, detail))

    def recovered(self, verifier: VerifierKey, number: int, note: str) -> None:
        """Take in a recovery that stands beside checkpoint ``number``."""
        try:
            one = read(verifier, note)
            if one.number != number:
                raise TrailDamaged(detail="a recovery bears another number")  # noqa: TRY301 - told like the others
        except TrailDamaged as forged:
            self.found("*", number, f"checkpoint {number}: {forged.facts['detail']}")
            return
        self.recoveries[number] = one

    def settle(self) -> None:
        """Sort out what is claimed and what was lost."""
        known = [one for number, one in self.recoveries.items() if number <= self.newest]
        for number, head in self.claimed:
            if not any(one.excuses(head.tenant, number, head.size) for one in known):
                self.outside.setdefault(head.tenant, []).append(head)
        for one in known:
            for lost in one.tenants:
                if lost.lost <= lost.kept:
                    continue
                gap = Gap(lost.kept, lost.lost, one.number, one.at)
                self.gaps.setdefault(lost.tenant, []).append(gap)


def collect(
    connection: Connection, verifier: VerifierKey, outside: Outside | None, *, after: int = 0, until: int = 0
) -> Claims:
    """Read the checkpoints with numbers above ``after``; outside up to ``until``, which ``connection`` must know.

    Raises `CheckpointsAway`; damage is in the result.
    """
    claims = Claims(newest=after)
    # All of them, also those of before: few, and a claim of the outside may need one.
    notes = {row.number: row.note for row in connection.execute(select(recovery_table))}
    for number, note in sorted(notes.items()):
        claims.recovered(verifier, number, note)
    beside = _Beside(outside, after, until, claims)
    for number, note in _notes(connection, after):
        for other, text in beside.up_to(number - 1):
            _claim(claims, verifier, other, text)
        claims.checked += 1
        try:
            signed = verifier.over_heads(note)
            if signed.number != number:
                raise TrailDamaged(detail="a checkpoint bears another number")  # noqa: TRY301 - told like the others
            heads = stored_heads(connection, number)
        except TrailDamaged as forged:
            claims.found("*", number, f"checkpoint {number}: {forged.facts['detail']}")
            continue
        claims.newest = number
        for one in heads:
            if not one.covered_by(signed):
                claims.found(one.tenant, one.size, f"the head of size {one.size} is not in checkpoint {number}")
        for other, text in beside.up_to(number):
            if text != record(note, heads, notes.get(number)):
                _claim(claims, verifier, other, text)
    for other, text in beside.up_to(until):
        _claim(claims, verifier, other, text)
    claims.settle()
    _compare_newest(connection, verifier, claims)
    return claims


def _compare_newest(connection: Connection, verifier: VerifierKey, claims: Claims) -> None:
    """All stored heads together must be those that the newest checkpoint signs: none of them may be gone."""
    note = connection.scalar(select(checkpoint.c.note).order_by(checkpoint.c.number.desc()).limit(1))
    if note is None or "*" in claims.findings:
        return
    signed = verifier.over_heads(note)
    heads = newest_heads(connection)
    if (len(heads), heads_tree(heads)[0].root()) != (signed.tenants, signed.root):
        claims.found("*", signed.number, f"the stored heads are not those that checkpoint {signed.number} signs")


class _Beside:
    """The records outside, one ahead."""

    def __init__(self, outside: Outside | None, after: int, until: int, claims: Claims) -> None:
        self._records = outside.read(after + 1) if outside is not None and until > after else iter(())
        self._claims = claims
        self._next: tuple[int, str] | None = None
        self._advance()

    def up_to(self, number: int) -> Iterator[tuple[int, str]]:
        """Those that come next with at most this number."""
        while self._next is not None and self._next[0] <= number:
            yield self._next
            self._advance()

    def _advance(self) -> None:
        try:
            self._next = next(self._records, None)
        except TrailDamaged as damaged:
            self._claims.found("*", 0, f"outside: {damaged.facts['detail']}")
            self._next = None


def _claim(claims: Claims, verifier: VerifierKey, number: int, text: str) -> None:
    """Take in a record that the database does not have so."""
    try:
        note, heads, said = parts_of(text)
        signed = verifier.over_heads(note)
        if signed.number != number or not all(one.covered_by(signed) for one in heads):
            raise TrailDamaged(detail="a record contradicts its note")  # noqa: TRY301 - told like the others
    except TrailDamaged as forged:
        claims.found("*", number, f"checkpoint {number} outside: {forged.facts['detail']}")
        return
    claims.checked += 1
    if said is not None:
        claims.recovered(verifier, number, said)
    claims.claimed += ((number, one) for one in heads)


def _notes(connection: Connection, after: int) -> Iterator[tuple[int, str]]:
    while True:
        query = select(checkpoint.c.number, checkpoint.c.note).where(checkpoint.c.number > after)
        page = connection.execute(query.order_by(checkpoint.c.number).limit(_PAGE)).all()
        yield from ((number, note) for number, note in page)
        if len(page) < _PAGE:
            return
        after = page[-1].number
