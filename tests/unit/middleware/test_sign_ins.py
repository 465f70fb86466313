"""An actor's address and browser are on record once, and each access says where."""

from __future__ import annotations

from typing import Any

import pytest

from amanah.errors import TrailUnavailable
from amanah.middleware.access import Access, Actor
from amanah.middleware.recording import Recording
from amanah.middleware.sign_ins import SignIns


class Cipher:
    """Seals nothing: what is sealed is not looked at here."""

    def seal(self, _field: str, _place: bytes, value: bytes) -> bytes:
        return value[::-1]

    def token(self, _field: str, value: bytes) -> bytes:
        return value[:4]


class Recorder:
    """Keeps what it is told, unless it fails."""

    def __init__(self) -> None:
        self.available = True
        self.told: list[Any] = []

    def submit(self, entry: Any) -> None:
        self.told.append(entry)

    async def arecord(self, entry: Any) -> None:
        if not self.available:
            raise TrailUnavailable
        self.told.append(entry)


def an_access(**changes: Any) -> Access:
    """Somebody's request."""
    values = {"kind": "request", "tenant": "a", "actor": Actor("7", strength="password"), "ip": "203.0.113.9"}
    return Access(**(values | {"agent": "Firefox", "cipher": Cipher()} | changes))


def test_accesses_of_one_sign_in_share_its_entry() -> None:
    """The same person from the same place is one; another address, browser, strength, person or tenant is another."""
    known = SignIns()
    first = known.of(an_access())
    assert first is not None
    assert known.of(an_access()) is first
    assert first.untold is not None
    assert set(first.untold.sealed) == {"ip", "agent"}
    assert first.untold.tokens == {"ip": b"203.".hex()}
    others = [
        {"ip": "203.0.113.10"},
        {"agent": "Safari"},
        {"actor": Actor("8", strength="password")},
        {"actor": Actor("7", strength="password+totp")},
        {"actor": Actor("7", kind="operator", strength="password")},
        {"tenant": "b"},
    ]
    found = [known.of(an_access(**other)) for other in others]
    assert len({one.id for one in (first, *found) if one is not None}) == 1 + len(others)


def test_what_nothing_is_known_of_has_none() -> None:
    """Work without a client, and whoever has no tenant yet: an entry of theirs says itself what there is to say."""
    known = SignIns()
    assert known.of(an_access(ip=None, agent=None)) is None
    assert known.of(an_access(tenant=None)) is None


def test_it_remembers_so_many() -> None:
    """Whoever comes from a thousand addresses does not fill the memory."""
    known = SignIns(size=2)
    first = known.of(an_access())
    for number in range(2):
        known.of(an_access(ip=f"198.51.100.{number}"))
    assert known.of(an_access()) is not first


@pytest.mark.anyio
async def test_it_is_told_with_the_first_entry_that_names_it_and_again_where_that_failed() -> None:
    """No entry names a sign-in that is not on record; one that is is not told again."""
    known, recorder = SignIns(), Recorder()
    access = an_access()
    access.sign_in = known.of(access)
    recording = Recording(recorder)
    recording.sign_in = access.sign_in
    recorder.available = False
    with pytest.raises(TrailUnavailable):
        await recording.record(access.entry("access", "answered"))
    recorder.available = True
    for _ in range(2):
        await recording.record(access.entry("access", "answered"))
    assert [one.kind for one in recorder.told] == ["sign_in", "access", "access"]
    assert {one.sign_in for one in recorder.told[1:]} == {recorder.told[0].id}
