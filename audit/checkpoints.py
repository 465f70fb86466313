"""Signed statements about a tree: C2SP tlog-checkpoint in a C2SP signed note, with Ed25519.

A checkpoint is a text of at least three lines (origin, size in decimal, root in base64), an empty line and signature
lines ``— name base64(key id || signature)``. The origin of a checkpoint over the tree of heads is the signer's bare
name; that of a single tenant's tree, as it is exported, the name, a slash and the tenant.
Specifications: c2sp.org/signed-note, c2sp.org/tlog-checkpoint.

Procedure of verification (`VerifierKey.open`, then `parse`):

1. The note is at most `MAXIMUM_BYTES` of UTF-8 without control characters other than newline, and ends in a newline.
2. The signatures are what stands after the last empty line; each line is well-formed.
3. Lines of other names or key ids are ignored; those of ours must all verify, and there must be one.
4. Only then is the text read: origin as expected, size without leading zero, root of 32 bytes, extension lines not
   empty.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ..errors import ConfigurationError, KeyFileMissing, KeyFileUnreadable, TrailDamaged
from .tree import SIZE

if TYPE_CHECKING:
    from pathlib import Path

MAXIMUM_BYTES: Final = 100_000
_ED25519: Final = b"\x01"  # signature type of c2sp.org/signed-note
_KEY_BYTES: Final = 32
_ID_BYTES: Final = 4
_MARK: Final = "\N{EM DASH} "
_NAME: Final = re.compile(r"[^\s+]+")
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_MINIMUM_LINES: Final = 3
_EXTENSIONS: Final = re.compile(r"number (0|[1-9][0-9]{0,11})\ntime (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is signed: the tree of ``origin`` has ``size`` entries and this ``root`` (32 bytes)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note's text, tlog-checkpoint's body."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode("ascii"), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class HeadsCheckpoint:
    """A checkpoint over the tree of heads: its number, when it was signed (µs), how many tenants, the tree's root."""

    number: int
    at: int
    tenants: int
    root: bytes


