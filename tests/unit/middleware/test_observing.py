"""Observing: what is not enforced yet keeps its answers, and what would be refused is in the trail."""

from __future__ import annotations

import threading
import warnings
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select, table, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.websockets import WebSocketDisconnect

from amanah import Guard, guessed, route
from amanah.audit.entries import VERSION
from amanah.errors import AccessRequired, ConfigurationError, ObservingEnded, RouteUndeclared, StatementRefused
from amanah.middleware.observing import LONGEST, Observing

TODAY = datetime.now(UTC).date()


@pytest.fixture
def world(observed_world):
    """With nothing enforced."""
    observed_world.guard()
    return observed_world.people()


def made(entries, code):
    """The entries of one code."""
    return [one for one in entries if one["refusal"] == code]


# -- the last day ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "until", [None, datetime(2026, 5, 2, tzinfo=UTC), "2026-05-02", date(2026, 5, 1) + timedelta(days=LONGEST + 1)]
)
def test_a_last_day_is_named_and_near(until):
    """Without one, with a point in time instead, or with one that is too far no guard observes."""
    with pytest.raises(ConfigurationError):
        Observing(until, (), clock=lambda: datetime(2026, 5, 1, 12, tzinfo=UTC))


def test_the_last_day_is_still_observed_and_the_next_is_not():
    """It ends at midnight UTC after the day that is named, and stays ended."""
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    posture = Observing(date(2026, 5, 3), (), clock=lambda: now)
    now = datetime(2026, 5, 3, 23, 59, 59, tzinfo=UTC)
    assert not posture.over
    assert not posture.enforces("orders")
    now = datetime(2026, 5, 4, tzinfo=UTC)
    assert posture.over
    assert posture.enforces("orders")
    now = datetime(2026, 5, 1, tzinfo=UTC)  # a clock that was put back
    assert posture.over


def test_what_is_enforced_has_to_exist(observed_world):
    """A mistyped resource would leave the one that was meant unenforced."""
    observed_world.engine = observed_world.plain
    with pytest.raises(ConfigurationError, match="pasien"):
        observed_world.guard(enforce=["pasien"])


def test_one_resource_is_not_taken_for_its_letters():
    """``enforce="orders"`` is a mistake and no list."""
    with pytest.raises(ConfigurationError):
        Observing(TODAY, "orders")


def test_a_guess_is_observed_and_never_enforced(observed_world):
    """What nobody confirmed may be observed; it is in force only after somebody has read it."""
    options = {
        "until": TODAY,
        "metadata": observed_world.m.Base.metadata,
        "engine": observed_world.plain,
        "identify": lambda _: None,
        "tenant_column": "company",
        "settings": observed_world.settings,
        "routes": [guessed(route("GET /orders", "orders", "read", ["billing"]))],
    }
    observed_world.engine = observed_world.plain
    with pytest.raises(ConfigurationError, match="guess"):
        Guard.observing(enforce=["orders"], **options)
    observed_world.guards.append(Guard.observing(**options))


# -- requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "user", "code"),
    [
        ("/undeclared", None, "route-undeclared"),
        ("/orders", None, "not-identified"),
        ("/orders", "1/stranger", "not-a-member"),
        ("/orders", "3/boss", "tenant-unknown"),
        ("/patients", "1/clerk", "forbidden"),
    ],
)
def test_a_request_that_would_be_refused_is_answered_and_recorded(world, path, user, code):
    """The application's answer is what it always was: all rows, of every company."""
    answer = world.client().get(path, headers={"x-user": user} if user else {})
    assert (answer.status_code, answer.json()) == (200, [1, 2])
    found = made(world.seen(), code)
    assert found
    assert {entry["kind"] for entry in found} == {"refusal"}
    assert {entry["actor"] for entry in found} == {None}


def test_an_answer_keeps_its_own_headers(world):
    """Nothing is added to what is only observed."""
    headers = world.client().get("/health").headers
    assert headers["cache-control"] == "max-age=5"
    assert "x-frame-options" not in headers


def test_plain_http_is_let_in_and_recorded(world):
    """Production would redirect it."""
    assert world.client().get("/health", follow_redirects=False).status_code == 200
    assert made(world.seen(), "https-required")


def test_a_page_that_is_not_there_is_nothing_to_declare(world):
    """A scanner's paths do not fill the list of what to declare."""
    assert world.client().get("/wp-admin").status_code == 404
    assert "route-undeclared" not in world.codes()


