"""Attack: meet a row of the own tenant that a row filter keeps away."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import (
    Sequence,
    String,
    bindparam,
    cast,
    create_engine,
    delete,
    exists,
    func,
    lambda_stmt,
    literal,
    make_url,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import CompileError, SAWarning
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, aliased, joinedload, selectinload, subqueryload
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.schema import CreateSequence

from amanah.audit.staging import Staging
from amanah.errors import Forbidden, RowNotThere, RowsLimited, SealedWriteRefused, TableShadowed
from amanah.middleware.hooks import Gate
from amanah.middleware.limited import limited
from amanah.middleware.observing import Observing
from amanah.middleware.observing_gate import ObservingGate
from amanah.middleware.sightings import Notebook

UNSYNCED = {"synchronize_session": False}

SEEN = {
    "boss": {"o1", "o2", "o3", "o4", "o5"},
    "7": {"o1", "o2"},
    "8": {"o3"},
    "lead": {"o1", "o3", "o5"},
    "both": {"o2", "o4", "o5"},
    "apprentice": {"o1", "o3", "o5"},
}
"""Which orders each member of tenant ``a`` may see. NULL is no yes: without a note it is kept from the apprentice."""

SHAPES = {
    "entity": lambda m: select(m.Order.id),
    "core table": lambda m: select(m.Order.__table__.c.id),
    "alias": lambda m: select(aliased(m.Order).id),
    "alias of an alias": lambda m: select(m.Order.__table__.alias("x").alias("y").c.id),
    "self-join": lambda m: select((other := aliased(m.Order)).id).join(m.Order, other.id != m.Order.id, isouter=True),
    "cross join": lambda m: select(aliased(m.Order).id).join(m.Order, true()),
    "subquery": lambda m: select(select(m.Order.id).subquery().c.id),
    "cte": lambda m: select(select(m.Order.id).cte("everybody").c.id),
    "recursive cte": lambda m: select(
        (base := select(m.Order.id).cte("r", recursive=True)).union_all(select(base.c.id).where(literal(1) == 2)).c.id
    ),
    "union": lambda m: union_all(select(m.Order.id), select(m.Order.id)),
    "in a subquery": lambda m: select(m.Order.id).where(m.Order.id.in_(select(m.Order.id))),
    "outer join": lambda m: select(m.Order.id).select_from(m.Order).outerjoin(m.Line, true()),
    "from a function": lambda m: select(func.lower(m.Order.id)),
    "exists": lambda m: select(m.Order.id).where(exists().where(m.Line.order_id == m.Order.id)),
    "for update": lambda m: select(m.Order.id).with_for_update(),
    "the other table of the resource": lambda m: select(m.Line.order_id),
}


def test_no_shape_of_select_meets_a_row_that_is_kept_away(parcels: Any) -> None:
    """Whatever the statement looks like, each member gets the rows of theirs; one form never serves another's."""
    for _ in range(2):
        for member, seen in SEEN.items():
            with parcels.session("a", member) as session:
                for shape, make in SHAPES.items():
                    if shape == "for update" and "sqlite" in parcels.url:
                        continue
                    for run in (session.execute, session.connection().execute):
                        found = {str(row[0]) for row in run(make(parcels.m))}
                        assert found == seen, (member, shape)


def test_a_row_that_is_kept_away_gives_no_fact(parcels: Any) -> None:
    """Counts, maxima, EXISTS and scalar subqueries are of the rows that may be seen."""
    m = parcels.m
    with parcels.session("a", "8") as session:
        assert session.scalar(select(func.count()).select_from(m.Order)) == 1
        assert session.scalar(select(func.max(m.Order.id))) == "o3"
        assert session.scalar(select(select(func.min(m.Order.id)).scalar_subquery())) == "o3"
        assert session.scalar(select(literal(1)).where(exists().where(m.Order.id == "o1"))) is None
        assert session.scalar(select(literal(1)).where(select(m.Order).where(m.Order.id == "o1").exists())) is None


