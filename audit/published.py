"""Checkpoints outside the database: a folder that a restored backup does not bring back with it.

One append-only file per tenant (``klinik-a.checkpoints``) holds its signed notes one after another; ``heartbeat.note``
holds the newest heartbeat. The folder should be on another disk or host; whoever may write to both it and the database
can hide a roll-back from this machine, which is why checkpoints are meant to be copied further.

A crash can leave half a note at the end of a file: readers ignore it, the next writer takes it off.
"""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import ConfigurationError, TrailDamaged
from .checkpoints import parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SUFFIX: Final = ".checkpoints"
_TENANT: Final = re.compile(r"[a-z0-9-]{1,64}")
_SIGNATURE: Final = "\N{EM DASH} ".encode()
_TAIL: Final = 4096  # several notes: one of ours has about 200 bytes


class PublishedCheckpoints:
    """The notes in ``folder``, which is made where it is missing. Raises `ConfigurationError` where it cannot be."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(detail=f"no checkpoints can be kept in {folder} ({error.strerror})") from None
        self._folder = folder

    def tenants(self) -> list[str]:
        """Whose checkpoints are here."""
        names = sorted(path.name.removesuffix(_SUFFIX) for path in self._folder.glob(f"*{_SUFFIX}"))
        return [name for name in names if _TENANT.fullmatch(name)]

    def notes(self, tenant: str) -> Iterator[str]:
        """Every note of ``tenant``, the oldest first, up to the one that was the newest when this was called."""
        path = self._path(tenant)
        end = path.stat().st_size if path.exists() else 0
        return self._read(path, end)

    def size(self, tenant: str) -> int:
        """The size of the tree in the newest note of ``tenant``; 0 where there is none.

        The signature is not looked at: a note that says more than the database must stop the sequencer, whoever wrote
        it. Raises `TrailDamaged` where the newest note is malformed.
        """
        path = self._path(tenant)
        try:
            with path.open("rb") as file:
                length = file.seek(0, os.SEEK_END)
                file.seek(max(0, length - _TAIL))
                tail = file.read(_TAIL)
        except FileNotFoundError:
            return 0
        notes = list(_split(tail.splitlines(keepends=True)))
        if not notes:
            if length > _TAIL:
                raise TrailDamaged(detail=f"the file {path.name} holds no checkpoint")
            return 0
        text = notes[-1].rpartition("\n\n")[0]
        # The tail may begin in the middle of a note; the last one is complete, and it has three lines.
        return parse("\n".join(text.split("\n")[-3:]) + "\n").size

    def append(self, tenant: str, note: str) -> None:
        """Add ``note``; it is on disk when this returns. Raises `OSError`."""
        path = self._path(tenant)
        new = not path.exists()
        with self._locked(path) as file:
            # What stands after the last complete note was left by a crash.
            end = 0
            offset = 0
            for line in file:
                offset += len(line)
                if line.startswith(_SIGNATURE) and line.endswith(b"\n"):
                    end = offset
            file.truncate(end)
            file.seek(end)
            file.write(note.encode())
            file.flush()
            os.fsync(file.fileno())
        if new:
            self._sync_folder()

    def heartbeat(self) -> str | None:
        """The newest heartbeat's note."""
        try:
            return (self._folder / "heartbeat.note").read_text("utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError:
            raise TrailDamaged(detail="the heartbeat is not text") from None

    def beat(self, note: str) -> None:
        """Replace the heartbeat. Raises `OSError`."""
        new = self._folder / "heartbeat.new"
        with new.open("w", encoding="utf-8") as file:
            file.write(note)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._folder / "heartbeat.note")
        self._sync_folder()

    def _path(self, tenant: str) -> Path:
        if not _TENANT.fullmatch(tenant):
            raise TrailDamaged(detail="a tenant's id is not of the format")
        return self._folder / f"{tenant}{_SUFFIX}"

    def _read(self, path: Path, end: int) -> Iterator[str]:
        if end:
            with path.open("rb") as file:
                yield from _split(_lines(file, end))

    @contextmanager
    def _locked(self, path: Path) -> Iterator[BinaryIO]:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _lines(file: BinaryIO, end: int) -> Iterator[bytes]:
    while file.tell() < end:
        yield file.readline(_TAIL)


def _split(lines: Iterator[bytes] | list[bytes]) -> Iterator[str]:
    """Notes out of lines: each ends with its signature line. An incomplete last one is left out."""
    note: list[bytes] = []
    for line in lines:
        note.append(line)
        if line.startswith(_SIGNATURE) and line.endswith(b"\n"):
            yield b"".join(note).decode("utf-8", "replace")
            note = []
