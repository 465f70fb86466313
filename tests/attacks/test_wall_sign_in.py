"""Attack: use what sign-in is let to do for more than signing in."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select, union_all, update
from sqlalchemy.orm import Session

from amanah.errors import AccessRequired, FieldProbed, KeysUnavailable, TenantCrossed


def _accounts(books: Any) -> None:
    for tenant in ("a", "b"):
        with books.session(tenant) as session:
            session.add(books.m.Account(id=f"acc-{tenant}", email=f"{tenant}@example.com", secret="hash"))
            session.commit()


def test_sign_in_finds_an_account_of_any_tenant_and_nothing_else(books: Any) -> None:
    """By the platform's search key, on the declared table; other tables and other searches are refused."""
    m = books.m
    _accounts(books)
    with books.signing_in(), Session(books.engine) as session:
        found = session.execute(select(m.Account.tenant_id, m.Account.secret).where(m.Account.email == "B@Example.com"))
        assert found.all() == [("b", "hash")]
        assert session.execute(update(m.Account).where(m.Account.id == "acc-b").values(secret="new")).rowcount == 1
        with pytest.raises(AccessRequired):
            session.execute(select(m.Customer.id))
        with pytest.raises(AccessRequired):
            session.execute(select(m.Account.id).join(m.Customer, m.Customer.tenant_id == m.Account.tenant_id))
        with pytest.raises(AccessRequired):
            session.execute(union_all(select(m.Account.id), select(m.Account.id)))
        with pytest.raises(TenantCrossed):
            session.execute(insert(m.Account).values(email="x@example.com", secret="x"))


def test_what_sign_in_compiled_never_serves_a_request(books: Any) -> None:
    """The same statement under sign-in and under an access: two compiled forms, in whichever order they come."""
    m = books.m
    _accounts(books)
    statements = (
        select(m.Account.id),
        select(m.Account.__table__.c.id),
        select(select(m.Account.id).subquery().c.id),
        select(m.Account.id).from_statement(select(m.Account.id)),
    )
    for statement in statements:
        for _ in range(2):
            with books.signing_in(), Session(books.engine) as session:
                assert set(session.execute(statement).scalars()) <= {"acc-a", "acc-b"}
            with books.session("a") as session:
                assert session.execute(statement).scalars().all() == ["acc-a"]


def test_a_public_access_reads_nothing(books: Any) -> None:
    """A public route touches no protected table, those of the login included: they need a rule like any other."""
    from amanah.middleware.access import Access, open_access

    _accounts(books)
    with open_access(Access(kind="public")), Session(books.engine) as session:
        with pytest.raises(Exception, match="may read account"):
            session.execute(select(books.m.Account.id))
        with pytest.raises(Exception, match="may read customer"):
            session.execute(select(books.m.Customer.id))


def test_sign_in_probes_platform_columns_only(books: Any) -> None:
    """A governed or tenant-keyed column cannot be searched before the tenant is known."""
    with (
        books.signing_in(),
        Session(books.engine) as session,
        pytest.raises((AccessRequired, FieldProbed, KeysUnavailable)),
    ):
        session.execute(select(books.m.Customer.id).where(books.m.Customer.phone == "0812"))
