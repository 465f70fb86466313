"""Counting and reporting: the tally's answers and the entries' own are the same; what a person is told names nobody."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from amanah.audit import facets as counting
from amanah.audit import reports
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, What, new_event_id
from amanah.audit.facets import facets
from amanah.audit.filters import Filter
from amanah.audit.reports import actor_saw, first_accesses, redacted, refusals, subject_accesses
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import stage
from amanah.audit.tally import DAY_US

if TYPE_CHECKING:
    from sqlalchemy import Engine

TENANT = "klinik-a"
START = 20_000 * DAY_US


def reading(day: float, actor: str, *subjects: str, resource: str = "patient", **more: Any) -> Entry:
    """Somebody read some persons' rows."""
    what = What(resource, "read", ("name",), ("nik",), rows=tuple(f"k{s}" for s in subjects), subjects=subjects)
    at = START + int(day * DAY_US)
    return Entry(new_event_id(), at, TENANT, "x", "access", actor=actor, actor_kind="member", what=(what,), **more)


@pytest.fixture
def trail(own_database: Engine, trail_database: Engine) -> Engine:
    """A week in which budi and sari read about three persons, and two refusals."""
    denied: dict[str, Any] = {"kind": "refusal", "actor": "budi", "refusal": "forbidden"}
    secret = {"sealed": {"reason": "UkVBU09O"}, "route": "GET /patients/{id}", "roles": ("doctor",), "purpose": "care"}
    entries = [
        reading(0.5, "budi", "1", "2", **secret),
        reading(1.5, "sari", "1", resource="employee"),
        reading(2.5, "budi", "1"),
        reading(3.5, "sari", "1", "3"),
        reading(4.5, "budi", "3"),
        Entry(new_event_id(), START + DAY_US, TENANT, "x", outcome="refused", **denied),
        Entry(new_event_id(), START + 4 * DAY_US, TENANT, "x", outcome="would_refuse", **denied),
    ]
    with own_database.begin() as connection:
        stage(connection, entries)
    sequencer = Sequencer(own_database, trail_database, SignerKey("log", b"\x01" * 32))
    sequencer.run_once()
    sequencer.close()
    return trail_database


def test_facets_are_the_same_from_the_tally_and_from_the_entries(trail: Engine) -> None:
    """Whole days come from the tally, also after the entries are gone; anything else is counted in the entries."""
    whole, part = Filter(since=START, until=START + 3 * DAY_US), Filter(since=START + 1, until=START + 3 * DAY_US)
    with trail.connect() as connection:
        from_tally, counted = facets(connection, TENANT, whole), facets(connection, TENANT, part)
        one = facets(connection, TENANT, Filter(actor="budi"), ["resource", "outcome"])
    assert (from_tally.total, from_tally.values) == (counted.total, counted.values)
    assert dict(counted.values["actor"]) == {"budi": 3, "sari": 1}
    outcomes = [("answered", 3), ("refused", 1), ("would_refuse", 1)]
    assert one.values == {"resource": [("patient", 3)], "outcome": outcomes}
    with trail.begin() as connection:
        connection.execute(text("DELETE FROM amanah_entry"))
        assert facets(connection, TENANT, whole) == from_tally
        assert facets(connection, TENANT, Filter(actor="budi"), []).total == 0


def test_facets_stop_at_the_cap(trail: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly as many as the cap are not said to be more."""
    with trail.connect() as connection:
        for cap, total, capped in ((4, 4, True), (5, 5, False), (6, 5, False)):
            monkeypatch.setattr(counting, "CAP", cap)
            found = facets(connection, TENANT, Filter(actor="budi"), ["actor"])
            assert (found.total, found.capped, found.values["actor"]) == (total, capped, [("budi", total)])


def test_who_saw_a_person_is_told_in_full_and_redacted(trail: Engine) -> None:
    """Of that kind of person only; redacted there is no id of anybody, no row, no reason and no route."""
    with trail.connect() as connection:
        found = list(subject_accesses(connection, TENANT, "1", resources={"patient"}))
        every = list(subject_accesses(connection, TENANT, "1"))
        later = list(subject_accesses(connection, TENANT, "1", since=START + 3 * DAY_US))
    assert [one.found.values["actor"] for one in found] == ["sari", "budi", "budi"]
    assert (len(every), len(later)) == (4, 1)
    told = json.dumps([asdict(redacted(one)) for one in found])
    for hidden in ("budi", "sari", '"2"', '"3"', "k1", "UkVBU09O", "GET", 'actor"'):
        assert hidden not in told
    assert redacted(found[2]).by == ("doctor",)
    assert redacted(found[0]).by == ("member",)
    assert json.loads(told)[2]["touches"] == [
        {"resource": "patient", "action": "read", "columns": ["name"], "masked": ["nik"]}
    ]


def test_what_an_actor_saw_is_told_by_person(trail: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each person once, with first and last time; and no more persons than are told apart."""
    with trail.connect() as connection:
        found = actor_saw(connection, TENANT, "budi")
        monkeypatch.setattr(reports, "MOST", 2)
        fewer = actor_saw(connection, TENANT, "budi")
    assert [(one.subject, one.times) for one in found.seen] == [("3", 1), ("1", 2), ("2", 1)]
    assert (found.seen[1].last - found.seen[1].first, found.capped, found.entries) == (2 * DAY_US, False, 5)
    assert ([one.subject for one in fewer.seen], fewer.capped) == (["3", "1"], True)


def test_first_time_accesses_are_those_without_an_earlier_one(trail: Engine) -> None:
    """Earlier anywhere in the log, not only in the period; each pair once."""
    with trail.connect() as connection:
        found = [(one.actor, one.subject) for one in first_accesses(connection, TENANT, since=START + 2 * DAY_US)]
        all_time = [(one.actor, one.subject) for one in first_accesses(connection, TENANT)]
        mine = [(one.actor, one.subject) for one in first_accesses(connection, TENANT, actor="sari")]
    assert found == [("sari", "3"), ("budi", "3")]
    assert sorted(all_time) == [("budi", "1"), ("budi", "2"), ("budi", "3"), ("sari", "1"), ("sari", "3")]
    assert mine == [("sari", "1"), ("sari", "3")]


def test_refusals_are_told_by_day(trail: Engine) -> None:
    """What was refused and what would have been are told apart; a day without any is left out."""
    with trail.connect() as connection:
        found = refusals(connection, TENANT)
        none = refusals(connection, TENANT, since=START + 5 * DAY_US)
    assert [(one.day, one.refused, one.observed, one.codes) for one in found] == [
        (20_001, 1, 0, {"forbidden": 1}),
        (20_004, 0, 1, {"forbidden": 1}),
    ]
    assert none == []
