"""Attack: reach another tenant's rows in tables that belong to their tenant by a parent."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    bindparam,
    column,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    lambda_stmt,
    lateral,
    literal,
    select,
    table,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, aliased, joinedload, selectinload, subqueryload
from sqlalchemy.orm.exc import StaleDataError

from amanah.audit.staging import Staging
from amanah.errors import (
    AccessRequired,
    DeclarationError,
    ForeignKeysUnchecked,
    MaskedWrite,
    RawSqlRefused,
    SealedWriteRefused,
    TableShadowed,
    TenantCrossed,
)
from amanah.middleware.hooks import Gate

OURS = {"ink", "paper"}

SHAPES = {
    "entity": lambda m: select(m.Line.product),
    "core table": lambda m: select(m.Line.__table__.c.product),
    "light table": lambda _: select(table("line", column("product")).c.product),
    "alias": lambda m: select(aliased(m.Line).product),
    "alias of an alias": lambda m: select(m.Line.__table__.alias("x").alias("y").c.product),
    "alias with the wall's own name": lambda m: select(m.Line.__table__.alias("amanah_up1").c.product),
    "self-join": lambda m: select((other := aliased(m.Line)).product).join(
        m.Line, other.order_id != m.Line.order_id, isouter=True
    ),
    "join": lambda m: select(m.Line.product).join(m.Order, m.Order.id == m.Line.order_id),
    "cross join": lambda m: select(aliased(m.Line).product).join(m.Order, true()),
    "outer join": lambda m: select(m.Line.product).select_from(m.Order).outerjoin(m.Line, true()),
    "subquery": lambda m: select(select(m.Line.product).subquery().c.product),
    "cte": lambda m: select(select(m.Line.product).cte("everything").c.product),
    "recursive cte": lambda m: select(
        (base := select(m.Line.product).cte("r", recursive=True))
        .union_all(select(base.c.product).where(literal(1) == 2))
        .c.product
    ),
    "union": lambda m: union_all(select(m.Line.product), select(m.Line.product)),
    "scalar subquery": lambda m: select(select(func.max(m.Line.product)).scalar_subquery()),
    "exists": lambda m: select(literal("gold")).where(exists().where(m.Line.product == "gold")),
    "exists of a select": lambda m: select(literal("gold")).where(
        select(m.Line).where(m.Line.product == "gold").exists()
    ),
    "in a subquery": lambda m: select(literal("gold")).where(literal("gold").in_(select(m.Line.product))),
    "correlated": lambda m: select(
        select(func.max(m.Line.product)).where(m.Line.order_id == m.Order.id).scalar_subquery()
    ).select_from(m.Order),
    "by the parent's key": lambda m: select(m.Line.product).where(m.Line.order_id.in_([10, 11, 20, 21])),
    "for update": lambda m: select(m.Line.product).with_for_update(),
    "aggregate": lambda m: select(func.max(m.Line.product)),
    "from a function": lambda m: select(func.lower(m.Line.product)),
    "through the chain": lambda m: (
        select(m.Line.product)
        .join(m.Part, m.Part.line_id == m.Line.id)
        .join(m.Serial, m.Serial.part_id == m.Part.id)
        .join(m.Sticker, m.Sticker.serial_id == m.Serial.id)
    ),
}


def _theirs(shop: Any) -> Any:
    return [
        shop.stored(sql)
        for sql in (
            "SELECT id, order_id, product, quantity FROM line WHERE product IN ('gold', 'silver') ORDER BY id",
            "SELECT name FROM part WHERE name IN ('part of gold', 'part of silver') ORDER BY id",
            "SELECT text FROM sticker WHERE text LIKE '%gold' OR text LIKE '%silver' ORDER BY id",
            "SELECT order_id, tag, weight FROM order_tag WHERE order_id >= 20 ORDER BY order_id",
            "SELECT count(*) FROM line WHERE order_id >= 20",
        )
    ]


def test_no_shape_of_select_reaches_another_tenants_lines(shop: Any) -> None:
    """Whatever the statement looks like, lines of tenant 2's orders do not come back under an access of tenant 1."""
    with shop.session("1") as session:
        for shape, make in SHAPES.items():
            if shape == "for update" and "sqlite" in shop.url:
                continue
            for run in (session.execute, session.connection().execute):
                found = {str(row[0]) for row in run(make(shop.m))}
                assert found <= {*OURS, "None"}, shape
                if shape in ("entity", "alias", "join", "cte", "through the chain", "for update"):
                    assert found == OURS, shape


