"""Somebody changes a bundle on its way to the auditor. Each change is found, named, and its place told."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import pytest

from amanah.audit import offline
from amanah.audit.checkpoints import SignerKey
from amanah.audit.offline import Unusable, Wrong
from tests.bundle_made import TENANT, body_at, header, joined, lines_of, signed_record

if TYPE_CHECKING:
    from pathlib import Path

COUNT = 20


class Parcel:
    """A bundle in pieces."""

    def __init__(self, folder: Path) -> None:
        self.signer = SignerKey.create(folder / "signer.key")
        self.bodies = [body_at(position) for position in range(COUNT)]
        self.record = signed_record(self.signer, self.bodies, 3)
        self.lines = lines_of(self.bodies)

    def check(self, lines: list[bytes] | None = None, first: bytes | None = None, **options: str) -> offline.Checked:
        """What the auditor sees."""
        bundle = joined(first or header(self.record), self.lines if lines is None else lines)
        return offline.verify(io.BytesIO(bundle), str(self.signer.verifier), **options)

    def wrong(
        self, lines: list[bytes] | None = None, first: bytes | None = None, **options: str
    ) -> tuple[str, int, int]:
        """Kind and place of what the auditor is told."""
        with pytest.raises(Wrong) as found:
            self.check(lines, first, **options)
        return found.value.kind, found.value.position, found.value.last


@pytest.fixture
def parcel(tmp_path: Path) -> Parcel:
    """Twenty entries, whole."""
    parcel = Parcel(tmp_path)
    assert parcel.check().entries == COUNT
    return parcel


def renumbered(lines: list[bytes]) -> list[bytes]:
    """The lines with positions one after another."""
    return [b" ".join([b"e", str(n).encode(), line.split(b" ", 2)[2]]) for n, line in enumerate(lines)]


def swapped(items: list[bytes], one: int, other: int) -> list[bytes]:
    """Two of them exchanged."""
    items = list(items)
    items[one], items[other] = items[other], items[one]
    return items


@pytest.mark.parametrize("position", [0, 7, COUNT - 1])
def test_an_edited_entry_is_named(parcel: Parcel, position: int) -> None:
    """Only its bytes, or the leaf hash as well: edited, at this entry."""
    forged = body_at(position, actor="18")
    lines = list(parcel.lines)
    lines[position] = lines[position].rsplit(b" ", 1)[0] + b" " + forged
    assert parcel.wrong(lines) == ("edited", position, position)
    hashed = lines_of([forged], position)[0].split(b" ")
    lines[position] = b" ".join([*parcel.lines[position].split(b" ")[:3], *hashed[3:]])
    assert parcel.wrong(lines) == ("edited", position, position)
    lines[position] = b"e rubbish"
    assert parcel.wrong(lines) == ("edited", position, position)


def test_everything_recomputed_is_found_by_the_signature(parcel: Parcel) -> None:
    """Leaf hashes and links too: edited, between two signed heads."""
    bodies = [*parcel.bodies[:12], body_at(12, actor="18"), *parcel.bodies[13:]]
    assert parcel.wrong(lines_of(bodies)) == ("edited", 0, COUNT - 1)
    mark = b"h " + base64.b64encode(signed_record(parcel.signer, parcel.bodies[:10], 2).encode())
    good, bad = lines_of(parcel.bodies), lines_of(bodies)
    assert parcel.check([*good[:10], mark, *good[10:]]).heads == 2
    assert parcel.wrong([*bad[:10], mark, *bad[10:]]) == ("edited", 10, COUNT - 1)
    assert parcel.wrong([*good[:9], mark, *good[9:]]) == ("forged", 9, 9)


@pytest.mark.parametrize("position", [0, 7, COUNT - 2])
def test_a_deleted_entry_is_named(parcel: Parcel, position: int) -> None:
    """Leaving the gap or closing it: deleted, at this position."""
    lines = [*parcel.lines[:position], *parcel.lines[position + 1 :]]
    assert parcel.wrong(lines) == ("deleted", position, position)
    assert parcel.wrong(renumbered(lines)) == ("deleted", position, position)


@pytest.mark.parametrize(("one", "other"), [(3, 11), (3, 4), (0, COUNT - 1), (COUNT - 2, COUNT - 1)])
def test_swapped_entries_are_named(parcel: Parcel, one: int, other: int) -> None:
    """Whole lines, renumbered or not, or only what they hold: reordered, at the first of them."""
    lines = swapped(parcel.lines, one, other)
    assert parcel.wrong(lines) == ("reordered", one, one)
    assert parcel.wrong(renumbered(lines)) == ("reordered", one, one)
    pieces = [line.split(b" ", 4) for line in parcel.lines]
    contents = swapped([b" ".join(piece[3:]) for piece in pieces], one, other)
    lines = [b" ".join([*piece[:3], content]) for piece, content in zip(pieces, contents, strict=True)]
    assert parcel.wrong(lines) == ("reordered", one, one)
    bodies = swapped([piece[4] for piece in pieces], one, other)
    lines = [b" ".join([*piece[:4], body]) for piece, body in zip(pieces, bodies, strict=True)]
    assert parcel.wrong(lines) == ("reordered", one, one)


@pytest.mark.parametrize("linked", [False, True], ids=["loose", "linked"])
@pytest.mark.parametrize("position", [0, 7, COUNT - 1, COUNT])
def test_an_inserted_entry_is_named(parcel: Parcel, position: int, linked: bool) -> None:
    """An invented entry in between, even with a link that fits: inserted, at this position."""
    before = bytes.fromhex(parcel.lines[position - 1].split(b" ")[2].decode()) if position else offline.FIRST_LINK
    invented = lines_of([body_at(99)], position, before if linked else b"12345678")
    lines = renumbered([*parcel.lines[:position], *invented, *parcel.lines[position:]])
    assert parcel.wrong(lines) == ("inserted", position, position)


def test_a_truncated_tail_is_named(parcel: Parcel) -> None:
    """The last five entries are gone: truncated, at the first that is missing; a file that is cut off is unusable."""
    assert parcel.wrong(parcel.lines[:15]) == ("truncated", 15, COUNT - 1)
    whole = joined(header(parcel.record), parcel.lines)
    for cut in (len(whole) - 1, len(whole) - 300, 3000):
        with pytest.raises(Unusable, match="ends in the middle"):
            offline.verify(io.BytesIO(whole[:cut]), str(parcel.signer.verifier))
    for nothing in (b"", b"\n", b"{}", whole[:100], b"\x1f\x8b rubbish", whole[whole.index(b"\n") + 1 :]):
        with pytest.raises(Unusable, match="no bundle"):
            offline.verify(io.BytesIO(nothing), str(parcel.signer.verifier))
    with pytest.raises(Wrong, match="behind the end"):
        offline.verify(io.BytesIO(whole + b"more"), str(parcel.signer.verifier))
    with pytest.raises(Wrong, match="the last line"):
        offline.verify(io.BytesIO(whole.replace(b"end 20", b"end 21")), str(parcel.signer.verifier))


def test_an_older_bundle_is_told_by_the_checkpoint_that_the_auditor_kept(parcel: Parcel) -> None:
    """A genuine bundle of before, or of another history of the same signer: rolled back."""
    newer = signed_record(parcel.signer, [*parcel.bodies, body_at(20)], 4)
    assert parcel.wrong(checkpoint=newer) == ("rolled back", COUNT, COUNT)
    other = [*parcel.bodies[:12], *(body_at(n, actor="18") for n in range(12, COUNT))]
    assert parcel.wrong(checkpoint=signed_record(parcel.signer, other[:15], 2)) == ("rolled back", 0, 14)
    assert parcel.wrong(checkpoint=signed_record(parcel.signer, other, 2)) == ("rolled back", 0, COUNT - 1)
    assert parcel.check(checkpoint=signed_record(parcel.signer, other[:12], 2)).heads == 2
    with pytest.raises(Unusable, match="no head of this tenant"):
        parcel.check(checkpoint=signed_record(parcel.signer, other, 2, tenant="toko-b"))


def test_somebody_elses_bundle_is_refused(parcel: Parcel, tmp_path: Path) -> None:
    """Another key, another tenant, a format or an entry of the future: a clear error, and never *whole*."""
    bundle = joined(header(parcel.record), parcel.lines)
    (tmp_path / "other").mkdir()
    stranger = SignerKey.create(tmp_path / "other" / "signer.key")
    with pytest.raises(Unusable, match="not signed by the given key"):
        offline.verify(io.BytesIO(bundle), str(stranger.verifier))
    for key in ("", "a+b", str(parcel.signer.verifier)[:-4], str(parcel.signer.verifier).replace("amanah", "amanih")):
        with pytest.raises(Unusable, match="key"):
            offline.verify(io.BytesIO(bundle), key)
    with pytest.raises(Unusable, match="another tenant"):
        parcel.check(tenant="toko-b")
    with pytest.raises(Unusable, match="format 2"):
        parcel.check(first=header(parcel.record, bundle=2))
    bodies = [parcel.bodies[0], parcel.bodies[1].replace(b'"v":2', b'"v":3')]
    with pytest.raises(Unusable, match="the entry at 1 is of the version 3"):
        parcel.check(lines_of(bodies), header(signed_record(parcel.signer, bodies, 3)))


def test_a_head_that_was_not_signed_is_a_forgery(parcel: Parcel) -> None:
    """The tenant's line, the note, the signature, the header's tenant: forged."""
    for old, new in ((f"{TENANT} 20", f"{TENANT} 15"), ("number 3", "number 4"), ("\n\n", "\n")):
        assert parcel.wrong(first=header(parcel.record.replace(old, new)))[0] == "forged"
    assert parcel.wrong(first=header(parcel.record, tenant="toko-b"))[0] == "forged"
    bodies = [body_at(n, tenant="toko-b") for n in range(3)]
    assert parcel.wrong(lines_of(bodies), header(signed_record(parcel.signer, bodies, 3))) == ("edited", 0, 0)


def test_a_subtree_in_the_wrong_place_is_named(parcel: Parcel) -> None:
    """What is left out stands for complete subtrees, where they can begin, with hashes of 32 bytes."""

    def subtree(position: int, height: int, hash_: bytes, before: bytes) -> bytes:
        link = offline.next_link(before, hash_).hex()
        return f"s {position} {height} {link} ".encode() + base64.b64encode(hash_)

    tree = offline.Growing()
    for body in parcel.bodies[:16]:
        tree.add(offline.leaf_hash(body))
    first = subtree(0, 4, tree.root(), offline.FIRST_LINK)
    link = offline.next_link(offline.FIRST_LINK, tree.root())
    rest = lines_of(parcel.bodies[16:], 16, link)
    assert parcel.check([first, *rest]).entries == 4
    assert parcel.wrong([subtree(0, 3, tree.root(), offline.FIRST_LINK), *rest])[:2] == ("deleted", 8)
    behind = bytes.fromhex(rest[0].split(b" ")[2].decode())
    assert parcel.wrong([first, rest[0], subtree(17, 2, b"\1" * 32, behind)]) == ("edited", 17, 17)
    long = subtree(0, 4, tree.root() + b"\0", offline.FIRST_LINK)
    assert parcel.wrong([long, *rest]) == ("edited", 0, 0)


def test_no_byte_is_free_to_change(tmp_path: Path) -> None:
    """Whichever is changed, in the header, in a line or in the end: never *whole*, and never another error."""
    signer = SignerKey.create(tmp_path / "signer.key")
    bodies = [body_at(position, access="x") for position in range(3)]
    mark = b"h " + base64.b64encode(signed_record(signer, bodies[:2], 2).encode())
    lines = lines_of(bodies)
    whole = joined(header(signed_record(signer, bodies, 3)), [*lines[:2], mark, lines[2]])
    key = str(signer.verifier)
    assert offline.verify(io.BytesIO(whole), key).heads == 2
    for at in range(len(whole)):
        for flip in (1, 32, 128):
            bent = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
            with pytest.raises((Wrong, Unusable)):
                offline.verify(io.BytesIO(bent), key)
