"""Who may write to the bucket of checkpoints, and not take away what is locked, hides and changes nothing."""

from __future__ import annotations

import pytest

from amanah.errors import TrailDamaged
from tests.s3_world import PREFIX, key, record


def test_a_delete_marker_hides_no_record(s3):
    """Neither from who asks for the newest nor from who reads."""
    s3.filled(1, 2)
    s3.admin.delete_object(Bucket=s3.bucket, Key=key(2))
    assert s3.place().newest() == 2
    assert list(s3.place().read()) == [(1, record(1)), (2, record(2))]


def test_a_record_that_was_written_over_does_not_pass(s3):
    """The first version is still there, and two that differ are damage."""
    s3.filled(1, 2)
    s3.put(key(2), b"forged\n")
    with pytest.raises(TrailDamaged, match="2"):
        list(s3.place().read())
    with pytest.raises(TrailDamaged):
        s3.place().write(2, record(2))


def test_the_same_record_behind_a_delete_marker_is_one_record(s3):
    """The store lets it be made again; two versions that are alike are one."""
    s3.filled(1)
    s3.admin.delete_object(Bucket=s3.bucket, Key=key(1))
    s3.place().write(1, record(1))
    assert len(s3.versions(1)) == 2
    assert list(s3.place().read()) == [(1, record(1))]


@pytest.mark.parametrize("body", [b"\xff", b"x" * 100_001])
def test_a_heartbeat_that_cannot_be_ours_is_damage(s3, body):
    """No text, or too much of it."""
    s3.put(f"{PREFIX}heartbeat.note", body)
    with pytest.raises(TrailDamaged):
        s3.place().heartbeat()