def test_no_common_table_expression_stands_in_for_a_parent(shop: Any) -> None:
    """The wall looks whose a line is up in the orders: a CTE of that name could say that all of them are ours."""
    m = shop.m
    forged = select(literal(20).label("id"), literal(1).label("company_id"))
    for name in ("order", "ORDER", "line"):
        cte = forged.cte(name)
        for statement in (
            select(m.Part.name).add_cte(cte),
            select(m.Part.name).join(cte, cte.c.id == m.Part.id),
            select(m.Part.name).where(m.Part.id.in_(select(cte.c.id))),
            update(m.Part).values(name="hacked").add_cte(cte),
            delete(m.Part).add_cte(cte),
            insert(m.Part).values(line_id=1, name="x").add_cte(cte),
            select(m.Part.name).join(forged.cte(name, recursive=True), true()),
        ):
            with shop.session("1") as session, pytest.raises(TableShadowed):
                session.execute(statement)


def test_a_lateral_subquery_stays_inside(shop: Any) -> None:
    """LATERAL (PostgreSQL) meets the wall on both of its sides."""
    if "sqlite" in shop.url:
        pytest.skip("SQLite has no LATERAL")
    m = shop.m
    inner = lateral(select(m.Line.product.label("product")).where(m.Line.order_id == m.Order.id))
    with shop.session("1") as session:
        assert set(session.scalars(select(inner.c.product).select_from(m.Order).join(inner, true()))) == OURS


def test_every_table_of_a_chain_is_walled(shop: Any) -> None:
    """One, two, three and four parents away from the tenant's column, and where the tenant is the row itself."""
    m = shop.m
    for tenant, goods in (("1", ("ink", "paper")), ("2", ("gold", "silver")), ("1", ("ink", "paper"))):
        with shop.session(tenant) as session:
            assert list(session.scalars(select(m.Line.product).order_by(m.Line.id))) == list(goods)
            assert list(session.scalars(select(m.Line.remark).order_by(m.Line.id))) == [f"remark on {g}" for g in goods]
            assert list(session.scalars(select(m.Part.name).order_by(m.Part.id))) == [f"part of {g}" for g in goods]
            assert set(session.scalars(select(m.Serial.id))) == {f"serial of {g}" for g in goods}
            assert set(session.scalars(select(m.Sticker.text))) == {f"sticker of {g}" for g in goods}
            assert set(session.scalars(select(m.OrderTag.why))) == set(goods)
            assert list(session.scalars(select(m.Company.name))) == [f"Company {tenant}"]


def test_the_orm_loads_inside_the_wall(shop: Any) -> None:
    """get, refresh, merge, from_statement, lazy, joined, selectin and subquery loads keep to the tenant."""
    m = shop.m
    (their_line,) = shop.stored("SELECT id FROM line WHERE product = 'gold'")[0]
    with shop.session("1") as session:
        assert session.get(m.Line, their_line) is None
        assert session.get(m.Sticker, shop.stored("SELECT id FROM sticker WHERE text LIKE '%gold'")[0]) is None
        assert session.get(m.OrderTag, (20, "new")) is None
        assert set(session.scalars(select(m.Line.product).from_statement(select(m.Line.product)))) == OURS
        order = session.get_one(m.Order, 10)
        assert [line.product for line in order.lines] == ["ink"]
        session.refresh(order.lines[0])
        assert [part.name for part in order.lines[0].parts] == ["part of ink"]
        assert session.scalars(select(m.Line).where(m.Line.remark == "remark on gold")).all() == []
        assert session.scalars(select(m.Line).where(m.Line.remark == "remark on ink")).one().order is order
    for load in (joinedload, selectinload, subqueryload):
        with shop.session("1") as session:
            found = session.scalars(select(m.Order).options(load(m.Order.lines))).unique().all()
            assert {line.product for order in found for line in order.lines} == OURS
            streamed = session.scalars(select(m.Line).execution_options(yield_per=1))
            assert {line.product for line in streamed} == OURS


