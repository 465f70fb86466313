"""Netstrings (https://cr.yp.to/proto/netstrings.txt): length-prefixed parts that can be joined in one way only.

They name a row's key to the cipher, and SELECTs carry them before each personal cell.
"""

from __future__ import annotations

from ..errors import Tampered

_COMMA = ord(",")
_ZERO = ord("0")


def netstring(*parts: bytes | str) -> bytes:
    """``netstring("customer.phone", "7")`` is ``b"14:customer.phone,1:7,"``; text is taken as UTF-8."""
    encoded = (part.encode() if isinstance(part, str) else part for part in parts)
    return b"".join(b"%d:%b," % (len(part), part) for part in encoded)


def after(data: bytes, start: int) -> tuple[bytes, int]:
    """The netstring that begins at ``start``, and the position behind it. Raises `Tampered` on anything else.

    A length has one spelling: what `int` would take besides (signs, blanks, zeros before it) is refused.
    """
    try:
        colon = data.index(b":", start, start + 10)
        length = data[start:colon]
        if not length.isdigit() or (length[0] == _ZERO and len(length) > 1):
            raise Tampered
        end = colon + 1 + int(length)
        if data[end] != _COMMA:
            raise Tampered
        return data[colon + 1 : end], end + 1
    except (ValueError, IndexError):
        raise Tampered from None
