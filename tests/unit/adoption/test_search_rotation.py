from __future__ import annotations

import threading
import time

import pytest
from sqlalchemy import insert, select, text

from amanah.errors import KeyUnknown, SearchColumnsMissing
from tests import search_world
from tests.search_world import PHONES


@pytest.fixture
def world(worlds, database_url, tmp_path):
    made = search_world.SearchWorld(database_url, tmp_path)
    for number, phone in enumerate(PHONES[:6]):
        made.add(made.one, number, phone, PHONES[number // 2])
    yield made
    made.close()


def check(world, phase):
    for name, process in (("one", world.one), ("two", world.two)):
        assert world.wrong_searches(process) == {}, (phase, name)
        assert world.refuses_twice(process, PHONES[0]), (phase, name)


@pytest.mark.parametrize("owner", ["a", "platform"])
def test_searches_are_right_in_every_phase_of_an_exchange(world, owner):
    """Before, while both keys live, at the moment of going over, and after: in processes that know and that do not."""
    check(world, "before")
    assert world.exchange(owner).step == "made"
    world.reload(world.one)  # the other one does not know yet
    world.add(world.one, 10, PHONES[6], PHONES[0])
    world.add(world.two, 11, PHONES[7], PHONES[1])
    check(world, "made, known to one")
    assert world.exchange(owner).step == "made"  # too early
    world.reload(world.two)
    world.add(world.two, 12, PHONES[8], PHONES[1])
    check(world, "made, known to both")
    world.wait()
    assert world.exchange(owner).step == "read"
    assert world.versions(owner) == (1, 2, None)
    world.reload(world.one)  # searches by the new key; the other one by the old
    world.add(world.one, 13, PHONES[9], PHONES[1])
    world.add(world.two, 14, PHONES[10], PHONES[1])
    check(world, "read by one")
    world.reload(world.two)
    check(world, "read by both")
    world.wait()
    assert world.exchange(owner).step == "done"
    world.reload(world.one)
    world.reload(world.two)
    world.add(world.two, 15, PHONES[11], PHONES[1])
    check(world, "done")
    assert world.versions(owner) == (None, 2, None)
    column = "phone" if owner == "a" else "email"
    assert world.empty(f"{column}_ix2") == 0
    assert world.empty(f"{column}_ix") == len(world.rows)


def test_exchanges_follow_each_other(world):
    """The second goes back to the first column, once the last has settled; other tenants are left alone.

    Each step is in the trail, whose tokens stay findable, and so do the names by which people sign in to the console.
    """
    with world.one.session("b") as session:
        session.execute(insert(world.one.m.Guest), [{"id": 500, "tenant_id": "b", "phone": PHONES[0]}])
        session.commit()
    theirs = world.one.stored("SELECT phone_ix, phone_ix2 FROM guest WHERE id = 500")
    first = world.one.guard.keyring.cipher("a")
    marked, lasting = (
        first.token("trail.ip", b"203.0.113.9"),
        first.lasting_token("console.sign_in", b"ani@example.com"),
    )
    for version, column in ((2, "phone_ix2"), (3, "phone_ix")):
        for step in ("made", "read", "done"):
            assert world.exchange().step == step
            for process in world.processes:
                world.reload(process)
            world.wait()
        assert world.versions() == (None, version, None)
        assert world.one.stored(f"SELECT count(*) FROM guest WHERE tenant_id = 'a' AND {column} IS NULL") == [(0,)]
    check(world, "after two")
    world.later = 0  # a process that has not heard of the end could write where the next tokens are to go
    found = world.exchange()
    assert (found.step, found.version, found.until is None) == ("resting", 3, False)
    last = world.one.guard.keyring.cipher("a")
    assert last.tokens("trail.ip", b"203.0.113.9")[::2] == (last.token("trail.ip", b"203.0.113.9"), marked)
    assert last.lasting_token("console.sign_in", b"ani@example.com") == lasting
    assert last.slots("phone", b"x") == (last.token("phone", b"x"), None)
    assert world.one.stored("SELECT phone_ix, phone_ix2 FROM guest WHERE id = 500") == theirs
    assert world.versions("b") == (None, 1, None)
    bodies = [row[0] for row in world.one.stored("SELECT body FROM amanah_staged WHERE tenant_id = 'a'")]
    for act in ("make", "fill", "read", "retire", "empty"):
        assert any(f'"search_key.{act}"' in body for body in bodies), act
    with pytest.raises(KeyUnknown):
        world.exchange("nobody")


def test_rows_of_whoever_did_not_know_are_found_after_the_exchange(world):
    """A stale process leaves the new slot empty instead of stale, and the next run fills it.

    A job that outlasts the exchange goes over with the others.
    """
    guest = world.one.m.Guest
    with world.one.access() as access, world.one.engine.connect() as connection:
        assert connection.scalar(select(guest.id).where(guest.phone == PHONES[3])) == 3
        world.exchange()
        world.reload(world.one)
        with world.one.access(), world.one.plain.connect() as plain:
            assert plain.scalar(text("SELECT count(phone_ix2) FROM guest")) == 0
        connection.execute(guest.__table__.update().where(guest.id == 1).values(phone=PHONES[7]))
        connection.commit()
        with world.two.session() as session:  # changes a row whose new slot is filled, or not, by who knows
            session.get(world.two.m.Guest, 1).phone = PHONES[8]
            session.commit()
        world.rows[1] = PHONES[8], world.rows[1][1]
        world.wait()
        assert world.exchange().step == "read"
        world.add(world.two, 20, PHONES[6])  # a transaction that had been open for all that time
        assert world.empty("phone_ix2") == 1
        world.wait()
        assert world.exchange().step == "done"
        assert world.empty("phone_ix2") == 0
        access._renew_at = world.one.guard.keyring.now()
        assert connection.scalar(select(guest.id).where(guest.phone == PHONES[3])) == 3
        row = {"id": 30, "tenant_id": "a", "phone": PHONES[9], "mate": None, "email": "g30@x.id"}
        connection.execute(insert(guest), [row])
        connection.commit()
    world.rows[30] = PHONES[9], None
    for process in world.processes:
        world.reload(process)
    check(world, "after the job")


def test_exchange_that_is_killed_or_started_twice_goes_on_where_it_was(world):
    """The database is the progress: nothing is filled twice, and two commands agree on one successor and one end."""

    class Killed(BaseException):
        pass

    class Kills:
        seen = 0

        def expect(self, rows):
            pass

        def advance(self, rows):
            self.seen += rows
            if self.seen > 3:
                raise Killed

    def twice():
        found = []
        threads = [threading.Thread(target=lambda: found.append(world.exchange(batch=2))) for _ in range(2)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return found

    assert {one.step for one in twice()} == {"made"}
    world.wait()
    with pytest.raises(Killed):
        world.exchange(batch=2, progress=Kills())
    assert 0 < world.empty("mate_ix2") < len(world.rows)
    assert world.versions() == (None, 1, 2)
    found = twice()
    assert {one.step for one in found} <= {"read", "incomplete", "done"}
    assert sum(result.done for one in found for result in one.results) == 2 * len(world.rows) - 4
    assert {one.step for one in twice()} <= {"done", "resting", "made"}
    assert world.versions()[1] == 2


def test_what_cannot_be_computed_stops_the_exchange_and_is_named(world):
    """Searches stay with the old key: a value that does not open, and one that a new normaliser takes for another."""
    world.exchange()
    world.reload(world.one)
    world.wait()
    taken = world.one.guard.keyring.cipher("a").slots("phone", b"+6281200000001")[1]
    world.one.stored("UPDATE guest SET phone_ix2 = :token WHERE id = 0", token=taken)
    world.one.stored("UPDATE guest SET phone = :bad WHERE id = 3", bad=b"nothing of ours")
    found = world.exchange()
    assert (found.step, found.whole) == ("incomplete", False)
    (refused,) = [sorted(one.refused) for one in found.results if one.refused]
    assert refused == [("a", "1"), ("a", "3")]
    assert world.versions() == (None, 1, 2)
    assert world.empty("phone_ix2") == 2


def test_missing_second_column_is_refused_with_what_is_missing(world):
    """An application that was migrated before there were two columns is told, before any key is made."""
    if world.one.plain.dialect.name == "sqlite":
        world.one.stored("DROP INDEX ix_guest_email_ix2")
    world.one.stored("ALTER TABLE guest DROP COLUMN email_ix2")
    with pytest.raises(SearchColumnsMissing) as refusal:
        world.exchange("platform")
    assert refusal.value.facts == {"columns": "guest.email_ix2"}
    assert world.versions("platform") == (None, 1, None)


def test_no_search_fails_while_others_write_through_a_whole_exchange(world):
    """Two processes write and search all the time, with keys that they hold for a moment: 0 wrong, 0 failed."""
    for process in world.processes:
        process.guard.keyring._ttl = 0.15
        world.reload(process)
    stop, wrong = threading.Event(), []

    def work(process, start):
        guest, number = process.m.Guest, start
        try:
            while not stop.is_set():
                number += 1
                phone = f"0813{number:08d}"
                row = {"id": number, "tenant_id": "a", "phone": phone, "mate": phone, "email": f"g{number}@x.id"}
                with process.session() as session:
                    session.execute(insert(guest), [row])
                    session.commit()
                with process.session() as session:
                    for seen in {number, start + 1 + number % 7, number - 1} & set(range(start + 1, number + 1)):
                        found = session.scalar(select(guest.id).where(guest.phone == f"0813{seen:08d}"))
                        if found != seen:
                            wrong.append((seen, found))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what must not happen
            wrong.append(error)

    starts = zip(world.processes, (100_000, 200_000), strict=True)
    threads = [threading.Thread(target=work, args=each) for each in starts]
    for one in threads:
        one.start()
    steps = []
    try:
        while not steps or steps[-1] != "done":
            found = world.exchange()
            steps.append(found.step)
            if found.until is not None:
                time.sleep(max(0.0, (found.until - time.time_ns() // 1000) / 1_000_000))
    finally:
        stop.set()
        for one in threads:
            one.join()
    assert wrong == []
    assert set(steps) <= {"made", "read", "done", "incomplete"}
