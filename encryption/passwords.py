"""Passwords: Argon2id (RFC 9106), kept in the PHC string format, compared in constant time.

The cost is the one that OWASP's password storage guide names first for small memory: 19 MiB, two passes, one lane;
about 40 ms. The parameters stand in each kept text, so they can be raised for new passwords at any time.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from os import urandom
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

_SALT: Final = 16
_KEY: Final = 32
_PASSES: Final = 2
_LANES: Final = 1
_MEMORY: Final = 19 * 1024  # KiB


def hash_password(password: str) -> str:
    """What to keep of ``password``: a PHC string with a salt of its own."""
    kdf = Argon2id(salt=urandom(_SALT), length=_KEY, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY)
    return kdf.derive_phc_encoded(_bytes(password))


def matches(password: str, kept: str | None) -> bool:
    """Whether ``password`` is the one that was kept. For None it takes as long and says no."""
    try:
        Argon2id.verify_phc_encoded(_bytes(password), kept or _nobody())
    except (InvalidKey, ValueError):
        return False
    return kept is not None


def _bytes(password: str) -> bytes:
    """One text, one sequence of bytes, however the keyboard composes accents (RFC 8265 section 4.2.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


@cache
def _nobody() -> str:
    return hash_password(urandom(_SALT).hex())
