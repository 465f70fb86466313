"""Attacks on the search of the trail: other tenants' entries, terms that collide, wildcards, missing rights."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest
from sqlalchemy import text

from amanah.audit import plan
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, What, new_event_id
from amanah.audit.facets import facets
from amanah.audit.filters import Filter
from amanah.audit.log import list_entries, page
from amanah.audit.origins import origin
from amanah.audit.reports import actor_saw, first_accesses, subject_accesses
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import stage
from amanah.audit.terms import term
from amanah.errors import AccessRequired, FieldProbed
from amanah.subjects.lookup import Person, find_persons

if TYPE_CHECKING:
    from sqlalchemy import Engine

MINE, OTHER = "klinik-a", "klinik-b"


def colliding(facet: str, term_of: int) -> str:
    """A value whose fact of ``facet`` has that term: four bytes behind anything are enough to make any checksum."""
    for number in count():
        patch = _patch(crc32(f"{MINE}\0{facet}\0x{number}-".encode()), term_of & 0xFFFFFFFF)
        if all(0x21 <= byte < 0x7F for byte in patch):
            return f"x{number}-{patch.decode('ascii')}"
    raise AssertionError


def _tables() -> tuple[list[int], dict[int, int]]:
    forward = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        forward.append(value)
    return forward, {value >> 24: number for number, value in enumerate(forward)}


_FORWARD, _BACKWARD = _tables()


def _patch(state: int, target: int) -> bytes:
    """The four bytes that lead the checksum from ``state`` to ``target`` (the CRC run backwards)."""
    wanted = target ^ 0xFFFFFFFF
    indexes = []
    for _ in range(4):
        index = _BACKWARD[wanted >> 24]
        indexes.append(index)
        wanted = (wanted ^ _FORWARD[index]) << 8 & 0xFFFFFFFF
    current, made = state ^ 0xFFFFFFFF, bytearray()
    for index in reversed(indexes):
        made.append((current ^ index) & 0xFF)
        current = current >> 8 ^ _FORWARD[index]
    return bytes(made)


def append(core: Engine, trail: Engine, entries: list[Entry]) -> None:
    """Give them their place in the log."""
    with core.begin() as connection:
        stage(connection, entries)
    sequencer = Sequencer(core, trail, SignerKey("log", b"\x01" * 32))
    sequencer.run_once()
    sequencer.close()


def entry(tenant: str, at: int, **changes: Any) -> Entry:
    """One reading."""
    return Entry(**{"id": new_event_id(), "at": at, "tenant": tenant, "access": "0" * 32, "kind": "access"} | changes)


def about(subject: str, resource: str = "patient") -> tuple[What, ...]:
    """Of one person."""
    return (What(resource, "read", ("nik",), rows=(subject,), subjects=(subject,)),)


@pytest.fixture(params=["walk", "gather"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of searching."""
    monkeypatch.setattr(plan, "SHORT", 10_000 if request.param == "walk" else 0)
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_entries_of_another_tenant_are_never_found(own_database: Engine, trail_database: Engine) -> None:
    """Not by their ids, their positions, the same words, nor by a term of theirs that stands under ours."""
    same: dict[str, Any] = {"actor": "ana", "purpose": "care", "tokens": {"ip": "ab" * 16}}
    theirs = [entry(OTHER, n, what=about("7"), **same) for n in range(9)]
    append(own_database, trail_database, [*theirs, entry(MINE, 1, actor="budi", what=about("1"))])
    with trail_database.begin() as connection:
        if trail_database.dialect.name == "postgresql":
            connection.execute(text("UPDATE amanah_entry SET terms = terms || :t"), {"t": [term(MINE, "actor", "ana")]})
        else:  # their entries stand in our index
            connection.execute(
                text(
                    "INSERT OR IGNORE INTO amanah_term SELECT n.tenant, :t, o.position FROM"
                    " (SELECT number tenant FROM amanah_head WHERE tenant_id = :mine) n,"
                    " (SELECT position FROM amanah_entry WHERE tenant_id = :other) o"
                ),
                {"t": term(MINE, "actor", "ana"), "mine": MINE, "other": OTHER},
            )
    for wanted in (Filter(actor="ana"), Filter(subject="7"), Filter(access=theirs[0].access, actor="ana")):
        assert list_entries(trail_database, MINE, filters=wanted) == []
    for place in range(12):
        for found in (page(trail_database, MINE, before=place), page(trail_database, MINE, after=place)):
            assert all(one.entry.tenant == MINE for one in found.entries)
    with trail_database.connect() as connection:
        assert origin(connection, MINE, ("ab" * 16,)).sign_ins == frozenset()
        assert list(subject_accesses(connection, MINE, "7")) == []
        assert actor_saw(connection, MINE, "ana").entries == 0
        assert [one.actor for one in first_accesses(connection, MINE)] == ["budi"]
        assert dict(facets(connection, MINE, Filter()).values["actor"]) == {"budi": 1}


