from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from amanah.encryption import key_file
from amanah.encryption.environment_provider import EnvironmentKeyProvider
from amanah.encryption.file_provider import FileKeyProvider
from amanah.errors import (
    KeyFileMissing,
    KeyFileUnreadable,
    KeyFileWrong,
    KeysUnavailable,
    ProviderCannot,
    ProviderKeyCurrent,
)
from amanah.testing import MemoryKeys

KEY, CONTEXT = b"k" * 32, b"context"
GOOD = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


@pytest.fixture
def file(path):
    return FileKeyProvider.create(path)


@pytest.fixture(params=["file", "memory"])
def keys(request, tmp_path):
    """Each of our providers that can make keys on its own."""
    return MemoryKeys() if request.param == "memory" else FileKeyProvider.create(tmp_path / "keys.json")


def test_a_new_key_for_tenants_becomes_the_current_one(keys):
    """New wraps are made under it, and what the older one wrapped can still be unwrapped."""
    old = keys.key_id()
    wrapped = keys.wrap(KEY, CONTEXT, old)
    new = keys.create_key("tenants")
    assert new != old
    assert keys.key_id() == new
    assert keys.unwrap(wrapped, CONTEXT, old) == KEY
    assert keys.unwrap(keys.wrap(KEY, CONTEXT, new), CONTEXT, new) == KEY


def test_a_key_of_an_epoch_is_used_by_its_name_only(keys):
    """It never becomes the current one."""
    old = keys.key_id()
    epoch = keys.create_key("epoch")
    assert keys.key_id() == old
    assert keys.unwrap(keys.wrap(KEY, CONTEXT, epoch), CONTEXT, epoch) == KEY
    with pytest.raises(KeyFileWrong):
        keys.unwrap(keys.wrap(KEY, CONTEXT, epoch), CONTEXT, old)


def test_what_a_destroyed_key_wrapped_cannot_be_unwrapped(keys):
    """The error names it and the current one. Destroying it again, or what never was, is no error."""
    epoch = keys.create_key("epoch")
    wrapped = keys.wrap(KEY, CONTEXT, epoch)
    for _ in range(2):
        keys.destroy_key(epoch)
    keys.destroy_key("never-was")
    with pytest.raises(KeyFileWrong, match=epoch) as wrong:
        keys.unwrap(wrapped, CONTEXT, epoch)
    assert keys.key_id() in str(wrong.value)
    with pytest.raises(KeyFileWrong):
        keys.wrap(KEY, CONTEXT, epoch)


def test_the_current_key_is_not_destroyed(keys):
    """It would take every tenant's keys with it."""
    with pytest.raises(ProviderKeyCurrent, match=keys.key_id()):
        keys.destroy_key(keys.key_id())
    assert keys.unwrap(keys.wrap(KEY, CONTEXT, keys.key_id()), CONTEXT, keys.key_id()) == KEY


def test_the_environment_neither_takes_nor_loses_a_key():
    """There is nowhere to keep one, and whoever set the variable still has it."""
    keys = EnvironmentKeyProvider(environment={"AMANAH_KEY": f"main:{GOOD}"})
    for use in ("tenants", "epoch"):
        with pytest.raises(ProviderCannot):
            keys.create_key(use)
    with pytest.raises(ProviderCannot):
        keys.destroy_key("other")
    assert keys.key_id() == "main"


# -- the file ----------------------------------------------------------------------------------------------------------


def test_another_process_sees_a_new_key_and_a_destroyed_one_at_once(path, file):
    """A key id that it did not know, a current key that was replaced, and a key that is gone."""
    other = FileKeyProvider(path)
    epoch = file.create_key("epoch")
    wrapped = file.wrap(KEY, CONTEXT, epoch)
    assert other.unwrap(wrapped, CONTEXT, epoch) == KEY
    assert other.create_key("tenants") == file.key_id()
    file.destroy_key(epoch)
    with pytest.raises(KeyFileWrong):
        other.unwrap(wrapped, CONTEXT, epoch)