def test_updates_and_deletes_reach_the_own_tenant_only(shop: Any) -> None:
    """By criteria, by key, from another table, by an alias, in bulk: the other tenant's lines stay as they are."""
    m, before = shop.m, _theirs(shop)
    (their_line,) = shop.stored("SELECT id FROM line WHERE product = 'gold'")[0]
    with shop.session("1") as session:
        for statement in (
            update(m.Line).values(quantity=0),
            update(m.Line.__table__).values(quantity=0),
            update(m.Line).where(m.Line.id == their_line).values(quantity=0),
            update(m.Line).where(m.Line.order_id == m.Order.id).values(quantity=0),
            update(m.Part).where(m.Part.line_id == m.Line.id).values(name="hacked"),
            update(m.Line).values(quantity=select(func.count(m.Line.id)).scalar_subquery()),
            update(m.Sticker).values(text="hacked"),
            update(m.OrderTag).values(weight=0),
        ):
            session.execute(statement, execution_options={"synchronize_session": False})
        for how in ("fetch", "evaluate", "auto"):
            session.execute(
                update(m.Line).where(m.Line.product != "x").values(quantity=3),
                execution_options={"synchronize_session": how},
            )
        session.connection().execute(
            update(m.Line.__table__).where(m.Line.id == bindparam("which")).values(quantity=0),
            [{"which": their_line}, {"which": their_line}],
        )
        session.execute(
            delete(m.Line).where(m.Line.product == "gold"), execution_options={"synchronize_session": "fetch"}
        )
        session.connection().execute(delete(m.Sticker.__table__))
        if "postgresql" in shop.url:
            session.execute(delete(m.Line).where(m.Line.order_id == m.Order.id, m.Order.number == "F20"))
        session.commit()
    with shop.session("1") as session:
        with pytest.raises(StaleDataError):
            session.execute(update(m.Line), [{"id": their_line, "quantity": 0}])
        session.rollback()
    assert _theirs(shop) == before
    assert {row[0] for row in shop.stored("SELECT quantity FROM line WHERE order_id < 20")} == {3}


def test_no_line_enters_another_tenants_order(shop: Any) -> None:
    """INSERT by ORM, Core, many rows, expression, lambda, light table, upsert: refused, and nothing written."""
    m = shop.m
    lines, tags = m.Line.__table__, m.OrderTag.__table__
    row, ours = {"order_id": 20, "product": "x"}, {"order_id": 10, "product": "x"}
    light = table("line", column("order_id"), column("product"))
    attacks = {
        "core": lambda s: s.execute(insert(lines).values(**row)),
        "parameters": lambda s: s.execute(insert(lines), row),
        "many": lambda s: s.execute(insert(lines), [ours, row, ours]),
        "many values": lambda s: s.execute(insert(lines).values([ours, row])),
        "orm many": lambda s: s.execute(insert(m.Line), [ours, row]),
        "returning": lambda s: s.execute(insert(m.Line).returning(m.Line), [row]),
        "no parent": lambda s: s.execute(insert(lines).values(product="x")),
        "null": lambda s: s.execute(insert(lines).values(order_id=None, product="x")),
        "parent that is not there": lambda s: s.execute(insert(lines).values(order_id=4711, product="x")),
        "number as text": lambda s: s.execute(insert(lines).values(order_id="20", product="x")),
        "fraction that rounds to it": lambda s: s.execute(insert(lines), [ours, {**ours, "order_id": 19.6}]),
        "expression": lambda s: s.execute(insert(lines).values(order_id=literal(20), product="x")),
        "arithmetic": lambda s: s.execute(insert(lines).values(order_id=literal(10) + 10, product="x")),
        "subquery": lambda s: s.execute(
            insert(lines).values(order_id=select(func.max(m.Order.id)).scalar_subquery(), product="x")
        ),
        "light table": lambda s: s.execute(insert(light).values(**row)),
        "lambda": lambda s: s.connection().execute(lambda_stmt(lambda: insert(lines).values(order_id=20, product="x"))),
        "insert from select": lambda s: s.execute(
            insert(lines).from_select(["order_id", "product"], select(literal(20), literal("x")))
        ),
        "cte": lambda s: s.execute(select(insert(lines).values(**row).returning(lines.c.id).cte("x").c.id)),
        "orm": lambda s: (s.add(m.Line(**row)), s.flush()),
        "bulk": lambda s: s.bulk_insert_mappings(m.Line, [row]),
        "merge": lambda s: (s.merge(m.Line(**row)), s.flush()),
        "second in the chain": lambda s: s.execute(
            insert(m.Part).values(line_id=shop.stored("SELECT id FROM line WHERE product = 'gold'")[0][0], name="x")
        ),
        "fourth in the chain": lambda s: s.execute(insert(m.Sticker).values(serial_id="serial of gold", text="x")),
        "text of another case": lambda s: s.execute(insert(m.Sticker).values(serial_id="Serial of ink", text="x")),
        "upsert": lambda s: s.execute(_upsert(shop, tags, order_id=20)),
        "upsert on a key that may be theirs": lambda s: s.execute(
            _insert(shop)(lines)
            .values(id=shop.stored("SELECT id FROM line WHERE product = 'gold'")[0][0], order_id=10, product="x")
            .on_conflict_do_update(index_elements=["id"], set_={"product": "hacked"})
        ),
    }
    before, count = _theirs(shop), shop.stored("SELECT count(*) FROM line")
    for name, attack in attacks.items():
        with shop.session("1") as session:
            shop.refuses((TenantCrossed, SealedWriteRefused), name, attack, session)
            session.rollback()
    assert _theirs(shop) == before
    assert shop.stored("SELECT count(*) FROM line") == count


