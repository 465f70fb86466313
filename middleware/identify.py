"""Who is asking: the seam to the application's own login, and a ready adapter for signed bearer tokens."""

from __future__ import annotations

import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from ..errors import AmanahError, ConfigurationError, TokenExpired, TokenInvalid, Unavailable
from .access import Actor

if TYPE_CHECKING:
    from joserfc.jwk import KeySet, OctKey
    from starlette.requests import HTTPConnection

_LONGEST_TOKEN = 8192
_SHORTEST_SECRET = 32  # bytes; RFC 7518 section 3.2: at least the size of the hash
_ASYMMETRIC = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
_SYMMETRIC = ("HS256", "HS384", "HS512")
_KEPT = 300.0
_RETRY = 10.0


@dataclass(frozen=True, slots=True)
class Identity:
    """What the application's login knows: the tenant, who it is, and perhaps a purpose kept in its session.

    ``roles`` only where the application has a table of roles of its own (`RoleMap` puts them into the policy's words):
    they count instead of the tenant's grants. None takes the grants.
    """

    tenant: str
    actor: Actor
    purpose: str | None = None
    roles: frozenset[str] | None = None


Identify = Callable[["HTTPConnection"], "Awaitable[Identity | None] | Identity | None"]
"""Asked on every request, under a sign-in access. None means that nobody is signed in; a Refusal may be raised."""


def adapt(identify: Identify) -> Callable[[HTTPConnection], Awaitable[Identity | None]]:
    """An awaitable ``identify`` that answers an identity or None."""
    if not callable(identify):
        raise ConfigurationError(detail="identify is a callable that takes the connection")
    ask = waited_for(identify)

    async def asked(connection: HTTPConnection) -> Identity | None:
        found = await ask(connection)
        return None if found is None else _checked(found)

    return asked


def waited_for(function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    """One awaitable shape for any function of the application's. A plain one may block, so it runs in a thread."""
    asynchronous = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
        getattr(function, "__call__", None)  # noqa: B004 - not whether it is callable, but how
    )

    async def ask(*given: Any) -> Any:
        answer = function(*given) if asynchronous else await to_thread.run_sync(function, *given)
        return await answer if inspect.isawaitable(answer) else answer

    return ask


def _checked(found: object) -> Identity:
    """An identity whose parts are what they look like: the number 1 is no tenant, and a text no set of roles."""
    if not isinstance(found, Identity):
        raise ConfigurationError(detail="identify returns an Identity or None")
    if not isinstance(found.tenant, str) or not isinstance(found.actor.id, str) or isinstance(found.roles, str):
        raise ConfigurationError(detail="Identity takes tenant and account id as text, str(…), and roles as a set")
    return found


