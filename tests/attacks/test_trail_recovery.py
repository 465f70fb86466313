"""Somebody without the signer's key wants a loss to look like a recorded one."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from amanah.audit import offline
from amanah.audit.bundle import write_bundle
from amanah.audit.checkpoints import SignerKey
from amanah.audit.heads import parts_of, record
from amanah.audit.models import recovery as recovery_table
from amanah.audit.recover import accept, look
from amanah.audit.recovery import Lost, Recovery
from amanah.audit.snapshot import snapshot
from amanah.errors import TrailDamaged, TrailRolledBack
from tests.trail_world import TrailWorld

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Engine

ROOT = b"\1" * 32


@pytest.fixture
def trail(own_database: Engine, trail_database: Engine, tmp_path: Path) -> TrailWorld:
    """The database went back from 13 to 6 entries."""
    trail = TrailWorld.build(own_database, trail_database, tmp_path)
    trail.record(4, "klinik-a", "toko-b")
    trail.record(2)
    trail.back_up()
    trail.record(7)
    trail.restore()
    return trail


def recover(trail: TrailWorld) -> None:
    """The operator's own."""
    outlook = look(trail.trail, trail.signer.verifier, trail.outside)
    assert outlook is not None
    accept(trail.core, trail.trail, trail.signer, trail.outside, outlook)


def put(trail: TrailWorld, number: int, note: str) -> None:
    """Put a recovery into the database."""
    with trail.trail.begin() as connection:
        connection.execute(recovery_table.insert().values(number=number, note=note))


def kinds(trail: TrailWorld) -> set[tuple[str, str]]:
    """What verification says."""
    return {(one.tenant, one.kind) for one in trail.verify().findings}


def test_a_recovery_of_another_key_is_a_forgery_and_excuses_nothing(trail: TrailWorld) -> None:
    """Signed by somebody's own key, under the same name."""
    stranger = SignerKey(trail.signer.verifier.name, b"\1" * 32)
    put(trail, 2, Recovery(2, 0, 1, 5, (Lost("klinik-a", 0, 6, ROOT, 13),)).note(stranger))
    put(trail, 4, Recovery(4, 2, 3, 5, (Lost("klinik-a", 6, 6, ROOT, 13),)).note(stranger))
    assert {("*", "forged"), ("klinik-a", "rolled back")} <= kinds(trail)
    with pytest.raises((TrailRolledBack, TrailDamaged)):
        trail.record()


@pytest.mark.parametrize("change", [("klinik-a 6", "klinik-a 0"), ("after 2", "after 0"), ("until 3", "until 9")])
def test_a_changed_recovery_is_a_forgery(trail: TrailWorld, change: tuple[str, str]) -> None:
    """To excuse more than was signed: fewer entries kept, more checkpoints."""
    recover(trail)
    trail.sql("UPDATE amanah_recovery SET note = replace(note, :old, :new)", old=change[0], new=change[1])
    assert ("*", "forged") in kinds(trail)


def test_a_genuine_recovery_excuses_no_other_loss(trail: TrailWorld) -> None:
    """Kept from an earlier loss, beside another checkpoint, or in a database of before it: the loss is named."""
    recover(trail)
    with trail.trail.connect() as connection:
        genuine = connection.scalars(select(recovery_table.c.note)).one()
    trail.record(9)
    trail.restore()  # to before the recovery: what came with it and since is gone
    put(trail, 4, genuine)
    assert ("klinik-a", "rolled back") in kinds(trail)
    trail.sql("UPDATE amanah_recovery SET number = 5")
    assert {("*", "forged"), ("klinik-a", "rolled back")} <= kinds(trail)


def test_a_recovery_that_is_deleted_hides_nothing(trail: TrailWorld) -> None:
    """The outside has it, so the gap is still told; without it there, the loss is told as a roll-back again."""
    recover(trail)
    trail.record(1)
    trail.sql("DELETE FROM amanah_recovery")
    assert [len(one.gaps) for one in trail.verify().tenants if one.tenant == "klinik-a"] == [1]
    kept = dict(trail.outside.read())
    for file in trail.folder.iterdir():
        file.unlink()
    for number in (1, 2, 3, 5):
        trail.outside.write(number, kept[number])
    assert kinds(trail) == {("klinik-a", "rolled back")}


def test_a_recovery_in_a_record_needs_the_signature_too(trail: TrailWorld) -> None:
    """Who can write outside puts a recovery of their own into a record there: forged."""
    kept = dict(trail.outside.read())
    note, heads, said = parts_of(kept[3])
    assert said is None
    stranger = SignerKey(trail.signer.verifier.name, b"\1" * 32)
    forged = Recovery(3, 2, 2, 5, (Lost("klinik-a", 6, 6, ROOT, 13),)).note(stranger)
    for file in trail.folder.iterdir():
        file.unlink()
    for number in (1, 2):
        trail.outside.write(number, kept[number])
    trail.outside.write(3, record(note, heads, forged))
    assert ("*", "forged") in kinds(trail)


def test_a_bundle_of_before_the_recovery_does_not_borrow_it(trail: TrailWorld) -> None:
    """A bundle from a database of before, with the genuine recovery of after in it: rolled back."""
    file = io.BytesIO()
    with snapshot(trail.trail) as connection:
        write_bundle(connection, trail.signer.verifier, "klinik-a", file)
    kept = dict(trail.outside.read())
    recover(trail)
    with trail.trail.connect() as connection:
        genuine = connection.scalars(select(recovery_table.c.note)).one()
    first, rest = file.getvalue().split(b"\n", 1)
    header = json.loads(first)
    header["recoveries"] = [genuine]
    bundle = json.dumps(header).encode() + b"\n" + rest
    with pytest.raises(offline.Wrong, match="rolled back"):
        offline.verify(io.BytesIO(bundle), str(trail.signer.verifier), checkpoint=kept[3])
    stranger = SignerKey(trail.signer.verifier.name, b"\1" * 32)
    header["recoveries"] = [Recovery(2, 0, 1, 5, (Lost("klinik-a", 0, 6, ROOT, 13),)).note(stranger)]
    bundle = json.dumps(header).encode() + b"\n" + rest
    with pytest.raises((offline.Wrong, offline.Unusable)):
        offline.verify(io.BytesIO(bundle), str(trail.signer.verifier))


def test_a_database_of_before_the_recovery_is_not_excused_by_it(trail: TrailWorld) -> None:
    """The recovery stands outside, beside a checkpoint that the database does not know: it went back again."""
    recover(trail)
    trail.restore()
    assert ("klinik-a", "rolled back") in kinds(trail)
