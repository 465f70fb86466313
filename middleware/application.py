"""What every guard is told about its application, and what one that is not for development is told of its place."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from sqlalchemy import func, inspect, select

from ..audit.checkpoints import SignerKey
from ..database import own_engine
from ..encryption.chosen_provider import chosen, first_key, is_for_development
from ..encryption.models import key as key_table
from ..settings import Settings
from .engines import engines_of
from .https import Transport

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import MetaData

    from ..encryption.provider import KeyProvider
    from .engines import Engines
    from .first_sight import Policy
    from .identify import Identify
    from .row_filters import RowFilter


class Application(TypedDict):
    """What each of the guard's constructors takes about the application, besides its declarations and routes."""

    metadata: MetaData
    """The application's tables."""
    engine: Engines
    """By which it reaches its database. Where it has several engines, all of them in a list, the chief one first:
    what goes through an engine that the guard does not know is neither walled nor recorded."""
    identify: Identify
    """Who sends this request, as the application's own login knows it."""
    tenant_column: NotRequired[str]
    """The column that says whose row it is; default: ``tenant_id``."""
    first_sight: NotRequired[Policy]
    """What becomes of somebody whom the login knows and the tenant does not; default: refused."""
    fixed_tenant: NotRequired[str | None]
    """The application has no tenant column, and all its data is this one tenant's. Every table that is not `shared` is
    protected, and nobody of another tenant is let in."""
    row_filters: NotRequired[Iterable[RowFilter]]
    """Which rows the rules of the policy speak of that name a row filter."""
    silenced: NotRequired[Mapping[str, str] | None]
    """Findings of `amanah doctor` that need not be told: id, or id and subject, → the reason. What is enforced does not
    change by it."""


class Deployed(TypedDict):
    """Where a guard that faces the world keeps its keys, and what it believes of a connection."""

    settings: Settings
    provider: KeyProvider
    signer: SignerKey
    transport: Transport
    development: bool


def deployed(settings: Settings | None, provider: KeyProvider | None) -> Deployed:
    """Everything from ``settings``, the environment's by default. Nothing is created: what is missing is an error."""
    settings = settings or Settings.from_environment()
    provider = provider or chosen(settings)
    if is_for_development(provider):
        message = (
            "The keys that wrap all others lie in a file or in the environment, where they can be copied: use AWS KMS "
            "or PKCS#11 where real data is (docs/how-to/keep-keys-in-a-key-service.md)."
        )
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    return {
        "settings": settings,
        "provider": provider,
        "signer": SignerKey.load(settings.signer_file),
        "transport": Transport(trusted_proxies=settings.trusted_proxies, hosts=settings.hosts),
        "development": False,
    }


def has_keys(engine: Engines) -> bool:
    """Whether the database already holds wrapped keys. One that cannot be reached raises: it might."""
    own = own_engine(engines_of(engine)[0].url)
    try:
        if not inspect(own).has_table(key_table.name):
            return False
        with own.connect() as connection:
            return bool(connection.scalar(select(func.count()).select_from(key_table)))
    finally:
        own.dispose()


def create_keys(settings: Settings) -> str:
    """Make the provider's first key and a signer, whichever is missing. Returns the id of the provider's current key.

    Raises `KeyFileExists` where a key file and a signer are both there.
    """
    files = [settings.signer_file] if settings.key_provider != "file" else [settings.key_file, settings.signer_file]
    for path in files:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for place in settings.checkpoint_places:
        if isinstance(place, Path):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
    signed = settings.signer_file.exists()
    if not signed:
        SignerKey.create(settings.signer_file)
    return first_key(settings, again=not signed)


__all__ = ["Application", "Deployed", "create_keys", "deployed", "has_keys"]
