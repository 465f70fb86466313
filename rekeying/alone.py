"""One command changes keys at a time: the second one is told. The lock goes with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from ..errors import RotationBusy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

_LOCK: Final = 0x616D616E6168_6B65  # "amanahke"


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """Nobody else changes keys in the database of ``engine`` until the block ends. Raises `RotationBusy`.

    PostgreSQL: an advisory lock of a transaction that does nothing else, which a pooler between transactions leaves
    whole. SQLite: a lock on a file beside the database, so that nobody who writes to it waits.
    """
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            if not connection.scalar(select(func.pg_try_advisory_xact_lock(_LOCK))):
                raise RotationBusy
            yield
        return
    path = Path(engine.url.database or "")
    descriptor = os.open(path.with_name(f"{path.name}-rotation.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RotationBusy from None
        yield
    finally:
        os.close(descriptor)  # and the lock with it
