"""What a row filter may be, and what is refused when the guard is built."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Date,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    cast,
    column,
    exists,
    func,
    literal_column,
    select,
    table,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import NullType

from amanah.access_policies.decision import Rows
from amanah.access_policies.explanation import Explanation
from amanah.access_policies.rules import Rule
from amanah.errors import DeclarationError
from amanah.middleware.declare import build as build_register
from amanah.middleware.declare import declare, shared
from amanah.middleware.explain import explanation_words
from amanah.middleware.observing import _with_them
from amanah.middleware.personal import Personal
from amanah.middleware.row_filters import RowFilter, build

DECLARED = [declare("line", resource="orders"), *shared("country")]


def metadata() -> MetaData:
    """Orders with their lines, branches, and a table for all tenants."""
    made = MetaData()
    Table(
        "orders",
        made,
        Column("id", String(36), primary_key=True),
        Column("tenant_id", String(64)),
        Column("branch_id", String(36)),
        Column("courier", Integer),
        Column("day", Date),
        Column("customer", Personal(String, category="user.name")),
        Column("city", Personal(String(40), category="user.contact.address.city", sealed=False)),
    )
    Table("line", made, Column("id", String(36), primary_key=True), Column("tenant_id", String(64)))
    Table("branch", made, Column("id", String(36), primary_key=True), Column("tenant_id", String(64)))
    Table("country", made, Column("code", String(2), primary_key=True))
    Table("loose", made, Column("id", String(36), primary_key=True))
    return made


def register(*filters: RowFilter, tables: MetaData | None = None) -> Any:
    """The register of these tables with the row filters."""
    made = build_register(metadata() if tables is None else tables, DECLARED, "tenant_id")
    build(made, filters, sqlite.dialect())
    return made


BAD: dict[str, Any] = {
    "no table": ("nowhere", lambda t, _: t.c.id == "x"),
    "a table for everybody": ("country", lambda t, _: t.c.code == "ID"),
    "one of several tables of a resource": ("orders", lambda t, a: t.c.courier == a.actor_id),
    "no such column": ("branch", lambda t, a: t.c.nothing == a.actor_id),
    "no such fact": ("branch", lambda t, a: t.c.id == a.role),
    "no expression": ("branch", lambda _t, _a: True),
    "text": ("branch", lambda _t, _a: text("id = 'x'")),
    "text inside": ("branch", lambda t, _: (t.c.id == "x") & text("1 = 1")),
    "a literal column": ("branch", lambda _t, _a: literal_column("id") == "x"),
    "a parameter that a statement fills": ("branch", lambda t, _: t.c.id == bindparam("id", "x")),
    "a value from elsewhere": ("branch", lambda t, _: t.c.id == bindparam("id", callable_=str, unique=True)),
    "a sealed column": (
        "branch",
        lambda t, a: exists().where((o := t.metadata.tables["orders"]).c.id == t.c.id, o.c.customer == a.actor_id),
    ),
    "a table that nobody declared": ("branch", lambda t, _: t.c.id.in_(select(t.metadata.tables["loose"].c.id))),
    "a table that nobody knows": ("branch", lambda t, _: t.c.id.in_(select(table("elsewhere", column("id")).c.id))),
    "a common table expression": (
        "branch",
        lambda t, _: t.c.id.in_(select(select(t.metadata.tables["line"].c.id).cte("x").c.id)),
    ),
    "an actor who is a day": (
        "branch",
        lambda t, a: exists().where((o := t.metadata.tables["orders"]).c.id == t.c.id, o.c.day == a.actor_id),
    ),
    "what does not compile": ("branch", lambda t, _: cast(t.c.id, NullType()) == "x"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_kept_is_refused_when_the_guard_is_built(name: str) -> None:
    """Each of them would be a hole, or an error in the middle of a request."""
    about, rows = BAD[name]
    with pytest.raises(DeclarationError, match="row filter"):
        register(RowFilter("own", about, rows))


@pytest.mark.parametrize("name", ["Own", "", "own, too", "own\n", None])
def test_a_name_that_no_rule_could_write_is_refused(name: Any) -> None:
    """The same names as for rules."""
    with pytest.raises(DeclarationError):
        register(RowFilter(name, "branch", lambda t, _: t.c.id == "x"))


def test_a_filter_is_said_once_for_each_table() -> None:
    """Twice would leave open which of them counts."""
    one = RowFilter("own", "branch", lambda t, _: t.c.id == "x")
    with pytest.raises(DeclarationError, match="twice"):
        register(one, one)


def test_a_filter_knows_the_resources_of_its_tables() -> None:
    """Rules are about resources; a governed column and a function may stand in an expression."""
    made = register(
        RowFilter("own", "orders", lambda t, a: func.lower(t.c.city) == a.actor_id),
        RowFilter("own", "line", lambda _t, _a: true()),
        RowFilter("own", "branch", lambda t, a: t.c.id == a.actor_id),
    )
    assert made.row_filters.resources == {"own": frozenset({"orders", "branch"})}


def test_what_is_missing_lets_no_row_through() -> None:
    """A permission by a filter that this table has not is none; a denial by one denies all."""
    made = register(RowFilter("own", "branch", lambda t, _: t.c.id == "x"))
    branch, dialect = made.by_name("branch"), postgresql.dialect()

    def said(*rows: Any) -> str:
        condition = made.row_filters.condition(branch, Rows(*rows))
        return str(condition.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))

    assert said(("own",)) == "branch.id = 'x'"
    assert said(None, ("own",)) == "branch.id != 'x'"
    assert said(("gone",)) == said(()) == said(None, ("gone",)) == said(("own",), ("gone",)) == "false"
    assert said(("gone", "own")) == "branch.id = 'x'"


def test_a_table_that_a_filter_asks_is_enforced_with_its_own() -> None:
    """While a guard observes, the tables inside an expression would stand behind no wall."""
    made = register(
        RowFilter("own", "branch", lambda t, _: t.c.id.in_(select(t.metadata.tables["line"].c.id))),
    )
    sealed = _with_them(made, frozenset())
    assert "branch" not in sealed
    assert _with_them(made, frozenset({"branch"})) == {*sealed, "branch", "orders"}


def test_a_constant_may_stand_in_an_expression() -> None:
    """It is the same for everybody."""
    assert register(
        RowFilter("new", "orders", lambda t, _: t.c.day >= date(2026, 1, 1)),
        RowFilter("new", "line", lambda _t, _a: true()),
    ).row_filters.has("new", "orders")


def test_an_explanation_says_of_which_rows_a_yes_speaks() -> None:
    """In words, the filters by name."""
    rule = Rule(3, "courier", "orders", "read", "billing", "allow", "own")
    facts = {"roles": ("courier",), "object": "orders", "action": "read", "purpose": "billing", "version": 1}
    found = Explanation(allow=True, rule=rule, rows=Rows(("own", "same_branch"), ("secret",)), **facts)
    said = list(explanation_words(found, "en"))
    assert said[0].endswith("courier orders read billing allow own.")
    assert [sentence.rpartition(": ")[2] for sentence in said[1:]] == ["own, same_branch.", "secret."]
    without = Explanation(allow=True, rule=rule, **facts)
    assert len(list(explanation_words(without, "en"))) == 1
