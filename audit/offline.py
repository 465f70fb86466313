"""Verifies a bundle of one tenant's trail without a database, without Amanah and without a network.

This file needs Python 3.11 or newer and ``cryptography``, and nothing else: ``python offline.py FILE VKEY``. Exit code
0: the bundle is whole; 1: something is wrong, and the first wrong entry is named; 2: it cannot be judged. The format is
described in docs/reference/bundle.md; the trees are those of RFC 6962, the notes those of c2sp.org/signed-note.

Procedure:

1. The header's *record* holds a checkpoint's note, signed by the given key, and the head of the tenant's tree (size and
   root), which must stand in the tree of heads that the note signs.
2. The lines say what the tree consists of, from its first entry on: entries, and in place of those that are left out
   the roots of complete subtrees. Each must stand where the one before ended, an entry must be what its leaf hash is
   of, and its link must follow from the link before.
3. Where a signed head of that size is given (in the file, or by the caller), the root so far must be the signed one.
4. At the end size and root must be those of the head. Only this proves anything; links tell which entry is wrong.
5. A checkpoint that the caller kept must be of this tree: of its beginning, or, where a signed *recovery* says so, of
   what was lost when the database went back.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import re
import sys
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

FORMAT: Final = 1
ENTRY_VERSIONS: Final = (1, 2)
LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a header or of a line."""
LINK: Final = 8
FIRST_LINK: Final = bytes(LINK)
_HASH: Final = 32
_HIGHEST: Final = 62
_HEAD: Final = re.compile(r"([a-z0-9-]{1,64}) (0|[1-9][0-9]{0,18}) (\S{44}) (0|[1-9][0-9]{0,18}) (\S+)")
_EXTENSIONS: Final = re.compile(r"number (0|[1-9][0-9]{0,11})\ntime (0|[1-9][0-9]{0,18})\n")
_LOST: Final = re.compile(r"([a-z0-9-]{1,64}) ([0-9]{1,19}) ([0-9]{1,19}) (\S{44}) ([0-9]{1,19})")
_OFTEN: Final = 5000


class Unusable(Exception):
    """Nothing can be said about the bundle: another key, another tenant, no bundle, a newer format."""


class Wrong(Exception):
    """The bundle is not what was recorded and signed.

    ``kind``: edited, deleted, reordered, inserted, truncated, rolled back or forged. ``position`` to ``last``: where.
    """

    def __init__(self, kind: str, position: int, detail: str, last: int | None = None) -> None:
        self.kind = kind
        self.position = position
        self.last = position if last is None else last
        self.detail = detail
        place = f"{position}" if self.last == position else f"{position} to {self.last}"
        super().__init__(f"{kind} at {place}: {detail}")


@dataclass(frozen=True, slots=True)
class Gap:
    """What was lost when the database went back: the entries from ``kept`` to ``lost`` (excluded), told at ``at``."""

    kept: int
    lost: int
    at: int
    number: int
    after: int
    until: int


@dataclass(slots=True)
class Checked:
    """What a whole bundle is: ``entries`` of a tree of ``size``, signed in checkpoint ``number`` at ``at`` (µs, UTC).

    ``heads``: how many signed heads agree with it. ``gaps``: losses that were recorded and signed.
    """

    tenant: str
    size: int
    number: int
    at: int
    entries: int = 0
    heads: int = 1
    gaps: list[Gap] = field(default_factory=list)


class Head(NamedTuple):
    """A signed head: of the tenant's tree, in the checkpoint ``number``, signed at ``at``."""

    tenant: str
    size: int
    root: bytes
    number: int
    at: int


class Line(NamedTuple):
    """An entry (``body``), or a subtree of 2^``height`` entries (no ``body``), and what is said about it."""

    position: int
    height: int
    link: bytes
    hash: bytes
    body: bytes | None


# -- the tree (RFC 6962, section 2.1) --------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def next_link(before: bytes, hash_: bytes) -> bytes:
    """What a line says of itself and the line before: 8 bytes of SHA-256(link before || hash)."""
    return sha256(before + hash_).digest()[:LINK]


