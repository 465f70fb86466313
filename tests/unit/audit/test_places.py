"""Several places as one: all are written, each is made up for, and the greatest number counts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from amanah import measures
from amanah.audit.outside import chosen
from amanah.audit.outside_folder import FolderOutside
from amanah.audit.places import Place, Places
from amanah.errors import CheckpointsAway, ConfigurationError
from amanah.settings import Settings


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def folders(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    return tmp_path / "a", tmp_path / "b"


@pytest.fixture
def clock():
    return Clock()


def both(folders, clock=None):
    places = [Place(f"folder-{one.name}", str(one), FolderOutside(one)) for one in folders]
    return Places(places) if clock is None else Places(places, clock=clock)


def numbers(folder):
    return [number for number, _ in FolderOutside(folder).read()]


def test_every_record_and_heartbeat_goes_to_every_place(folders):
    """And each tells when it was last written."""
    places = both(folders)
    places.write(1, "one")
    places.write(2, "two")
    places.beat("beat")
    assert [numbers(one) for one in folders] == [[1, 2], [1, 2]]
    assert [FolderOutside(one).heartbeat() for one in folders] == ["beat", "beat"]
    assert (places.newest(), list(places.read(2)), places.heartbeat()) == (2, [(2, "two")], "beat")
    assert all(measures.checkpoints_written[f"folder-{name}"] > 1_600_000_000 for name in "ab")


def test_a_place_that_was_away_is_made_up_for_before_anything_newer(folders, clock, caplog):
    """The others go on meanwhile; that it is away, and is back, is said once each."""
    a, b = folders
    places = both(folders, clock)
    places.write(1, "one")
    b.rename(b.with_name("gone"))
    with caplog.at_level(logging.WARNING):
        for number in (2, 3, 4):
            clock.now += 100
            places.write(number, str(number))
            places.beat("beat")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert str(b) not in caplog.text
    assert places.newest() == 4
    caplog.clear()
    b.with_name("gone").rename(b)
    clock.now += 100
    places.write(5, "5")
    assert numbers(a) == numbers(b) == [1, 2, 3, 4, 5]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_heartbeat_makes_up_too(folders, clock):
    """Where nothing happens for hours."""
    b = folders[1]
    places = both(folders, clock)
    b.rename(b.with_name("gone"))
    places.write(1, "one")
    b.with_name("gone").rename(b)
    clock.now += 100
    places.beat("beat")
    assert (numbers(b), FolderOutside(b).heartbeat()) == ([1], "beat")


@pytest.mark.parametrize("order", [1, -1])
def test_another_process_makes_up_for_what_the_one_before_it_owed(folders, clock, order):
    """What a place lacks is found out by asking, not remembered: also by one that had stood by for long."""
    a, b = folders = folders[::order]
    folders = tuple(sorted(folders))
    standby = both(folders, clock)
    standby.write(1, "one")
    first = both(folders, clock)
    b.rename(b.with_name("gone"))
    first.write(2, "two")
    first.write(3, "three")
    b.with_name("gone").rename(b)
    standby.write(4, "four")
    assert numbers(a) == numbers(b) == [1, 2, 3, 4]
    FolderOutside(a).write(5, "five")
    both(folders).beat("beat")
    assert numbers(b) == [1, 2, 3, 4, 5]


def test_what_an_absent_place_had_still_counts(folders, clock):
    """Or a roll-back would pass while the place that knows of it does not answer."""
    a, b = folders
    FolderOutside(a).write(1, "one")
    FolderOutside(b).write(7, "seven")
    places = both(folders, clock)
    assert places.newest() == 7
    b.rename(b.with_name("gone"))
    assert places.newest() == 7


def test_where_no_place_answers_nothing_is_acknowledged(folders, clock):
    """Neither a record nor a heartbeat, and nobody says that there is none."""
    places = both(folders, clock)
    for one in folders:
        one.rename(one.with_name(f"{one.name}-gone"))
    for asked in (lambda: places.write(1, "x"), lambda: places.beat("x"), places.newest, places.heartbeat):
        with pytest.raises(CheckpointsAway):
            asked()
        clock.now += 1


def test_whoever_reads_is_told_that_a_place_is_away(folders):
    """Verification over half of the evidence would look like one over all of it."""
    places = both(folders)
    places.write(1, "one")
    folders[1].rename(folders[1].with_name("gone"))
    with pytest.raises(CheckpointsAway):
        next(places.read())


def test_a_sequencer_goes_on_with_what_the_other_places_have_unless_it_is_known_to_be_less(folders, clock):
    """One of two places away stops nobody; but what it was seen to have must be read from somewhere."""
    a, b = folders
    both(folders).write(1, "one")
    b.rename(b.with_name("gone"))
    places = Places([Place(one.name, str(one), FolderOutside(one)) for one in folders], partly=True, clock=clock)
    assert places.newest() == 1
    assert list(places.read()) == [(1, "one")]
    FolderOutside(b.with_name("gone")).write(2, "two")
    b.with_name("gone").rename(b)
    clock.now += 100
    assert places.newest() == 2
    b.rename(b.with_name("gone"))
    with pytest.raises(CheckpointsAway):
        list(places.read())
    a.rename(a.with_name("also gone"))
    with pytest.raises(CheckpointsAway):
        list(Places([Place("a", str(a), FolderOutside(a))], partly=True).read())


def test_a_place_that_only_reads_is_not_said_to_be_back(folders, clock, caplog):
    """It would be told as often as it is tried."""

    class ReadOnly(FolderOutside):
        def write(self, number, record):
            raise CheckpointsAway(place="b", detail="AccessDenied")

    a, b = folders
    places = Places([Place("a", "a", FolderOutside(a)), Place("b", "b", ReadOnly(b))], clock=clock)
    for number in range(1, 6):
        places.write(number, "x")
        places.newest()
        clock.now += 100
    assert [record.getMessage() for record in caplog.records] == ["no checkpoints reach the place b: AccessDenied"]


def test_a_place_that_is_away_is_asked_ever_less_often(folders, clock):
    """So that signing does not wait for its time-outs each time."""

    class Counted:
        asked = 0

        def newest(self):
            self.asked += 1
            raise CheckpointsAway(place="nowhere", detail="silent")

    counted = Counted()
    places = Places(
        [Place("folder", "a", FolderOutside(folders[0])), Place("nowhere", "nowhere", counted)], clock=clock
    )
    for second in range(600):
        clock.now = float(second)
        places.write(second + 1, "x")
    assert 10 <= counted.asked <= 16  # after 2, 4, … 32 s, then each minute
    assert numbers(folders[0]) == list(range(1, 601))


def test_places_are_chosen_by_the_setting(folders, monkeypatch):
    """Folders and buckets, told apart by labels that name no tenant and no address."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    said = f"{folders[0]},s3://bucket/x?region=eu-central-1&days=30, {folders[1]}"
    settings = Settings.from_environment({"AMANAH_STATE": "/srv/state", "AMANAH_CHECKPOINTS": said})
    assert settings.checkpoint_places == (folders[0], "s3://bucket/x?region=eu-central-1&days=30", folders[1])
    assert settings.erasure_ledger == folders[0].with_name("erasures.jsonl")
    places = chosen(settings.checkpoint_places)
    assert [one.label for one in places.places] == ["folder", "s3", "folder-2"]
    assert [one.name for one in places.places] == [str(folders[0]), "s3://bucket/x", str(folders[1])]
    assert chosen(()) is None
    with pytest.raises(ConfigurationError):
        chosen(["s3://bucket/x?lock=none"])


def test_one_folder_stays_a_path_and_a_bucket_alone_has_the_ledger_beside_the_signer():
    """What settings there were mean what they meant."""
    usual = Settings.from_environment({"AMANAH_STATE": "/srv/state"})
    assert usual.checkpoints == Path("/srv/state/checkpoints") == usual.checkpoint_folder
    assert usual.erasure_ledger == Path("/srv/state/erasures.jsonl")
    bucket = Settings.from_environment({"AMANAH_STATE": "/srv/state", "AMANAH_CHECKPOINTS": "s3://bucket/x"})
    assert (bucket.checkpoint_folder, bucket.checkpoint_places) == (None, ("s3://bucket/x",))
    assert bucket.erasure_ledger == Path("/srv/state/erasures.jsonl")


def test_the_worker_is_inside_unless_said_otherwise():
    """And nothing else can be said."""
    state = {"AMANAH_STATE": "/srv/state"}
    assert Settings.from_environment(state).worker == "inside"
    assert Settings.from_environment({**state, "AMANAH_WORKER": "outside"}).worker == "outside"
    with pytest.raises(ConfigurationError):
        Settings.from_environment({**state, "AMANAH_WORKER": "off"})
