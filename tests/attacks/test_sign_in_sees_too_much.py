"""Attack: read through the login what no role may see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select

from amanah import Personal, declare
from amanah.audit.staging import Staging
from amanah.database import core, own_engine, trail, trail_url
from amanah.errors import AccessClosed, AmanahError, FieldProbed
from amanah.middleware.access import AUTHENTICATION, Access, Sight, open_access
from amanah.middleware.declare import build
from amanah.middleware.hooks import Gate

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def account(database_url: str) -> Iterator[Any]:
    """One account: a login name and a hash that sign-in may see, a name and a telephone number that it may not."""
    metadata = MetaData()
    table = Table(
        "account",
        metadata,
        *(Column("id", Integer, primary_key=True), Column("tenant_id", Integer)),
        *(Column(name, String(100)) for name in ("login", "hash", "name", "phone")),
    )
    own, beside = own_engine(database_url), own_engine(trail_url(database_url))
    core.create_all(own)
    trail.create_all(beside)
    metadata.create_all(own)
    row = {"id": 1, "tenant_id": 1, "login": "budi", "hash": "x", "name": "Budi", "phone": "0812"}
    with own.begin() as connection:
        connection.execute(insert(table), row)
    governed = {
        "login": Personal(category="user.account.username", sealed=False, platform=True),
        "hash": Personal(category="user.authorization.password", sealed=False, platform=True),
        "name": Personal(category="user.name", sealed=False),
        "phone": Personal(category="user.contact.phone_number", sealed=False),
    }
    engine = create_engine(database_url)
    register = build(metadata, [declare("account", subject="id", sign_in=True, columns=governed)], "tenant_id")
    Gate(register, Staging(beside)).protect(engine)
    yield engine, table, register.tables["account"].fields["hash"]
    for one in (engine, own, beside):
        one.dispose()


def test_sign_in_sees_the_columns_that_are_named_for_it_and_no_other(account: Any) -> None:
    """The login name and the hash in clear; the rest of the account is withheld, and cannot be searched."""
    engine, table, _ = account
    with open_access(Access(kind="sign_in", purpose=AUTHENTICATION)) as access, engine.connect() as connection:
        found = connection.execute(select(table).where(table.c.login == "budi")).mappings().one()
        assert (found["login"], found["hash"], found["name"], found["phone"]) == ("budi", "x", None, None)
        assert {column for what in access.notes.drain() for column in what.columns} == {"login", "hash"}
        with pytest.raises(FieldProbed):
            connection.execute(select(table.c.id).where(table.c.phone == "0812"))


@pytest.mark.parametrize("kind", ["public", "request", "job"])
def test_no_other_kind_of_access_sees_them_by_that(account: Any, kind: Any) -> None:
    """What is named for sign-in is for sign-in: everybody else needs a role that may."""
    engine, table, field = account
    access = Access(kind=kind, tenant="1", purpose=AUTHENTICATION)
    assert access.sight(field) is Sight.WITHHELD
    with open_access(access), engine.connect() as connection, pytest.raises(AmanahError):
        connection.execute(select(table.c.hash)).all()


def test_a_sign_in_that_has_ended_sees_nothing_more(account: Any) -> None:
    """A ticket that was kept is dead."""
    access = Access(kind="sign_in", purpose=AUTHENTICATION)
    assert access.sight(account[2]) is Sight.CLEAR
    access.close()
    with pytest.raises(AccessClosed):
        access.sight(account[2])