def test_a_request_that_would_pass_leaves_nothing(world):
    """Only noes are recorded while observing."""
    assert world.client(base_url="https://toko.example").get("/orders", headers={"x-user": "1/boss"}).json() == [1, 2]
    assert not world.seen()


def test_a_websocket_is_observed_like_a_request(world):
    """It opens, its messages pass, and that nobody declared it is on record."""
    with world.client().websocket_connect("/live") as socket:
        assert socket.receive_json() == [1, 2]
    assert {entry["route"] for entry in made(world.seen(), "route-undeclared")} == {"WEBSOCKET /live"}


def test_a_websocket_meets_what_is_enforced(observed_world):
    """The statement is refused, and the connection is closed before anything of it is sent."""
    observed_world.guard(enforce=["orders"])
    client = observed_world.people().client(base_url="https://toko.example")
    with (
        pytest.raises((WebSocketDisconnect, StatementRefused, RouteUndeclared)),
        client.websocket_connect("/live") as socket,
    ):
        pytest.fail(str(socket.receive_json()))


def test_a_login_that_fails_stops_nobody(observed_world):
    """A mistake in ``identify`` is Amanah's affair as long as it only observes."""
    observed_world.identify = lambda _: 1 / 0
    observed_world.guard()
    observed_world.people()
    assert observed_world.client().get("/orders").json() == [1, 2]
    assert "not-identified" in observed_world.codes()


# -- statements --------------------------------------------------------------------------------------------------------


def test_personal_columns_are_shown_as_they_are(world):
    """Governed columns of a table that is only observed are neither masked nor withheld, with or without an access."""
    born = datetime(1990, 1, 5)  # noqa: DTZ001 - as the application keeps it
    m = world.m
    with Session(world.engine) as session:
        assert session.get(m.Patient, 1).name == "Budi"
        assert session.scalars(select(m.Patient.name).where(m.Patient.name.like("S%"))).all() == ["Siti"]
        assert session.scalar(select(func.min(m.Patient.born))) == born
        assert session.scalar(select(func.upper(m.Patient.name)).where(m.Patient.born == born)) == "BUDI"
        united = select(m.Patient.name).union(select(m.Patient.name)).subquery()
        assert len(session.execute(select(united)).all()) == 2
    assert "access-required" in world.codes()


def test_what_would_be_withheld_is_recorded(world):
    """The clerk sees the name now; the trail says that it will not be so."""
    assert world.client().get("/names", headers={"x-user": "1/clerk"}).json() == ["Budi", "Siti"]
    assert world.client().get("/patients", headers={"x-user": "1/clerk"}).json() == [1, 2]
    found = made(world.seen(), "forbidden")
    assert {entry["detail"]["resource"] for entry in found} == {"patient"}
    assert {entry["purpose"] for entry in found} == {"essential.service.payment_processing"}
    assert {tuple(entry["roles"]) for entry in found} == {("clerk",)}


def test_raw_sql_runs_and_says_where_it_stands(world):
    """With the file, the line and the function, so that it can be declared or rewritten."""
    assert world.client().get("/raw").json() == ["Budi", "Siti"]
    with world.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM patient").scalar_one() == 2
        assert connection.execute(select(func.count()).select_from(table("unit"))).scalar_one() == 1
    found = made(world.seen(), "raw-sql-refused")
    assert {entry["detail"]["resource"] for entry in found} == {"patient"}
    places = {entry["detail"]["place"].rpartition(" ")[0].partition(":")[0] for entry in found}
    assert places == {"tests/observed_world.py", "middleware/test_observing.py"}
    assert made(world.seen(), "table-undeclared")[0]["detail"]["table"] == "unit"


def test_writes_run_and_are_recorded(world):
    """Of another company, on an undeclared table, outside any access, in autocommit: as the application wrote them."""
    assert world.client().get("/write", headers={"x-user": "1/boss"}).json() == {"done": True}
    m = world.m
    with world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(update(m.Order.__table__).where(m.Order.__table__.c.id == 9).values(total=5))
    with Session(world.engine) as session:
        session.delete(session.get(m.Order, 1))
        session.commit()
    assert world.sql("SELECT id, total FROM orders ORDER BY id") == [(2, 200), (9, 5)]
    assert {"route-undeclared", "table-undeclared", "access-required"} <= world.codes()
    assert not [entry for entry in world.entries() if entry["kind"] == "write"]


