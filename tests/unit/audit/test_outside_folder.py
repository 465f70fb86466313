"""A folder of checkpoints: what was acknowledged is read back whole, whatever is killed, full or altered."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import sys
import threading

import pytest

from amanah.audit.outside_folder import FolderOutside
from amanah.errors import CheckpointsAway, TrailDamaged
from tests import ready

FIRST = "000000000001.records"


@pytest.fixture
def place(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def filled(folder, *numbers):
    outside = FolderOutside(folder)
    for number in numbers:
        outside.write(number, record(number))
    return outside


def record(number):
    return f"amanah/klinik-a\n{number}\nroot {number} é\n\n\N{EM DASH} amanah signature\n"


def numbers(folder, first=1):
    found = list(FolderOutside(folder).read(first))
    assert all(text == record(number) for number, text in found)
    return [number for number, _ in found]


def test_records_are_read_back_in_order_from_any_number_on(place):
    """Gaps are fine, files hold a thousand numbers each, and another process sees the same."""
    written = [1, 2, 5, 999, 1000, 1001, 2500]
    assert filled(place, *written).newest() == 2500
    assert numbers(place) == written
    assert numbers(place, 5) == written[2:]
    assert numbers(place, 1001) == [1001, 2500]
    assert numbers(place, 2501) == []
    assert FolderOutside(place).newest() == 2500
    assert sorted(path.name for path in place.glob("*.records")) == [
        FIRST,
        "000000001001.records",
        "000000002001.records",
    ]


def test_an_empty_folder_holds_nothing_and_a_missing_one_is_away(place):
    """Where a disk is not mounted nobody may conclude that nothing was ever signed, nor write beside it."""
    assert FolderOutside(place).newest() == 0
    assert numbers(place) == []
    assert FolderOutside(place).heartbeat() is None
    gone = FolderOutside(place / "gone")
    for asked in (
        gone.newest,
        gone.heartbeat,
        lambda: gone.write(1, "x"),
        lambda: gone.beat("x"),
        lambda: [*gone.read()],
    ):
        with pytest.raises(CheckpointsAway):
            asked()
    assert not (place / "gone").exists()


def test_the_same_record_again_is_fine_and_another_one_is_not(place):
    """Also for a number that was left out, and in an instance that did not write it."""
    outside = filled(place, 1, 2, 4)
    for one in (outside, FolderOutside(place)):
        one.write(2, record(2))
        one.write(4, record(4))
        for number in (1, 3, 4):
            with pytest.raises(TrailDamaged):
                one.write(number, "another")
    assert numbers(place) == [1, 2, 4]


def test_what_no_place_takes_is_a_mistake_of_the_callers(place):
    """Numbers below 1, and a byte that stands for what never reached the disk."""
    for number, text in ((0, "x"), (-1, "x"), (10**12, "x"), (1, "a\0b")):
        with pytest.raises(ValueError, match="number"):
            FolderOutside(place).write(number, text)


def test_the_heartbeat_is_the_newest(place):
    """Replaced as a whole."""
    outside = FolderOutside(place)
    outside.beat("first\n")
    outside.beat("second é\n")
    assert FolderOutside(place).heartbeat() == "second é\n"
    (place / "heartbeat.note").write_bytes(b"\xff")
    with pytest.raises(TrailDamaged):
        outside.heartbeat()


@pytest.mark.parametrize("left", range(1, 120, 7))
def test_half_a_record_is_ignored_by_readers_and_cut_off_by_the_next_writer(place, left):
    """Wherever the writer died: in the header, in the text, before the last newline."""
    outside = filled(place, 1, 2)
    whole = (place / FIRST).stat().st_size
    outside.write(3, record(3))
    os.truncate(place / FIRST, min(whole + left, (place / FIRST).stat().st_size - 1))
    for one in (outside, FolderOutside(place)):
        assert one.newest() == 2
    assert numbers(place) == [1, 2]
    FolderOutside(place).write(4, record(4))
    assert numbers(place) == [1, 2, 4]
    assert outside.newest() == 4


@pytest.mark.parametrize("from_the_end", [1, 30, 10_000])
def test_blocks_that_never_reached_the_disk_are_no_record(place, from_the_end):
    """After power loss a file may have its length and zeros in it."""
    outside = filled(place, 1, 2)
    start = (place / FIRST).stat().st_size
    outside.write(3, record(3))
    end = (place / FIRST).stat().st_size
    with (place / FIRST).open("r+b") as file:
        file.seek(max(start, end - from_the_end))
        file.write(bytes(end - file.tell()))
    assert FolderOutside(place).newest() == 2
    assert numbers(place) == [1, 2]
    FolderOutside(place).write(3, record(3))
    assert numbers(place) == [1, 2, 3]


def test_a_file_in_which_nothing_was_acknowledged_goes_with_the_next_writer(place):
    """The writer died with the first record of a new file."""
    filled(place, 1000)
    (place / "000000001001.records").write_bytes(b"# 1001 40 ")
    assert FolderOutside(place).newest() == 1000
    assert numbers(place) == [1000]
    FolderOutside(place).write(2500, record(2500))
    assert numbers(place) == [1000, 2500]
    assert not (place / "000000001001.records").exists()


def test_an_auditors_read_only_copy_is_read(place, tmp_path):
    """Without a lock, and nothing is written to it."""
    filled(place, 1, 2, 1001).beat("note")
    copy = tmp_path / "copy"
    shutil.copytree(place, copy, ignore=shutil.ignore_patterns("lock"))
    names = sorted(copy.iterdir())
    copy.chmod(0o555)
    outside = FolderOutside(copy)
    assert (outside.newest(), numbers(copy), outside.heartbeat()) == (1001, [1, 2, 1001], "note")
    copy.chmod(0o755)
    assert sorted(copy.iterdir()) == names


def test_a_full_disk_is_said_and_loses_nothing(place):
    """The record that did not fit is not there, the ones before are, and with room again it goes on."""
    outside = filled(place, 1)
    size = (place / FIRST).stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
    try:
        with pytest.raises(CheckpointsAway, match="file too large"):
            outside.write(2, record(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (place / FIRST).stat().st_size == size
    assert (outside.newest(), numbers(place)) == (1, [1])
    outside.write(2, record(2))
    assert numbers(place) == [1, 2]


WRITER = """
import sys
from amanah.audit.outside_folder import FolderOutside
outside = FolderOutside(sys.argv[1])
number = outside.newest()
while True:
    number += 1
    outside.write(number, f"{number}\\n" + "x" * 20_000)
    print(number, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_acknowledged(place):
    """``kill -9`` in a loop: what it said to have written is there, and no half record is read."""
    said = place.with_name("said")
    for _ in range(10):
        with said.open("w") as out:
            process = ready.start([sys.executable, "-c", WRITER, place], stdout=out)
        while said.stat().st_size < 10:
            assert process.poll() is None
        process.kill()
        process.wait(30)
        acknowledged = int(said.read_text().split("\n")[-2])
        found = list(FolderOutside(place).read())
        assert [number for number, _ in found] == list(range(1, len(found) + 1))
        assert all(text == f"{number}\n" + "x" * 20_000 for number, text in found)
        assert len(found) in (acknowledged, acknowledged + 1)


def test_a_writer_waits_for_its_turn(place):
    """While another one holds the folder nothing is written, and nobody is told a number."""
    outside = filled(place, 1)
    threads = [threading.Thread(target=outside.write, args=(2, record(2))), threading.Thread(target=outside.newest)]
    with (place / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for thread in threads:
            thread.start()
            thread.join(0.2)
        assert all(thread.is_alive() for thread in threads)
        assert b"# 2 " not in (place / FIRST).read_bytes()
    for thread in threads:
        thread.join(20)
    assert numbers(place) == [1, 2]


def test_two_writers_take_turns_and_readers_see_whole_records(place):
    """Side by side, with numbers that interleave: whoever comes late with a lower one is told."""
    program = """
import sys
from amanah.audit.outside_folder import FolderOutside
from amanah.errors import TrailDamaged
outside, kept = FolderOutside(sys.argv[1]), []
for number in range(int(sys.argv[2]), 400, 2):
    try:
        outside.write(number, "x" * 5000 + str(number))
    except TrailDamaged:
        continue
    kept.append(number)
print(*kept)
"""
    said = [place.with_name(name) for name in ("1", "2")]
    both = []
    for one in said:
        with one.open("w") as out:
            both.append(ready.start([sys.executable, "-c", program, place, one.name], stdout=out))
    while any(one.poll() is None for one in both):
        assert all(text == "x" * 5000 + str(number) for number, text in FolderOutside(place).read())
    kept = sorted(int(number) for one in said for number in one.read_text().split())
    assert [number for number, _ in FolderOutside(place).read()] == kept
