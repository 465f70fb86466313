"""Who is asking: any callable, and bearer tokens."""

from __future__ import annotations

import json
import threading
import time

import pytest
from joserfc import jwk, jwt
from starlette.requests import HTTPConnection

from amanah.errors import ConfigurationError, TokenExpired, TokenInvalid, Unavailable
from amanah.middleware.access import Actor
from amanah.middleware.identify import BearerToken, Identity, adapt

SECRET = "a secret that is long enough for HS256"
CLAIMS = {"iss": "https://id.example", "aud": "toko", "sub": "7", "tenant": "toko", "amr": ["pwd", "otp"]}
RSA = jwk.RSAKey.generate_key(2048, {"kid": "one"})
EC = jwk.ECKey.generate_key("P-256", {"kid": "two"})

pytestmark = pytest.mark.anyio


def bearer(**settings):
    return BearerToken(issuer="https://id.example", audience="toko", **settings)


def token(key=None, alg="HS256", header=None, **claims):
    key = key or jwk.OctKey.import_key(SECRET)
    whole = {**CLAIMS, "exp": int(time.time()) + 60, **claims}
    return jwt.encode({"alg": alg, **(header or {})}, {k: v for k, v in whole.items() if v is not None}, key, [alg])


def connection(*lines):
    return HTTPConnection({"type": "http", "headers": [(b"authorization", line.encode()) for line in lines]})


def public(*keys):
    return {"keys": [key.as_dict(private=False) for key in keys]}


async def test_a_shared_secret_identifies():
    """Tenant, actor and strength come from the claims."""
    found = await bearer(secret=SECRET)(connection(f"Bearer {token()}"))
    assert found == Identity("toko", Actor("7", strength="pwd+otp"))


async def test_a_purpose_may_ride_in_the_token():
    """Where a claim is named for it, it is the session's choice."""
    found = await bearer(secret=SECRET, purpose_claim="use")(connection(f"bearer {token(use='billing')}"))
    assert found is not None
    assert found.purpose == "billing"


@pytest.mark.parametrize("lines", [[], ["Basic dG9rbzo3"], [""]])
async def test_without_a_bearer_token_nobody_is_identified(lines):
    """Absence is no error here: the gate answers 401."""
    assert await bearer(secret=SECRET)(connection(*lines)) is None


async def test_a_key_set_identifies(tmp_path):
    """By a mapping, a file, or a callable; the key is found by its id."""
    (tmp_path / "jwks.json").write_text(json.dumps(public(RSA, EC)))
    for source in (public(RSA, EC), tmp_path / "jwks.json", str(tmp_path / "jwks.json"), lambda: public(RSA, EC)):
        identify = bearer(jwks=source)
        for key, alg in ((RSA, "RS256"), (EC, "ES256")):
            found = await identify(connection(f"Bearer {token(key, alg, {'kid': key.kid})}"))
            assert found is not None
            assert found.actor.id == "7"


async def test_a_key_that_is_new_at_the_issuer_is_fetched():
    """A token that names an unknown key makes the set be read again, in a thread, and not over and over."""
    sets = [public(RSA), public(RSA, EC)]
    fetched = []

    def fetch():
        fetched.append(threading.current_thread() is not threading.main_thread())
        return sets[min(len(fetched), len(sets)) - 1]

    identify = bearer(jwks=fetch)
    old = token(RSA, "RS256", {"kid": "one"})
    new = token(EC, "ES256", {"kid": "two"})
    assert await identify(connection(f"Bearer {old}"))
    with pytest.raises(TokenInvalid):
        await identify(connection(f"Bearer {new}"))  # too soon after the last time
    identify._keys._tried -= 60
    assert await identify(connection(f"Bearer {new}"))
    with pytest.raises(TokenInvalid):
        await identify(connection(f"Bearer {token(EC, 'ES256', {'kid': 'three'})}"))
    assert fetched == [True, True]


async def test_an_issuer_that_is_away_is_not_a_forged_token():
    """Without any keys the answer is 503; with keys in memory it goes on."""

    def away():
        raise OSError

    with pytest.raises(Unavailable):
        await bearer(jwks=away)(connection(f"Bearer {token(RSA, 'RS256', {'kid': 'one'})}"))


async def test_an_expired_token_is_told_apart():
    """The client must know that signing in again helps; a few seconds of difference between clocks do not matter."""
    identify = bearer(secret=SECRET)
    with pytest.raises(TokenExpired):
        await identify(connection(f"Bearer {token(exp=int(time.time()) - 60)}"))
    assert await identify(connection(f"Bearer {token(exp=int(time.time()) - 2)}"))


async def test_any_callable_may_identify():
    """Plain, asynchronous, or an object: a plain function may block, so it runs in a thread."""
    found = Identity("toko", Actor("7"))
    threads = []

    def plain(_):
        threads.append(threading.current_thread())
        return found

    async def coroutine(_):
        return found

    class Login:
        async def __call__(self, _):
            return found

    for identify in (plain, coroutine, Login(), lambda _: coroutine(None)):
        assert await adapt(identify)(connection()) is found
    assert threads[0] is not threading.main_thread()


async def test_a_login_that_returns_something_else_is_refused():
    """A dict or True is nobody."""
    with pytest.raises(ConfigurationError):
        await adapt(lambda _: True)(connection())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"secret": "short"},
        {"secret": SECRET, "jwks": {"keys": []}},
        {"secret": SECRET, "algorithms": ["none"]},
        {"jwks": public(RSA), "algorithms": ["HS256"]},
        {"jwks": {"keys": "none"}},
        {"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}},
        {"jwks": "/nowhere/jwks.json"},
    ],
)
async def test_wrong_settings_are_refused(settings):
    """No key, two kinds of keys, an algorithm that proves nothing, a set of secrets."""
    with pytest.raises(ConfigurationError):
        bearer(**settings)


@pytest.mark.parametrize(
    "wrong",
    [
        Identity(1, Actor("17")),
        Identity("1", Actor(17)),
        Identity(None, Actor("17")),
        Identity("1", Actor("17"), roles="owner"),
        ("1", "17"),
    ],
)
async def test_an_identity_of_numbers_is_a_clear_error(wrong):
    """Company 1 is the tenant "1", and a lone text is no set of roles: told at once, and nobody is let in."""
    with pytest.raises(ConfigurationError):
        await adapt(lambda _connection: wrong)(connection())
