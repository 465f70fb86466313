"""Identifiers made by the client: UUID version 7 (RFC 9562 section 5.7), so that keys sort by the time of making."""

import os
import threading
import time
import uuid

_lock = threading.Lock()
_last = 0


def uuid7(milliseconds: int, random: bytes) -> uuid.UUID:
    """Build a version 7 UUID from milliseconds since the epoch and 10 random bytes."""
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(random[:10], "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return uuid.UUID(int=value)


def new_id() -> str:
    """Return a fresh id as 36 characters of text; later ids of one process sort after earlier ones.

    The clock is counted in 1/4096 of a millisecond and never given out twice: the fraction takes the twelve bits after
    the version (RFC 9562 section 6.2, method 3).
    """
    global _last  # noqa: PLW0603 - one clock for the process
    ticks = time.time_ns() * 4096 // 1_000_000
    with _lock:
        _last = ticks = max(ticks, _last + 1)
    return str(uuid7(ticks >> 12, (ticks & 0xFFF).to_bytes(2, "big") + os.urandom(8)))
