"""Attack: meet a row about somebody who did not consent, for a purpose that rests on consent."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import bindparam, delete, exists, func, lambda_stmt, literal, select, text, true, union_all, update
from sqlalchemy.orm import Session, aliased, joinedload, selectinload, subqueryload

from amanah.errors import (
    AutocommitRefused,
    Forbidden,
    InvalidInput,
    RowsLimited,
    SealedWriteRefused,
    SubjectUndeclared,
    TableShadowed,
    TableUndeclared,
)
from amanah.middleware.limited import limited

if TYPE_CHECKING:
    from collections.abc import Iterator

BILLING = "essential.service.payment_processing"
LETTERS = "marketing.communications.email"
UNSYNCED = {"synchronize_session": False}
ALL = {"yes", "no", "ads"}
SEEN = {"billing": ALL, "letters": {"yes"}, "ads": {"ads"}}
"""Of which customers of ``a`` rows are met, by purpose."""

SHAPES = {
    "entity": lambda m: select(m.Customer.id),
    "core table": lambda m: select(m.Customer.__table__.c.id),
    "alias": lambda m: select(aliased(m.Customer).id),
    "alias of the wall's name": lambda m: select(aliased(m.Customer, name="amanah_agreed").id),
    "self-join": lambda m: select((other := aliased(m.Customer)).id).join(m.Customer, other.id == m.Customer.id),
    "cross join": lambda m: select(aliased(m.Customer).id).join(m.Customer, true()),
    "subquery": lambda m: select(select(m.Customer.id).subquery().c.id),
    "cte": lambda m: select(select(m.Customer.id).cte("everybody").c.id),
    "union": lambda m: union_all(select(m.Customer.id), select(m.Customer.id)),
    "in a subquery": lambda m: select(m.Customer.id).where(m.Customer.id.in_(select(m.Customer.id))),
    "join": lambda m: select(m.Customer.id).join(m.Purchase, m.Purchase.customer_id == m.Customer.id),
    "from the other side": lambda m: select(m.Purchase.customer_id).where(m.Purchase.customer_id.is_not(None)),
    "the table about somebody": lambda m: select(m.Purchase.customer_id).join(m.Customer),
    "from a function": lambda m: select(func.lower(m.Customer.id)),
    "exists": lambda m: select(m.Customer.id).where(exists().where(m.Purchase.customer_id == m.Customer.id)),
}


@contextmanager
def session_for(stall: Any, purpose: str, tenant: str = "a") -> Iterator[Session]:
    """A Session of the boss for that purpose."""
    with stall.access(tenant, purpose=purpose), Session(stall.engine) as session:
        yield session


def test_no_shape_of_select_meets_a_person_who_did_not_consent(stall: Any) -> None:
    """Whatever the statement looks like; and a form that one purpose compiled never serves another."""
    for _ in range(2):
        for purpose, seen in SEEN.items():
            with session_for(stall, purpose) as session:
                for shape, make in SHAPES.items():
                    for run in (session.execute, session.connection().execute):
                        assert {row[0] for row in run(make(stall.m))} == seen, (purpose, shape)


def test_a_person_who_did_not_consent_gives_no_fact(stall: Any) -> None:
    """Counts, maxima, EXISTS and scalar subqueries are of those who consented."""
    m = stall.m
    with session_for(stall, "letters") as session:
        assert session.scalar(select(func.count()).select_from(m.Customer)) == 1
        assert session.scalar(select(func.max(m.Purchase.item))) == "item of yes"
        assert session.scalar(select(select(func.min(m.Customer.id)).scalar_subquery())) == "yes"
        assert session.scalar(select(literal(1)).where(exists().where(m.Customer.id == "no"))) is None
        assert (
            session.scalar(select(literal(1)).where(select(m.Customer).where(m.Customer.id == "no").exists())) is None
        )


def test_the_orm_loads_those_who_consented(stall: Any) -> None:
    """get, refresh, from_statement, and relationship loads of every kind."""
    m = stall.m
    with session_for(stall, "letters") as session:
        assert session.get(m.Customer, "no") is None
        one = session.get_one(m.Customer, "yes")
        assert (one.name, one.city) == ("name of yes", "city of yes")
        session.refresh(one)
        assert [p.item for p in one.purchases] == ["item of yes"]
        assert [c.id for c in session.scalars(select(m.Customer).from_statement(select(m.Customer)))] == ["yes"]
    for load in (joinedload, selectinload, subqueryload):
        for purpose, seen in SEEN.items():
            with session_for(stall, purpose) as session:
                found = session.scalars(select(m.Customer).options(load(m.Customer.purchases))).unique().all()
                assert {p.customer_id for c in found for p in c.purchases} == seen


def test_a_row_about_nobody_is_about_nobody_who_consented(stall: Any) -> None:
    """NULL is no subject."""
    m = stall.m
    with session_for(stall, "letters") as session:
        assert session.scalars(select(m.Purchase.id)).all() == [1]
        assert session.scalars(select(m.Guest.id)).all() == [1]
    with session_for(stall, "billing") as session:
        assert len(session.scalars(select(m.Purchase.id)).all()) == 4


def test_a_key_of_any_type_is_compared(stall: Any) -> None:
    """A UUID, a number, a text; and a table that is about nobody is met as ever."""
    m = stall.m
    with session_for(stall, "letters") as session:
        assert session.scalars(select(m.Card.owner)).all() == ["yes"]
        assert session.scalars(select(m.Guest.name)).all() == ["yes"]
        assert session.scalars(select(m.Product.label)).all() == ["tea"]
        assert isinstance(session.scalars(select(m.Card.id)).one(), uuid.UUID)


def test_an_update_or_delete_reaches_those_who_consented(stall: Any) -> None:
    """By criteria, by key, of a Core table, with RETURNING, and many at once."""
    m, table = stall.m, stall.m.Customer.__table__
    for make in (
        lambda: update(m.Customer).values(group="hacked"),
        lambda: update(table).values(group="hacked"),
        lambda: update(table).where(table.c.id.in_(select(table.c.id))).values(group="hacked"),
        lambda: delete(m.Wish),
    ):
        for purpose, seen in SEEN.items():
            with session_for(stall, purpose) as session:
                statement = make()
                reached = session.connection().execute(statement).rowcount
                session.rollback()
                assert reached == (3 if statement.is_delete else len(seen))
    stall.stored("DELETE FROM wish")
    with session_for(stall, "letters") as session:
        for key in ("no", "ads"):
            by_key = update(table).where(table.c.id == key).values(group="hacked")
            assert session.execute(by_key, execution_options=UNSYNCED).rowcount == 0
            gone = delete(m.Purchase).where(m.Purchase.customer_id == key)
            assert session.execute(gone, execution_options=UNSYNCED).rowcount == 0
        found = session.execute(update(table).values(group="seen").returning(table.c.id)).scalars().all()
        assert found == ["yes"]
        many = update(table).where(table.c.id == bindparam("which")).values(group="hacked")
        session.connection().execute(many, [{"which": "no"}, {"which": "ads"}])
        session.commit()
    assert stall.stored("SELECT id FROM customer WHERE \"group\" = 'hacked'") == []
    with session_for(stall, "letters") as session:
        session.execute(delete(m.Purchase), execution_options=UNSYNCED)
        session.commit()
    assert {row[0] for row in stall.stored("SELECT id FROM purchase")} == {2, 3, 9}


def test_a_withdrawal_is_in_force_with_the_next_statement(stall: Any) -> None:
    """Of the same access, the same transaction, the same compiled form; and of everybody else with its commit."""
    m = stall.m
    with session_for(stall, "letters") as session:
        assert session.scalars(select(m.Customer.id)).all() == ["yes"]
        assert stall.guard.consents.withdraw(session, "customer", "yes", "letters") == 1
        assert session.scalars(select(m.Customer.id)).all() == []
        session.rollback()
        assert session.scalars(select(m.Customer.id)).all() == ["yes"]
        with stall.plain.begin() as elsewhere:  # by another process, in the middle of this access
            gone = "UPDATE amanah_consent SET withdrawn_at = 1, withdrawn_by = 'x', withdrawn_because = 'withdrawn'"
            session.commit()
            elsewhere.execute(text(gone))
        assert session.scalars(select(m.Customer.id)).all() == []


def test_a_consent_that_has_ended_opens_nothing(stall: Any) -> None:
    """By the database's clock, from the microsecond on; one that has not begun yet opens nothing either."""
    m, consents = stall.m, stall.guard.consents
    now = datetime.now(UTC)
    with session_for(stall, "letters") as session:
        consents.give(session, "customer", "no", "letters", source="form", ends=now - timedelta(seconds=5))
        consents.give(session, "customer", "ads", "letters", source="form", ends=now + timedelta(hours=1))
        session.commit()
        assert set(session.scalars(select(m.Customer.id))) == {"yes", "ads"}
        session.rollback()
        later = int((now + timedelta(hours=1)).timestamp()) * 1_000_000
        stall.stored(f"UPDATE amanah_consent SET given_at = {later} WHERE subject = 'yes'")
        assert session.scalars(select(m.Customer.id)).all() == ["ads"]


