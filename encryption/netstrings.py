"""Netstrings (https://cr.yp.to/proto/netstrings.txt): length-prefixed parts that can be joined in one way only."""

from __future__ import annotations


def netstring(*parts: bytes | str) -> bytes:
    """``netstring("customer.phone", "7")`` is ``b"14:customer.phone,1:7,"``; text is taken as UTF-8."""
    encoded = (part.encode() if isinstance(part, str) else part for part in parts)
    return b"".join(b"%d:%b," % (len(part), part) for part in encoded)
