"""Passwords: scrypt (RFC 7914), kept as `scrypt$log2(n)$r$p$salt$hash`."""

import asyncio
import base64
import hashlib
import hmac
import secrets

COST = (14, 8, 1)  # 16 MB and some 40 ms each


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    log_n, r, p = cost
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=1 << log_n, r=r, p=p, maxmem=1 << 26, dklen=32
    )


def hash_password(password: str, salt: bytes | None = None) -> str:
    """Return what to keep of a password."""
    salt = salt or secrets.token_bytes(16)
    parts = (base64.b64encode(part).decode() for part in (salt, _scrypt(password, salt, COST)))
    return "$".join(("scrypt", *map(str, COST), *parts))


NOBODY = hash_password(secrets.token_hex(16))  # so that an unknown address takes as long as a wrong password


async def matches(password: str, kept: str | None) -> bool:
    """Tell whether the password is the one that was kept, in a thread of its own; always False for None."""
    _, log_n, r, p, salt, expected = (kept or NOBODY).split("$")
    cost = (int(log_n), int(r), int(p))
    actual = await asyncio.to_thread(_scrypt, password, base64.b64decode(salt), cost)
    return hmac.compare_digest(actual, base64.b64decode(expected)) and kept is not None
