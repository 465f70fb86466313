"""Random tokens: what the browser holds, and the hash that the database keeps of it.

A token has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import re
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final

_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")


def new_token() -> str:
    """43 characters of base64url."""
    return token_urlsafe(_BYTES)


def token_hash(token: str | None) -> bytes | None:
    """The hash (32 bytes) under which ``token`` is kept; None for what was never one of ours."""
    if token is None or not _TOKEN.fullmatch(token):
        return None
    return sha256(token.encode("ascii")).digest()
