"""The mask ``hash``: equal values of one column look equal, and nothing else can be told.

A pseudonym is made with the tenant's key, so that nobody can try all telephone numbers against it: the same value has
another one in another tenant and in another column. It depends on value, column and tenant only, so that what was shown
can be written back. Who may write rows and sees them masked can still try values one by one.
"""

from __future__ import annotations

import base64
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .access import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..encryption.codecs import Codec

PREFIX = "mask:"
"""Begins the search domains under which pseudonyms are made; no column may share such a domain."""

_LETTERS = 12  # of 5 bits: among a million values two have the same one with a probability of 2^-21


@dataclass(frozen=True, slots=True)
class Pseudonym:
    """The pseudonyms of one column: ``#k7f3q2xmabcd`` for text, a UUID of version 8 (RFC 9562) for a UUID."""

    resource: str
    field: str
    codec: Codec
    normalise: Callable[[Any], str] | None

    def __call__(self, value: Any) -> Any:
        """The pseudonym of ``value`` under the current access. Raises `AccessRequired` and what the keys raise.

        Values that are equal for the search are equal here.
        """
        raw = self.normalise(value).encode() if self.normalise else self.codec.encode(value)
        token = require(self.resource).cipher.token(PREFIX + self.field, raw)
        if self.codec.name == "uuid":
            bits = int.from_bytes(token, "big") & ~(0xF << 76 | 0x3 << 62) | (0x8 << 76 | 0x2 << 62)
            made = uuid.UUID(int=bits)
            return made if isinstance(value, uuid.UUID) else str(made)
        return "#" + base64.b32encode(token)[:_LETTERS].decode().lower()
