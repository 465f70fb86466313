"""Provider keys in a file: for development, and for small installations that keep a copy of it somewhere safe.

The file is JSON, mode 600, owned by the service's user (or root)::

    {
      "amanah_key_file": 1,
      "current": "5d1f0c9a7b3e4826",
      "keys": {"5d1f0c9a7b3e4826": "<32 bytes in base64>"}
    }

``keys`` may hold older keys beside the current one, so that what they wrapped can still be unwrapped. Whoever has this
file and the database can read everything; who loses it has lost everything that is sealed.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import stat
from pathlib import Path
from typing import Final

from ..errors import KeyFileExists, KeyFileMissing, KeyFileUnreadable
from ..i18n import N_
from .local_keys import LocalKeys
from .xaes import KEY_SIZE

FORMAT: Final = 1
_LARGEST: Final = 64 * 1024
_LONGEST_NAME: Final = 64


class FileKeyProvider(LocalKeys):
    """A :class:`~amanah.encryption.provider.KeyProvider` that reads its keys from a file, once, when it is made."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read the file at ``path``.

        Raises :class:`~amanah.errors.KeyFileMissing`, and :class:`~amanah.errors.KeyFileUnreadable` where the file
        cannot be read, is open to group or others, belongs to another user or is not in the documented format.
        """
        self.path = Path(path)
        keys, current = _parse(_read(self.path), self.path)
        super().__init__(keys, current)

    @classmethod
    def create(cls, path: str | os.PathLike[str]) -> FileKeyProvider:
        """Write a new file with one random key, durably, and read it.

        Raises :class:`~amanah.errors.KeyFileExists` and leaves the file alone where there is one, and
        :class:`~amanah.errors.KeyFileUnreadable` where none can be written.
        """
        target = Path(path)
        name = os.urandom(8).hex()
        body = {
            "amanah_key_file": FORMAT,
            "current": name,
            "keys": {name: base64.b64encode(os.urandom(KEY_SIZE)).decode()},
        }
        try:
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise KeyFileExists(path=target) from None
        except OSError as error:
            raise KeyFileUnreadable(path=target, detail=_reason(error)) from None
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o600)  # the process's umask may have taken more away
            json.dump(body, file, indent=2)
            file.write("\n")
            file.flush()
            os.fsync(descriptor)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return cls(target)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _read(path: Path) -> bytes:
    try:
        # O_NONBLOCK: a named pipe in this place must not hold up the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyFileMissing(path=path) from None
    except OSError as error:
        raise KeyFileUnreadable(path=path, detail=_reason(error)) from None
    try:
        _check(os.fstat(descriptor), path)  # of what was opened, not of what stands under that name by now
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise KeyFileUnreadable(path=path, detail=_reason(error)) from None
    finally:
        os.close(descriptor)
    if len(data) > _LARGEST:
        raise KeyFileUnreadable(path=path, detail=N_("it is too large to be a key file"))
    return data


def _check(facts: os.stat_result, path: Path) -> None:
    if not stat.S_ISREG(facts.st_mode):
        raise KeyFileUnreadable(path=path, detail=N_("it is no regular file"))
    if stat.S_IMODE(facts.st_mode) & 0o077:
        raise KeyFileUnreadable(path=path, detail=N_("other users may read or write it"))
    if facts.st_uid not in {0, os.geteuid()}:
        raise KeyFileUnreadable(path=path, detail=N_("it belongs to another user"))


def _parse(data: bytes, path: Path) -> tuple[dict[str, bytes], str]:
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
    return checked, current


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
