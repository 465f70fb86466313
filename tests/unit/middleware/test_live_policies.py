"""The doctor's look at the rules of the tenants."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert

from amanah.access_policies import models
from amanah.database import bump
from amanah.middleware.live_policies import live_policies


def found(books: Any) -> set[tuple[str, str, str]]:
    """Check, tenant and what of it."""
    findings = live_policies(books.guard.register, books.guard.engine)
    return {(one.id, one.subject, one.facts.get("rules") or one.facts["rule"]) for one in findings}


def test_nothing_is_told_of_a_policy_that_was_written_by_its_own_means(books: Any) -> None:
    """Rules that come, name a mask, and end."""
    with books.guard.engine.begin() as connection:
        rule = books.guard.policies.add_rule(
            connection, "a", role="masker", object="customer.phone", action="read_masked", purpose="*", mask="dots"
        )
        books.guard.policies.remove_rule(connection, "a", rule)
    assert found(books) == set()


def test_a_rule_that_was_deleted_by_sql_is_told(books: Any) -> None:
    """By its number, for its tenant only, and no more than ten of them."""
    table = models.rule
    with books.guard.engine.begin() as connection:
        connection.execute(table.delete().where(table.c.tenant_id == "a", table.c.number == 3))
    assert found(books) == {("AMN-D058", "a", "r3")}
    with books.guard.engine.begin() as connection:
        connection.execute(table.delete().where(table.c.tenant_id == "a", table.c.number < 20))
    [(_, _, told)] = found(books)
    assert told.count(",") == 10
    assert told.endswith("… (19)")


def test_a_rule_that_this_guard_cannot_keep_is_told(books: Any) -> None:
    """A mask that does not fit or is not known here, and a row filter that nobody declared."""
    for number, names in ((900, {"mask": "year"}), (901, {"mask": "newer"}), (902, {"row_filter": "newer"})):
        with books.guard.engine.begin() as connection:
            field = "customer.phone" if "mask" in names else "customer"
            row = {"tenant_id": "b", "number": number, "role": "masker", "object": field, "effect": "allow"}
            action = "read_masked" if "mask" in names else "read"
            connection.execute(insert(models.rule).values(**row, action=action, purpose="*", since=1, **names))
            bump(connection, "b")
    told = {one for one in found(books) if one[0] == "AMN-D059"}
    assert told == {("AMN-D059", "b", f"r{number}") for number in (900, 901, 902)}
