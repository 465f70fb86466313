"""A provider key in an environment variable: for containers whose platform injects secrets that way.

``AMANAH_KEY=<name>:<32 bytes in base64>``. The variable is read once and left where it is: what else runs in the
process, and its children, can read it. Prefer a file or a key service.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..i18n import N_
from .key_file import decode_key
from .local_keys import LocalKeys

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "AMANAH_KEY"


class EnvironmentKeyProvider(LocalKeys):
    """A :class:`~amanah.encryption.provider.KeyProvider` over one key in the environment."""

    def __init__(self, variable: str = VARIABLE, environment: Mapping[str, str] = os.environ) -> None:
        """Read ``variable``; raises :class:`~amanah.errors.ConfigurationError` where it is not there or malformed."""
        text = environment.get(variable)
        if text is None:
            raise ConfigurationError(detail=N_("The environment variable that holds the key is not set."))
        name, _, encoded = text.partition(":")
        key = decode_key(encoded)
        if not name or key is None:
            raise ConfigurationError(
                detail=N_("The environment variable that holds the key is not of the form name:32-bytes-in-base64.")
            )
        super().__init__({name: key}, name)
