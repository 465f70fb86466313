"""What an operator sets from outside: where keys and checkpoints live, which proxies are believed.

Values come from ``AMANAH_*`` environment variables or from the caller; nothing here widens access by default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """Files and limits of one installation.

    ``key_file``: the file key provider's keys, mode 600. ``signer_file``: the Ed25519 key that signs checkpoints.
    ``checkpoints``: a folder outside the database that keeps signed checkpoints. ``trusted_proxies``: addresses or
    networks whose ``X-Forwarded-*`` are believed. ``hosts``: names to which a plain request may be redirected.
    """

    key_file: Path
    signer_file: Path
    checkpoints: Path
    trusted_proxies: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    trail_queue: int = field(default=10_000)

    @classmethod
    def in_folder(cls, folder: str | os.PathLike[str]) -> Settings:
        """The three files under one folder, by their usual names."""
        base = Path(folder)
        return cls(base / "keys.json", base / "signer.key", base / "checkpoints")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """``AMANAH_KEY_FILE``, ``AMANAH_SIGNER_FILE`` and ``AMANAH_CHECKPOINTS`` (or all three in ``AMANAH_STATE``).

        ``AMANAH_TRUSTED_PROXIES`` and ``AMANAH_HOSTS`` are lists with commas. Raises `ConfigurationError` for a path
        that is not said.
        """
        given = os.environ if environment is None else environment
        base = given.get("AMANAH_STATE")
        usual = cls.in_folder(base) if base else None

        def path(name: str, default: Path | None) -> Path:
            value = given.get(name)
            if value:
                return Path(value)
            if default is None:
                raise ConfigurationError(detail=f"set {name}, or AMANAH_STATE for a folder that holds all of it")
            return default

        return cls(
            key_file=path("AMANAH_KEY_FILE", usual.key_file if usual else None),
            signer_file=path("AMANAH_SIGNER_FILE", usual.signer_file if usual else None),
            checkpoints=path("AMANAH_CHECKPOINTS", usual.checkpoints if usual else None),
            trusted_proxies=_list(given.get("AMANAH_TRUSTED_PROXIES", "")),
            hosts=_list(given.get("AMANAH_HOSTS", "")),
        )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