def test_a_row_for_another_company_is_recorded(observed_world):
    """The values of an INSERT and of an UPDATE tell whose row it would become."""
    observed_world.guard()
    world = observed_world.people()
    m = world.m
    with world.made.access(tenant="1", actor="boss", purpose="billing", reason="test"):
        with Session(world.engine) as session:
            session.add(m.Order(id=7, company=2, total=1))
            session.commit()
        assert "tenant-crossed" in world.codes()
    assert world.sql("SELECT company FROM orders WHERE id = 7") == [(2,)]


def test_a_thread_that_lost_its_access_is_recorded_as_one(world):
    """It runs, and the trail names the remedy for threads."""
    found = []

    def work():
        with Session(world.engine) as session:
            found.append(session.get(world.m.Order, 1).total)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [100]
    assert "access-lost" in world.codes()


def test_savepoints_and_errors_are_the_applications_own(world):
    """A failed flush inside a savepoint behaves as it did, and its exception keeps its parameters."""
    m = world.m
    with Session(world.engine) as session:
        session.add(m.Order(id=20, company=1, total=1))
        session.flush()
        savepoint = session.begin_nested()
        session.add(m.Order(id=1, company=1, total=1))
        with pytest.raises(IntegrityError) as caught:
            session.flush()
        savepoint.rollback()
        session.commit()
    assert caught.value.params is not None
    assert world.sql("SELECT count(*) FROM orders") == [(3,)]


def test_equal_sightings_are_one_entry_with_a_count(world):
    """A loop of a thousand statements is one line."""
    with Session(world.engine) as session:
        for _ in range(50):
            session.scalars(select(world.m.Order)).all()
    found = made(world.seen(), "access-required")
    assert [entry["detail"]["count"] for entry in found] == [50]


def test_an_entry_of_what_would_be_refused_is_of_the_format(world):
    """It has one encoding, like every other, and names no value of a row."""
    world.client().get("/names")
    for entry in world.seen():  # read by `decode`, which takes nothing else
        assert entry["v"] == VERSION
        assert "Budi" not in str(entry)


# -- enforced, resource by resource ------------------------------------------------------------------------------------


def test_an_enforced_resource_is_enforced_and_the_others_are_not(observed_world):
    """The same request twice: once for what is enforced, once for what is only observed."""
    observed_world.guard(enforce=["patient"])
    client = observed_world.people().client(base_url="https://toko.example")
    assert client.get("/patients").status_code == 401
    assert client.get("/patients", headers={"x-user": "1/clerk"}).status_code == 403
    assert client.get("/patients", headers={"x-user": "1/boss"}).json() == [1]
    assert client.get("/orders").json() == [1, 2]


def test_an_observed_route_meets_the_enforced_table_it_reads(observed_world):
    """Its own resource passes; the statement on the other one is decided, walled and recorded."""
    observed_world.guard(enforce=["patient"])
    client = observed_world.people().client(base_url="https://toko.example")
    assert client.get("/mixed", headers={"x-user": "1/boss"}).json() == [2, 1]
    assert client.get("/mixed", headers={"x-user": "1/clerk"}).status_code == 403
    refused = client.get("/mixed")
    assert (refused.status_code, refused.json()["code"]) == (401, "not-identified")
    reads = [what for entry in observed_world.entries() for what in entry["what"]]
    assert {what["resource"] for what in reads} == {"patient"}


def test_an_enforced_table_outside_an_access_is_refused(observed_world):
    """A script is stopped at what is enforced, and only there."""
    observed_world.guard(enforce=["patient"])
    world = observed_world.people()
    with Session(world.engine) as session:
        assert len(session.scalars(select(world.m.Order)).all()) == 2
        with pytest.raises(AccessRequired):
            session.scalars(select(world.m.Patient)).all()


def test_a_sealed_table_is_never_merely_observed(observed_world):
    """The guard says so when it is built, and its statements are refused outside an access."""
    with pytest.warns(RuntimeWarning, match="secret"):
        observed_world.guard(sealed=True)
    world = observed_world.people()
    with Session(world.engine) as session, pytest.raises(AccessRequired):
        session.scalars(select(world.m.Secret)).all()
    assert world.client(base_url="https://toko.example").get("/secrets").status_code == 401
    with (
        world.made.access(tenant="1", actor="boss", purpose="billing", reason="test"),
        Session(world.engine) as session,
    ):
        session.add(world.m.Secret(id=1, company=1, words="open"))
        session.commit()
        assert session.get(world.m.Secret, 1).words == "open"
    assert b"open" not in bytes(world.sql("SELECT words FROM secret")[0][0])


# -- after the last day ------------------------------------------------------------------------------------------------


