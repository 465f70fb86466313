"""Which key provider the settings name, and the first key in it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, KeyFileExists, ProviderKeyMissing
from ..i18n import N_
from .environment_provider import EnvironmentKeyProvider
from .file_provider import FileKeyProvider
from .succeeding_provider import SucceedingProvider

if TYPE_CHECKING:
    from pathlib import Path

    from ..settings import ProviderName, Settings
    from .provider import KeyProvider

_LONGEST_PIN = 256


def chosen(settings: Settings) -> KeyProvider:
    """The provider that ``settings`` name. Nothing is created, and no key service is asked.

    Raises :class:`~amanah.errors.ConfigurationError` and its kind where something is missing.
    """
    provider = _named(settings.key_provider, settings)
    if settings.key_provider_before is None:
        return provider
    return SucceedingProvider(provider, _named(settings.key_provider_before, settings))


def first_key(settings: Settings, *, again: bool = False) -> str:
    """Make the provider's first key, where it can and has none yet. Returns the id of the current key.

    ``again``: a key file that is there is taken as it is, and not refused with
    :class:`~amanah.errors.KeyFileExists`. Keys in a key service always are: there is nothing that could be overwritten.
    """
    if settings.key_provider == "file":
        try:
            return FileKeyProvider.create(settings.key_file).key_id()
        except KeyFileExists:
            if not again:
                raise
    provider = _named(settings.key_provider, settings)
    try:
        return provider.key_id()
    except ProviderKeyMissing:
        return provider.create_key("tenants")


def is_for_development(provider: KeyProvider) -> bool:
    """Whether whoever can read a file or the process's environment has the keys."""
    if isinstance(provider, SucceedingProvider):
        provider = provider.successor
    return isinstance(provider, (FileKeyProvider, EnvironmentKeyProvider))


def _named(name: ProviderName, settings: Settings) -> KeyProvider:
    # What belongs to an extra is imported when it is chosen.
    if name == "aws-kms":
        from .aws_kms_provider import AwsKmsProvider

        return AwsKmsProvider(settings.aws_kms_key)
    if name == "pkcs11":
        from .pkcs11_provider import Pkcs11Provider

        pin = settings.pkcs11_pin if settings.pkcs11_pin_file is None else _read_pin(settings.pkcs11_pin_file)
        return Pkcs11Provider(settings.pkcs11_module, settings.pkcs11_token, pin, label=settings.pkcs11_label)
    if name == "environment":
        return EnvironmentKeyProvider()
    return FileKeyProvider(settings.key_file)


def _read_pin(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            facts = os.fstat(descriptor)
            text = os.read(descriptor, _LONGEST_PIN).decode()
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        raise ConfigurationError(detail=N_("The file with the PIN cannot be read.")) from None
    if not stat.S_ISREG(facts.st_mode) or stat.S_IMODE(facts.st_mode) & 0o077:
        raise ConfigurationError(detail=N_("The file with the PIN must be of mode 600."))
    return text.strip()
