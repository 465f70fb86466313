"""What is enforced is not reached by way of what is only observed, nor through the moment when observing ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import (
    bindparam,
    case,
    column,
    create_engine,
    func,
    insert,
    literal_column,
    select,
    table,
    text,
    type_coerce,
    union,
    union_all,
    update,
)
from sqlalchemy.orm import Session, aliased

from amanah.errors import AmanahError, ObservingEnded, SessionOfAnotherAccess

pytestmark = pytest.mark.filterwarnings("ignore:SELECT statement has a cartesian product")

PURPOSE = {"purpose": "billing", "reason": "attack"}


@pytest.fixture
def world(observed_world):
    """Patients are enforced; secrets, orders and units are only observed."""
    observed_world.guard(enforce=["patient"])
    observed_world.people()
    observed_world.sql("INSERT INTO secret (id, company, words) VALUES (1, 1, 'tell')")
    return observed_world


def shapes(m):
    """Statements in which an enforced column stands beside, below or instead of an observed one."""
    patient, secret = m.Patient, m.Secret
    other = table("secret", column("words"))
    loose = table("patient", column("name"), column("id"))
    alias = aliased(patient)
    inner = select(patient.name.label("words")).subquery()
    return {
        "beside": select(secret.words, patient.name),
        "union all": union_all(select(secret.words), select(patient.name)),
        "union": union(select(secret.words), select(patient.name)),
        "union of entities": union_all(select(secret.id, secret.words), select(patient.id, patient.name)),
        "coalesce": select(func.coalesce(secret.words, patient.name)).where(secret.id == -1),
        "coalesce, turned": select(func.coalesce(patient.name, secret.words)),
        "case": select(case((secret.id == 0, secret.words), else_=patient.name)),
        "coerced": select(type_coerce(patient.name, secret.words.type)),
        "scalar subquery": select(secret.words, select(patient.name).limit(1).scalar_subquery()),
        "subquery": select(secret.id, inner.c.words),
        "cte": select(select(patient.name).cte("c").c.name),
        "alias": select(secret.words, alias.name),
        "loose table": select(loose.c.name),
        "both loose": select(other.c.words, loose.c.name),
        "literal column": select(literal_column("patient.name")).select_from(secret, patient),
        "plain column": select(column("name")).select_from(patient),
        "text as column": select(text("name")).select_from(patient),
        "ordered by text": select(secret.words).order_by(text("(SELECT name FROM patient LIMIT 1)")),
        "searched": select(secret.words).where(patient.name.like("B%")),
        "exists": select(secret.words).where(select(patient.id).where(patient.name == "Budi").exists()),
        "whole row": select(literal_column("patient")).select_from(patient),
        "raw": text("SELECT name FROM patient"),
        "raw, quoted": text('SELECT name FROM "PATIENT"'),
        "raw with columns": text("SELECT name AS words FROM patient").columns(secret.words),
        "raw beside observed": text("SELECT words, (SELECT name FROM patient LIMIT 1) FROM secret"),
        "into observed": insert(m.Unit).from_select(["id", "code"], select(patient.id + 100, patient.name)),
        "into observed by update": update(secret).values(words=select(patient.name).limit(1).scalar_subquery()),
    }


@pytest.mark.parametrize("number", range(27))
def test_an_enforced_column_does_not_come_along_with_an_observed_one(world, number):
    """Whoever may not see the name sees it in no shape of statement, and finds it nowhere afterwards."""
    shape, statement = list(shapes(world.m).items())[number]
    with world.made.access(tenant="1", actor="masker", **PURPOSE), Session(world.engine) as session:
        try:
            result = session.execute(statement)
            shown = "" if statement.is_dml else str(result.all())
            session.commit()
        except AmanahError:
            shown = ""
        assert "Budi" not in shown, shape
        assert "Siti" not in shown, shape
    kept = str([*world.sql("SELECT words FROM secret"), *world.sql("SELECT code FROM unit")])
    assert "Budi" not in kept, shape


@pytest.mark.parametrize("number", range(27))
def test_no_row_of_another_company_comes_along(world, number):
    """Who may see everything of company 1 sees nothing of company 2's enforced rows."""
    shape, statement = list(shapes(world.m).items())[number]
    with world.made.access(tenant="1", actor="boss", **PURPOSE), Session(world.engine) as session:
        try:
            result = session.execute(statement)
            shown = "" if statement.is_dml else str(result.all())
        except AmanahError:
            shown = ""
        assert "Siti" not in shown, shape


