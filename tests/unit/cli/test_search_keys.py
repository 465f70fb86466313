"""``amanah keys rotate search`` and ``amanah search leaks``."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import text

from amanah.encryption.keyring import Keyring
from tests.spelled_out import spelled_out


def bodies(office: Any) -> list[dict[str, Any]]:
    """What waits for its place in the trail, oldest first."""
    guard = office.guard()
    with guard.engine.connect() as connection:
        rows = connection.execute(text("SELECT body FROM amanah_staged ORDER BY at"))
        found = [spelled_out(body) for (body,) in rows]
    guard.close()
    return found


def test_keys_are_exchanged_and_what_columns_leak_is_told(small_office: Any, monkeypatch: Any) -> None:
    """Step by step, each saying when to go on; or at once with --wait. Who did it and who looked is in the trail."""
    office = small_office.with_tenant().make_tables()
    first = office.run("keys", "rotate", "search", "--tenant", "toko-a")
    assert first.exit_code == 0, first.output
    assert "toko-a: index key 2 is made, and both are written. Go on after " in first.stdout
    every = office.run("keys", "rotate", "search", "--json")
    assert [(one["owner"], one["step"], one["version"]) for one in json.loads(every.stdout)] == [("toko-a", "made", 2)]
    said = office.run("keys", "rotate", "search").stdout
    assert "No other exchange was begun, because these are under way." in said
    monkeypatch.setattr(Keyring, "ttl", 0.01)  # so that minutes are moments
    whole = office.run("keys", "rotate", "search", "--tenant", "toko-a", "--wait")
    assert whole.stdout == "toko-a: done. Index key 2 is the only one in use.\n"
    assert office.run("keys", "rotate", "search", "--tenant", "nobody").exit_code == 2

    leaks = office.run("search", "leaks")
    assert leaks.exit_code == 0, leaks.output
    assert leaks.stdout.split()[:2] == ["Column", "Tenant"]
    assert json.loads(office.run("search", "leaks", "customer.phone", "--tenant", "toko-a", "--json").stdout) == []
    assert office.run("search", "leaks", "customer.email").exit_code == 2
    acts = [(one["tenant"], one["actor"], one["detail"].get("act")) for one in bodies(office)]
    for act in ("search_key.make", "search_key.read", "search_key.retire", "search.leaks"):
        assert ("toko-a", "operator:ops", act) in acts
    assert ("platform", "operator:ops", "search.leaks") in acts