def test_no_line_is_moved_to_another_tenants_order(shop: Any) -> None:
    """Whatever names the parent's column in an UPDATE; moving it to another order of one's own is fine."""
    m = shop.m
    lines = m.Line.__table__
    attacks = {
        "core": update(lines).values(order_id=20),
        "orm": update(m.Line).values(order_id=20),
        "ordered": update(lines).ordered_values(("quantity", 1), ("order_id", 20)),
        "expression": update(lines).values(order_id=literal(20)),
        "arithmetic": update(lines).values(order_id=lines.c.order_id + 10),
        "subquery": update(lines).values(order_id=select(func.max(m.Order.id)).scalar_subquery()),
        "null": update(lines).values(order_id=None),
        "attribute key": update(m.Line).values({m.Line.order_id: 20}),
        "alias": update(lines.alias("i")).values(order_id=20),
        "light table": update(table("line", column("order_id"))).values(order_id=20),
        "cte": select(update(lines).values(order_id=20).returning(lines.c.id).cte("x").c.id),
        "second in the chain": update(m.Part).values(line_id=4711),
    }
    before = _theirs(shop)
    for name, statement in attacks.items():
        with shop.session("1") as session:
            shop.refuses((TenantCrossed, SealedWriteRefused), name, session.execute, statement)
            session.rollback()
    (our_line,) = shop.stored("SELECT id FROM line WHERE product = 'ink'")[0]
    with shop.session("1") as session:
        with pytest.raises((TenantCrossed, SQLAlchemyError)):
            session.execute(update(m.Line), [{"id": our_line, "order_id": 20}])
        session.rollback()
        with pytest.raises((TenantCrossed, SealedWriteRefused)):
            session.execute(update(lines).values(order_id=bindparam("to")), [{"to": 20}])
        session.rollback()
        line = session.get_one(m.Line, our_line)
        line.order_id = 20
        with pytest.raises(TenantCrossed):
            session.flush()
        session.rollback()
        session.get_one(m.Line, our_line).order_id = 11
        session.commit()
        with pytest.raises((TenantCrossed, SealedWriteRefused)):
            session.execute(update(m.OrderTag).where(m.OrderTag.order_id == 10).values(order_id=20))
        session.rollback()
    assert _theirs(shop) == before
    assert shop.stored("SELECT order_id FROM line WHERE product = 'ink'") == [(11,)]


def test_parents_of_the_same_flush_count(shop: Any) -> None:
    """A whole new tree in one flush; then a line for an order that the transaction made and has not committed."""
    m = shop.m
    with shop.session("1") as session:
        order = m.Order(number="new", lines=[m.Line(product="pen", remark="blue", parts=[m.Part(name="cap")])])
        session.add(order)
        session.flush()
        session.execute(insert(m.Line), [{"order_id": order.id, "product": "nib"}] * 3)
        session.commit()
        assert sorted(line.product for line in order.lines) == ["nib", "nib", "nib", "pen"]
        session.delete(order)
        session.commit()
    assert {w["resource"] for w in shop.staged("1")[-1]["what"]} == {"order", "line", "part"}
    with shop.session("1") as session:
        session.add(m.Order(id=77, number="undone"))
        session.flush()
        session.rollback()
        with pytest.raises(TenantCrossed):
            session.execute(insert(m.Line).values(order_id=77, product="x"))


