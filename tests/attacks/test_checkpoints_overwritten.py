"""Who may write to the folder of checkpoints alters what was kept there: it is found, or only ever stops."""

from __future__ import annotations

import shutil

import pytest

from amanah.audit.outside_folder import FolderOutside
from amanah.audit.places import Place, Places
from amanah.errors import TrailDamaged

NAMES = ("000000000001.records", "000000001001.records")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    outside = FolderOutside(tmp_path / "checkpoints")
    for number in (1, 2, 3, 1001, 1002, 1003):
        outside.write(number, f"record {number}\nof the trail\n")
    return tmp_path / "checkpoints"


def altered(path, old, new):
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_edited_record_does_not_pass(folder, name, which):
    """The first, one in the middle, the last of a file: named, never handed out."""
    number = int(name[:12]) + which
    altered(folder / name, b"record %d\nof" % number, b"record %d\nOF" % number)
    with pytest.raises(TrailDamaged, match=str(number)):
        list(FolderOutside(folder).read())
    if number == 1003:
        with pytest.raises(TrailDamaged):
            FolderOutside(folder).newest()


def test_a_record_that_was_taken_out_of_a_file_that_is_followed_does_not_pass(folder):
    """A file that ends in half a record is a writer's death only if it is the last one."""
    path = folder / NAMES[0]
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(TrailDamaged, match="end"):
        list(FolderOutside(folder).read())


@pytest.mark.parametrize("name", NAMES)
def test_records_in_another_order_do_not_pass(folder, name):
    """Nor one that stands twice, or in another file."""
    data = (folder / name).read_bytes()
    marks = [data.index(b"# ", at) for at in (0, 5)]
    second = data.index(b"# ", marks[1])
    for forged in (data[second:] + data[:second], data + data[:second], b"# 4000" + data[data.index(b" ", 3) :]):
        (folder / name).write_bytes(forged)
        with pytest.raises(TrailDamaged):
            list(FolderOutside(folder).read())


def test_zeros_before_other_records_are_no_writers_death(folder):
    """Or the next writer would cut off what was acknowledged behind them."""
    path = folder / NAMES[1]
    data = path.read_bytes()
    path.write_bytes(bytes(40) + data[40:])
    outside = FolderOutside(folder)
    for asked in (outside.newest, lambda: list(outside.read()), lambda: outside.write(1004, "next")):
        with pytest.raises(TrailDamaged):
            asked()
    assert path.read_bytes()[40:] == data[40:]


def test_an_older_copy_of_one_folder_does_not_hide_what_the_other_has(folder, tmp_path):
    """The greatest number of all places counts, and what the copy lacks is written there again."""
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    older = tmp_path / "older"
    shutil.copytree(folder, older)
    both = Places([Place("folder", "a", FolderOutside(folder)), Place("folder-2", "b", FolderOutside(other))])
    both.write(1004, "record 1004\nof the trail\n")
    shutil.rmtree(other)
    shutil.move(older, other)
    again = Places([Place("folder", "a", FolderOutside(folder)), Place("folder-2", "b", FolderOutside(other))])
    assert FolderOutside(other).newest() == 1003
    assert again.newest() == 1004
    again.beat("note")
    assert list(FolderOutside(other).read(1004)) == [(1004, "record 1004\nof the trail\n")]


def test_a_place_that_tells_another_story_stops(folder, tmp_path):
    """Whoever is right: two records of one number are damage for readers and for whoever writes."""
    other = tmp_path / "other"
    other.mkdir()
    FolderOutside(other).write(1003, "forged\n")
    both = Places([Place("folder", "a", FolderOutside(folder)), Place("folder-2", "b", FolderOutside(other))])
    with pytest.raises(TrailDamaged):
        list(both.read())
    with pytest.raises(TrailDamaged):
        both.write(1003, "record 1003\nof the trail\n")
