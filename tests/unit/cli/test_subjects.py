"""``amanah subjects`` and ``amanah keys epochs``."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text


@pytest.fixture
def shop(office: Any) -> Any:
    """An office with a tenant, and a customer whose telephone number is sealed."""
    office.make_tables()
    assert office.run("db", "upgrade").exit_code == 0
    assert (
        office.run("tenant", "create", "toko", "--name", "Toko", "--admin", "ana", "--template", "trading").exit_code
        == 0
    )
    guard = office.guard()
    engine = guard_engine(office, guard)
    with guard.access(tenant="toko", actor="ana", purpose="billing", reason="test"), engine.begin() as connection:
        connection.execute(guard.metadata.tables["customer"].insert(), {"id": "c1", "phone": "0812"})
    engine.dispose()
    guard.close()
    return office


def guard_engine(office: Any, guard: Any) -> Any:
    """The application's own engine."""
    import sys

    from sqlalchemy import create_engine

    engine = create_engine(sys.modules[office.module].URL)
    guard._gate.protect(engine)
    return engine


def test_an_erasure_shows_its_plan_and_asks(shop: Any, tmp_path: Any) -> None:
    """--plan changes nothing; without a reason nothing is done; no is no; then the certificate verifies."""
    plan = shop.run("subjects", "erase", "customer", "c1", "--tenant", "toko", "--plan")
    assert plan.exit_code == 0, plan.output
    assert "customer.phone" in plan.output
    assert shop.run("subjects", "erase", "customer", "c1", "--tenant", "toko").exit_code == 2
    asked = ["subjects", "erase", "customer", "c1", "--tenant", "toko", "--reason", "asked"]
    assert shop.run(*asked).exit_code != 0  # nobody answered
    target = tmp_path / "certificate.txt"
    done = shop.run(*asked, "--yes", "--certificate", str(target))
    assert done.exit_code == 0, done.output
    assert "no backup can bring it back" in done.output
    guard = shop.guard()
    assert "subject: customer c1" in guard.signer.verifier.open(target.read_text("utf-8"))
    with guard.engine.connect() as connection:
        assert connection.execute(text("SELECT erased_at FROM amanah_subject")).scalar_one() is not None
    guard.close()
    again = shop.run("subjects", "replay-erasures", "--json")
    assert (again.exit_code, json.loads(again.output)) == (0, [])


def test_nobody_of_that_number_is_an_error_that_says_so(shop: Any) -> None:
    """The kinds that there are stand in it."""
    result = shop.run("subjects", "erase", "patient", "x", "--tenant", "toko", "--plan")
    assert result.exit_code == 2
    assert "Kinds of persons here: customer" in result.output


def test_the_daily_command_does_what_is_due(shop: Any) -> None:
    """A new epoch on request; for machines as JSON."""
    assert json.loads(shop.run("keys", "epochs", "--json").output)["begun"] is False
    begun = shop.run("keys", "epochs", "--begin")
    assert "A new epoch has begun." in begun.output, begun.output