def test_the_parents_of_a_statement_are_asked_for_by_one_query(shop: Any) -> None:
    """A thousand lines of two orders cost one look at the orders."""
    m = shop.m
    asked = []
    with shop.session("1") as session:
        connection = session.connection()
        event.listen(
            connection.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]), named=False
        )
        rows = [{"order_id": 10 + number % 2, "product": "x"} for number in range(1000)]
        session.execute(insert(m.Line.__table__), rows)
        session.commit()
    looks = [sql for sql in asked if sql.lstrip().startswith("SELECT") and "order" in sql and "line" not in sql]
    assert len(looks) == 1, looks


def test_an_upsert_stays_inside(shop: Any) -> None:
    """ON CONFLICT by a key that holds the parent works for the own rows only."""
    m = shop.m
    with shop.session("1") as session:
        for _ in range(2):
            session.execute(_upsert(shop, m.OrderTag.__table__, order_id=10))
        session.commit()
    assert shop.stored("SELECT order_id, weight FROM order_tag WHERE tag = 'new' ORDER BY 1") == [
        (10, 9),
        (11, 1),
        (20, 1),
        (21, 1),
    ]


def test_what_is_masked_is_written_back_as_it_was_shown(shop: Any) -> None:
    """Without a tenant column the UPDATE that changes nothing sets the row's key to itself."""
    m = shop.m
    guard = shop.guard
    (our_line,) = shop.stored("SELECT id FROM line WHERE product = 'ink'")[0]
    with guard.engine.begin() as connection:
        for action in ("read", "update"):
            guard.policies.add_rule(
                connection,
                "1",
                role="masker",
                object="line",
                action=action,
                purpose="essential.service.payment_processing",
            )
        guard.policies.add_rule(
            connection,
            "1",
            role="masker",
            object="line.remark",
            action="read_masked",
            purpose="essential.service.payment_processing",
        )
    with shop.session("1", "masker") as session:
        line = session.get_one(m.Line, our_line)
        shown = line.remark
        assert shown != "remark on ink"
        line.remark = "other"
        with pytest.raises(MaskedWrite):
            session.flush()
        session.rollback()
        session.execute(update(m.Line), [{"id": our_line, "remark": shown}])
        session.commit()
    with shop.session("1") as session:
        assert session.get_one(m.Line, our_line).remark == "remark on ink"


def test_sign_in_touches_what_is_declared_for_it_all_the_way(shop: Any) -> None:
    """It reads and writes rows of any tenant in its own tables; a parent that is not for sign-in stays closed."""
    m = shop.m
    with shop.signing_in(), Session(shop.engine) as session:
        assert len(session.scalars(select(m.Attempt.id)).all()) == 2
        account = session.scalars(select(m.Account.id).where(m.Account.name == "account 2")).one()
        session.execute(insert(m.Attempt).values(account_id=account, went="badly"))
        for statement, error in (
            (select(m.Visit.id), AccessRequired),
            (insert(m.Visit).values(account_id=account), (AccessRequired, TenantCrossed)),
            (insert(m.Complaint).values(order_id=20), TenantCrossed),
            (insert(m.Attempt).values(account_id=4711, went="x"), TenantCrossed),
            (select(m.Line.id), AccessRequired),
        ):
            with pytest.raises(error):
                session.execute(statement)
        session.commit()
    statement = select(m.Attempt.went)
    for _ in range(2):
        with shop.session("1") as session:
            assert session.scalars(statement).all() == ["well"]
        with shop.signing_in(), Session(shop.engine) as session:
            assert len(session.scalars(statement).all()) == 3


def test_raw_sql_on_such_a_table_is_refused(shop: Any) -> None:
    """It is protected like any other, by its name."""
    with shop.session("1") as session, pytest.raises(RawSqlRefused):
        session.execute(text("SELECT product FROM line"))
    with pytest.raises(AccessRequired), Session(shop.engine) as session:
        session.execute(select(shop.m.Line.product))