def test_a_consent_of_another_tenant_or_kind_or_purpose_opens_nothing(stall: Any) -> None:
    """In ``b`` a customer of the same id consented; in ``a`` a card and a guest of that id would not count either."""
    m = stall.m
    with stall.session("a") as session:
        stall.guard.consents.give(session, "guest", 2, "letters", source="form")
        session.add(m.Customer(id="2", name="of the guest's id"))
        session.commit()
    with session_for(stall, "letters") as session:
        assert session.scalars(select(m.Customer.id)).all() == ["yes"]
    with session_for(stall, "letters", "b") as session:
        assert session.scalars(select(m.Customer.id)).all() == []


class OneForm(dict[Any, Any]):
    """A cache that hands out the first form that it was given, whatever it is asked for."""

    def get(self, _key: Any, _default: Any = None) -> Any:
        return next(iter(self.values()), None)


@pytest.mark.parametrize("kind", ["select", "update", "delete"])
def test_a_form_that_was_compiled_for_another_basis_is_refused(stall: Any, kind: str) -> None:
    """Should any cache hand it out. Between two purposes on consent it is the same form: the purpose is a parameter."""
    m = stall.m
    make = {
        "select": lambda: select(m.Customer.__table__.c.id),
        "update": lambda: update(m.Purchase.__table__).values(item="x"),
        "delete": lambda: delete(m.Guest.__table__),
    }[kind]
    for first, second in (("billing", "letters"), ("letters", "billing")):
        options = {"compiled_cache": OneForm()}
        with session_for(stall, first) as session:
            session.connection().execute(make(), execution_options=options)
            session.rollback()
        with session_for(stall, second) as session, pytest.raises((RowsLimited, SealedWriteRefused)):
            session.connection().execute(make(), execution_options=options)
    options = {"compiled_cache": OneForm()}
    if kind == "select":
        for purpose in ("letters", "ads", "letters"):
            with session_for(stall, purpose) as session:
                found = session.connection().execute(make(), execution_options=options)
                assert {row[0] for row in found} == SEEN[purpose]


