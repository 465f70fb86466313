"""What `amanah init` guessed stays marked, and no enforcing guard starts with it."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine

from amanah import Guard, Personal, declare, guessed, public, route, shared
from amanah.errors import ConfigurationError
from amanah.settings import Settings

DECLARED = declare("customer", columns={"phone": Personal(category="user.contact.phone_number", sealed=False)})
ROUTE = route("GET /customers/{id}", "customer", "read", ["support"])


@pytest.fixture
def start(tmp_path):
    """A function that starts a guard of either kind over a table of customers."""

    def started(kind, declarations, routes):
        metadata = MetaData()
        columns = [Column("tenant_id", String, primary_key=True), Column("id", Integer, primary_key=True)]
        Table("customer", metadata, *columns, Column("phone", String))
        Table("currency", metadata, Column("code", String, primary_key=True))
        place = {"state": tmp_path / "s"} if kind == "development" else {"settings": Settings.in_folder(tmp_path / "s")}
        return getattr(Guard, kind)(
            metadata=metadata,
            engine=create_engine(f"sqlite:///{tmp_path}/app.db"),
            identify=lambda _: None,
            declarations=declarations,
            routes=routes,
            **place,
        )

    return started


@pytest.mark.parametrize("kind", ["development", "production"])
@pytest.mark.parametrize(
    "declarations, routes, named",
    [
        ([guessed(DECLARED), shared("currency")], [ROUTE], "'customer'"),
        ([DECLARED, guessed(shared("currency"))], [ROUTE], "'currency'"),
        ([DECLARED, shared("currency")], [ROUTE, guessed(public("GET /health"))], "GET /health"),
    ],
)
def test_an_enforcing_guard_does_not_start_with_a_guess(start, tmp_path, kind, declarations, routes, named):
    """The first guess is named with how to confirm it, and not even keys are made."""
    with pytest.raises(ConfigurationError) as refused:
        start(kind, declarations, routes)
    assert named in str(refused.value)
    assert "taking the guessed() around it away" in str(refused.value)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("kind", ["development", "production"])
def test_an_enforcing_guard_does_not_start_with_the_purpose_todo(start, kind):
    """A confirmed route whose purposes nobody filled in would answer 403 to everybody."""
    unfinished = route("GET /customers", "customer", "read", ["support", "TODO"])
    with pytest.raises(ConfigurationError, match=r"GET /customers still has the purpose TODO"):
        start(kind, [DECLARED, shared("currency")], [unfinished])


def test_a_guard_starts_once_everything_is_confirmed(start):
    """Declarations and routes from which the mark was taken away are in force, also when they come from a generator."""
    with pytest.warns(RuntimeWarning):
        guard = start("development", (one for one in [DECLARED, shared("currency")]), (one for one in [ROUTE]))
    try:
        assert guard.register.by_name("customer") is not None
        assert guard.routes.match("GET", "/customers/1").guessed is False
    finally:
        guard.close()


def test_a_mark_changes_nothing_else():
    """A guess is the same declaration or route, marked."""
    marked = guessed(DECLARED)
    assert (marked.guessed, marked.columns, marked.table) == (True, DECLARED.columns, "customer")
    assert guessed(ROUTE).name == ROUTE.name
    assert guessed(ROUTE).guessed
    assert [one.guessed for one in guessed(shared("a", "b"))] == [True, True]


@pytest.mark.parametrize("wrong", ["customer", [ROUTE], None])
def test_only_declarations_and_routes_can_be_guesses(wrong):
    """Marking something else would mark nothing, so it is refused."""
    with pytest.raises(ConfigurationError, match=r"guessed\(\) marks"):
        guessed(wrong)
