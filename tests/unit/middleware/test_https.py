"""The way to the application, and the headers on the way back."""

from __future__ import annotations

import pytest

from amanah.errors import ConfigurationError
from amanah.middleware.https import Transport


def scope(*headers: tuple[str, str], scheme: str = "http", peer: str | None = "10.0.0.5", **more: object) -> dict:
    return {
        "type": "http",
        "method": "GET",
        "scheme": scheme,
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"q=1",
        "headers": [(name.encode(), value.encode()) for name, value in (("host", "toko.example:8000"), *headers)],
        "client": None if peer is None else (peer, 1),
        **more,
    }


def test_what_the_server_encrypted_is_secure():
    """The scheme of the ASGI scope is the server's word."""
    assert Transport().secure(scope(scheme="https"))
    assert Transport().secure(scope(scheme="wss"))
    assert not Transport().secure(scope())


def test_a_configured_proxy_is_believed():
    """Behind it the scheme is what it forwards, and the client is the last address that is no proxy."""
    transport = Transport(trusted_proxies=["10.0.0.0/8"])
    came = scope(("x-forwarded-proto", "https"), ("x-forwarded-for", "198.51.100.7, 203.0.113.9, 10.0.0.9"))
    assert transport.secure(came)
    assert transport.address(came) == "203.0.113.9"


def test_a_server_on_a_unix_socket_has_a_proxy_before_it():
    """Such a connection has no address; it is trusted only where "unix" is configured."""
    came = scope(("x-forwarded-proto", "https"), ("x-forwarded-for", "203.0.113.9"), peer=None)
    assert Transport(trusted_proxies=["unix"]).secure(came)
    assert Transport(trusted_proxies=["unix"]).address(came) == "203.0.113.9"
    assert not Transport(trusted_proxies=["10.0.0.5"]).secure(came)
    assert Transport().address(came) is None


def test_a_plain_get_is_sent_to_the_same_place_over_https():
    """Path and query stay as they were encoded."""
    assert Transport().redirect(scope()) == b"https://toko.example/a%20b?q=1"
    assert Transport(port=8443).redirect(scope()) == b"https://toko.example:8443/a%20b?q=1"


@pytest.mark.parametrize(
    "came",
    [
        scope(method="POST"),
        scope(("authorization", "Bearer x")),
        scope(("host", "evil.example")),
        scope(raw_path=b"//evil.example"),
        scope(raw_path=b"/a\r\nset-cookie: x"),
        scope(type="websocket"),
        {**scope(), "headers": [(b"host", b"toko.example@evil.example")]},
        {**scope(), "headers": []},
    ],
)
def test_what_may_have_betrayed_something_or_leads_elsewhere_is_not_redirected(came):
    """A body, a token, two hosts, a path that is a host, a line break: refused."""
    assert Transport().redirect(came) is None


def test_a_redirect_leads_to_configured_hosts_only():
    """With hosts configured, a forged Host header is refused."""
    assert Transport(hosts=["Toko.example"]).redirect(scope()) is not None
    assert Transport(hosts=["lain.example"]).redirect(scope()) is None


def test_an_answer_gets_the_headers_that_it_lacks():
    """HSTS, no sniffing, no framing, no referrer elsewhere, no cache for what was guarded."""
    dressed = dict(Transport().dress([], secure=True, guarded=True))
    assert dressed == {
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"same-origin",
        b"content-security-policy": b"frame-ancestors 'none'",
        b"x-frame-options": b"DENY",
        b"cache-control": b"no-store",
        b"strict-transport-security": b"max-age=63072000",
    }


def test_the_application_keeps_the_last_word():
    """What it sets itself is left alone; HSTS is not sent where it would be ignored."""
    own = [
        (b"X-Frame-Options", b"SAMEORIGIN"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"private"),
    ]
    assert Transport().dress(own, secure=False, guarded=True) == [*own, (b"vary", b"Amanah-Purpose")]
    policy = [(b"content-security-policy", b"frame-ancestors 'self'")]
    assert b"x-frame-options" not in dict(Transport().dress(policy, secure=False, guarded=False))


def test_plain_http_in_development_warns():
    """Nobody runs it by accident without reading about it."""
    with pytest.warns(RuntimeWarning, match="development"):
        assert not Transport.development().required


@pytest.mark.parametrize("settings", [{"trusted_proxies": ["everybody"]}, {"port": 0}, {"hsts": -1}])
def test_wrong_settings_are_refused(settings):
    """A proxy that is no network, a port that is none."""
    with pytest.raises(ConfigurationError):
        Transport(**settings)