def test_the_orm_loads_the_rows_that_may_be_seen(parcels: Any) -> None:
    """get, refresh, from_statement, stream, and relationship loads of every kind."""
    m = parcels.m
    with parcels.session("a", "7") as session:
        assert session.get(m.Order, "o3") is None
        own = session.get_one(m.Order, "o1")
        assert own.customer == "of o1"
        session.refresh(own)
        assert [line.id for line in own.lines] == ["lo1"]
        assert {o.id for o in session.scalars(select(m.Order).from_statement(select(m.Order)))} == {"o1", "o2"}
        assert {o.id for o in session.scalars(select(m.Order).execution_options(yield_per=1))} == {"o1", "o2"}
    for load in (joinedload, selectinload, subqueryload):
        for _ in range(2):
            for member, seen in SEEN.items():
                with parcels.session("a", member) as session:
                    found = session.scalars(select(m.Order).options(load(m.Order.lines))).unique().all()
                    assert {line.order_id for order in found for line in order.lines} == seen


def test_who_has_no_rule_has_no_rows(parcels: Any) -> None:
    """Row filters open nothing by themselves."""
    with parcels.session("a", "stranger") as session, pytest.raises(Forbidden):
        session.scalars(select(parcels.m.Order.id)).all()


def test_the_tenant_stays_the_first_wall(parcels: Any) -> None:
    """The same actor in another tenant meets that tenant's rows, and no table in an expression is of another tenant."""
    m = parcels.m
    for _ in range(2):
        for tenant, member, seen in (("a", "7", {"o1", "o2"}), ("b", "7", {"t1"}), ("b", "lead", set())):
            with parcels.access(tenant, member), Session(parcels.engine) as session:
                assert set(session.scalars(select(m.Order.id))) == seen


def test_an_actor_is_compared_in_the_type_of_the_column(parcels: Any) -> None:
    """The account id is text; the column a number. Who has no number for an id has no rows."""
    m = parcels.m
    for member, seen in (("7", [7]), ("8", [8]), ("both", [])):
        with parcels.session("a", member) as session:
            assert session.scalars(select(m.Shift.worker)).all() == seen


def _orders(parcels: Any, changed: str = "hacked") -> set[str]:
    """The orders whose note says that they were reached."""
    return {row[0] for row in parcels.stored("SELECT id FROM orders WHERE note = :note", note=changed)}


@pytest.mark.parametrize("member", ["7", "lead", "apprentice"])
def test_an_update_reaches_what_may_be_seen_and_updated(parcels: Any, member: str) -> None:
    """By criteria, of a Core table, by key, from another table, and whatever the Session does about it."""
    m, orders = parcels.m, parcels.m.Order.__table__
    far = ({"o1", "o2", "o3", "o4", "o5"} - SEEN[member]).pop()
    updates = {
        "orm": update(m.Order).values(note="hacked"),
        "core": update(orders).values(note="hacked"),
        "by key": update(m.Order).where(m.Order.id == far).values(note="hacked"),
        "from another": update(orders).where(m.Line.order_id == orders.c.id).values(note="hacked"),
        "by a subquery": update(orders).where(orders.c.id.in_(select(orders.c.id))).values(note="hacked"),
    }
    for name, statement in updates.items():
        with parcels.session("a", member) as session:
            options = {"synchronize_session": False}
            reached = session.execute(statement, execution_options=options).rowcount
            session.rollback()
            assert reached == (0 if name == "by key" else len(SEEN[member])), name
    for how in ("fetch", "evaluate", "auto", False):
        with parcels.session("a", member) as session:
            statement = update(m.Order).where(m.Order.id != "x").values(note="hacked")
            session.execute(statement, execution_options={"synchronize_session": how})
            session.commit()
        assert _orders(parcels) == SEEN[member]
        parcels.stored("UPDATE orders SET note = 'open'")
        parcels.stored("UPDATE orders SET note = 'secret' WHERE id = 'o2'")
        parcels.stored("UPDATE orders SET note = NULL WHERE id = 'o4'")
    with parcels.session("a", member) as session:
        found = session.execute(update(orders).values(note="hacked").returning(orders.c.id)).scalars().all()
        assert set(found) == SEEN[member]
        session.rollback()
    with parcels.session("a", member) as session:
        session.connection().execute(
            update(orders).where(orders.c.id == bindparam("which")).values(note="hacked"), [{"which": far}] * 2
        )
        with pytest.raises(StaleDataError):
            session.execute(update(m.Order), [{"id": far, "note": "hacked"}])
        session.commit()
    assert _orders(parcels) == set()


