"""Passwords."""

import hashlib
import hmac
import secrets


def hash_password(sandi: str, garam: bytes | None = None) -> str:
    garam = garam or secrets.token_bytes(16)
    digest = hashlib.scrypt(sandi.encode(), salt=garam, n=2**14, r=8, p=1, dklen=32)
    return f"scrypt${garam.hex()}${digest.hex()}"


def check_password(sandi: str, sandi_hash: str) -> bool:
    _, garam, _ = sandi_hash.split("$")
    return hmac.compare_digest(hash_password(sandi, bytes.fromhex(garam)), sandi_hash)
