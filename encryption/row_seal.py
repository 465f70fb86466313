"""The seal of a row: a MAC over some columns and the row's key, so that an edit behind the application is found.

*Format.* 37 bytes: ``0x01``, the version of the tenant's data key (4 bytes, big-endian), 32 bytes of tag.

*Construction.* From the data key of that version, the tenant and the *place* (netstrings of the table's id and of the
sealed columns' names, in their order)::

    K   = HKDF-Expand-SHA-256(data key, "amanah/1 row seal" || netstring(tenant) || place || netstring(version), 32)
    tag = HMAC-SHA-256(K, body)

``body`` has one piece per sealed column, a netstring of its value's text (of an envelope, hexadecimal digits) or ``-``
for NULL, and then a netstring per part of the row's key. How many of them there are is fixed by ``K``, so a body can be
read in one way only. A seal that was moved to another row, table or tenant, or that was made for another list of
columns, does not hold. An older seal put back together with the older values does: it is the same row.
"""

from __future__ import annotations

import hmac
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

FORMAT: Final = 1
SIZE: Final = 37
LABEL: Final = b"amanah/1 row seal"

_TAG = 5


class RowSeal(NamedTuple):
    """The parts of a seal."""

    key_version: int
    tag: bytes


def parse(data: bytes) -> RowSeal | None:
    """The parts of a seal; None for what is no seal of this format."""
    if len(data) != SIZE or data[0] != FORMAT:
        return None
    return RowSeal(int.from_bytes(data[1:_TAG], "big"), data[_TAG:])


def keyed(key: bytes) -> HMAC:
    """A MAC under the derived ``key``, to be copied for each row."""
    return HMAC(key, SHA256())


def make(mac: HMAC, key_version: int, body: bytes) -> bytes:
    """The seal of ``body``; ``mac`` is left as it is."""
    return FORMAT.to_bytes(1, "big") + key_version.to_bytes(4, "big") + _tag(mac, body)


def holds(mac: HMAC, seal: RowSeal, body: bytes) -> bool:
    """Whether ``seal`` was made over ``body``; compared in constant time."""
    return hmac.compare_digest(_tag(mac, body), seal.tag)


def _tag(mac: HMAC, body: bytes) -> bytes:
    mine = mac.copy()
    mine.update(body)
    return mine.finalize()