def test_an_update_from_a_table_meets_the_rows_that_may_be_seen(parcels: Any) -> None:
    """What an UPDATE of one table reads of another one is read, row filters and all."""
    m = parcels.m
    with parcels.session("a", "boss") as session:
        session.execute(update(m.Branch).values(lead="x"), execution_options={"synchronize_session": False})
        session.rollback()
    count = select(func.count(m.Line.id)).scalar_subquery()
    with parcels.session("a", "8") as session:
        session.execute(
            update(m.Order).values(note=cast(count, String)), execution_options={"synchronize_session": False}
        )
        session.commit()
    assert parcels.stored("SELECT id, note FROM orders WHERE note = '1'") == [("o3", "1")]


def test_a_delete_reaches_what_may_be_seen_and_deleted(parcels: Any) -> None:
    """By criteria, of a Core table, by the Session; and one table of the resource like the other."""
    m, lines = parcels.m, parcels.m.Line.__table__
    deletes = {
        "orm": delete(m.Line),
        "core": delete(lines),
        "by key": delete(lines).where(lines.c.id == "lo3"),
        "returning": delete(lines).returning(lines.c.id),
    }
    for name, statement in deletes.items():
        for of_the_orm in (True, False):
            with parcels.session("a", "7") as session:
                run = session.execute if of_the_orm else session.connection().execute
                reached = run(statement, execution_options=UNSYNCED)
                gone = set(reached.scalars()) if name == "returning" else reached.rowcount
                assert gone == {"returning": {"lo1", "lo2"}, "by key": 0}.get(name, 2), name
                session.rollback()
    with parcels.session("a", "7") as session:
        session.execute(delete(m.Line), execution_options={"synchronize_session": "fetch"})
        session.commit()
    assert {row[0] for row in parcels.stored("SELECT id FROM line")} == {"lo3", "lo4", "lo5"}
    with parcels.session("a", "8") as session:
        line = session.get_one(m.Line, ("a", "lo3"))
        parcels.stored("UPDATE orders SET courier = '7' WHERE id = 'o3'")  # meanwhile it went to somebody else
        session.delete(line)
        with pytest.warns(SAWarning, match="0 were matched"):
            session.flush()
        session.rollback()
    assert parcels.stored("SELECT count(*) FROM line WHERE id = 'lo3'") == [(1,)]


def test_a_delete_without_the_right_is_refused(parcels: Any) -> None:
    """Who may delete nothing is told so, whatever they may see."""
    with parcels.session("a", "lead") as session, pytest.raises(Forbidden):
        session.execute(delete(parcels.m.Line))


def test_an_upsert_updates_what_may_be_seen_and_updated(parcels: Any) -> None:
    """ON CONFLICT DO UPDATE leaves a row as it is that is kept away; a condition of its own stays, an OR in it, too."""
    m = parcels.m
    insert = sqlite.insert if "sqlite" in parcels.url else postgresql.insert
    table = m.Line.__table__
    rows = [{"id": f"lo{number}", "order_id": "o1"} for number in range(1, 6)]
    upsert = insert(table).values(rows)
    target = {"index_elements": ["tenant_id", "id"]}
    changed = {"7": {"lo1", "lo2"}, "boss": {f"lo{number}" for number in range(1, 6)}}
    for member in ("7", "lead", "apprentice", "boss"):
        for where in (None, text("1 = 1 or 1 = 1")):
            said = {"set_": {"order_id": upsert.excluded.order_id}, "where": where}
            statement = upsert.on_conflict_do_update(**target, **said)
            with parcels.session("a", member) as session:
                if member not in changed:  # they may create nothing
                    parcels.refuses(Forbidden, member, session.execute, statement)
                    continue
                session.execute(statement, execution_options=UNSYNCED)
                assert set(session.scalars(statement.returning(table.c.id))) == changed[member]
                session.rollback()
    with parcels.session("a", "7") as session:
        single = insert(table).on_conflict_do_update(**target, set_={"order_id": "o2"})
        session.connection().execute(single, [{"id": "lo1", "order_id": "o1"}, {"id": "lo3", "order_id": "o3"}])
        session.commit()
    assert parcels.stored("SELECT id, order_id FROM line WHERE id IN ('lo1', 'lo3') ORDER BY id") == [
        ("lo1", "o2"),
        ("lo3", "o3"),
    ]
    with parcels.session("a", "7") as session:  # what is created is no row yet
        session.add(m.Order(id="new", branch_id="north", courier="8"))
        session.commit()