@pytest.mark.usefixtures("way")
def test_a_term_that_collides_finds_nothing_wrong(own_database: Engine, trail_database: Engine) -> None:
    """Two persons whose facts have the very same number are told apart by the entry, also in counts and pages."""
    twin = colliding("subject", term(MINE, "subject", "7"))
    assert term(MINE, "subject", twin) == term(MINE, "subject", "7")
    append(own_database, trail_database, [entry(MINE, n, what=about("7" if n % 3 else twin)) for n in range(30)])
    found = page(trail_database, MINE, Filter(subject=twin), limit=4)
    positions = [one.position for one in found.entries]
    while found.older is not None:
        found = page(trail_database, MINE, Filter(subject=twin), limit=4, before=found.older)
        positions += [one.position for one in found.entries]
    assert positions == list(range(27, -1, -3))
    with trail_database.connect() as connection:
        assert facets(connection, MINE, Filter(subject="7")).total == 20
        assert len(list(subject_accesses(connection, MINE, twin))) == 10


@pytest.mark.usefixtures("way")
def test_a_sign_in_that_collides_with_an_address_lends_nobody_its_entries(
    own_database: Engine, trail_database: Engine
) -> None:
    """Of what the terms take for a sign-in from an address the entry itself is looked at."""
    token = "ab" * 16
    twin = colliding("actor", term(MINE, "token", token))
    assert term(MINE, "actor", twin) == term(MINE, "token", token)
    false = entry(MINE, 1, kind="sign_in", actor=twin)
    true = entry(MINE, 2, kind="sign_in", actor="ana", tokens={"ip": token})
    under = [entry(MINE, 3 + n, actor="ana", sign_in=(false, true)[n % 2].id) for n in range(6)]
    append(own_database, trail_database, [false, true, *under])
    with trail_database.connect() as connection:
        where = origin(connection, MINE, (token,))
    assert where.sign_ins == {false.id, true.id}
    found = list_entries(trail_database, MINE, filters=Filter(origin=where))
    assert [one.entry for one in found] == [under[5], under[3], under[1], true]


@pytest.mark.parametrize("wild", ["%", "_", "*", ".*", "' OR '1'='1", "{}", "{7}", "\\", "7%", "[7]", "\0", "\ud800"])
@pytest.mark.usefixtures("way")
def test_wildcards_are_themselves(own_database: Engine, trail_database: Engine, wild: str) -> None:
    """Whatever SQL, arrays or patterns would make of it."""
    append(own_database, trail_database, [entry(MINE, n, actor="ana", what=about("7")) for n in range(3)])
    for wanted in (Filter(actor=wild), Filter(subject=wild), Filter(resource=wild), Filter(actor="ana", row=wild)):
        assert list_entries(trail_database, MINE, filters=wanted) == []


def test_who_may_not_see_a_column_cannot_find_persons_by_it(books: Any) -> None:
    """A search is a reading: who sees a mask is refused, another tenant's members find nobody, and no value is told."""
    with books.session() as session:
        session.add(books.m.Customer(id="sought", name="Ana", phone="0812 999 1234"))
        session.commit()
    with books.access():
        assert find_persons(books.guard, "phone", "+62 812-999-1234") == [Person("customer", "sought")]
    with books.access(actor="masker"), pytest.raises(FieldProbed) as caught:
        find_persons(books.guard, "customer.phone", "0812 999 1234")
    assert "999" not in caught.value.sentence()
    with books.access(tenant="b"):
        assert find_persons(books.guard, "customer.phone", "0812 999 1234") == []
    with pytest.raises(AccessRequired):
        find_persons(books.guard, "customer.phone", "0812 999 1234")