def parse(text: str) -> Checkpoint:
    """The checkpoint that a (verified) note's text holds. Raises `TrailDamaged` where it holds none."""
    lines = text.split("\n")
    if lines.pop() or len(lines) < _MINIMUM_LINES or not all(lines) or not _SIZE.fullmatch(lines[1]):
        raise TrailDamaged(detail="a checkpoint is malformed")
    root = _unbase64(lines[2])
    if len(root) != SIZE:
        raise TrailDamaged(detail="a checkpoint's root is not a hash")
    return Checkpoint(lines[0], int(lines[1]), root, tuple(lines[3:]))


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half: all that is needed, besides the log, to verify. ``public`` has 32 bytes."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || 0x0A || type || public key)[:4], c2sp.org/signed-note."""
        return sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:_ID_BYTES]

    @classmethod
    def parse(cls, encoded: str) -> VerifierKey:
        """Read ``name+hash+base64``. Raises `ConfigurationError` for anything else and for other kinds of keys."""
        try:
            name, key_id, data = encoded.strip().split("+", 2)  # the base64 may hold a plus itself
            key = base64.b64decode(data, validate=True)
        except ValueError:
            raise ConfigurationError(detail="a verifier key is written as name+hash+base64") from None
        if key[:1] != _ED25519 or len(key) != 1 + _KEY_BYTES or not _NAME.fullmatch(name):
            raise ConfigurationError(detail="a verifier key is an Ed25519 key with a name without spaces")
        verifier = cls(name, key[1:])
        if verifier.key_id.hex() != key_id:
            raise ConfigurationError(detail="the verifier key's hash does not belong to its name and key")
        return verifier

    def __str__(self) -> str:
        """The key as ``name+hash+base64``, to be published."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode('ascii')}"

    def open(self, note: str) -> str:
        """The text of ``note``, signature line(s) taken off, once this key's signature is verified.

        Raises `TrailDamaged` for a malformed note, one that this key did not sign, and a wrong signature.
        """
        if len(note) > MAXIMUM_BYTES or any(c < " " and c != "\n" for c in note):  # 1
            raise TrailDamaged(detail="a signed note is malformed")
        text, gap, signatures = note.rpartition("\n\n")  # 2
        lines = signatures.split("\n")
        if not gap or not text or lines.pop() or not lines:
            raise TrailDamaged(detail="a signed note is malformed")
        text += "\n"
        key, signed, verified = Ed25519PublicKey.from_public_bytes(self.public), _utf8(text), False
        for line in lines:
            name, key_id, signature = _signature(line)
            if name != self.name or key_id != self.key_id:  # 3
                continue
            try:
                key.verify(signature, signed)
            except InvalidSignature:
                raise TrailDamaged(detail="the signature of a checkpoint is wrong") from None
            verified = True
        if not verified:
            raise TrailDamaged(detail="a checkpoint is not signed by the given key")
        return text

    def checkpoint(self, note: str, origin: str) -> Checkpoint:
        """The verified checkpoint of ``origin`` in ``note``. Raises `TrailDamaged`."""
        checkpoint = parse(self.open(note))
        if checkpoint.origin != origin:  # 4
            raise TrailDamaged(detail="a checkpoint belongs to another trail")
        return checkpoint

    def origin(self, tenant: str) -> str:
        """The first line of an exported checkpoint of ``tenant``."""
        return f"{self.name}/{tenant}"

    def over_heads(self, note: str) -> HeadsCheckpoint:
        """The verified checkpoint over the tree of heads in ``note``. Raises `TrailDamaged`."""
        checkpoint = self.checkpoint(note, self.name)
        found = _EXTENSIONS.fullmatch("\n".join(checkpoint.extensions))
        if found is None:
            raise TrailDamaged(detail="a checkpoint over the heads is malformed")
        return HeadsCheckpoint(int(found[1]), int(found[2]), checkpoint.size, checkpoint.root)


class SignerKey:
    """The private half, in a file of mode 0600, in Go's notation ``PRIVATE+KEY+name+hash+base64(0x01 || seed)``."""

    def __init__(self, name: str, seed: bytes) -> None:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(detail="a signer's name has no spaces and no plus sign")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = VerifierKey(name, self._key.public_key().public_bytes_raw())

    @classmethod
    def create(cls, path: Path, name: str = "amanah") -> SignerKey:
        """Make a key and write it to ``path``, which must not exist. ``name`` should be unique, like a host's name.

        Raises `ConfigurationError` where the file is there already or cannot be written.
        """
        seed = Ed25519PrivateKey.generate().private_bytes_raw()
        signer = cls(name, seed)
        encoded = base64.b64encode(_ED25519 + seed).decode("ascii")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            raise ConfigurationError(detail=f"there is already a file at {path}; it is not overwritten") from None
        except OSError as error:
            raise ConfigurationError(detail=f"{path} cannot be written ({error.strerror})") from None
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"PRIVATE+KEY+{name}+{signer.verifier.key_id.hex()}+{encoded}\n")
            file.flush()
            os.fsync(file.fileno())
        return signer

    @classmethod
    def load(cls, path: Path) -> SignerKey:
        """Read the key at ``path``. Raises `KeyFileMissing` or `KeyFileUnreadable` (also when others may read it)."""
        try:
            with path.open(encoding="utf-8") as file:
                open_to_others = os.fstat(file.fileno()).st_mode & 0o077
                encoded = file.read(10_000)
        except FileNotFoundError:
            raise KeyFileMissing(path=path) from None
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileUnreadable(path=path, detail=type(error).__name__) from None
        if open_to_others:
            raise KeyFileUnreadable(path=path, detail="other users may read or write it")
        try:
            private, word, name, key_id, data = encoded.strip().split("+", 4)
            key = base64.b64decode(data, validate=True)
        except ValueError:
            raise KeyFileUnreadable(path=path, detail="it holds no signer key") from None
        if (private, word, key[:1], len(key)) != ("PRIVATE", "KEY", _ED25519, 1 + _KEY_BYTES):
            raise KeyFileUnreadable(path=path, detail="it holds no Ed25519 signer key")
        signer = cls(name, key[1:])
        if signer.verifier.key_id.hex() != key_id:
            raise KeyFileUnreadable(path=path, detail="the key does not belong to its hash")
        return signer

    @property
    def stream_key(self) -> bytes:
        """32 bytes under which writers number what they make durable (`streams`); whoever signs knows it."""
        return HKDF(SHA256(), _KEY_BYTES, None, b"amanah/trail-stream/1").derive(self._key.private_bytes_raw())

    def sign(self, text: str) -> str:
        """``text`` (ending in a newline) as a signed note."""
        signature = self._key.sign(_utf8(text))
        encoded = base64.b64encode(self.verifier.key_id + signature).decode("ascii")
        return f"{text}\n{_MARK}{self.verifier.name} {encoded}\n"

    def checkpoint(self, tenant: str, size: int, root: bytes) -> str:
        """A signed checkpoint of the tenant's tree, for an export of it."""
        return self.sign(Checkpoint(self.verifier.origin(tenant), size, root).text())

    def over_heads(self, checkpoint: HeadsCheckpoint) -> str:
        """A signed checkpoint over the tree of heads. No tenant's origin is without a slash, as its is."""
        extensions = (f"number {checkpoint.number}", f"time {checkpoint.at}")
        return self.sign(Checkpoint(self.verifier.name, checkpoint.tenants, checkpoint.root, extensions).text())


def _signature(line: str) -> tuple[str, bytes, bytes]:
    """Name, key id and signature of one line. Raises `TrailDamaged` for a malformed one."""
    name, _, encoded = line.removeprefix(_MARK).partition(" ")
    data = _unbase64(encoded)
    if not line.startswith(_MARK) or not _NAME.fullmatch(name) or len(data) <= _ID_BYTES:
        raise TrailDamaged(detail="a signature line is malformed")
    return name, data[:_ID_BYTES], data[_ID_BYTES:]


def _unbase64(text: str) -> bytes:
    """Strict: one text per value, so that no bit of a note is free to change."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise TrailDamaged(detail="a signed note holds something that is not base64") from None
    if base64.b64encode(data).decode("ascii") != text:
        raise TrailDamaged(detail="a signed note holds base64 that is not canonical")
    return data


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise TrailDamaged(detail="a signed note is not UTF-8") from None
