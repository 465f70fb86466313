"""What an operator sets from outside: who keeps the keys, where checkpoints live, which proxies are believed.

Values come from ``AMANAH_*`` environment variables or from the caller; nothing here widens access by default.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from .errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping


ProviderName: TypeAlias = Literal["file", "environment", "aws-kms", "pkcs11"]
PROVIDERS: Final[tuple[ProviderName, ...]] = get_args(ProviderName)
WorkerPlace: TypeAlias = Literal["inside", "outside"]
WORKER_PLACES: Final[tuple[WorkerPlace, ...]] = get_args(WorkerPlace)

_LONGEST: Final = 3650


@dataclass(frozen=True, slots=True)
class Settings:
    """Files and limits of one installation.

    ``key_file``: the file key provider's keys, mode 600. ``signer_file``: the Ed25519 key that signs checkpoints.
    ``checkpoints``: where signed checkpoints are kept outside the database: a folder, ``s3://bucket/prefix?region=…``,
    or several of these. ``trusted_proxies``: addresses or networks whose ``X-Forwarded-*`` are believed. ``hosts``:
    names to which a plain request may be redirected.

    ``key_provider``: who holds the keys above all others; ``key_provider_before``: who held them, while they move.
    ``aws_kms_key``: an alias, ARN or id in AWS KMS. ``pkcs11_…``: path of the module, label of the token, with which
    the keys' labels begin, and the PIN or a file that holds it.

    ``erasures``: the ledger of erasures, a file outside the database; default: beside the folder of checkpoints, or
    where there is none, beside the signer's key.
    ``backup_retention_days``: how long backups of the database are kept. ``epoch_days``: how old the key gets under
    which the secrets of persons are wrapped.

    ``owner_url``: by which commands that work on the rows of all tenants reach the guarded database, as a role that
    row-level security does not hold; default: ``AMANAH_OWNER_URL``.

    ``worker``: whether the application's processes sequence the trail beside their requests (``inside``) or leave it to
    ``amanah worker`` (``outside``).
    """

    key_file: Path
    signer_file: Path
    checkpoints: Path | str | tuple[Path | str, ...]
    trusted_proxies: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    trail_queue: int = field(default=10_000)
    key_provider: ProviderName = "file"
    key_provider_before: ProviderName | None = None
    aws_kms_key: str = ""
    pkcs11_module: str = ""
    pkcs11_token: str = ""
    pkcs11_label: str = "amanah"
    pkcs11_pin: str = field(default="", repr=False)
    pkcs11_pin_file: Path | None = None
    erasures: Path | None = None
    backup_retention_days: int = 35
    epoch_days: int = 30
    owner_url: str = field(default_factory=lambda: os.environ.get("AMANAH_OWNER_URL", ""), repr=False)

    worker: WorkerPlace = "inside"

    @property
    def checkpoint_places(self) -> tuple[Path | str, ...]:
        """Every place for checkpoints: folders as paths, buckets as they were said."""
        said = self.checkpoints if isinstance(self.checkpoints, tuple) else (self.checkpoints,)
        return tuple(one if isinstance(one, Path) or one.startswith("s3://") else Path(one) for one in said)

    @property
    def checkpoint_folder(self) -> Path | None:
        """The first of them that is a folder."""
        return next((one for one in self.checkpoint_places if isinstance(one, Path)), None)

    @property
    def erasure_ledger(self) -> Path:
        """The file of the ledger of erasures."""
        return self.erasures or (self.checkpoint_folder or self.signer_file).with_name("erasures.jsonl")

    @classmethod
    def in_folder(cls, folder: str | os.PathLike[str]) -> Settings:
        """The three files under one folder, by their usual names."""
        base = Path(folder)
        return cls(base / "keys.json", base / "signer.key", base / "checkpoints")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """``AMANAH_KEY_FILE``, ``AMANAH_SIGNER_FILE`` and ``AMANAH_CHECKPOINTS`` (or all three in ``AMANAH_STATE``).

        ``AMANAH_KEY_PROVIDER`` says who keeps the keys, and further variables where (docs/reference/settings.md).
        ``AMANAH_ERASURES`` is the ledger of erasures; ``AMANAH_BACKUP_RETENTION_DAYS`` and ``AMANAH_EPOCH_DAYS`` are
        numbers of days. ``AMANAH_OWNER_URL`` is for commands. ``AMANAH_TRUSTED_PROXIES`` and ``AMANAH_HOSTS`` are lists
        with commas, and so are several places in ``AMANAH_CHECKPOINTS``. ``AMANAH_WORKER``: ``inside`` or ``outside``.
        Raises `ConfigurationError` for a path that is not said and a provider that there is not.
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

        places = _list(given.get("AMANAH_CHECKPOINTS", ""))
        if not places:
            places = (str(path("AMANAH_CHECKPOINTS", usual.checkpoint_folder if usual else None)),)
        provider = _provider(given, "AMANAH_KEY_PROVIDER") or "file"
        before = _provider(given, "AMANAH_KEY_PROVIDER_BEFORE")
        signer = path("AMANAH_SIGNER_FILE", usual.signer_file if usual else None)
        # Without a file provider nothing is read there.
        unused = None if "file" in (provider, before) else signer.with_name("keys.json")
        pin_file = given.get("AMANAH_PKCS11_PIN_FILE")
        return cls(
            key_file=path("AMANAH_KEY_FILE", usual.key_file if usual else unused),
            signer_file=signer,
            checkpoints=_places(places),
            trusted_proxies=_list(given.get("AMANAH_TRUSTED_PROXIES", "")),
            hosts=_list(given.get("AMANAH_HOSTS", "")),
            key_provider=provider,
            key_provider_before=before,
            aws_kms_key=given.get("AMANAH_AWS_KMS_KEY", ""),
            pkcs11_module=given.get("AMANAH_PKCS11_MODULE", ""),
            pkcs11_token=given.get("AMANAH_PKCS11_TOKEN", ""),
            pkcs11_label=given.get("AMANAH_PKCS11_LABEL") or "amanah",
            pkcs11_pin=given.get("AMANAH_PKCS11_PIN", ""),
            pkcs11_pin_file=Path(pin_file) if pin_file else None,
            erasures=Path(given["AMANAH_ERASURES"]) if given.get("AMANAH_ERASURES") else None,
            backup_retention_days=_days(given, "AMANAH_BACKUP_RETENTION_DAYS", 35),
            epoch_days=_days(given, "AMANAH_EPOCH_DAYS", 30),
            owner_url=given.get("AMANAH_OWNER_URL", ""),
            worker=_worker(given),
        )


def _provider(given: Mapping[str, str], variable: str) -> ProviderName | None:
    name = given.get(variable)
    if not name:
        return None
    if name not in PROVIDERS:
        raise ConfigurationError(detail=f"{variable} is one of: {', '.join(PROVIDERS)}")
    return name


def _days(given: Mapping[str, str], variable: str, default: int) -> int:
    text = given.get(variable) or str(default)
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _LONGEST):
        raise ConfigurationError(detail=f"{variable} is a number of days from 1 to {_LONGEST}")
    return int(text)


def _worker(given: Mapping[str, str]) -> WorkerPlace:
    said = given.get("AMANAH_WORKER") or "inside"
    if said not in WORKER_PLACES:
        raise ConfigurationError(detail=f"AMANAH_WORKER is one of: {', '.join(WORKER_PLACES)}")
    return said


def _places(said: tuple[str, ...]) -> Path | str | tuple[Path | str, ...]:
    found = tuple(one if one.startswith("s3://") else Path(one) for one in said)
    return found[0] if len(found) == 1 else found


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
