"""Attack: get in with a bearer token that the issuer never made, or not for this service, or not for now."""

from __future__ import annotations

import base64
import json
import sys
import time

import pytest
from joserfc import jwk, jwt

from amanah.middleware.identify import BearerToken
from amanah.middleware.routes import route

pytestmark = pytest.mark.anyio

SECRET = "a secret that is long enough for HS256"
RSA = jwk.RSAKey.generate_key(2048, {"kid": "one"})
OTHER = jwk.RSAKey.generate_key(2048, {"kid": "one"})
NOW = int(time.time())
CLAIMS = {"iss": "https://id.example", "aud": "toko", "sub": "rina", "tenant": "toko", "exp": NOW + 600}


def part(data: object) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(claims: dict, key=None, alg="HS256", **header) -> str:
    return jwt.encode({"alg": alg, **header}, dict(claims), key or jwk.OctKey.import_key(SECRET), [alg])


GENUINE = signed(CLAIMS)
HEAD, BODY, SIGNATURE = GENUINE.split(".")

FORGED = {
    "another secret": signed(CLAIMS, jwk.OctKey.import_key("another secret that is long enough, too")),
    "claims changed": ".".join((HEAD, part({**CLAIMS, "sub": "budi"}), SIGNATURE)),
    "alg none": ".".join((part({"alg": "none", "typ": "JWT"}), BODY, "")),
    "alg None": ".".join((part({"alg": "None", "typ": "JWT"}), BODY, "")),
    "alg none with a signature": ".".join((part({"alg": "none"}), BODY, SIGNATURE)),
    "another algorithm": signed(CLAIMS, alg="HS512"),
    "no signature": f"{HEAD}.{BODY}.",
    "unknown critical header": ".".join((part({"alg": "HS256", "crit": ["x"], "x": 1}), BODY, SIGNATURE)),
    "another issuer": signed({**CLAIMS, "iss": "https://evil.example"}),
    "another audience": signed({**CLAIMS, "aud": "lain"}),
    "no audience": signed({name: value for name, value in CLAIMS.items() if name != "aud"}),
    "no expiry": signed({name: value for name, value in CLAIMS.items() if name != "exp"}),
    "expiry is no number": signed({**CLAIMS, "exp": "tomorrow"}),
    "not yet": signed({**CLAIMS, "nbf": NOW + 600}),
    "no tenant": signed({name: value for name, value in CLAIMS.items() if name != "tenant"}),
    "tenant is a list": signed({**CLAIMS, "tenant": ["toko", "lain"]}),
    "actor is a number": signed({**CLAIMS, "sub": 7}),
    "no token": "x",
    "two dots": "..",
    "not ASCII": "é.é.é",
    "very long": "a" * 9000,
    "deep": ".".join((part(b"[" * 3000), BODY, SIGNATURE)),
}


async def app(*_):
    raise AssertionError("the application was reached")


def gate(world, **keys):
    identify = BearerToken(issuer="https://id.example", audience="toko", **keys)
    return world.gate(app, [route("GET /customers/{id}", "customer", "read", ["billing"])], identify=identify)


async def attempt(gate, *tokens: str):
    lines = [("authorization", f"Bearer {token}") for token in tokens]
    status, headers, body = await sys.modules["gate_world"].call(gate, headers=lines)
    return status, json.loads(body)["code"], headers["www-authenticate"]


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_token_is_refused(world, name):
    """401, the code in the trail, and not a word about what was wrong with it."""
    assert await attempt(gate(world, secret=SECRET), FORGED[name]) == (
        401,
        "token-invalid",
        'Bearer error="invalid_token"',
    )
    [entry] = world.entries()
    assert (entry["refusal"], entry["actor"], entry["tenant"]) == ("token-invalid", "anonymous", "platform")


async def test_an_expired_token_is_refused(world):
    """However genuine."""
    old = signed({**CLAIMS, "exp": NOW - 3600})
    assert (await attempt(gate(world, secret=SECRET), old))[1] == "token-expired"


async def test_two_tokens_are_refused(world):
    """A gateway and the application could read different ones."""
    assert (await attempt(gate(world, secret=SECRET), GENUINE, GENUINE))[1] == "token-invalid"


async def test_the_issuer_s_public_key_is_no_shared_secret(world):
    """The classic confusion: HS256, keyed with the public key that everybody has."""
    pem = RSA.as_pem(private=False)
    body = f"{part({'alg': 'HS256', 'kid': 'one'})}.{part(CLAIMS)}"
    import hashlib
    import hmac

    forged = f"{body}.{part(hmac.digest(pem, body.encode(), hashlib.sha256))}"
    jwks = {"keys": [RSA.as_dict(private=False)]}
    assert (await attempt(gate(world, jwks=jwks), forged))[1] == "token-invalid"


async def test_a_key_that_the_token_brings_along_is_not_used(world):
    """Neither ``jwk`` nor ``jku`` of a token's own header decides who signed it."""
    jwks = {"keys": [RSA.as_dict(private=False)]}
    own = signed(CLAIMS, OTHER, "RS256", kid="one", jwk=OTHER.as_dict(private=False))
    assert (await attempt(gate(world, jwks=jwks), own))[1] == "token-invalid"
    unknown = signed(CLAIMS, OTHER, "RS256", kid="../../etc/passwd")
    assert (await attempt(gate(world, jwks=jwks), unknown))[1] == "token-invalid"
