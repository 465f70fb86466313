r"""A folder of checkpoints: on another disk or host than the database, or an auditor's copy of one, read-only.

Files ``000000000001.records``, ``000000001001.records`` … hold the records of a thousand numbers each, one after
another, and only grow::

    # <number> <bytes> <SHA-256 of number, newline and record, in hex>\n<record>\n

``heartbeat.note`` is replaced as a whole. Invariants:

1. A record is acknowledged after fsync of its file, and of the folder where the file is new.
2. What a writer that died left at the end of the last file (an incomplete record, or one with bytes that never reached
   the disk) was never acknowledged: readers stop before it, and the next writer cuts it off. No record follows it.
3. Anything else that does not fit (a changed record, a number out of order, a file cut short before others) is
   `TrailDamaged`.
4. One writer at a time, by a lock on the file ``lock``. Readers share it, for a moment; a copy needs none.
5. The folder is never made here: where a disk is not mounted, nothing is written beside it, and nobody concludes that
   there was no checkpoint.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from ..errors import CheckpointsAway, TrailDamaged
from .outside import HIGHEST, LARGEST, checked

if TYPE_CHECKING:
    from collections.abc import Iterator

_EACH: Final = 1000
_DIGITS: Final = len(str(HIGHEST))
_NAME: Final = re.compile(rf"([0-9]{{{_DIGITS}}})\.records")
_HEADER: Final = re.compile(rb"# ([1-9][0-9]{0,11}) (0|[1-9][0-9]{0,8}) ([0-9a-f]{64})\n")
_LONGEST_HEADER: Final = 128
_LONGEST_HEARTBEAT: Final = 100_000


@dataclass(frozen=True, slots=True)
class _Frame:
    """One record's place in its file: it begins at ``start``, its text at ``text``, and the next one at ``end``."""

    number: int
    digest: bytes
    start: int
    text: int
    end: int


class _Torn(Exception):
    """From here on the file holds what a writer that died has left."""


