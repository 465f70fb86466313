"""The doctor's look at the places outside the database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah.audit.checkpoints import Checkpoint, SignerKey
from amanah.audit.outside_folder import FolderOutside
from amanah.middleware.live_places import live_places
from amanah.settings import Settings

NOW = 1_800_000_000_000_000
ROOT = bytes(32)


@pytest.fixture
def signer(tmp_path):
    return SignerKey.create(tmp_path / "signer.key")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def found(folder, signer, **more):
    settings = replace(Settings.in_folder(folder.parent), **more)
    return [(one.id, one.subject) for one in live_places(settings, signer.verifier, clock=lambda: NOW * 1000)]


def beat(folder, signer, *extensions):
    FolderOutside(folder).beat(signer.sign(Checkpoint("amanah", 3, ROOT, extensions).text()))


def test_a_place_that_gets_its_heartbeats_is_no_finding(folder, signer):
    """Nor is one to which the last came some minutes ago."""
    beat(folder, signer, f"time {NOW - 300_000_000}")
    assert found(folder, signer) == []
    beat(folder, signer, "number 7", f"time {NOW}")
    assert found(folder, signer) == []


def test_a_place_that_is_missing_or_silent_is_named(folder, signer, tmp_path):
    """Each by itself: the others are looked at all the same."""
    beat(folder, signer, f"time {NOW}")
    gone = tmp_path / "gone"
    assert found(folder, signer, checkpoints=(gone, folder)) == [("AMN-D070", str(gone))]


def test_a_place_whose_last_heartbeat_is_old_is_named(folder, signer):
    """Ten minutes are sixty heartbeats."""
    beat(folder, signer, f"time {NOW - 601_000_000}")
    assert found(folder, signer) == [("AMN-D071", str(folder))]


def test_a_place_that_never_got_any_is_named(folder, signer):
    """It may be the wrong one."""
    assert found(folder, signer) == [("AMN-D072", str(folder))]


def test_a_heartbeat_of_somebody_else_is_no_heartbeat(folder, signer, tmp_path):
    """Another key, no note at all, or a note without a time: never taken for ours."""
    other = SignerKey.create(tmp_path / "other.key")
    for note in (
        other.sign(Checkpoint("amanah", 3, ROOT, (f"time {NOW}",)).text()),
        f"amanah\n3\n\ntime {NOW}\n",
        signer.sign(Checkpoint("amanah", 3, ROOT, ("number 7",)).text()),
        signer.sign("something else\n"),
    ):
        FolderOutside(folder).beat(note)
        assert found(folder, signer) == [("AMN-D073", str(folder))]