class Growing:
    """A tree that grows by complete subtrees; one entry is a subtree of height 0."""

    __slots__ = ("_hashes", "size")

    def __init__(self) -> None:
        self._hashes: list[bytes] = []
        self.size = 0

    def add(self, hash_: bytes, height: int = 0) -> None:
        """Add a subtree where one of its height can begin. Raises `ValueError` elsewhere."""
        if self.size & ((1 << height) - 1):
            message = "a subtree cannot stand here"
            raise ValueError(message)
        size = self.size >> height
        while size & 1:
            hash_ = node_hash(self._hashes.pop(), hash_)
            size >>= 1
        self._hashes.append(hash_)
        self.size += 1 << height

    def root(self) -> bytes:
        """MTH of what is there."""
        if not self._hashes:
            return sha256().digest()
        result = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            result = node_hash(left, result)
        return result


def included(leaf: bytes, position: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether ``leaf`` stands at ``position`` of the tree of ``size`` with ``root``: RFC 9162, section 2.1.3.2."""
    if not 0 <= position < size or any(len(one) != _HASH for one in proof):
        return False
    fn, sn, r = position, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


# -- what was signed -------------------------------------------------------------------------------------------------


class Key:
    """A verifier key, ``name+hash+base64``. Raises `Unusable` for anything else."""

    def __init__(self, encoded: str) -> None:
        try:
            self.name, key_id, data = encoded.strip().split("+", 2)
            key = base64.b64decode(data, validate=True)
        except ValueError:
            raise Unusable("the key is no verifier key: it is written as name+hash+base64") from None
        self._id = sha256(self.name.encode() + b"\n" + key).digest()[:4]
        if key[:1] != b"\x01" or len(key) != 1 + _HASH or self._id.hex() != key_id:
            raise Unusable("the key is no Ed25519 verifier key, or a character of it is wrong")
        self._key = Ed25519PublicKey.from_public_bytes(key[1:])

    def open(self, note: str) -> str:
        """The text of a signed note.

        Raises `Wrong` (forged) for one that is malformed or wrongly signed, `Unusable` where this key did not sign it.
        """
        text, gap, signatures = note.rpartition("\n\n")
        if not gap or not text or not signatures.endswith("\n") or any(c < " " and c != "\n" for c in note):
            raise Wrong("forged", 0, "a signed note is malformed")
        text += "\n"
        verified = False
        for line in signatures.split("\n")[:-1]:
            name, _, encoded = line.removeprefix("\N{EM DASH} ").partition(" ")
            signature = _unbase64(encoded)
            if name != self.name or signature[:4] != self._id:
                continue
            try:
                self._key.verify(signature[4:], text.encode("utf-8", "surrogatepass"))
            except InvalidSignature:
                raise Wrong("forged", 0, "the signature of a note is wrong") from None
            verified = True
        if not verified:
            raise Unusable("it is not signed by the given key")
        return text

    def head(self, record: str, tenant: str) -> Head | None:
        """The tenant's head in a record; None where the record has none of it. Raises as `open`."""
        text, first, rest = record.partition("\n\n")
        signatures, second, lines = rest.partition("\n\n")
        if not first or not second:
            raise Wrong("forged", 0, "a record of a checkpoint is malformed")
        signed = self.open(f"{text}\n\n{signatures}\n")
        origin, size, root, *more = signed.split("\n")
        found = _EXTENSIONS.fullmatch("\n".join(more))
        if origin != self.name or not size.isdecimal() or found is None:
            raise Wrong("forged", 0, "a record is not of a checkpoint over the tenants' heads")
        for line in lines.split("\n"):
            if not line.startswith(f"{tenant} "):
                continue
            match = _HEAD.fullmatch(line)
            if match is None:
                break
            proof = b"" if match[5] == "-" else _unbase64(match[5])
            hashes = [proof[at : at + _HASH] for at in range(0, len(proof), _HASH)]
            leaf = leaf_hash(f"{tenant}\n{match[2]}\n{match[3]}\n".encode())
            if not included(leaf, int(match[4]), int(size), hashes, _unbase64(root)):
                raise Wrong("forged", int(match[2]), "the head is not in the tree of heads that was signed")
            return Head(tenant, int(match[2]), _unbase64(match[3]), int(found[1]), int(found[2]))
        return None

    def gap(self, note: str, tenant: str) -> Gap | None:
        """What the recovery in ``note`` says about ``tenant``; None for nothing. Raises as `open`."""
        lines = self.open(note).split("\n")
        facts = [line.partition(" ") for line in lines[1:5]]
        if (
            lines[0] != f"{self.name} recovery"
            or [name for name, _, _ in facts] != ["number", "after", "until", "time"]
            or not all(value.isdecimal() for _, _, value in facts)
        ):
            raise Wrong("forged", 0, "a recovery is malformed")
        number, after, until, at = (int(value) for _, _, value in facts)
        for line in lines[5:]:
            match = _LOST.fullmatch(line)
            if match is not None and match[1] == tenant:
                return Gap(int(match[2]), int(match[5]), at, number, after, until)
        return None


# -- the procedure ---------------------------------------------------------------------------------------------------


def verify(
    file: BinaryIO,
    key: str,
    *,
    tenant: str | None = None,
    checkpoint: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Checked:
    """Verify the bundle in ``file`` with the verifier ``key``; raises `Wrong` and `Unusable`.

    ``tenant``: whose it must be. ``checkpoint``: a record that was kept, as the operator writes it outside the
    database. ``progress`` is told how many of how many entries of the tree are done.
    """
    verifier = Key(key)
    header = _header(file, tenant)
    name = header["tenant"]
    head = verifier.head(header["record"], name)  # 1
    if head is None:
        raise Wrong("forged", 0, "the header's record has no head of this tenant")
    checked = Checked(name, head.size, head.number, head.at)
    gaps = [verifier.gap(note, name) for note in header["recoveries"]]
    checked.gaps = [gap for gap in gaps if gap is not None and gap.kept < gap.lost and gap.number <= head.number]
    wanted = _wanted(verifier, checkpoint, head, checked)
    walk = _Walk(file, verifier, head, checked, wanted)
    walk.run(progress or (lambda _done, _of: None))
    return checked


def _header(file: BinaryIO, tenant: str | None) -> dict[str, Any]:
    line = file.readline(LONGEST)
    try:
        header = json.loads(line)
        version = header["bundle"]
        if version != FORMAT:
            raise Unusable(f"the bundle is of the format {version!r}; this program reads {FORMAT}")
        usable = isinstance(header["tenant"], str) and isinstance(header["record"], str)
        usable = usable and all(isinstance(note, str) for note in header["recoveries"])
    except (ValueError, KeyError, TypeError, RecursionError):
        usable = False
    if not usable:
        raise Unusable("this is no bundle, or its first line was changed")
    if tenant is not None and header["tenant"] != tenant:
        raise Unusable(f"it is the bundle of another tenant, {header['tenant'][:64]!a}")
    found: dict[str, Any] = header
    return found


def _wanted(key: Key, checkpoint: str | None, head: Head, checked: Checked) -> Head | None:  # 5
    """The head that the caller's checkpoint asks for; None where there is none to compare."""
    if checkpoint is None:
        return None
    try:
        kept = key.head(checkpoint, head.tenant)
    except Wrong as wrong:
        raise Unusable(f"the given checkpoint is none: {wrong.detail}") from None
    if kept is None:
        raise Unusable("the given checkpoint has no head of this tenant: it did not change then; take one where it did")
    if any(gap.after < kept.number <= gap.until and kept.size > gap.kept for gap in checked.gaps):
        return None
    if kept.size > head.size:
        detail = (
            f"checkpoint {kept.number} has {kept.size} entries, the bundle of checkpoint {head.number} has {head.size}:"
            " the database went back, or the bundle was made before"
        )
        raise Wrong("rolled back", head.size, detail, kept.size - 1)
    return kept


class _Walk:
    """One pass over the lines."""

    def __init__(self, file: BinaryIO, key: Key, head: Head, checked: Checked, wanted: Head | None) -> None:
        self._file = file
        self._key = key
        self._head = head
        self._checked = checked
        self._wanted = wanted
        self._tree = Growing()
        self._links = (FIRST_LINK, FIRST_LINK)
        """Of the last line, and of the one before."""
        self._good = 0
        """Up to where a signed head agreed."""

    def run(self, progress: Callable[[int, int], None]) -> None:
        """All of it. Raises `Wrong` and `Unusable`."""
        tree, checked = self._tree, self._checked
        wanted = self._wanted.size if self._wanted else -1
        while True:
            raw = self._read()
            kind = raw[:2]
            if kind == b"h ":
                self._signed(raw)
                continue
            if kind == b"en":
                break
            line = _parse(raw)
            before = self._links[0]
            if (  # 2
                line is None
                or line.position != tree.size
                or next_link(before, line.hash) != line.link
                or (line.body is not None and leaf_hash(line.body) != line.hash)
            ):
                raise self._damage(line)
            if line.body is not None:
                _readable(line.body, line.position, checked.tenant)
                checked.entries += 1
            try:
                tree.add(line.hash, line.height)
            except ValueError:
                raise Wrong("edited", line.position, "a subtree cannot stand here") from None
            self._links = (line.link, before)
            if tree.size == wanted:
                self._compare_wanted()
            if checked.entries % _OFTEN == 0:
                progress(tree.size, self._head.size)
        self._end(raw)
        progress(tree.size, self._head.size)

    def _read(self) -> bytes:
        raw = self._file.readline(LONGEST)
        if not raw.endswith(b"\n"):
            raise Unusable(f"the file ends in the middle, after {self._tree.size} of {self._head.size} entries")
        return raw[:-1]

    def _signed(self, raw: bytes) -> None:  # 3
        one = self._key.head(
            _unbase64(raw[2:].decode("ascii", "replace")).decode("utf-8", "replace"), self._head.tenant
        )
        if one is None or one.size != self._tree.size:
            raise Wrong("forged", self._tree.size, "a signed head stands where it does not belong")
        if one.root != self._tree.root():
            detail = "the entries do not have the root that was signed"
            raise Wrong("edited", self._good, detail, max(one.size - 1, 0))
        self._good = one.size
        self._checked.heads += 1

    def _compare_wanted(self) -> None:
        wanted = self._wanted
        if wanted is not None and wanted.root != self._tree.root():
            detail = f"the database went back, and went on with other entries than checkpoint {wanted.number} signed"
            raise Wrong("rolled back", self._good, detail, max(wanted.size - 1, 0))
        self._checked.heads += 1
        self._wanted = None

    def _end(self, raw: bytes) -> None:  # 4
        size, head = self._tree.size, self._head
        if raw != f"end {self._checked.entries}".encode():
            raise Wrong("edited", size, "the last line does not say how many entries there are")
        if self._file.read(1):
            raise Wrong("inserted", size, "something stands behind the end")
        if size < head.size:
            raise Wrong("truncated", size, f"{head.size - size} entries are missing at the end", head.size - 1)
        if size > head.size:
            raise Wrong("inserted", head.size, "the signed head does not know these entries", size - 1)
        if self._tree.root() != head.root:
            raise Wrong("edited", self._good, "the entries do not have the root that was signed", max(size - 1, 0))
        if self._wanted is not None:
            raise Unusable(f"the bundle leaves out what checkpoint {self._wanted.number} could be compared with")

    # -- naming what was done ----------------------------------------------------------------------------------------

    def _damage(self, line: Line | None) -> Wrong:
        """Name it, by what stands in the rest of the file."""
        position, (before, two_before) = self._tree.size, self._links
        if line is None:
            return Wrong("edited", position, "this line cannot be read")
        fits = next_link(before, line.hash) == line.link
        if position == line.position and fits and line.body is not None:
            # Place and hashes are right, the content is not: was it exchanged with another entry's?
            leaf = leaf_hash(line.body)
            if any(other.hash == leaf for other in self._rest()):
                return Wrong("reordered", position, "the entry that was recorded here stands somewhere else")
            return Wrong("edited", position, "the entry is not what was recorded")
        if position and next_link(two_before, line.hash) == line.link:
            return Wrong("inserted", position - 1, "this entry was never recorded here")
        return self._displaced(line, before)

    def _displaced(self, line: Line, before: bytes) -> Wrong:
        position = self._tree.size
        rest = self._rest()
        covered, follows = position + (1 << line.height), 0
        for at, other in enumerate(rest):
            covered += 1 << other.height
            moved = next_link(before, other.hash)
            if moved == other.link and at == 0:
                follows = 1  # the next line, if all follows again behind it
                behind = next(rest, None)
                if behind is not None and next_link(other.link, behind.hash) == behind.link:
                    return Wrong("inserted", position, "this entry was never recorded here")
                if behind is None:
                    break
                return Wrong("reordered", position, "the entry that was recorded here stands somewhere else")
            if moved in (other.link, line.link):
                return Wrong("reordered", position, "the entry that was recorded here stands somewhere else")
        if line.position > position and not follows:
            return Wrong("deleted", position, "the entry that was recorded here is gone")
        if line.position < position or covered > self._head.size:
            return Wrong("inserted", position, "this entry was never recorded here")
        if follows:
            return Wrong("reordered", position, "the entry that was recorded here stands somewhere else")
        if covered < self._head.size:
            return Wrong("deleted", position, "the entry that was recorded here is gone")
        return Wrong("edited", position, "the entry is not what was recorded")

    def _rest(self) -> Iterator[Line]:
        for raw in iter(lambda: self._file.readline(LONGEST), b""):
            line = _parse(raw.rstrip(b"\n"))
            if line is not None:
                yield line


def _parse(raw: bytes) -> Line | None:
    """``e position link hash body`` or ``s position height link hash``; None for anything else."""
    parts = raw.split(b" ", 4)
    body = None
    try:
        if parts[0] == b"e":
            _, position, link, hash_, body = parts
            height = b"0"
        else:
            _, position, height, link, hash_ = parts
        found = Line(int(position), int(height), bytes.fromhex(link.decode()), binascii.a2b_base64(hash_), body)
    except ValueError:
        return None
    if (  # one way to write each, so that no bit is free; and a hash of another length could be read as two
        len(found.hash) != _HASH
        or binascii.b2a_base64(found.hash, newline=False) != hash_
        or b"%d" % found.position != position
        or b"%d" % found.height != height
        or found.link.hex().encode() != link
        or not 0 <= found.height <= _HIGHEST
        or parts[0] not in (b"e", b"s")
    ):
        return None
    return found


def _readable(body: bytes, position: int, tenant: str) -> None:
    """Whether the entry says what it is. Raises `Unusable` for a newer version, `Wrong` for another tenant's."""
    try:
        values = json.loads(body)
        version, whose = values["v"], values["tenant"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Wrong("edited", position, "the entry cannot be read") from None
    if version not in ENTRY_VERSIONS:
        raise Unusable(f"the entry at {position} is of the version {version!a}; this program reads up to 2")
    if whose != tenant:
        raise Wrong("edited", position, "the entry is another tenant's")


def _unbase64(text: str) -> bytes:
    """Strict: one text per value."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = None
    if data is None or base64.b64encode(data).decode("ascii") != text:
        raise Wrong("forged", 0, "something that was signed is not base64")
    return data


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Verify a bundle of a trail, offline.")
    parser.add_argument("file", type=Path)
    parser.add_argument("key", help="the verifier key, name+hash+base64, as it was published")
    parser.add_argument("--tenant", help="whose bundle it must be")
    parser.add_argument("--checkpoint", type=Path, help="a record of a checkpoint that you kept")
    wanted = parser.parse_args(arguments)
    try:
        checkpoint = wanted.checkpoint.read_text("utf-8") if wanted.checkpoint else None
        with wanted.file.open("rb") as file:
            done = verify(file, wanted.key, tenant=wanted.tenant, checkpoint=checkpoint)
    except Wrong as wrong:
        sys.stdout.write(f"NOT WHOLE: {wrong}\n")
        return 1
    except (Unusable, OSError, UnicodeDecodeError) as unusable:
        sys.stderr.write(f"cannot be judged: {unusable}\n")
        return 2
    sys.stdout.write(f"whole: {done.entries} entries of {done.size} of {done.tenant}, checkpoint {done.number}\n")
    for gap in done.gaps:
        sys.stdout.write(f"with a recorded gap: entries {gap.kept} to {gap.lost - 1} of before were lost\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
