"""The key file: read, checked, and replaced as a whole.

The file is JSON, mode 600, owned by the service's user (or root)::

    {
      "amanah_key_file": 1,
      "current": "5d1f0c9a7b3e4826",
      "keys": {"5d1f0c9a7b3e4826": "<32 bytes in base64>"}
    }

``keys`` may hold other keys beside the current one: older ones, so that what they wrapped can still be unwrapped, and
those of epochs.

A change is written into a file beside it, brought to the disk, and renamed over the old one: who reads meanwhile sees
the old keys or the new ones, and ``kill -9`` or a power cut leaves one of the two. A lock on the folder keeps two
writers apart, in one process or in two.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import fcntl
import json
import os
import stat
import tempfile
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from ..errors import KeyFileExists, KeyFileMissing, KeyFileUnreadable, KeysUnavailable, ProviderCannot
from ..i18n import N_
from .local_keys import NamedKeys
from .xaes import KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMAT: Final = 1
_LARGEST: Final = 1024 * 1024
"""Bytes; room for some 14,000 keys."""
_LONGEST_NAME: Final = 64
_LOCK_SECONDS: Final = 5.0
_READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""A file that was mounted into a container, say: it can be used, and nothing can be added."""


class Stamp(NamedTuple):
    """By what a file that was replaced or written to is known from the one that was read."""

    device: int
    inode: int
    modified: int
    changed: int
    size: int


def new_name() -> str:
    """A random name for a key, never given twice."""
    return os.urandom(8).hex()


def stamp(path: Path) -> Stamp:
    """Of the file that is there now; raises as `read` does."""
    try:
        return _stamped(path.stat())
    except FileNotFoundError:
        raise KeyFileMissing(path=path) from None
    except OSError as error:
        raise KeyFileUnreadable(path=path, detail=_reason(error)) from None


def read(path: Path) -> tuple[NamedKeys, Stamp]:
    """The keys in the file.

    Raises :class:`~amanah.errors.KeyFileMissing`, and :class:`~amanah.errors.KeyFileUnreadable` where it cannot be
    read, is open to group or others, belongs to another user or is not in the documented format.
    """
    try:
        # O_NONBLOCK: a named pipe in this place must not hold up the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyFileMissing(path=path) from None
    except OSError as error:
        raise KeyFileUnreadable(path=path, detail=_reason(error)) from None
    try:
        facts = os.fstat(descriptor)  # of what was opened, not of what stands under that name by now
        _check(facts, path)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise KeyFileUnreadable(path=path, detail=_reason(error)) from None
    finally:
        os.close(descriptor)
    if len(data) > _LARGEST:
        raise KeyFileUnreadable(path=path, detail=N_("it is too large to be a key file"))
    return _parse(data, path), _stamped(facts)


def create(path: Path, named: NamedKeys) -> None:
    """Write a new file, durably; raises `KeyFileExists` and leaves the file alone where there is one."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileExists(path=path) from None
    except OSError as error:
        raise KeyFileUnreadable(path=path, detail=_reason(error)) from None
    _fill(descriptor, _text(named))
    _sync_folder(path.parent)


def replace(path: Path, named: NamedKeys) -> None:
    """Put ``named`` in the place of the file that is there, all or nothing.

    The caller holds the lock. Raises :class:`~amanah.errors.ProviderCannot` where they do not fit or nothing may be
    written, and :class:`~amanah.errors.KeyFileUnreadable` where writing fails; the old file then stays.
    """
    text = _text(named)
    if len(text) > _LARGEST:
        raise ProviderCannot(detail=N_("The key file is full: destroy keys that nothing needs, or use a key service."))
    target = path.resolve()  # a link keeps leading to the file
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            _fill(descriptor, text)
            os.replace(name, target)  # noqa: PTH105 - as the rest here
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108
            raise
        _sync_folder(target.parent)
    except OSError as error:
        if error.errno in _READ_ONLY:
            raise ProviderCannot(detail=N_("The key file and its folder can be read only.")) from None
        raise KeyFileUnreadable(path=path, detail=_reason(error)) from None


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else changes the file meanwhile; raises :class:`~amanah.errors.KeysUnavailable` after five seconds."""
    try:
        folder = os.open(path.resolve().parent, os.O_RDONLY)
    except OSError as error:
        raise KeyFileUnreadable(path=path, detail=_reason(error)) from None
    try:
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > until:
                    raise KeysUnavailable from None
                time.sleep(0.01)
        yield
    finally:
        os.close(folder)  # and the lock with it


def _stamped(facts: os.stat_result) -> Stamp:
    return Stamp(facts.st_dev, facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _text(named: NamedKeys) -> bytes:
    body = {
        "amanah_key_file": FORMAT,
        "current": named.current,
        "keys": {name: base64.b64encode(key).decode() for name, key in named.keys.items()},
    }
    return json.dumps(body, indent=2).encode() + b"\n"


def _fill(descriptor: int, text: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)  # the process's umask may have taken more away
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(facts: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise KeyFileUnreadable(path=path, detail=N_("it is no regular file"))
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise KeyFileUnreadable(path=path, detail=N_("other users may read or write it"))
    if facts.st_uid not in {0, os.geteuid()}:
        raise KeyFileUnreadable(path=path, detail=N_("it belongs to another user"))


def _parse(data: bytes, path: Path) -> NamedKeys:
    # No parser error is chained below: it would quote the file.
    try:
        body = json.loads(data, object_pairs_hook=_without_repetition)
    except (ValueError, RecursionError):
        raise KeyFileUnreadable(path=path, detail=N_("it is no JSON document")) from None
    if not isinstance(body, dict) or body.keys() != {"amanah_key_file", "current", "keys"}:
        raise KeyFileUnreadable(path=path, detail=N_("it has other members than a key file has"))
    if type(body["amanah_key_file"]) is not int or body["amanah_key_file"] != FORMAT:
        raise KeyFileUnreadable(path=path, detail=N_("it is of another format version"))
    keys, current = body["keys"], body["current"]
    if not isinstance(keys, dict) or not isinstance(current, str) or current not in keys:
        raise KeyFileUnreadable(path=path, detail=N_("its current key is not among its keys"))
    decoded = {name: decode_key(key) for name, key in keys.items()}
    checked = {name: key for name, key in decoded.items() if key is not None and 0 < len(name) <= _LONGEST_NAME}
    if len(checked) != len(keys):
        raise KeyFileUnreadable(path=path, detail=N_("a key in it does not have 32 bytes in base64, or no proper name"))
    return NamedKeys(checked, current)


def decode_key(text: object) -> bytes | None:
    """The 32 bytes that ``text`` holds in base64, or None where it holds something else."""
    if not isinstance(text, str):
        return None
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_SIZE else None


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    body = dict(pairs)
    if len(body) != len(pairs):
        message = "a member is repeated"
        raise ValueError(message)
    return body
