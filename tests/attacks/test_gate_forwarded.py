"""Attack: pretend that a plain request came over HTTPS, or from somewhere else."""

from __future__ import annotations

import json
import sys

import pytest

from amanah.middleware.https import Transport
from amanah.middleware.routes import public

pytestmark = pytest.mark.anyio


async def app(*_):
    raise AssertionError("the application was reached")


@pytest.mark.parametrize(
    "proxies, headers",
    [
        ([], [("x-forwarded-proto", "https")]),
        (["10.0.0.0/8"], [("x-forwarded-proto", "https")]),
        (["203.0.113.9"], [("x-forwarded-proto", "https"), ("x-forwarded-proto", "http")]),
        (["203.0.113.9"], [("x-forwarded-proto", "https, http")]),
        (["203.0.113.9"], [("forwarded", "proto=https")]),
        (["203.0.113.9"], []),
    ],
)
async def test_a_forwarded_scheme_that_no_trusted_proxy_vouches_for_is_not_believed(world, proxies, headers):
    """The peer is no configured proxy, or its word is not the only one: refused, and recorded."""
    gate = world.gate(app, [public("POST /x")], transport=Transport(trusted_proxies=proxies))
    status, _, body = await sys.modules["gate_world"].call(gate, "/x", method="POST", headers=headers)
    assert (status, json.loads(body)["code"]) == (403, "https-required")
    assert [entry["refusal"] for entry in world.entries()] == ["https-required"]


@pytest.mark.parametrize("forwarded", ["127.0.0.1", "127.0.0.1, 198.51.100.7", "evil, 198.51.100.7", "198.51.100.7"])
def test_an_address_that_the_client_wrote_is_not_taken_for_its_own(forwarded):
    """Read from the right, the first address that is no proxy is the client's; what stands left of it is hearsay."""
    scope = {"type": "http", "headers": [(b"x-forwarded-for", forwarded.encode())], "client": ("10.0.0.5", 1)}
    assert Transport().address(scope) == "10.0.0.5"
    found = Transport(trusted_proxies=["10.0.0.5"]).address(scope)
    assert found == ("127.0.0.1" if forwarded == "127.0.0.1" else "198.51.100.7")