def test_a_cache_of_the_applications_own_mixes_no_purposes_up(stall: Any) -> None:
    """Nor does a lambda, of which SQLAlchemy keeps the statement for everybody."""
    cache: dict[Any, Any] = {}
    table = stall.m.Customer.__table__
    for _ in range(2):
        for purpose, seen in SEEN.items():
            with session_for(stall, purpose) as session:
                options = {"compiled_cache": cache}
                assert set(session.scalars(select(table.c.id), execution_options=options)) == seen
                assert set(session.scalars(lambda_stmt(lambda: select(table.c.id)))) == seen


def test_no_parameter_takes_the_place_of_the_purpose(stall: Any) -> None:
    """A statement's own parameters do not choose for which purpose it is."""
    names = {f"amanah_purpose_{number}": BILLING for number in range(3)} | {"amanah_purpose": "ads"}
    with session_for(stall, "letters") as session:
        for run in (session.scalars, session.connection().scalars):
            assert run(select(stall.m.Customer.id), names | {"amanah_tenant_id": "b"}).all() == ["yes"]


def test_no_name_stands_before_the_table_of_consents(stall: Any) -> None:
    """A common table expression of that name would be asked instead; and the table itself is not the application's."""
    m = stall.m
    forged = select(literal("a").label("tenant_id"), literal("customer").label("kind"))
    with session_for(stall, "letters") as session:
        for name in ("amanah_consent", "AMANAH_CONSENT"):
            with pytest.raises(TableShadowed):
                session.execute(select(m.Customer.id).join(forged.cte(name), true()))
    from amanah.access_policies.models import consent

    with session_for(stall, "letters") as session:
        for statement in (select(consent), consent.update().values(withdrawn_at=None), consent.delete()):
            with pytest.raises(TableUndeclared):
                session.execute(statement)


def test_a_table_that_does_not_say_whose_rows_they_are_is_refused(stall: Any) -> None:
    """It could not be asked whether they consented: no row of it, by whatever statement, and what to declare."""
    m = stall.m
    remark = m.Remark.__table__
    statements = [
        select(m.Remark.id),
        select(func.count()).select_from(m.Remark),
        select(m.Product.id).where(exists().where(m.Remark.id == m.Product.id)),
        update(remark).values(about="x").where(remark.c.id == 1),
        delete(m.Remark),
        remark.insert().values(id=7, about="x"),
    ]
    with session_for(stall, "letters") as session:
        for statement in statements:
            with pytest.raises(SubjectUndeclared) as stopped:
                session.execute(statement)
            assert 'declare("remark", subject=…)' in str(stopped.value)
            session.rollback()
    with session_for(stall, "billing") as session:
        assert session.scalars(select(m.Remark.about)).all() == ["no"]