class OneForm(dict[Any, Any]):
    """A cache that hands out the first form that it was given, whatever it is asked for."""

    def get(self, _key: Any, _default: Any = None) -> Any:
        return next(iter(self.values()), None)


@pytest.mark.parametrize("kind", ["select", "update", "delete"])
def test_a_form_that_was_compiled_for_somebody_else_is_refused(parcels: Any, kind: str) -> None:
    """Should any cache hand it out: with other row filters than one's own, or with none."""
    m = parcels.m
    make = {
        "select": lambda: select(m.Order.__table__.c.id),
        "update": lambda: update(m.Line.__table__).values(order_id="o1"),
        "delete": lambda: delete(m.Line.__table__),
    }[kind]
    for first, second in (("boss", "7"), ("7", "both"), ("both", "7"), ("7", "boss")):
        options = {"compiled_cache": OneForm()}
        with parcels.session("a", first) as session:
            session.connection().execute(make(), execution_options=options)
            session.rollback()
        with parcels.session("a", second) as session, pytest.raises((RowsLimited, SealedWriteRefused)):
            session.connection().execute(make(), execution_options=options)
    with parcels.session("a", "8") as session:  # the actor is a parameter, the row filters are the same
        options = {"compiled_cache": OneForm()}
        session.connection().execute(make(), execution_options=options)


def test_a_cache_of_the_applications_own_mixes_nobody_up(parcels: Any) -> None:
    """The row filters are part of the key, whichever cache it is."""
    cache: dict[Any, Any] = {}
    statement = select(parcels.m.Order.id)
    for _ in range(2):
        for member, seen in SEEN.items():
            with parcels.session("a", member) as session:
                options = {"compiled_cache": cache}
                assert set(session.scalars(statement, execution_options=options)) == seen
                connection = session.connection().execution_options(compiled_cache=cache)
                assert set(connection.scalars(statement)) == seen


def test_a_lambda_carries_the_row_filters(parcels: Any) -> None:
    """SQLAlchemy keeps the statement that a lambda made, for everybody."""
    table = parcels.m.Order.__table__
    for _ in range(2):
        for member, seen in SEEN.items():
            with parcels.session("a", member) as session:
                for wanted in ("o1", "o3"):
                    statement = lambda_stmt(lambda: select(table.c.id))
                    statement += lambda s: s.where(table.c.id == wanted)  # noqa: B023
                    for run in (session.scalars, session.connection().scalars):
                        assert set(run(statement)) == seen & {wanted}


def test_no_parameter_takes_the_place_of_the_actor(parcels: Any) -> None:
    """A statement's own parameters do not choose whose rows they are."""
    m = parcels.m
    names = {f"amanah_actor_id_{number}": "8" for number in range(3)} | {"amanah_actor_id": "8"}
    with parcels.session("a", "7") as session:
        for run in (session.scalars, session.connection().scalars):
            assert set(run(select(m.Order.id), names)) == {"o1", "o2"}
        forged = select(m.Order.id).where(m.Order.id != bindparam("amanah_actor_id_1", "8"))
        with contextlib.suppress(CompileError):
            assert set(session.scalars(forged)) <= {"o1", "o2"}


def test_no_name_stands_before_a_table_that_a_row_filter_asks(parcels: Any) -> None:
    """A common table expression of that name would be asked instead."""
    m = parcels.m
    mine = select(m.Order.branch_id.label("id"), literal("lead").label("lead"), literal("a").label("tenant_id"))
    with parcels.session("a", "lead") as session:
        for name in ("branch", "BRANCH"):
            with pytest.raises(TableShadowed):
                session.execute(select(m.Order.id).join(mine.cte(name), true()))


ORDERS = "SELECT o.id FROM orders o WHERE o.id <> 'none: 100%%' ORDER BY 1"


