"""Netstrings (D. J. Bernstein, 1997): ``<length>:<bytes>,``. How row keys are named to the cipher and carried by SELECTs."""

from __future__ import annotations

from ..errors import Tampered


def netstring(data: bytes) -> bytes:
    """``data`` with its length in decimal before it and a comma behind it."""
    return b"%d:%s," % (len(data), data)


def after(data: bytes, start: int) -> tuple[bytes, int]:
    """The netstring that begins at ``start``, and the position behind it. Raises `Tampered` on anything else."""
    try:
        colon = data.index(b":", start, start + 10)
        end = colon + 1 + int(data[start:colon])
        if data[end] != 44:  # noqa: PLR2004 - the comma
            raise Tampered
        return data[colon + 1 : end], end + 1
    except (ValueError, IndexError):
        raise Tampered from None