class FolderOutside:
    """The records in ``folder``, for writers and readers in any number of processes."""

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self._seen: tuple[int, _Frame] | None = None

    def write(self, number: int, record: str) -> None:
        """Append ``record``. Raises `CheckpointsAway` (nothing was kept) and `TrailDamaged`."""
        data = checked(number, record)
        with self._away(), self._locked(fcntl.LOCK_EX):
            last, frame = self._end()
            if frame is not None and number <= frame.number:
                if self._kept(number) != data:
                    raise TrailDamaged(detail=f"another record {number} was written before")
                return
            self._cut(last, frame)
            self._append(number, data)

    def newest(self) -> int:
        """The greatest number in the last file that holds one."""
        with self._away(), self._locked(fcntl.LOCK_SH):
            frame = self._end()[1]
        return 0 if frame is None else frame.number

    def read(self, first: int = 1) -> Iterator[tuple[int, str]]:
        """Records as they are when it comes to them; those that are written meanwhile may be among them."""
        with self._away():
            files = [one for one in self._files() if one + _EACH > first]
            for one in files:
                with self._path(one).open("rb") as file:
                    for frame, data in self._records(file, one, last=one == files[-1]):
                        if frame.number >= first:
                            yield frame.number, _text(data, self._path(one).name)

    def beat(self, note: str) -> None:
        """Replace ``heartbeat.note``."""
        with self._away(), self._locked(fcntl.LOCK_EX):
            new = self._folder / "heartbeat.new"
            with new.open("wb") as file:
                file.write(note.encode())
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._folder / "heartbeat.note")
            self._sync()

    def heartbeat(self) -> str | None:
        """What ``heartbeat.note`` holds."""
        with self._away():
            try:
                with (self._folder / "heartbeat.note").open("rb") as file:
                    data = file.read(_LONGEST_HEARTBEAT + 1)
            except FileNotFoundError:
                self._files()  # raises where the folder is not there
                return None
        if len(data) > _LONGEST_HEARTBEAT:
            raise TrailDamaged(detail="the heartbeat is too long")
        return _text(data, "heartbeat.note")

    # -- the files -----------------------------------------------------------------------------------------------------

    def _path(self, first: int) -> Path:
        return self._folder / f"{first:0{_DIGITS}}.records"

    def _files(self) -> list[int]:
        """The first possible number of each file, ascending."""
        with os.scandir(self._folder) as found:
            names = [_NAME.fullmatch(one.name) for one in found]
        return sorted(int(name[1]) for name in names if name is not None)

    def _end(self) -> tuple[int, _Frame | None]:
        """The last file that holds a record (0: none does), and that record. Under the lock."""
        for one in reversed(self._files()):
            with self._path(one).open("rb") as file:
                frame = self._last(file, one)
            if frame is not None:
                self._seen = one, frame
                return one, frame
        return 0, None

    def _last(self, file: BinaryIO, first: int) -> _Frame | None:
        """The last acknowledged record of a file. Only headers are read, and the text of the last."""
        size = os.fstat(file.fileno()).st_size
        seen = self._seen[1] if self._seen is not None and self._seen[0] == first else None
        # Those before one that was whole here before are not looked at again.
        before, frame = None, seen if seen is not None and _whole(file, seen) else None
        try:
            while (0 if frame is None else frame.end) < size:
                before, frame = frame, self._frame(file, first, frame)
        except _Torn:
            self._check_torn(file, first, frame)
        if frame is None or _whole(file, frame):
            return frame
        self._check_torn(file, first, before)
        return before

    def _records(self, file: BinaryIO, first: int, *, last: bool) -> Iterator[tuple[_Frame, bytes]]:
        """The records of one file; ``last``: no file follows, so its end may be torn."""
        frame = None
        while True:
            position = frame.end if frame is not None else 0
            try:
                if position >= os.fstat(file.fileno()).st_size:
                    return
                found = self._frame(file, first, frame)
                data = _data(file, found)
            except (_Torn, TrailDamaged):
                # A writer may be here just now, cutting off and writing anew: look again while none is.
                with self._locked(fcntl.LOCK_SH):
                    if position >= file.seek(0, os.SEEK_END):  # which also forgets what was buffered
                        return
                    try:
                        found = self._frame(file, first, frame)
                        data = _data(file, found)
                    except _Torn:
                        self._check_torn(file, first, frame, last=last)
                        return
            frame = found
            yield frame, data

    def _check_torn(self, file: BinaryIO, first: int, frame: _Frame | None, *, last: bool = True) -> None:
        """Raise `TrailDamaged` unless what stands behind ``frame`` can be what one writer that died has left."""
        file.seek(0 if frame is None else frame.end)
        rest = file.read(LARGEST + 2 * _LONGEST_HEADER)
        if not last or len(rest) > LARGEST + _LONGEST_HEADER or _HEADER.search(rest, 1):
            raise TrailDamaged(detail=f"{self._path(first).name} lacks something before its end")

    def _frame(self, file: BinaryIO, first: int, before: _Frame | None) -> _Frame:
        """The record after ``before``. Raises `_Torn` where a writer died, `TrailDamaged` where that is no reason."""
        name = self._path(first).name
        start = 0 if before is None else before.end
        file.seek(start)
        line = file.readline(_LONGEST_HEADER)
        header = _HEADER.fullmatch(line)
        if header is None:
            if b"\0" in line or (not line.endswith(b"\n") and len(line) < _LONGEST_HEADER):
                raise _Torn
            raise TrailDamaged(detail=f"{name} holds something that is no record")
        number, length = int(header[1]), int(header[2])
        if not first <= number < first + _EACH or length > LARGEST or (before is not None and number <= before.number):
            raise TrailDamaged(detail=f"{name} holds a record that does not belong there")
        text = start + len(line)
        if text + length >= os.fstat(file.fileno()).st_size:
            raise _Torn
        return _Frame(number, header[3], start, text, text + length + 1)

    def _kept(self, number: int) -> bytes | None:
        """The record of that number, None where it was left out. Under the lock."""
        first = _first(number)
        if not self._path(first).exists():
            return None
        with self._path(first).open("rb") as file:
            frame = None
            while frame is None or frame.number < number:
                frame = self._frame(file, first, frame)
            return _data(file, frame) if frame.number == number else None

    # -- writing, under the lock ---------------------------------------------------------------------------------------

    def _cut(self, last: int, frame: _Frame | None) -> None:
        """Take off what a writer that died left: behind the last record, and files that hold none."""
        for one in self._files():
            if one > last:
                self._path(one).unlink()
        if frame is not None and self._path(last).stat().st_size > frame.end:
            os.truncate(self._path(last), frame.end)

    def _append(self, number: int, data: bytes) -> None:
        path = self._path(_first(number))
        new = not path.exists()
        header = b"# %d %d %s\n" % (number, len(data), _hash(number, data))
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            start = os.fstat(descriptor).st_size
            try:
                left = memoryview(header + data + b"\n")
                while left:
                    left = left[file.write(left) :]
                os.fsync(descriptor)
                if new:
                    self._sync()
            except OSError:
                with suppress(OSError):  # if not now, the next writer does it
                    os.ftruncate(descriptor, start)
                raise

    def _sync(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        writing = how == fcntl.LOCK_EX
        flags = os.O_RDWR | os.O_CREAT if writing else os.O_RDONLY
        try:
            descriptor = os.open(self._folder / "lock", flags | os.O_CLOEXEC, 0o644)
        except FileNotFoundError:
            if writing:
                raise
            yield  # a copy, to which nobody writes
            return
        try:
            fcntl.flock(descriptor, how)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _away(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            detail = (error.strerror or type(error).__name__).lower()
            code = errno.errorcode.get(error.errno or 0, "")
            raise CheckpointsAway(place=self._folder, detail=f"{detail} {code}".strip()) from None


def _first(number: int) -> int:
    """The first possible number of the file in which this one stands."""
    return (number - 1) // _EACH * _EACH + 1


def _data(file: BinaryIO, frame: _Frame) -> bytes:
    """The record of a frame, in bytes. Raises `_Torn` and `TrailDamaged`."""
    file.seek(frame.text)
    data = file.read(frame.end - frame.text)
    if len(data) < frame.end - frame.text:
        raise _Torn
    if data[-1:] != b"\n" or _hash(frame.number, data[:-1]) != frame.digest:
        if b"\0" in data:  # blocks that never reached the disk
            raise _Torn
        raise TrailDamaged(detail=f"record {frame.number} is not what was written")
    return data[:-1]


def _whole(file: BinaryIO, frame: _Frame) -> bool:
    try:
        _data(file, frame)
    except _Torn:
        return False
    return True


def _hash(number: int, data: bytes) -> bytes:
    return sha256(b"%d\n%s" % (number, data)).hexdigest().encode("ascii")


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise TrailDamaged(detail=f"{name} holds something that is not text") from None


__all__ = ["FolderOutside"]