def test_a_declared_report_shows_the_rows_that_may_be_seen(parcels: Any) -> None:
    """By a column, by EXISTS over another table, by both, by a denial; as text() and as the driver's SQL."""
    plain = ORDERS.replace("%%", "%")
    parcels.guard.declared_sql("all", "SELECT o.id FROM orders o WHERE o.note IS NOT NULL OR o.note IS NULL")
    parcels.guard.declared_sql("plain", plain)
    parcels.guard.declared_sql("lines", "SELECT l.order_id FROM line l")
    for _ in range(2):
        for member, seen in SEEN.items():
            if member == "stranger":
                continue
            with parcels.session("a", member) as session:
                found = session.execute(text(plain)).scalars().all()
                assert set(found) == seen, member
                said = "SELECT o.id FROM orders o WHERE o.note IS NOT NULL OR o.note IS NULL"
                assert {row[0] for row in session.connection().exec_driver_sql(said)} == seen
                assert set(session.execute(text("SELECT l.order_id FROM line l")).scalars()) == seen
    with parcels.session("b", "7") as session:
        assert session.execute(text(plain)).scalars().all() == ["t1"]


def test_a_report_whose_own_rows_a_row_filter_would_ask_is_refused(parcels: Any) -> None:
    """It reads the table that the filter asks, or the parent of another that it reads: fewer rows there, and a denial
    would let through more here.
    """  # noqa: D205
    reports = {
        "branches": ("SELECT o.id FROM orders o JOIN branch b ON b.id = o.branch_id", ("lead", "both")),
        "lines": ("SELECT l.id FROM line l JOIN orders o ON o.id = l.order_id", ("7", "lead", "apprentice")),
        "remarks": ("SELECT r.id FROM remark r JOIN orders o ON o.id = r.order_id", ("7",)),
    }
    for name, (report, _) in reports.items():
        parcels.guard.declared_sql(name, report)
    for name, (report, refused) in reports.items():
        with parcels.session("a", "boss") as session:
            session.execute(text(report)).all()
        for member in refused:
            with parcels.session("a", member) as session:
                parcels.refuses((RowsLimited, Forbidden), f"{name} {member}", session.execute, text(report))
                parcels.refuses((RowsLimited, Forbidden), name, session.connection().exec_driver_sql, report)


def test_an_account_id_that_is_no_plain_word_gets_no_report(parcels: Any) -> None:
    """Its value would stand in the text, and each driver reads its own signs there."""
    parcels.guard.declared_sql("some", "SELECT o.id FROM orders o")
    directory = parcels.guard.directory
    for actor in ("7' OR 'a' = 'a", "%s", ":id", "7\\", "?"):
        with parcels.guard.engine.begin() as connection:
            directory.add_member(connection, "a", actor)
            directory.grant(connection, "a", actor, "courier", reason="test", granted_by="owner")
        with parcels.session("a", actor) as session:
            parcels.refuses(RowsLimited, actor, session.execute, text("SELECT o.id FROM orders o"))
            assert session.scalars(select(parcels.m.Order.id)).all() == []


def test_a_report_that_was_made_for_somebody_else_is_refused(parcels: Any) -> None:
    """Whose rows it shows stands in its text: another tenant, another member."""
    parcels.guard.declared_sql("kept", "SELECT o.id FROM orders o")
    with parcels.session("a", "7") as session:
        made = session.connection().execute(text("SELECT o.id FROM orders o")).context.compiled.statement
    for tenant, member in (("a", "8"), ("a", "boss"), ("b", "7"), ("b", "boss")):
        with parcels.session(tenant, member) as session, pytest.raises(RowsLimited):
            session.connection().execute(made)
    with parcels.session("a", "7") as session:
        assert set(session.connection().execute(made).scalars()) == {"o1", "o2"}


