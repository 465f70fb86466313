"""Passwords, tokens, and who is asking."""

import hashlib
import hmac
import os
import time
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, HTTPException, status
from fastapi.security import OAuth2PasswordBearer
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from . import config
from .db import Db
from .models import Akun

COST = {"n": 2**14, "r": 8, "p": 1}
TOKEN_KEY = OctKey.import_key(config.SECRET_KEY)
CLAIMS = jwt.JWTClaimsRegistry(exp={"essential": True}, sub={"essential": True})

oauth2 = OAuth2PasswordBearer(tokenUrl="token")


def hash_sandi(sandi: str) -> str:
    """Return `salt$hash`, both in hexadecimal."""
    salt = os.urandom(16)
    return f"{salt.hex()}${hashlib.scrypt(sandi.encode(), salt=salt, **COST).hex()}"


def cocok(sandi: str, tersimpan: str) -> bool:
    """Tell whether the password is the stored one."""
    salt, _, hashed = tersimpan.partition("$")
    given = hashlib.scrypt(sandi.encode(), salt=bytes.fromhex(salt), **COST)
    return hmac.compare_digest(given, bytes.fromhex(hashed))


def buat_token(akun: Akun) -> str:
    """Return a bearer token for one working day."""
    claims = {"sub": str(akun.id), "peran": akun.peran, "exp": int(time.time()) + config.TOKEN_SECONDS}
    return jwt.encode({"alg": "HS256"}, claims, TOKEN_KEY)


async def current_user(token: Annotated[str, Depends(oauth2)], session: Db) -> Akun:
    """Return the account that the token was issued to."""
    ditolak = HTTPException(status.HTTP_401_UNAUTHORIZED, "Token tidak berlaku", headers={"WWW-Authenticate": "Bearer"})
    try:
        claims = jwt.decode(token, TOKEN_KEY, algorithms=["HS256"]).claims
        CLAIMS.validate(claims)
        akun_id = int(claims["sub"])
    except (JoseError, ValueError) as error:
        raise ditolak from error
    akun = await session.get(Akun, akun_id)
    if akun is None or not akun.aktif:
        raise ditolak
    return akun


AkunAktif = Annotated[Akun, Depends(current_user)]


def butuh(*peran: str) -> Callable[..., Awaitable[Akun]]:
    """Return a dependency that lets only these roles pass."""

    async def periksa(akun: AkunAktif) -> Akun:
        if akun.peran not in peran:
            raise HTTPException(status.HTTP_403_FORBIDDEN, "Peran Anda tidak boleh melakukan ini")
        return akun

    return periksa


Admin = Annotated[Akun, Depends(butuh("admin"))]
Apoteker = Annotated[Akun, Depends(butuh("apoteker", "admin"))]