class BearerToken:
    """Identify by a JSON Web Token (RFC 7519) in the ``Authorization: Bearer`` header (RFC 6750).

    The signature's algorithm is one of those configured and never what the token asks for (RFC 8725 section 3.1);
    issuer, audience and expiry are required. Raises :class:`TokenExpired` for a genuine token past its time and
    :class:`TokenInvalid` for everything else that is wrong with it.
    """

    def __init__(
        self,
        *,
        secret: str | bytes | None = None,
        jwks: Mapping[str, Any] | str | Path | Callable[[], Mapping[str, Any]] | None = None,
        issuer: str,
        audience: str,
        tenant_claim: str = "tenant",
        actor_claim: str = "sub",
        purpose_claim: str | None = None,
        strength_claim: str | None = "amr",
        algorithms: Sequence[str] | None = None,
        leeway: int = 10,
    ) -> None:
        """Verify with a shared ``secret`` (at least 32 bytes) or with ``jwks``.

        ``jwks`` is a JSON Web Key Set (RFC 7517): the mapping, the path of its file, or a callable that fetches it,
        called in a thread at most every ten seconds and when a token names a key that is not known yet. ``leeway``: how
        many seconds the clocks may differ. Raises :class:`ConfigurationError`.
        """
        if (secret is None) == (jwks is None):
            raise ConfigurationError(detail="a bearer token is verified with either a secret or a JWKS")
        allowed = _SYMMETRIC if jwks is None else _ASYMMETRIC
        self._algorithms = list(algorithms or (allowed[:1] if jwks is None else allowed))
        if not set(self._algorithms) <= set(allowed):
            raise ConfigurationError(detail=f"the algorithms of this bearer token may be {', '.join(allowed)}")
        if not issuer or not audience:
            raise ConfigurationError(detail="a bearer token needs its issuer and its audience")
        self._claims = (tenant_claim, actor_claim, purpose_claim, strength_claim)
        try:
            from joserfc import jwt
        except ImportError as error:
            raise ConfigurationError(detail='bearer tokens need the extra: pip install "amanah[jwt]"') from error
        self._key: OctKey | None = _secret_key(secret) if secret is not None else None
        self._keys = None if jwks is None else _KeySource(jwks)
        self._registry = jwt.JWTClaimsRegistry(
            leeway=leeway,
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
        )

    async def __call__(self, connection: HTTPConnection) -> Identity | None:
        """The identity in the connection's bearer token; None where there is no such header."""
        lines = connection.headers.getlist("authorization")
        if not lines:
            return None
        scheme, _, token = lines[0].partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = token.strip()
        if len(lines) > 1 or not token or len(token) > _LONGEST_TOKEN:
            raise TokenInvalid
        return self._identity(await self._verified(token))

    async def _verified(self, token: str) -> dict[str, Any]:
        if self._keys is None:
            return self._decode(token, self._key)
        keys = self._keys.fresh() or await to_thread.run_sync(self._keys.load)
        try:
            return self._decode(token, keys)
        except _UnknownKey as unknown:
            renewed = await to_thread.run_sync(partial(self._keys.load, renew=True))
            if renewed is keys:
                raise TokenInvalid from unknown
        try:
            return self._decode(token, renewed)
        except _UnknownKey as unknown:
            raise TokenInvalid from unknown

    def _decode(self, token: str, key: OctKey | KeySet | None) -> dict[str, Any]:
        """Verify signature, then claims. What joserfc says is not passed on: it may quote the token."""
        from joserfc import errors, jwt

        if key is None:
            raise TokenInvalid
        try:
            claims = jwt.decode(token, key, algorithms=self._algorithms).claims
            self._registry.validate(claims)
        except errors.ExpiredTokenError:
            raise TokenExpired from None
        except errors.InvalidKeyIdError:
            raise _UnknownKey from None
        except (errors.JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise TokenInvalid from None
        return claims

    def _identity(self, claims: dict[str, Any]) -> Identity:
        tenant, actor, purpose, strength = (None if name is None else claims.get(name) for name in self._claims)
        if not isinstance(tenant, str) or not isinstance(actor, str) or not tenant or not actor:
            raise TokenInvalid
        if purpose is not None and not isinstance(purpose, str):
            raise TokenInvalid
        methods = strength if isinstance(strength, list) else [strength]
        return Identity(
            tenant, Actor(actor, strength="+".join(name for name in methods if isinstance(name, str))), purpose
        )


class _UnknownKey(Exception):
    """The token names a key that is not in the set."""


class _KeySource:
    """A JWKS that is fetched again when it is old, or when a token names a key that is not in it."""

    def __init__(self, jwks: Mapping[str, Any] | str | Path | Callable[[], Mapping[str, Any]]) -> None:
        self._fetch: Callable[[], Mapping[str, Any]] | None = None
        self._lock = threading.Lock()
        self._keys: KeySet | None = None
        self._tried = 0.0
        if isinstance(jwks, Mapping):
            self._keys = _key_set(jwks)
        elif isinstance(jwks, str | Path):
            self._fetch = partial(_read, Path(jwks))
            self._keys = self.load()
        else:
            self._fetch = jwks

    def fresh(self) -> KeySet | None:
        """The keys without any waiting, unless they are old."""
        if self._fetch is not None and time.monotonic() - self._tried > _KEPT:
            return None
        return self._keys

    def load(self, *, renew: bool = False) -> KeySet | None:
        """Fetch if old, or if ``renew`` and the last time is not just now. A failing source leaves the known keys."""
        with self._lock:
            age = time.monotonic() - self._tried
            if self._fetch is None or (self._tried and age < _RETRY) or (self._keys and not renew and age < _KEPT):
                return self._keys
            self._tried = time.monotonic()
            try:
                self._keys = _key_set(self._fetch())
            except Exception as error:
                if self._keys is None:
                    raise error if isinstance(error, AmanahError) else Unavailable from error
            return self._keys


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(detail=f"the JWKS file {path} cannot be read") from error
    if not isinstance(found, dict):
        raise ConfigurationError(detail=f"the JWKS file {path} holds no key set")
    return found


def _key_set(jwks: Mapping[str, Any]) -> KeySet:
    """The set's signing keys. A secret in it is dropped: whoever may verify could then sign."""
    from joserfc import errors, jwk

    listed = jwks.get("keys")
    if not isinstance(listed, list):
        raise ConfigurationError(detail='a JWKS has a list "keys"')
    usable = [key for key in listed if isinstance(key, dict) and key.get("kty") != "oct" and key.get("use") != "enc"]
    try:
        return jwk.KeySet.import_key_set({"keys": usable})
    except (errors.JoseError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(detail="the JWKS holds a key that cannot be used") from error


def _secret_key(secret: str | bytes) -> OctKey:
    from joserfc import jwk

    material = secret.encode() if isinstance(secret, str) else secret
    if len(material) < _SHORTEST_SECRET:
        raise ConfigurationError(detail=f"the secret of a bearer token has at least {_SHORTEST_SECRET} bytes")
    return jwk.OctKey.import_key(material)