def test_nobody_reads_what_is_enforced_through_a_route_that_is_not(world):
    """Undeclared, public, sign-in, or written in a way that no declaration matches."""
    client = world.client(base_url="https://toko.example", raise_server_exceptions=False)
    for path in ("/names", "/raw", "/%2e/names"):
        answer = client.get(path, headers={"x-user": "1/masker"})
        assert answer.status_code >= 400, path
        assert "Budi" not in answer.text, path


def test_what_a_session_has_seen_is_not_handed_on(world):
    """A Session that served one access keeps nothing enforced for the next; with what is observed it may go on."""
    m = world.m
    with Session(world.engine) as session:
        with world.made.access(tenant="1", actor="boss", **PURPOSE):
            kept = session.get(m.Order, 1)
            assert session.get(m.Patient, 1).name == "Budi"
            with (
                world.made.access(tenant="1", actor="masker", **PURPOSE),
                pytest.raises(SessionOfAnotherAccess),
            ):
                session.get(m.Patient, 1)
        assert kept not in session
        assert session.get(m.Order, 1).total == 100


def later(world):
    """The day after the last."""
    world.made.posture.clock = lambda: datetime.now(UTC) + timedelta(days=40)


def test_a_form_compiled_before_the_end_is_not_used_after_it(world):
    """Not even a cache of the application's own brings back an unwalled one."""
    m = world.m
    cache = {}
    query = select(m.Order.id).order_by(m.Order.id)
    with world.engine.connect().execution_options(compiled_cache=cache) as connection:
        assert connection.execute(query).scalars().all() == [1, 2]
    assert cache
    later(world)
    with world.made.access(tenant="1", actor="boss", **PURPOSE):
        kept = world.engine.connect().execution_options(compiled_cache=cache)
        with kept as connection, pytest.raises(ObservingEnded):
            connection.execute(query)
        with world.engine.connect() as connection:
            assert connection.execute(query).scalars().all() == [1]


@pytest.mark.parametrize("which", ["first", "second"])
def test_no_engine_keeps_the_forms_of_before(observed_world, which):
    """Each engine of a guard has compiled forms of its own."""
    second = create_engine(observed_world.url)
    observed_world.beside = [second]
    observed_world.guard()
    observed_world.people()
    m = observed_world.m
    engines = [observed_world.engine, second]

    def totals(engine):
        with Session(engine) as session:
            return sorted(session.scalars(select(m.Order.total)))

    assert [totals(engine) for engine in engines] == [[100, 200], [100, 200]]
    later(observed_world)
    with observed_world.made.access(tenant="1", actor="boss", purpose="billing", reason="test"):
        for engine in engines if which == "first" else reversed(engines):
            assert totals(engine) == [100]
    second.dispose()


def test_a_flush_after_the_end_is_walled(world):
    """The forms that mappers keep for their own INSERTs and UPDATEs are made anew."""
    m = world.m
    with Session(world.engine) as session:
        session.add(m.Order(id=30, company=2, total=1))
        session.commit()
        session.get(m.Order, 30).total = 2
        session.commit()
    later(world)
    with world.made.access(tenant="1", actor="boss", **PURPOSE), Session(world.engine) as session:
        session.add(m.Order(id=31, company=2, total=1))
        with pytest.raises(AmanahError):
            session.flush()
        session.rollback()
        session.get(m.Order, 1).total = 7
        session.commit()
        session.execute(update(m.Order).where(m.Order.id == bindparam("n")).values(total=9), {"n": 30})
        session.commit()
    assert world.sql("SELECT id, total FROM orders WHERE id IN (1, 30) ORDER BY id") == [(1, 7), (30, 2)]


def test_enforcement_is_not_taken_back_by_the_object(world):
    """What is enforced cannot be un-enforced by asking for it: sets are frozen, and the end stays the end."""
    posture = world.made.posture
    with pytest.raises(AttributeError):
        posture.enforced.remove("patient")
    later(world)
    assert posture.over
    posture.clock = lambda: datetime.now(UTC)
    assert posture.over