def test_for_an_unknown_key_the_file_is_read_once_a_second_at_most(path, monkeypatch):
    """Rows that name a foreign key do not make every request read the file."""
    clock = Clock()
    FileKeyProvider.create(path)
    file, reads = FileKeyProvider(path, clock=clock), []
    real = key_file.read
    monkeypatch.setattr(key_file, "read", lambda path: reads.append(path) or real(path))
    for seconds in (0.0, 0.5, 0.6, 0.0, 1.0):
        clock.now += seconds
        with pytest.raises(KeyFileWrong):
            file.unwrap(b"", CONTEXT, "foreign")
    assert len(reads) == 2
    file.key_id()
    assert len(reads) == 2


def test_a_key_file_that_is_gone_or_open_to_others_is_refused_at_once(path, file):
    """Also when its keys are in memory still: who took it away meant something by it."""
    wrapped = file.wrap(KEY, CONTEXT, file.key_id())
    path.chmod(0o640)
    with pytest.raises(KeyFileUnreadable, match="other users"):
        file.key_id()
    path.unlink()
    with pytest.raises(KeyFileMissing):
        file.unwrap(wrapped, CONTEXT, "any")


@pytest.mark.parametrize("umask", [0o000, 0o277])
def test_a_changed_key_file_is_readable_by_its_owner_alone(path, file, umask):
    """Mode 600, whatever the umask, and nothing else is left in the folder."""
    before = os.umask(umask)
    try:
        file.create_key("epoch")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_link_to_a_key_file_stays_a_link(tmp_path, path, file):
    """What is replaced is the file that it leads to."""
    link = tmp_path / "elsewhere"
    link.symlink_to(path)
    name = FileKeyProvider(link).create_key("tenants")
    assert link.is_symlink()
    assert file.key_id() == name


def test_writers_at_once_lose_no_key(path, file):
    """Every key that any of them was told of is in the file."""

    def work(_):
        return FileKeyProvider(path).create_key("epoch")

    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(work, range(24)))
    assert len(names) == 24
    assert names < set(json.loads(path.read_text())["keys"])


def test_a_writer_that_never_ends_holds_up_nobody_for_ever(path, file, monkeypatch):
    """The other one says that the keys are not available, and changes nothing."""
    monkeypatch.setattr(key_file, "_LOCK_SECONDS", 0.0)
    before = path.read_bytes()
    folder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        with pytest.raises(KeysUnavailable):
            file.create_key("epoch")
        with pytest.raises(KeysUnavailable):
            file.destroy_key("any")
    finally:
        os.close(folder)
    assert path.read_bytes() == before
    file.create_key("epoch")


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_change_that_fails_leaves_the_old_file(path, file, monkeypatch, step):
    """A disk that is full or broken takes no key away, and no half-written file stays."""
    before = path.read_bytes()

    def broken(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, broken)
        with pytest.raises(KeyFileUnreadable, match="no space left"):
            file.create_key("tenants")
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_key_file_that_can_only_be_read_takes_no_key(path, file, monkeypatch, number):
    """As one that is mounted into a container: it is used as it is, and says that it cannot be added to."""

    def refused(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    with pytest.raises(ProviderCannot, match="read only"):
        file.create_key("epoch")
    assert file.unwrap(file.wrap(KEY, CONTEXT, file.key_id()), CONTEXT, file.key_id()) == KEY


def test_a_full_key_file_takes_no_more(path, file, monkeypatch):
    """It would not be read any more."""
    monkeypatch.setattr(key_file, "_LARGEST", len(path.read_bytes()) + 10)
    with pytest.raises(ProviderCannot, match="full"):
        file.create_key("epoch")
    assert file.key_id()


def test_keys_do_not_show_when_they_are_printed(file):
    """A traceback with local variables in it, or a debugger's log, has none."""
    key = next(iter(file._seen[0].keys.values()))
    assert repr(key) not in repr(file._seen) + repr(vars(file))