def test_a_reseal_moves_rows_that_may_be_met_and_changed(parcels: Any) -> None:
    """Any other row of the tenant is not there, whatever key is named."""
    parcels.stored("DELETE FROM line")
    parcels.stored("DELETE FROM remark")
    for member, key, moved in (("7", "o3", 0), ("7", "o1", 1), ("lead", "o2", 0), ("apprentice", "o2", 0)):
        with parcels.session("a", member) as session:
            to = {"id": f"moved-{key}-{member}"}
            if moved:
                parcels.guard.reseal(session, "orders", key={"id": key}, to=to)
            else:
                with pytest.raises(RowNotThere):
                    parcels.guard.reseal(session, "orders", key={"id": key}, to=to)
            session.commit()
    kept = {row[0] for row in parcels.stored("SELECT id FROM orders WHERE tenant_id = 'a'")}
    assert kept == {"moved-o1-7", "o2", "o3", "o4", "o5"}
    with parcels.session("a", "boss") as session:
        assert (
            session.scalars(select(parcels.m.Order.customer).where(parcels.m.Order.id == "moved-o1-7")).one() == "of o1"
        )


def test_a_reseal_moves_no_row_that_may_be_seen_and_not_changed(parcels: Any) -> None:
    """Who reads all orders and may change their own ones moves their own ones."""
    with parcels.guard.engine.begin() as connection:
        policies, directory = parcels.guard.policies, parcels.guard.directory
        policies.add_role(connection, "a", "looker")
        read, change = (
            ("looker", "orders", "read", "*", "allow"),
            ("looker", "orders", "update", "*", "allow", "assigned"),
        )
        policies.add_rules(connection, "a", [read, change])
        directory.add_member(connection, "a", "9")
        directory.grant(connection, "a", "9", "looker", reason="test", granted_by="owner")
    parcels.stored("DELETE FROM line")
    parcels.stored("DELETE FROM remark")
    parcels.stored("UPDATE orders SET courier = '9' WHERE id = 'o4'")
    with parcels.session("a", "9") as session:
        assert len(session.scalars(select(parcels.m.Order.id)).all()) == 5
        with pytest.raises(RowNotThere):
            parcels.guard.reseal(session, "orders", key={"id": "o3"}, to={"id": "moved"})
        parcels.guard.reseal(session, "orders", key={"id": "o4"}, to={"id": "mine"})
        session.commit()
    assert {row[0] for row in parcels.stored("SELECT id FROM orders")} == {"o1", "o2", "o3", "mine", "o5", "t1"}


def test_a_child_row_is_met_by_its_own_rules(parcels: Any) -> None:
    """That its parent is kept away keeps no child away: who may read all remarks reads those on every order."""
    with parcels.session("a", "7") as session:
        assert len(session.scalars(select(parcels.m.Remark.id)).all()) == 5


def test_sealed_values_of_rows_that_are_kept_away_stay_shut(parcels: Any) -> None:
    """A courier opens the names of their own orders; nothing else is noted as loaded."""
    m = parcels.m
    with parcels.session("a", "7") as session:
        assert set(session.scalars(select(m.Order.customer))) == {"of o1", "of o2"}


def test_what_is_no_statement_stays_what_it_is(parcels: Any) -> None:
    """Raw SQL that names nothing, DDL and a sequence's next number carry nothing."""
    with parcels.session("a", "7") as session:
        assert session.scalar(text("SELECT 1")) == 1
        assert session.scalar(select(func.lower("A"))) == "a"
        if "postgresql" in parcels.url:
            session.connection().execute(CreateSequence(Sequence("numbers")))
            assert session.connection().scalar(Sequence("numbers")) == 1


def test_the_plan_stays_what_it_was(parcels: Any) -> None:
    """PostgreSQL flattens the subquery: the filter meets the index as a condition of the application's own would."""
    if "sqlite" in parcels.url:
        pytest.skip("SQLite has no EXPLAIN that could be compared")
    table = parcels.m.Order.__table__
    parcels.stored("CREATE INDEX ix_own ON orders (tenant_id, courier)")
    with parcels.access("a", "7") as access:
        walled = limited(select(table.c.id), access).compile(parcels.engine, compile_kwargs={"literal_binds": True})
    plans = []
    for statement in (str(walled), "SELECT id FROM orders WHERE tenant_id = 'a' AND courier = '7'"):
        with parcels.plain.connect() as connection:
            connection.execute(text("SET enable_seqscan = off"))
            connection.execute(text("SET enable_bitmapscan = off"))
            plans.append([row[0] for row in connection.execute(text(f"EXPLAIN (COSTS OFF) {statement}"))])
    assert "Index" in plans[0][0]
    assert [line.replace("::text", "") for line in plans[0]] == [line.replace("::text", "") for line in plans[1]]


