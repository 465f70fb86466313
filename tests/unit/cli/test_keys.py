"""``amanah keys`` and ``amanah reencrypt``: what they say, and with which code they end."""

from __future__ import annotations

import json

from amanah.rekeying.alone import alone
from tests.rekeying_world import age


def test_an_operator_replaces_every_key(small_office):
    """List, rotate each kind, reencrypt, retire, destroy: each says what it did and what may be done next."""
    office = small_office.with_tenant().make_tables()
    guard = office.guard()
    age(guard)
    guard.close()
    listed = json.loads(office.run("keys", "list", "--json").stdout)
    (old,) = [one["key_id"] for one in listed["provider_keys"] if one["current"]]
    assert {one["state"] for one in listed["keys"]} == {"wraps", "seals", "searches"}

    data = office.run("keys", "rotate", "data", "--tenant", "toko-a")
    assert (data.exit_code, "toko-a: data key" in data.output) == (0, True)
    assert office.run("keys", "rotate", "tenant").exit_code == 0
    moved = office.run("keys", "rotate", "provider", "--new")
    assert (moved.exit_code, f"amanah keys destroy {old}" in moved.output) == (0, True)
    assert "0 left under other keys of the provider." in moved.output

    found = office.run("reencrypt", "--json")
    assert (found.exit_code, "too young" in found.stderr) == (2, True)
    early = office.run("keys", "retire", "--tenant", "toko-a", "--min-version", "2")
    assert (early.exit_code, "too young" in early.stderr) == (2, True)
    unsaid = office.run("keys", "retire", "--tenant", "toko-a", "--min-version", "2", "--force")
    assert (unsaid.exit_code, "--reason" in unsaid.stderr) == (2, True)

    listed = json.loads(office.run("keys", "list", "--json").stdout)
    (current,) = [one["key_id"] for one in listed["provider_keys"] if one["current"]]
    assert current != old
    for key_id in (current, listed["provider_keys"][0]["key_id"]):
        refused = office.run("keys", "destroy", key_id, "--yes")
        assert (refused.exit_code, key_id in refused.stderr) == (2, True)
    guard = office.guard()
    age(guard)
    try:
        with alone(guard.engine):
            busy = office.run("keys", "rotate", "tenant")
    finally:
        guard.close()
    assert (busy.exit_code, "Another command is changing keys" in busy.stderr) == (2, True)

    done = office.run("reencrypt")
    assert (done.exit_code, "0 left under older keys." in done.output) == (0, True)
    retired = office.run("keys", "retire", "--tenant", "toko-a", "--min-version", "2")
    assert (retired.exit_code, "below version 2 are retired" in retired.output) == (0, True)
    assert "retired" in office.run("keys", "list", "--tenant", "toko-a").output