def test_after_the_last_day_everything_is_enforced_without_a_restart(world):
    """Statements that were compiled while observing are not used any more: the wall stands, routes are decided."""
    client = world.client(base_url="https://toko.example")
    assert client.get("/orders", headers={"x-user": "1/boss"}).json() == [1, 2]
    assert client.get("/names", headers={"x-user": "1/boss"}).json() == ["Budi", "Siti"]
    later = datetime.now(UTC) + timedelta(days=40)
    world.made.posture.clock = lambda: later
    assert client.get("/orders", headers={"x-user": "1/boss"}).json() == [1]
    assert client.get("/patients", headers={"x-user": "1/boss"}).json() == [1]
    assert client.get("/names", headers={"x-user": "1/boss"}).status_code == 403
    assert client.get("/orders").status_code == 401
    with Session(world.engine) as session, pytest.raises(AccessRequired):
        session.get(world.m.Order, 1)
    with (
        world.made.access(tenant="1", actor="boss", purpose="billing", reason="test"),
        Session(world.engine) as session,
    ):
        assert session.scalars(select(world.m.Patient.name)).all() == ["Budi"]


def test_a_result_that_crosses_the_last_midnight_is_not_shown(world):
    """It was sent unwalled, and would now be taken for what the gate let pass."""
    with Session(world.engine) as session:
        result = session.execute(select(world.m.Patient.name))
        world.made.posture.clock = lambda: datetime.now(UTC) + timedelta(days=40)
        with pytest.raises(ObservingEnded):
            result.all()


# -- never back silently -----------------------------------------------------------------------------------------------


def reductions(world):
    """What the platform's trail says about enforcement."""
    return [one["detail"] for one in world.entries() if one["detail"].get("act") == "enforcement.reduce"]


def test_less_than_the_last_time_is_recorded(observed_world, caplog):
    """More is no news; less, or a later last day, is an act of administration in the platform's trail, and logged."""
    observed_world.guard(days=10)
    observed_world.made.start()
    observed_world.again(enforce=["orders", "patient"], days=10)
    assert not reductions(observed_world)
    observed_world.again(enforce=["orders"], days=10)
    assert [one["given_up"] for one in reductions(observed_world)] == ["patient"]
    assert "patient" in caplog.text
    observed_world.again(enforce=["orders"], days=10)
    assert len(reductions(observed_world)) == 1
    observed_world.again(enforce=["orders"], days=20)
    assert len(reductions(observed_world)) == 2


def test_going_back_from_production_is_recorded(observed_world):
    """Everything was enforced: whatever is not any more is named."""
    observed_world.guard()
    observed_world.made.posture = None  # as Guard.production starts
    observed_world.made.start()
    observed_world.again(enforce=["orders"])
    assert [one["given_up"] for one in reductions(observed_world)] == ["patient, secret"]


# -- Amanah's own failures ---------------------------------------------------------------------------------------------


def test_before_the_first_tenant_the_log_says_what_to_do(observed_world, caplog):
    """Nothing is lost: nobody has created one yet. The application answers all the same."""
    observed_world.guard()
    with observed_world.client() as client:
        assert client.get("/orders", headers={"x-user": "1/boss"}).status_code == 200
    assert "Create the first: amanah tenant create" in caplog.text
    assert "Restore" not in caplog.text


def test_what_is_enforced_says_it_to_whoever_asks(observed_world):
    """503 with the remedy, as in production."""
    observed_world.guard(enforce=["orders"])
    with observed_world.client(base_url="https://test") as client:
        refused = client.get("/orders", headers={"x-user": "1/boss"})
    assert (refused.status_code, refused.json()["code"]) == (503, "no-tenant-yet")


def test_a_trail_that_is_away_stops_only_what_is_enforced(observed_world, caplog):
    """The observed answer goes out and the loss is logged; the enforced one is stopped."""
    observed_world.guard(enforce=["patient"])
    client = observed_world.people().client(base_url="https://toko.example")
    with observed_world.made.trail_engine.begin() as connection:
        connection.execute(text("ALTER TABLE amanah_queued RENAME TO amanah_gone"))
    assert client.get("/orders").json() == [1, 2]
    assert client.get("/patients", headers={"x-user": "1/boss"}).status_code == 503
    observed_world.made.close()
    assert "is lost while observing" in caplog.text
    assert "Budi" not in caplog.text


def test_no_warning_where_nothing_is_sealed(observed_world):
    """A guard that only observes is built quietly, but for what it says of a key file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="The keys that wrap all others")
        observed_world.guard()
