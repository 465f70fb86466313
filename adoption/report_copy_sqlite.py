"""A reporting copy in a SQLite file.

1. A new file beside the old one, readable by its owner only, locked against a second run.
2. The old one is looked at: this tenant's copy, or nothing at all.
3. The new copy is written and made durable.
4. ``os.replace``: whoever opens the file from now on has the new copy, who has it open keeps the old one.

What a killed run leaves behind is the file of step 1, which the next run takes over.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from ..errors import CopyBusy, CopyPlaceAway, CopyPlaceTaken
from .report_copy_place import Target, demand_ours

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from sqlalchemy import Engine

_SIDES: Final = ("-journal", "-wal", "-shm")


class SqlitePlace:
    """The file at ``path``. ``taken``: files that it must not be, the application's own."""

    def __init__(self, path: Path, taken: Collection[Path]) -> None:
        self._path = path.resolve()
        self._taken = {one.resolve() for one in taken}
        self.name = str(self._path)

    def check(self, tenant: str) -> None:
        """See `Place.check`."""
        path = self._path
        own = {one.with_name(one.name + side) for one in self._taken for side in ("", *_SIDES)}
        if path in own:
            raise CopyPlaceTaken(place=self.name, found="the application's own database")
        if not path.parent.is_dir():
            raise CopyPlaceAway(place=self.name, detail="no such folder")
        if not path.exists():
            return
        if not path.is_file():
            raise CopyPlaceTaken(place=self.name, found="no file")
        if any(_beside(path, side).exists() for side in _SIDES):
            raise CopyBusy(place=self.name)  # somebody writes into it, and the journal would meet the new file
        engine = _engine(f"file:{_quoted(path)}?mode=ro")
        try:
            with engine.connect() as connection:
                names = connection.scalars(
                    text("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")
                )
                demand_ours(connection, self.name, tenant, names.all())
        except DBAPIError:
            raise CopyPlaceTaken(place=self.name, found="no SQLite database") from None
        finally:
            engine.dispose()

    @contextmanager
    def replacing(self, tenant: str) -> Iterator[Target]:
        """See `Place.replacing`."""
        self.check(tenant)
        fresh = self._path.with_name(f".{self._path.name}.amanah-new")
        file = self._locked(fresh)  # 1
        engine = None
        try:
            self.check(tenant)  # 2
            for side in _SIDES:
                _beside(fresh, side).unlink(missing_ok=True)
            engine = _engine(f"file:{_quoted(fresh)}?mode=rw")
            with engine.begin() as connection:
                yield Target(connection, None, sqlite=True)  # 3
            engine.dispose()
            with self._reaching():
                os.fsync(file)
                fresh.replace(self._path)  # 4
                _sync_folder(self._path.parent)
        except BaseException:
            with suppress(OSError):
                fresh.unlink()
            raise
        finally:
            if engine is not None:
                engine.dispose()
            os.close(file)

    def _locked(self, fresh: Path) -> int:
        """The new file, empty, nobody else's and locked; closing it gives it free."""
        with self._reaching():
            file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self._take(file, fresh)
        except BaseException:
            os.close(file)
            raise
        return file

    def _take(self, file: int, fresh: Path) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CopyBusy(place=self.name) from None
        with self._reaching():
            here = os.fstat(file)
            gone = not fresh.exists() or not os.path.samestat(here, fresh.stat())
        if gone:  # another run has just put it into place
            raise CopyBusy(place=self.name)
        if not stat.S_ISREG(here.st_mode) or here.st_uid != os.geteuid() or here.st_nlink > 1:
            raise CopyPlaceTaken(place=self.name, found=fresh.name)
        with self._reaching():
            os.fchmod(file, 0o600)
            os.ftruncate(file, 0)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CopyPlaceAway(place=self.name, detail=error.strerror or type(error).__name__) from None


def _engine(uri: str) -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=0)
        # Nobody reads the new file before it is in place, and a killed run's file is begun anew.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        return connection

    return create_engine("sqlite+pysqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)


def _beside(path: Path, side: str) -> Path:
    return path.with_name(path.name + side)


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