@pytest.mark.parametrize("of_the_orm", [True, False])
def test_threads_with_other_row_filters_share_an_engine(parcels: Any, of_the_orm: bool) -> None:
    """Forms are compiled and kept by both at once; each gets its own rows, every time."""
    m, wrong = parcels.m, []
    start = threading.Barrier(4)

    def read(member: str) -> None:
        start.wait(30)
        for number in range(25):
            with parcels.session("a", member) as session:
                statement = select(m.Order.id).where(m.Order.id != f"x{number}").limit(90 + number)
                found = set(session.scalars(statement) if of_the_orm else session.connection().scalars(statement))
                if found != SEEN[member]:
                    wrong.append((member, found))
                session.execute(update(m.Line).values(order_id=m.Line.order_id), execution_options=UNSYNCED)
                session.rollback()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(read, member) for member in ("7", "8", "boss", "both")]:
            done.result(120)
    assert wrong == []


DRIVERS = {"sqlite": ["sqlite+aiosqlite"], "postgresql": ["postgresql+psycopg", "postgresql+asyncpg"]}


@pytest.mark.anyio
async def test_asynchronous_drivers_meet_the_same_row_filters(parcels: Any) -> None:
    """aiosqlite, psycopg and asyncpg; the actor's id goes to a number's column as a number."""
    m, url = parcels.m, make_url(parcels.url)
    for driver in DRIVERS[url.get_backend_name()]:
        engine = create_async_engine(url.set(drivername=driver))
        Gate(parcels.guard.register, Staging(parcels.guard.trail_engine)).protect(engine.sync_engine)
        for _ in range(2):
            for member, seen in SEEN.items():
                access = parcels.guard.access(tenant="a", actor=member, purpose="billing", reason="test")
                async with access, AsyncSession(engine) as session:
                    assert set(await session.scalars(select(m.Order.id))) == seen
                    assert {o async for o in await session.stream_scalars(select(m.Order.id))} == seen
                    assert (await session.get(m.Order, "o3") is not None) == ("o3" in seen)
                    found = await session.scalars(select(m.Order).options(selectinload(m.Order.lines)))
                    assert {line.order_id for order in found for line in order.lines} == seen
        for member, hours in (("7", [7]), ("both", [])):
            access = parcels.guard.access(tenant="a", actor=member, purpose="billing", reason="test")
            async with access, AsyncSession(engine) as session:
                assert (await session.scalars(select(m.Shift.worker))).all() == hours
                await session.execute(update(m.Order).values(note="hacked"), execution_options=UNSYNCED)
                await session.commit()
        assert _orders(parcels) == SEEN["7"] | SEEN["both"]
        parcels.stored("UPDATE orders SET note = 'open'")
        parcels.stored("UPDATE orders SET note = NULL WHERE id = 'o4'")
        parcels.stored("UPDATE orders SET note = 'secret' WHERE id = 'o2'")
        await engine.dispose()


def test_an_observing_guard_filters_what_it_enforces(parcels: Any) -> None:
    """What is only observed stays as it was, until observing is over; what a filter asks is enforced with its table."""
    m, days = parcels.m, [0]
    observing = Observing(
        datetime.now(UTC).date() + timedelta(days=2), [], clock=lambda: datetime.now(UTC) + timedelta(days=days[0])
    )
    with pytest.warns(RuntimeWarning, match="branch, orders"):
        observing.take_in(parcels.guard.register, [])
    engine = create_engine(parcels.url)
    notebook = Notebook(parcels.guard.writer)
    ObservingGate(parcels.guard.register, Staging(parcels.guard.trail_engine), observing, notebook).protect(engine)
    for passed, hours in ((0, {7, 8}), (9, {7})):
        days[0] = passed
        for member in ("7", "8", "lead"):
            with parcels.access("a", member), Session(engine) as session:
                assert set(session.scalars(select(m.Order.id))) == SEEN[member]
        with parcels.access("a", "7"), Session(engine) as session:
            assert set(session.scalars(select(m.Shift.worker))) == hours
    engine.dispose()
