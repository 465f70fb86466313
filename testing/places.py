"""Where a test's files lie: keys, and a folder that is in memory where there is one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from ..guard import create_keys
from ..settings import Settings

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - Linux's folder in memory; below it a folder of our own is made
_ROOM: Final = 256 * 1024 * 1024
_kept: list[tempfile.TemporaryDirectory[str]] = []


def settings_in(folder: str | os.PathLike[str]) -> Settings:
    """Settings whose key file, signer and checkpoints lie in ``folder``, made there unless they are there already."""
    settings = Settings.in_folder(folder)
    if not settings.key_file.exists():
        create_keys(settings)
    return settings


def fast_folder() -> Path:
    """A new folder for a test run's databases and keys; it goes with the process.

    In memory where the system has such a place with room for it, so that nothing waits for a disk. The software in it
    is the same and syncs as ever, which costs nothing there. Elsewhere it is the usual temporary folder.
    """
    kept = tempfile.TemporaryDirectory(prefix="amanah-test-", dir=_memory())
    _kept.append(kept)
    return Path(kept.name)


def _memory() -> Path | None:
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM
    return _MEMORY if roomy else None
