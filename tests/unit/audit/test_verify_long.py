"""A long trail is verified by several processes, and goes on from where it was when it is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from amanah.audit import months, verified, verify
from amanah.audit.append import append
from amanah.audit.entries import now_us
from amanah.audit.publisher import Publisher
from amanah.audit.streams import Waiting
from amanah.audit.verified import Verified
from tests.trail_world import TrailWorld, an_entry

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

COUNT = 4500
TENANT = "klinik-a"


class Killed(BaseException):
    """As Ctrl-C is."""


@pytest.fixture
def trail(own_database: Engine, trail_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrailWorld:
    """Three pages of entries, signed in the middle and at the end; long enough to be verified side by side."""
    monkeypatch.setattr(verify, "_SIDE_BY_SIDE", COUNT)
    monkeypatch.setattr(verified, "_OFTEN", 0.0)
    trail = TrailWorld.build(own_database, trail_database, tmp_path)
    months.ensure(trail.trail, months.month_of(now_us()))
    for count in (2500, COUNT - 2500):
        entries = [an_entry() for _ in range(count)]
        rows = [Waiting(one.id, one.tenant, one.at, one.encode().decode()) for one in entries]
        with trail.trail.begin() as connection:
            append(connection, rows, lambda _: 0, {})
        publisher = Publisher(trail.trail, trail.signer, trail.outside)
        publisher.take_over()
        publisher.publish({})
    return trail


def test_several_processes_find_what_one_finds(trail: TrailWorld) -> None:
    """The same report, whole and with an entry that was edited in the last page."""
    told: list[tuple[int, int]] = []
    side_by_side = trail.verify(processes=2, progress=lambda *of: told.append(of))
    assert side_by_side == trail.verify(processes=1)
    assert (side_by_side.whole, side_by_side.entries) == (True, COUNT)
    assert told == [(2000, COUNT), (4000, COUNT), (COUNT, COUNT)]
    trail.sql("UPDATE amanah_entry SET at = 5 WHERE position = 4400")
    (finding,) = trail.verify(processes=2).findings
    assert (finding.kind, finding.position) == ("edited", 4400)
    assert trail.verify(processes=1).findings == (finding,)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_verification_that_is_killed_goes_on(trail: TrailWorld, tmp_path: Path, processes: int) -> None:
    """From the last page that was done; what was done is not done again, and what is changed behind it is found."""
    path, key = tmp_path / "state", trail.signer.verifier

    def kill(done: int, _of: int) -> None:
        if done > 2000:
            raise Killed

    state = Verified(path, key, None)
    with pytest.raises(Killed):
        trail.verify(processes=processes, progress=kill, keep=state.keep)
    state = Verified(path, key, None)
    assert (state.reached[TENANT].frontier.size, state.after) == (2000, 0)
    told: list[tuple[int, int]] = []
    report = trail.verify(
        processes=processes, resume=state.reached, after=state.after, progress=lambda *of: told.append(of)
    )
    assert told[-1] == (COUNT - 2000, COUNT - 2000)
    assert (report.whole, report.entries) == (True, COUNT)
    state.done(report)
    state = Verified(path, key, None)
    assert (state.reached[TENANT].frontier.size, state.after) == (COUNT, 2)
    trail.record(3)
    trail.sql("UPDATE amanah_entry SET at = 5 WHERE position = 4501")
    (finding,) = trail.verify(resume=state.reached, after=state.after).findings
    assert (finding.kind, finding.position) == ("edited", 4501)


def test_what_is_gone_since_the_last_verification_is_missed(trail: TrailWorld, tmp_path: Path) -> None:
    """Even where everything that was signed about it is gone, here and outside."""
    state = Verified(tmp_path / "state", trail.signer.verifier, None)
    state.done(trail.verify(processes=1))
    for table in trail.tables():
        trail.sql(f"DELETE FROM {table}")
    for file in trail.folder.iterdir():
        file.unlink()
    (finding,) = trail.verify(resume=state.reached, after=state.after).findings
    assert (finding.kind, finding.position, finding.last) == ("rolled back", 0, COUNT - 1)


def test_a_later_claim_about_what_was_verified_is_compared(trail: TrailWorld) -> None:
    """The outside says afterwards what the entries were at a size that was passed already."""
    reached = {one.tenant: one.reached for one in trail.verify(processes=1).tenants if one.reached}
    trail.sql("DELETE FROM amanah_checkpoint WHERE number = 1", "DELETE FROM amanah_signed_head WHERE number = 1")
    report = trail.verify(processes=1, resume=reached)
    assert report.whole  # the record outside is a claim now, and true
    trail.sql("UPDATE amanah_entry SET leaf_hash = (SELECT leaf_hash FROM amanah_entry LIMIT 1) WHERE position = 5")
    trail.sql("DELETE FROM amanah_subtree")
    (finding,) = trail.verify(processes=1, resume=reached).findings
    assert (finding.kind, finding.last) == ("rolled back", 2499)


@pytest.mark.parametrize("processes", [1, 2])
def test_a_whole_page_that_is_gone_is_no_end(trail: TrailWorld, processes: int) -> None:
    """Deleted, and not truncated: there are entries behind it."""
    trail.sql("DELETE FROM amanah_entry WHERE position >= 2000 AND position < 4000")
    (finding,) = trail.verify(processes=processes).findings
    assert (finding.kind, finding.position) == ("deleted", 2000)
