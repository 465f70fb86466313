"""The database went back behind what was published: what is lost is told, and recorded before anything goes on."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from amanah.audit import offline
from amanah.audit.bundle import write_bundle
from amanah.audit.models import checkpoint
from amanah.audit.models import recovery as recovery_table
from amanah.audit.outside_folder import FolderOutside
from amanah.audit.recover import accept, look
from amanah.audit.recovery import Lost, Recovery, read, stored
from amanah.audit.report import Gap
from amanah.audit.sequencer import Sequencer
from amanah.audit.snapshot import snapshot
from amanah.audit.staging import stage
from amanah.errors import CheckpointsAway, NotRolledBack, TrailDamaged, TrailRolledBack
from tests.trail_world import TrailWorld, an_entry

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine


@pytest.fixture
def trail(own_database: Engine, trail_database: Engine, tmp_path: Path) -> TrailWorld:
    """One tenant grew by 7, another is new, and a third did not change since the backup that was brought back."""
    trail = TrailWorld.build(own_database, trail_database, tmp_path)
    trail.record(4, "klinik-a", "toko-b")
    trail.record(2)
    trail.back_up()
    trail.record(3)
    trail.record(4, "klinik-a", "baru")
    trail.restore()
    return trail


def recover(trail: TrailWorld) -> Recovery:
    """Look and accept."""
    outlook = look(trail.trail, trail.signer.verifier, trail.outside)
    assert outlook is not None
    return accept(trail.core, trail.trail, trail.signer, trail.outside, outlook)


def test_what_is_lost_is_told(trail: TrailWorld) -> None:
    """By tenant, from which size to which, and between which checkpoints; nothing is written by looking."""
    outlook = look(trail.trail, trail.signer.verifier, trail.outside)
    assert outlook is not None
    assert (outlook.after, outlook.until, outlook.number) == (2, 4, 5)
    assert 0 < outlook.after_at < outlook.tenants[1].since < outlook.until_at
    told = {one.lost.tenant: (one.lost.kept, one.lost.size, one.lost.lost) for one in outlook.tenants}
    assert told == {"klinik-a": (6, 6, 13), "baru": (0, 0, 4)}
    with pytest.raises(TrailRolledBack):
        trail.record()
    assert look(trail.trail, trail.signer.verifier, trail.outside) == outlook


def test_there_is_nothing_to_recover_where_nothing_went_back(own_database, trail_database, tmp_path) -> None:
    """Empty, or as far as the outside, or further."""
    trail = TrailWorld.build(own_database, trail_database, tmp_path)
    assert look(trail.trail, trail.signer.verifier, trail.outside) is None
    trail.record(3)
    assert look(trail.trail, trail.signer.verifier, trail.outside) is None
    trail.record(3, outside=False)
    assert look(trail.trail, trail.signer.verifier, trail.outside) is None


def test_after_a_recovery_the_trail_goes_on_and_tells_the_gap(trail: TrailWorld) -> None:
    """Before: rolled back, and nothing is appended. After: appended, whole, with what was lost."""
    assert {(one.tenant, one.kind) for one in trail.verify().findings} >= {
        ("klinik-a", "rolled back"),
        ("baru", "rolled back"),
    }
    made = recover(trail)
    trail.record(9, "klinik-a", "baru", "toko-b")
    report = trail.verify()
    assert report.findings == ()
    gaps = {one.tenant: (one.entries, one.gaps) for one in report.tenants}
    assert gaps == {
        "klinik-a": (15, (Gap(6, 13, 5, made.at),)),
        "baru": (9, (Gap(0, 4, 5, made.at),)),
        "toko-b": (13, ()),
    }
    with trail.trail.connect() as connection:
        assert [one for _, one in stored(connection, trail.signer.verifier)] == [made]
    trail.record()  # a new process takes over as if nothing had been
    assert trail.verify().whole


def test_a_process_that_was_running_goes_on_by_itself(trail: TrailWorld) -> None:
    """It holds the lease and has refused before; nobody has to start it anew."""
    running = Sequencer(trail.core, trail.trail, trail.signer, outside=trail.outside)
    with trail.core.begin() as connection:
        stage(connection, [an_entry()])
    with pytest.raises(TrailRolledBack):
        running.run_once()
    recover(trail)
    assert running.run_once() == 1
    running.publish()
    running.close()
    assert trail.verify().whole


def test_a_bundle_tells_the_gap(trail: TrailWorld) -> None:
    """Offline, a checkpoint of what was lost is excused by the recovery, and any other one still compared."""
    recover(trail)
    trail.record(9)
    file = io.BytesIO()
    with snapshot(trail.trail) as connection:
        write_bundle(connection, trail.signer.verifier, "klinik-a", file)
    kept = dict(trail.outside.read())
    key = str(trail.signer.verifier)
    for number in (1, 2, 3, 4, 6):
        done = offline.verify(io.BytesIO(file.getvalue()), key, checkpoint=kept[number])
        assert [(gap.kept, gap.lost) for gap in done.gaps] == [(6, 13)]
    without = file.getvalue().replace(b'"recoveries":["', b'"recoveries":[],"x":["', 1)
    with pytest.raises(offline.Wrong, match="rolled back"):
        offline.verify(io.BytesIO(without), key, checkpoint=kept[3])


def test_another_going_back_is_another_recovery(trail: TrailWorld) -> None:
    """The first one does not excuse the second."""
    recover(trail)
    trail.record(9)
    for table in trail.tables():
        trail.sql(f"DROP TABLE old_{table}")
    trail.back_up()
    trail.record(2)
    trail.restore()
    finding = next(one for one in trail.verify().findings if one.tenant == "klinik-a")
    assert (finding.kind, finding.position, finding.last) == ("rolled back", 15, 16)
    recover(trail)
    trail.record(1)
    report = trail.verify()
    assert report.whole
    assert [[(gap.kept, gap.lost) for gap in one.gaps] for one in report.tenants if one.tenant == "klinik-a"] == [
        [(6, 13), (15, 17)]
    ]


def test_a_database_that_went_on_without_the_outside_is_recovered(trail: TrailWorld) -> None:
    """After the restore it ran without its places and signed other checkpoints: those are the two histories."""
    trail.record(2, outside=False)
    trail.record(2, "klinik-a", "toko-b", outside=False)
    with pytest.raises(TrailDamaged):
        trail.record(0 + 1)
    outlook = look(trail.trail, trail.signer.verifier, trail.outside)
    assert outlook is not None
    assert (outlook.after, outlook.until, outlook.number) == (2, 4, 5)
    assert outlook.tenants[1].lost.kept == 6
    assert outlook.tenants[1].lost.size == 10
    recover(trail)
    trail.record(1)
    report = trail.verify()
    assert report.findings == ()


class Away(FolderOutside):
    """A folder that takes no record now."""

    def write(self, number: int, record: str) -> None:
        """Refuse."""
        raise CheckpointsAway(place="there", detail="it is away")


def test_a_recovery_that_does_not_get_outside_is_written_there_later(trail: TrailWorld) -> None:
    """What is signed and not yet outside is written there by whoever comes next, whole."""
    outlook = look(trail.trail, trail.signer.verifier, trail.outside)
    assert outlook is not None
    with pytest.raises(CheckpointsAway):
        accept(trail.core, trail.trail, trail.signer, Away(trail.folder), outlook)
    assert trail.outside.newest() == 4
    trail.record()
    records = dict(trail.outside.read())
    assert [number for number, text in records.items() if "\n+ " in text] == [5]
    with trail.trail.connect() as connection:
        assert connection.scalars(select(recovery_table.c.number)).all() == [5]
        assert connection.scalars(select(checkpoint.c.number).order_by(checkpoint.c.number)).all() == [1, 2, 5, 6]
    assert trail.verify().whole


def test_more_than_a_going_back_is_not_covered_up(trail: TrailWorld) -> None:
    """An edited entry, and a trail that moved since it was looked at, stop the recovery."""
    outlook = look(trail.trail, trail.signer.verifier, trail.outside)
    assert outlook is not None
    trail.sql("UPDATE amanah_entry SET at = 5 WHERE tenant_id = 'toko-b' AND position = 1")
    with pytest.raises(NotRolledBack, match="toko-b: edited at 1"):
        accept(trail.core, trail.trail, trail.signer, trail.outside, outlook)
    assert trail.outside.newest() == 4


def test_a_state_of_before_is_not_gone_on_from(trail: TrailWorld) -> None:
    """What was verified before the loss was lost: the trail is verified from its first entry."""
    state = {one.tenant: one.reached for one in trail.verify().tenants}
    assert state["klinik-a"] is not None
    before = state["klinik-a"].copy()
    before.frontier.size = 9  # as if nine had been verified; the hashes would be others
    recover(trail)
    trail.record(9)
    report = trail.verify(resume={"klinik-a": before}, after=4)
    assert report.whole
    assert {one.tenant: one.entries for one in report.tenants}["klinik-a"] == 15


def test_a_recovery_survives_its_note(trail: TrailWorld) -> None:
    """What is read is what was signed."""
    one = Recovery(7, 3, 6, 99, (Lost("baru", 0, 0, b"\1" * 32, 4), Lost("klinik-a", 6, 8, b"\2" * 32, 13)))
    assert read(trail.signer.verifier, one.note(trail.signer)) == one
    assert one.excuses("klinik-a", 4, 7)
    for tenant, number, size in (("klinik-a", 3, 7), ("klinik-a", 7, 7), ("klinik-a", 4, 6), ("toko-b", 4, 7)):
        assert not one.excuses(tenant, number, size)
