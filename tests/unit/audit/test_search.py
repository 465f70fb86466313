"""Searching the log: whatever way is chosen, what is found is what a look at every entry finds."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from amanah.audit import plan, queries, search
from amanah.audit.checkpoints import SignerKey
from amanah.audit.counts import Lies, of_facts, of_time
from amanah.audit.entries import Entry, What, new_event_id
from amanah.audit.filters import Filter, Origin, sensible
from amanah.audit.log import Page, list_entries, page
from amanah.audit.origins import address, origin
from amanah.audit.search import Search
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import stage
from amanah.audit.tally import DAY_US, HOUR_US
from amanah.errors import InvalidInput

if TYPE_CHECKING:
    from sqlalchemy import Engine

TENANT = "klinik-a"
START = 20_000 * DAY_US
TOKEN = "ab" * 16


def an_entry(number: int, chance: random.Random, sign_ins: list[str]) -> Entry:
    """One of a few days; every 25th is a sign-in, from one of two addresses."""
    common: dict[str, Any] = {
        "id": new_event_id(),
        "at": START + number * 17 * 60_000_000,
        "tenant": TENANT,
        "access": new_event_id(),
        "actor": f"a{chance.randrange(4)}" if number < 200 else "late",
        "purpose": chance.choice(("care", "billing")),
    }
    if number % 25 == 0:
        where = TOKEN if number % 50 else "cd" * 16
        if where == TOKEN:
            sign_ins.append(common["id"])
        return Entry(kind="sign_in", tokens={"ip": where}, **common)
    common["sign_in"] = sign_ins[-1] if sign_ins and chance.random() < 0.5 else None
    if chance.random() < 0.1:
        return Entry(kind="refusal", outcome="refused", refusal="forbidden", route="GET /x/{id}", **common)
    subject = str(chance.randrange(40))
    what = What(chance.choice(("patient", "invoice")), "read", ("nik",), rows=(subject,), subjects=(subject,), count=1)
    return Entry(kind="access", what=(what,), decision={"rule": f"r{chance.randrange(9)}"}, **common)


def append(core: Engine, trail: Engine, entries: list[Entry]) -> None:
    """Give them their place in the log."""
    with core.begin() as connection:
        stage(connection, entries)
    sequencer = Sequencer(core, trail, SignerKey("log", b"\x01" * 32))
    sequencer.run_once()
    sequencer.close()


@pytest.fixture
def entries(own_database: Engine, trail_database: Engine) -> list[Entry]:
    """Three hundred entries of one tenant, and some of another that say the same."""
    chance, sign_ins = random.Random(5), []
    made = [an_entry(number, chance, sign_ins) for number in range(300)]
    other = [Entry(new_event_id(), START + n, "toko-b", "x", "access", actor="a1", purpose="care") for n in range(30)]
    append(own_database, trail_database, [*made, *other])
    return made


WAYS = {
    "as it comes": {},
    "walk": {"SHORT": 10_000},
    "gather": {"SHORT": 0, "RARE": 10_000},
    "probe": {"SHORT": 7, "RARE": 0, "LONGEST_PROBE": 11},
}
FILTERS = [
    Filter(),
    Filter(actor="a1"),
    Filter(actor="late", resource="patient"),
    Filter(actor="a2", purpose="care", outcome="answered"),
    Filter(subject="7"),
    Filter(subject="7", resource="invoice"),
    Filter(row="patient/7"),
    Filter(column="patient.nik", purpose="billing"),
    Filter(refusal="forbidden", route="GET /x/{id}"),
    Filter(rule="r3"),
    Filter(kind="sign_in"),
    Filter(action="read", actor="a3"),
    Filter(token=TOKEN),
    Filter(since=START + 3 * HOUR_US + 1, until=START + 40 * HOUR_US),
    Filter(actor="a0", since=START + DAY_US, until=START + 2 * DAY_US),
    Filter(since=START + 90 * DAY_US),
    Filter(actor="a1", since=START + 3 * DAY_US, until=START + 4 * DAY_US),
    Filter(actor="nobody"),
    Filter(actor="a1", subject="nobody"),
]


def walked(trail: Engine, wanted: Filter, limit: int) -> tuple[list[int], list[int]]:
    """The positions that pages show, first to the older ones, then from the last page to the newer ones."""
    shown = page(trail, TENANT, wanted, limit=limit)
    down, up = [shown], []
    while shown.older is not None:
        shown = page(trail, TENANT, wanted, limit=limit, before=shown.older)
        down.append(shown)
    lowest = shown.entries[-1].position if shown.entries else None
    newer = None if lowest is None else lowest - 1
    while newer is not None and newer >= 0:
        shown = page(trail, TENANT, wanted, limit=limit, after=newer)
        up.insert(0, shown)
        newer = shown.newer

    def positions(pages: list[Page]) -> list[int]:
        return [one.position for each in pages for one in each.entries if one.position is not None]

    return positions(down), positions(up)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_searching_finds_the_same(
    trail_database: Engine, entries: list[Entry], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each filter, in pages in both directions and as a stream, against a look at every entry."""
    for name, value in WAYS[way].items():
        monkeypatch.setattr(plan, name, value)
    for wanted in FILTERS:
        expected = [number for number in range(299, -1, -1) if wanted.matches(entries[number])]
        down, up = walked(trail_database, wanted, 13)
        assert down == expected, wanted
        assert (up == expected) or (expected and expected[-1] == 0), wanted  # nothing lies before position 0
        with trail_database.connect() as connection:
            looking = Search(connection, TENANT, wanted)
            assert [one.position for one in looking.stream()] == expected[::-1]
            assert [one.position for one in looking.stream(backwards=True)] == expected
            known = looking.expected()
        assert known is None or known >= len(expected)