def test_a_row_that_is_written_is_met_once_consent_is_given(stall: Any) -> None:
    """A registration form collects the person and the consent together, in whichever order."""
    m, consents = stall.m, stall.guard.consents
    with session_for(stall, "letters") as session:
        session.add(m.Customer(id="new", name="Ratna"))
        session.flush()
        assert session.scalars(select(m.Customer.name).where(m.Customer.id == "new")).all() == []
        consents.give(session, "customer", "new", LETTERS, source="form")
        assert session.scalars(select(m.Customer.name).where(m.Customer.id == "new")).all() == ["Ratna"]
        session.commit()
    with session_for(stall, "ads") as session:
        assert session.get(m.Customer, "new") is None


def test_consents_are_recorded_by_who_may_and_of_what_there_is(stall: Any) -> None:
    """Tenant and actor are the access's; the policy decides; the record is in the transaction, and so is its entry."""
    consents = stall.guard.consents
    with stall.session("a", "viewer") as session:
        with pytest.raises(Forbidden):
            consents.give(session, "customer", "no", "letters", source="form")
        with pytest.raises(Forbidden):
            consents.withdraw(session, "customer", "yes", "letters")
        assert [one.live for one in consents.of(session, "customer", "yes")] == [True]
    with stall.session("a", "masker") as session, pytest.raises(Forbidden):
        consents.of(session, "customer", "yes")
    with stall.session("a") as session:
        wrong: list[tuple[Any, ...]] = [
            ("customer", "no", "billing", "form", ""),  # rests on a contract
            ("customer", "no", "nonsense", "form", ""),
            ("nobody", "no", "letters", "form", ""),
            ("", "no", "letters", "form", ""),
            ("guest", "seventy", "letters", "form", ""),
            ("customer", "no", "letters", "a form", ""),
            ("customer", "no", "letters", "form", "signed by Budi Santoso"),
        ]
        for kind, subject, purpose, source, evidence in wrong:
            with pytest.raises(InvalidInput):
                consents.give(session, kind, subject, purpose, source=source, evidence=evidence)
        with pytest.raises(InvalidInput):
            consents.give(session, "customer", "no", "letters", source="form", ends=datetime(2030, 1, 1))  # noqa: DTZ001
    alone = stall.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
    with stall.access("a"), alone as connection, pytest.raises(AutocommitRefused):
        consents.give(connection, "customer", "no", "letters", source="form")
    rows = stall.stored("SELECT tenant_id, given_by, source, evidence FROM amanah_consent WHERE subject = 'yes'")
    assert rows == [("a", "boss", "form", "notice:2026-03/form:812")]
    assert stall.stored("SELECT count(*) FROM amanah_consent WHERE subject = 'no' AND tenant_id = 'a'") == [(0,)]
    with stall.session("a") as session:
        consents.give(session, "customer", "no", "letters", source="form")
        session.rollback()
        consents.withdraw(session, "customer", "yes", "letters")
        session.commit()
    told = [what for what in stall.changes("a") if what["resource"] == "amanah.consent"]
    assert [(one["action"], one["subjects"], one["count"]) for one in told[-1:]] == [("withdraw", ["yes"], 1)]
    assert told[-1]["rows"][0].startswith(f"{LETTERS}/")
    assert not any("no" in one["subjects"] for one in told)


def test_a_consent_is_looked_up_in_its_index(stall: Any) -> None:
    """Among many consents, for one customer and for a page of them; no plan reads the whole table of consents."""
    if "sqlite" in stall.url:
        pytest.skip("SQLite has no EXPLAIN that could be compared")
    table = stall.m.Customer.__table__
    stall.stored("INSERT INTO customer (id, tenant_id) SELECT 'c' || n, 'a' FROM generate_series(1, 4000) n")
    stall.stored(
        "INSERT INTO amanah_consent (tenant_id, id, kind, subject, purpose, given_at, given_by, source) "
        "SELECT 'a', md5(n || p), 'customer', 'c' || n, p, 1, 'x', 'form' "
        f"FROM generate_series(1, 4000) n, unnest(ARRAY['{LETTERS}', 'other.purpose']) p"
    )
    stall.stored("ANALYZE customer, amanah_consent")
    statements = [
        select(table.c.id).where(table.c.id == "c42"),
        select(table.c.id).where(table.c.id.between("c42", "c421")),
        select(table.c.id).order_by(table.c.id).limit(20),
    ]
    for statement in statements:
        with stall.access("a", purpose="letters") as access:
            form = limited(statement, access).compile(stall.engine, compile_kwargs={"literal_binds": True})
            with stall.plain.connect() as connection:
                plan = "\n".join(row[0] for row in connection.execute(text(f"EXPLAIN (COSTS OFF) {form}")))
        assert "amanah_consent" in plan
        assert "Seq Scan on amanah_consent" not in plan, plan
        assert "ix_amanah_consent_subject" in plan, plan