def test_a_declared_report_stays_inside_too(shop: Any) -> None:
    """Raw SQL that was declared runs behind the same wall: over lines alone, over the whole chain, by either way in."""
    reports = {
        "lines": "SELECT line.product FROM line ORDER BY line.id",
        "chain": "SELECT l.product FROM line l JOIN part p ON p.line_id = l.id "
        "JOIN serial s ON s.part_id = p.id JOIN sticker t ON t.serial_id = s.id ORDER BY l.id",
        "far": "SELECT substr(t.text, 12) FROM sticker t ORDER BY t.id",
    }
    for name, sql in reports.items():
        shop.guard.declared_sql(name, sql)
    for tenant, goods in (("1", ["ink", "paper"]), ("2", ["gold", "silver"])):
        with shop.session(tenant) as session:
            for name, sql in reports.items():
                assert session.execute(text(sql)).scalars().all() == goods, name
                assert session.connection().exec_driver_sql(sql).scalars().all() == goods, name


def test_no_report_puts_a_parent_of_its_own_before_the_wall(shop: Any) -> None:
    """SQLite asks a common table expression wherever its name stands, in the wall's EXISTS, too."""
    for mine in ("SELECT 20 AS id, 1 AS company_id", "SELECT id, 1 AS company_id FROM country"):
        with pytest.raises(DeclarationError, match="takes the name of the table"):
            shop.guard.declared_sql("mine", f'WITH "order" AS ({mine}) SELECT line.product FROM line')


def test_a_key_that_is_used_again_inherits_nothing(shop: Any) -> None:
    """SQLite hands out a deleted row's key again; where it does not check foreign keys, no parent is made."""
    m = shop.m
    if "postgresql" in shop.url:
        with shop.session("1") as session, pytest.raises(DBAPIError):
            session.execute(delete(m.Account))  # its attempts are still there
        return
    engine = create_engine(shop.url)
    Gate(shop.guard.register, Staging(shop.guard.trail_engine)).protect(engine)
    with shop.access("2"), Session(engine) as session:
        session.execute(delete(m.Account))
        session.commit()
    with shop.access("1"), Session(engine) as session:
        with pytest.raises(ForeignKeysUnchecked):
            session.execute(insert(m.Account).values(name="heir"))
        session.rollback()
        with pytest.raises(ForeignKeysUnchecked):
            session.execute(update(m.Account).values(id=99))
        session.rollback()
        session.execute(insert(m.Attempt), [{"account_id": 1, "went": "on"}])
        session.commit()
    engine.dispose()


@pytest.mark.anyio
async def test_asynchronous_drivers_check_parents_too(shop: Any) -> None:
    """aiosqlite, psycopg and asyncpg: the wall, the parents of new rows, and the key of a new parent."""
    m = shop.m
    drivers = ["sqlite+aiosqlite"] if "sqlite" in shop.url else ["postgresql+psycopg", "postgresql+asyncpg"]
    for driver in drivers:
        engine = create_async_engine(shop.engine.url.set(drivername=driver))
        if driver == "sqlite+aiosqlite":
            event.listen(engine.sync_engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
        Gate(shop.guard.register, Staging(shop.guard.trail_engine)).protect(engine.sync_engine)
        async with (
            shop.guard.access(tenant="1", actor="boss", purpose="billing", reason="test"),
            AsyncSession(engine) as session,
        ):
            assert set(await session.scalars(select(m.Line.product))) == OURS
            assert set(await session.scalars(select(m.Sticker.text))) == {f"sticker of {one}" for one in OURS}
            session.add(m.Order(number=driver, lines=[m.Line(product="ink", parts=[m.Part(name="cap")])]))
            await session.commit()
            for refused in (
                insert(m.Line).values(order_id=20, product="x"),
                insert(m.Sticker).values(serial_id="serial of gold", text="x"),
                update(m.Line).values(order_id=20),
            ):
                with pytest.raises(TenantCrossed):
                    await session.execute(refused)
                await session.rollback()
        await engine.dispose()
    assert shop.stored("SELECT count(*) FROM line WHERE order_id IN (20, 21)") == [(2,)]


def _insert(shop: Any) -> Any:
    return sqlite.insert if "sqlite" in shop.url else postgresql.insert


def _upsert(shop: Any, tags: Any, *, order_id: int) -> Any:
    statement = _insert(shop)(tags).values(order_id=order_id, tag="new", weight=9)
    return statement.on_conflict_do_update(
        index_elements=["order_id", "tag"], set_={"weight": statement.excluded.weight}
    )
