"""A test that acts as a member: through the public ways, in any kind of function."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from amanah.errors import AccessRequired, Forbidden, InvalidInput, PurposeUnknown, TenantUnknown
from amanah.middleware.access import current
from amanah.testing import as_member, trail_of


def phones(books: Any) -> list[Any]:
    """What the current access sees."""
    with Session(books.engine) as session:
        return sorted(session.scalars(select(books.m.Customer.phone)).all())


def test_a_block_runs_as_a_member_with_that_role(books: Any) -> None:
    """The tenant's policy decides what it sees; afterwards there is no access."""
    with as_member(books.guard, tenant="a", role="viewer", purpose="billing") as access:
        assert access.roles == {"viewer"}
        assert phones(books) == ["0812 3456 7890", "0813 1111 2222"]
    with as_member(books.guard, tenant="a", role="masker", purpose="billing"):
        assert phones(books) == ["•••• 2222", "•••• 7890"]
    with pytest.raises(AccessRequired):
        phones(books)


def test_it_opens_no_back_door(books: Any) -> None:
    """A role without a rule sees nothing; what it did is in the trail, under the member's name."""
    with (
        as_member(books.guard, tenant="a", role="admin", purpose="billing"),
        pytest.raises(Forbidden),
        Session(books.engine) as session,
    ):
        session.scalars(select(books.m.Customer)).all()
    with as_member(books.guard, tenant="a", role="viewer", purpose="billing"):
        phones(books)
    found = [one for one in trail_of(books.guard, "a") if one.actor == "test-viewer"]
    assert {what.resource for one in found for what in one.what} == {"customer"}


def test_the_member_is_made_once(books: Any) -> None:
    """Each entering finds the member and the grant that the first one made, also after a suspension."""
    guard = books.guard
    acting = as_member(guard, tenant="a", role="viewer", purpose="billing")
    for _ in range(3):
        with acting:
            pass
    with guard.engine.begin() as connection:
        assert [g.role for g in guard.directory.grants(connection, "a") if g.member_id == "test-viewer"] == ["viewer"]
        guard.directory.suspend_member(connection, "a", "test-viewer")
    with acting, acting as inner:
        assert inner.actor.id == "test-viewer"
        assert current() is inner


def test_plain_and_async_functions_can_be_decorated(books: Any) -> None:
    """Each call has an access of its own, and arguments, names and results pass through."""
    acting = as_member(books.guard, tenant="a", role="viewer", purpose="billing")

    @acting
    def plain(number: int) -> tuple[int, Any]:
        """What it says."""
        return number, current()

    @acting
    async def asynchronous(number: int) -> tuple[int, Any]:
        await asyncio.sleep(0)
        return number, current()

    @acting
    def fixture() -> Any:
        yield current()

    assert plain.__doc__ == "What it says."
    number, first = plain(7)
    assert (number, first.closed) == (7, True)
    assert plain(7)[1] is not first
    assert asyncio.run(asynchronous(8))[0] == 8  # type: ignore[arg-type]
    generator = fixture()
    held = next(generator)
    assert not held.closed
    generator.close()
    assert held.closed
    assert current() is None


def test_async_blocks_work(books: Any) -> None:
    """Several at once keep their own."""

    async def see(role: str) -> bool:
        async with as_member(books.guard, tenant="a", role=role, purpose="billing") as access:
            await asyncio.sleep(0)
            return current() is access and access.roles == {role}

    async def run() -> list[bool]:
        return list(await asyncio.gather(*(see(role) for role in ("boss", "viewer", "masker"))))

    assert asyncio.run(run()) == [True, True, True]


def test_what_is_wrong_is_said(books: Any) -> None:
    """A tenant, role or purpose that is not there, and a function that cannot be decorated."""
    for wrong, error in (
        ({"tenant": "nobody"}, TenantUnknown),
        ({"role": "captain"}, InvalidInput),
        ({"purpose": "fun"}, PurposeUnknown),
    ):
        said = {"tenant": "a", "role": "viewer", "purpose": "billing", **wrong}
        with pytest.raises(error), as_member(books.guard, **said):
            pass

    async def halves() -> Any:
        yield

    with pytest.raises(TypeError, match="async with"):
        as_member(books.guard, tenant="a", role="viewer", purpose="billing")(halves)