@pytest.mark.parametrize("many", [64, 2, 1])
def test_an_address_finds_what_was_done_under_its_sign_ins(
    trail_database: Engine, entries: list[Entry], many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry that holds the token, and those that name it as their sign-in; also where they are very many."""
    monkeypatch.setattr(queries, "MANY", many)
    monkeypatch.setattr(search, "MANY_SIGN_INS", 500 if many > 1 else 5)
    monkeypatch.setattr(plan, "SHORT", 7)
    with trail_database.connect() as connection:
        found = origin(connection, TENANT, (TOKEN, "ef" * 16))
    ids = [one.id for one in entries if one.tokens.get("ip") == TOKEN]
    assert sorted(found.sign_ins) == sorted(ids)
    for facts in ({}, {"actor": "a1"}, {"subject": "7"}):
        wanted = Filter(**facts, origin=found)
        expected = [
            number
            for number, one in enumerate(entries)
            if (one.id in ids or one.sign_in in ids) and Filter(**facts).matches(one)
        ]
        assert walked(trail_database, wanted, 9)[0] == expected[::-1]
    assert Filter(origin=Origin((TOKEN,))).names() == ["ip"]


def test_pages_stay_where_they_are_while_the_log_grows(
    own_database: Engine, trail_database: Engine, entries: list[Entry]
) -> None:
    """What is appended between two pages shifts nothing, and is found behind the newest page."""
    wanted = Filter(purpose="care")
    first = page(trail_database, TENANT, wanted, limit=20)
    later = Entry(new_event_id(), START, TENANT, "x", "access", purpose="care")
    append(own_database, trail_database, [later])
    second = page(trail_database, TENANT, wanted, limit=20, before=first.older)
    positions = [one.position for one in (*first.entries, *second.entries)]
    expected = [number for number in range(299, -1, -1) if wanted.matches(entries[number])][:40]
    assert positions == expected
    assert second.newer is not None
    back = page(trail_database, TENANT, wanted, limit=20, after=second.newer)
    assert back.entries == first.entries
    newest = page(trail_database, TENANT, wanted, limit=20, after=first.entries[0].position)
    assert [one.entry for one in newest.entries] == [later]
    assert (newest.newer, newest.older) == (None, 300)


def test_the_tally_bounds_what_is_looked_at(trail_database: Engine, entries: list[Entry]) -> None:
    """Where facts and hours lie, without looking at an entry; never narrower than it is."""
    assert entries
    with trail_database.connect() as connection:
        facts = of_facts(connection, TENANT, [("actor", "late"), ("actor", "nobody"), ("subject", "7")], None, None)
        hour = of_time(connection, TENANT, START + 5 * HOUR_US, START + 6 * HOUR_US)
        nothing = of_time(connection, TENANT, START + 90 * DAY_US, START + 91 * DAY_US)
        day = of_time(connection, TENANT, START, START + DAY_US)
        rest = of_time(connection, TENANT, START + HOUR_US, None)
    inside = [n for n, one in enumerate(entries) if 5 * HOUR_US <= one.at - START < 6 * HOUR_US]
    assert facts == {("actor", "late"): Lies(100, 200, 299), ("actor", "nobody"): None}
    assert hour == Lies(len(inside), inside[0], inside[-1])
    assert nothing is None
    assert day is not None
    assert (day.first, day.entries) == (0, sum(one.at - START < DAY_US for one in entries))
    assert rest is not None
    assert (rest.first, rest.last) == (4, 299)


def test_the_plan_follows_what_is_known() -> None:
    """Rare: gathered. Common: walked. Unknown: a little walk first. Out of bounds: nothing."""
    common, rare = Lies(500_000, 0, 999_999), Lies(100, 0, 999_999)
    assert plan.choose(0, 1_000_000, [rare], 0, 50) == plan.Plan(0, 1_000_000, 0, gather=True)
    assert plan.choose(0, 1_000_000, [common], 0, 50) == plan.Plan(0, 1_000_000, plan.SHORT, gather=False)
    assert plan.choose(0, 1_000_000, [], 1, 50) == plan.Plan(0, 1_000_000, plan.SHORT, gather=True)
    assert plan.choose(0, 1_000_000, [common, common], 0, 50).gather
    assert plan.choose(0, 1_000_000, [], 0, 50).probe == 1_000_000
    assert plan.choose(0, 1_000, [rare], 0, 50) == plan.Plan(0, 1_000, 1_000, gather=False)
    assert plan.Plan(*plan.bounds(0, 99, None, [None], timed=False), 0, gather=False).nothing
    assert plan.bounds(10, 99, Lies(5, 20, 60), [Lies(9, 0, 40)], timed=True) == (20, 41)


@pytest.mark.parametrize(
    "wanted",
    [
        Filter(since=5, until=5),
        Filter(since=-1),
        Filter(until=1 << 63),
        Filter(outcome="Refused"),
        Filter(kind="reading"),
        Filter(actor=""),
        Filter(actor="x" * 1001),
        Filter(access="42"),
        Filter(sign_in="G" * 32),
        Filter(column="phone"),
        Filter(row="17"),
    ],
)
def test_a_filter_that_makes_no_sense_is_an_error(wanted: Filter) -> None:
    """Not an empty answer, which would be taken for the truth; and the message does not repeat what was typed."""
    with pytest.raises(InvalidInput) as caught:
        sensible(wanted)
    assert "42" not in caught.value.sentence()


def test_positions_and_addresses_are_checked(trail_database: Engine) -> None:
    """A page lies on one side of a position, which is one; an address is one, in its one spelling."""
    for place in ({"before": 1, "after": 1}, {"before": -1}, {"after": 1 << 63}):
        with pytest.raises(InvalidInput):
            page(trail_database, TENANT, **place)
    assert address(" 2001:DB8:0::1 ") == b"2001:db8::1"
    with pytest.raises(InvalidInput):
        address("10.0.0.256")
    assert list_entries(trail_database, TENANT) == []
