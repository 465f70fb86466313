"""Attack: carry an object from one access into another: in a Session, out of it, by merge, add, refresh and delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import InvalidRequestError, SAWarning
from sqlalchemy.orm import Session, make_transient_to_detached
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from amanah.errors import AmanahError, SessionOfAnotherAccess, TenantCrossed

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def theirs(books: Any) -> Iterator[Any]:
    """Tono of tenant ``b``, loaded under an access of ``b`` and detached from its Session."""
    with books.session("b") as session:
        tono = session.get_one(books.m.Customer, ("b", "tono"))
        session.expunge(tono)
    yield tono
    assert books.stored("SELECT note FROM customer WHERE id = 'tono'") == [("theirs",)]
    assert books.stored("SELECT count(*) FROM invoice WHERE tenant_id = 'b'") == [(1,)]


def test_a_session_hands_nothing_from_one_access_to_another(books: Any) -> None:
    """What it holds in memory is gone, whether it is asked by key, by query or by refresh."""
    m = books.m
    session = Session(books.engine)
    with books.access("b"):
        tono = session.get_one(m.Customer, ("b", "tono"))
    for attack in (
        lambda: session.get(m.Customer, ("b", "tono")),
        lambda: session.scalars(select(m.Customer)).all(),
        lambda: session.refresh(tono),
        lambda: session.flush() or session.get(m.Customer, ("b", "tono")),
    ):
        with books.access(), pytest.raises((SessionOfAnotherAccess, InvalidRequestError)):
            attack()
    session.close()


def test_a_session_that_holds_objects_already_serves_no_access(books: Any, theirs: Any) -> None:
    """Whoever fills it before its first statement brings objects in that nobody looked at."""
    with books.session() as session:
        session.add(theirs)
        theirs.note = "hacked"
        with pytest.raises(SessionOfAnotherAccess):
            session.flush()
        session.rollback()


def test_merge_brings_in_no_row_of_another_tenant(books: Any, theirs: Any) -> None:
    """It looks for the row, finds none, and would make a new one for the other tenant."""
    with books.session() as session:
        merged = session.merge(theirs)
        merged.note = "hacked"
        with pytest.raises((TenantCrossed, AmanahError)):
            session.flush()
        session.rollback()


def test_merge_without_a_look_changes_no_row_of_another_tenant(books: Any, theirs: Any) -> None:
    """`load=False` takes the object as it is; its UPDATE reaches nothing."""
    with books.session() as session:
        session.scalars(select(books.m.Tag)).all()  # the Session is this access's
        merged = session.merge(theirs, load=False)
        merged.note = "hacked"
        with pytest.raises(StaleDataError):
            session.flush()
        session.rollback()


def test_an_object_that_is_added_again_changes_nothing(books: Any, theirs: Any) -> None:
    """Detached, changed, and put into a Session of another access."""
    with books.session() as session:
        session.scalars(select(books.m.Tag)).all()  # the Session is this access's
        session.add(theirs)
        theirs.note = "hacked"
        with pytest.raises(StaleDataError):
            session.flush()
        session.rollback()


def test_an_object_that_is_made_to_look_loaded_is_refreshed_with_nothing(books: Any) -> None:
    """Only its key is known; whatever is loaded for it stands behind the wall."""
    m = books.m
    made = m.Customer(tenant_id="b", id="tono")
    make_transient_to_detached(made)
    with books.session() as session:
        session.scalars(select(books.m.Tag)).all()  # the Session is this access's
        session.add(made)
        for attack in (
            lambda: made.note,
            lambda: session.refresh(made),
            lambda: session.get_one(m.Customer, ("b", "x")),
        ):
            with pytest.raises((ObjectDeletedError, InvalidRequestError)):
                attack()
        assert session.scalars(select(m.Customer).where(m.Customer.id == "tono")).all() == []


def test_a_delete_of_an_object_of_another_tenant_reaches_nothing(books: Any, theirs: Any) -> None:
    """The ORM warns that no row was there."""
    with books.session() as session:
        session.scalars(select(books.m.Tag)).all()  # the Session is this access's
        session.add(theirs)
        session.delete(theirs)
        with pytest.warns(SAWarning, match=r"0 were matched"):
            session.flush()
        session.rollback()


def test_relationships_of_an_object_of_another_tenant_are_empty(books: Any, theirs: Any) -> None:
    """Lazy loads go by the keys that the object holds, and stand behind the wall."""
    with books.session() as session:
        session.scalars(select(books.m.Tag)).all()  # the Session is this access's
        session.add(theirs)
        assert theirs.invoices == []
        assert theirs.tags == []
        session.expunge(theirs)
