"""A guard's engines: one database, each once, and which others there are."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, make_url
from sqlalchemy.ext.asyncio import create_async_engine

from amanah.database import own_engine
from amanah.errors import ConfigurationError
from amanah.middleware.engines import engines_of, place_of, unprotected


def test_one_engine_or_several_each_once_and_in_their_order(tmp_path):
    """The asynchronous front and an engine with options of its own stand for the engine behind them."""
    first = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/app.db")
    second = create_engine(f"sqlite:///{tmp_path}/app.db")
    assert engines_of(second) == (second,)
    copies = [first, second, first.sync_engine, second.execution_options(isolation_level="SERIALIZABLE")]
    assert engines_of(copies) == (first.sync_engine, second)


@pytest.mark.parametrize(
    "one, other",
    [
        ("postgresql+psycopg://app:x@localhost/app", "postgresql+asyncpg://report@127.0.0.1:5432/app"),
        ("postgresql+psycopg://app@/app", "postgresql+psycopg://app@/app?host=/run/postgresql"),
        ("postgresql+psycopg://DB.example/app", "postgresql+psycopg://app@/app?host=db.example"),
        ("sqlite:///app.db", "sqlite+aiosqlite:///./sub/../app.db"),
    ],
)
def test_the_same_database_by_another_driver_name_or_user(one, other):
    """Backend, host, port and database count; names of one's own machine are one."""
    assert place_of(make_url(one)) == place_of(make_url(other))


@pytest.mark.parametrize(
    "other",
    [
        "postgresql+psycopg://app:geheim@localhost/other",
        "postgresql+psycopg://app:geheim@localhost:5433/app",
        "postgresql+psycopg://app:geheim@db.example/app",
        "sqlite:///app.db",
    ],
)
def test_engines_of_two_databases_are_refused_and_no_password_is_told(other):
    """One gate, one register, one trail."""
    first = create_engine("postgresql+psycopg://app:rahasia@localhost/app")
    with pytest.raises(ConfigurationError, match="reach one database") as refused:
        engines_of([first, create_engine(other)])
    assert not {"rahasia", "geheim"} & set(str(refused.value).replace(":", " ").replace("@", " ").split())


@pytest.mark.parametrize("given", [[], ["sqlite:///app.db"], "sqlite:///app.db"])
def test_what_is_no_engine_is_refused(given):
    """An empty list, an address."""
    with pytest.raises(ConfigurationError, match="takes an engine"):
        engines_of(given)


def test_a_database_in_memory_is_refused_wherever_it_stands():
    """The trail cannot share it."""
    with pytest.raises(ConfigurationError, match="in-memory"):
        engines_of([create_engine("sqlite://")])


def test_other_engines_of_the_database_are_found_and_only_those(database_url, monkeypatch):
    """One that a module holds has a name; Amanah's own, the guarded and those of other databases are no finding."""
    guarded, ours = create_engine(database_url), own_engine(database_url)
    monkeypatch.setitem(globals(), "elsewhere", create_async_engine(f"sqlite+aiosqlite:///{__file__}"))
    assert list(unprotected(guarded)) == []
    monkeypatch.setitem(globals(), "reports", create_engine(database_url))
    assert list(unprotected(guarded)) == [f"{__name__}:reports"]
    assert ours is not guarded
