from __future__ import annotations

import base64
import json
import os
import stat

import pytest

from amanah.encryption.environment_provider import EnvironmentKeyProvider
from amanah.encryption.file_provider import FileKeyProvider
from amanah.errors import ConfigurationError, KeyFileExists, KeyFileMissing, KeyFileUnreadable, KeyFileWrong, Tampered

KEY = b"k" * 32
CONTEXT = b"context"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys.json"


def write(path, body, mode=0o600):
    path.write_text(body if isinstance(body, str) else json.dumps(body))
    path.chmod(mode)
    return path


def file_of(**keys):
    encoded = {name: base64.b64encode(key).decode() for name, key in keys.items()}
    return {"amanah_key_file": 1, "current": next(iter(keys)), "keys": encoded}


def test_a_created_key_file_wraps_and_unwraps(path):
    """What one process wrapped with a new file, another one unwraps with it."""
    provider = FileKeyProvider.create(path)
    wrapped = provider.wrap(KEY, CONTEXT, provider.key_id())
    assert KEY not in wrapped
    assert FileKeyProvider(path).unwrap(wrapped, CONTEXT, provider.key_id()) == KEY


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
def test_a_created_key_file_is_readable_by_its_owner_alone(path, umask):
    """Mode 600, whatever the umask."""
    before = os.umask(umask)
    try:
        FileKeyProvider.create(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_file_that_exists_is_never_overwritten(path):
    """Overwriting it would be losing every sealed value."""
    FileKeyProvider.create(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileExists, match="never overwritten"):
        FileKeyProvider.create(path)
    assert path.read_bytes() == before


def test_a_key_file_in_a_missing_folder_is_not_created(tmp_path):
    """The error names the place."""
    with pytest.raises(KeyFileUnreadable, match="nowhere"):
        FileKeyProvider.create(tmp_path / "nowhere" / "keys.json")


def test_two_created_files_hold_two_keys(tmp_path):
    """Key and name are random: two files cannot be mistaken for each other."""
    first, second = FileKeyProvider.create(tmp_path / "a"), FileKeyProvider.create(tmp_path / "b")
    assert first.key_id() != second.key_id()


def test_a_missing_key_file_is_named(path):
    """The operator learns which file is looked for and that a backup is the remedy."""
    with pytest.raises(KeyFileMissing, match=r"keys\.json.*backup"):
        FileKeyProvider(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o660, 0o644, 0o610])
def test_a_key_file_that_others_may_touch_is_refused(path, mode):
    """Readable, writable or executable by the group or by everybody: not used."""
    FileKeyProvider.create(path)
    path.chmod(mode)
    with pytest.raises(KeyFileUnreadable, match="other users"):
        FileKeyProvider(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_key_file_without_permission_is_refused(path):
    """A file that this user may not read is an error of its own, not a missing one."""
    FileKeyProvider.create(path)
    path.chmod(0o000)
    with pytest.raises(KeyFileUnreadable):
        FileKeyProvider(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_another_user_is_refused(path):
    """Whoever owns the file chooses the keys."""
    FileKeyProvider.create(path)
    os.chown(path, 65534, 65534)
    with pytest.raises(KeyFileUnreadable, match="another user"):
        FileKeyProvider(path)


def test_a_folder_or_pipe_in_the_place_of_the_key_file_is_refused(tmp_path):
    """And the start does not hang on the pipe."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(KeyFileUnreadable, match="regular file"):
            FileKeyProvider(tmp_path / name)


GOOD = base64.b64encode(KEY).decode()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "7",
        "[" * 100_000,
        "\x00" * 100,
        {},
        {"amanah_key_file": 2, "current": "a", "keys": {"a": GOOD}},
        {"amanah_key_file": True, "current": "a", "keys": {"a": GOOD}},
        {"amanah_key_file": 1, "current": "b", "keys": {"a": GOOD}},
        {"amanah_key_file": 1, "current": ["a"], "keys": {"a": GOOD}},
        {"amanah_key_file": 1, "current": "a", "keys": [GOOD]},
        {"amanah_key_file": 1, "current": "a", "keys": {"a": GOOD}, "more": 1},
        {"amanah_key_file": 1, "current": "a", "keys": {"a": GOOD[:-4]}},
        {"amanah_key_file": 1, "current": "a", "keys": {"a": GOOD + "\n"}},
        {"amanah_key_file": 1, "current": "a", "keys": {"a": 7}},
        {"amanah_key_file": 1, "current": "a", "keys": {"a": GOOD, "": GOOD}},
        {"amanah_key_file": 1, "current": "a", "keys": {"a": GOOD, "b" * 65: GOOD}},
        f'{{"amanah_key_file": 1, "current": "a", "keys": {{"a": "{GOOD}", "a": "{GOOD}"}}}}',
    ],
    ids=range(19),
)
def test_what_is_no_key_file_is_refused(path, body):
    """Only the documented format is taken, and no message quotes what the file holds."""
    with pytest.raises(KeyFileUnreadable) as caught:
        FileKeyProvider(write(path, body))
    assert GOOD not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_file_far_too_large_is_not_read(path):
    """Proper JSON or not: a key file has a few lines."""
    body = json.dumps(file_of(a=KEY)) + " " * 1_100_000
    with pytest.raises(KeyFileUnreadable, match="too large"):
        FileKeyProvider(write(path, body))


def test_a_file_without_the_key_that_wrapped_is_the_wrong_file(tmp_path):
    """The error names the key that is looked for."""
    first, second = FileKeyProvider.create(tmp_path / "a"), FileKeyProvider.create(tmp_path / "b")
    with pytest.raises(KeyFileWrong, match=first.key_id()):
        second.unwrap(first.wrap(KEY, CONTEXT, first.key_id()), CONTEXT, first.key_id())


def test_another_key_of_the_same_name_is_the_wrong_file(tmp_path):
    """Told by the commitment, so it is not reported as tampering."""
    first = FileKeyProvider(write(tmp_path / "a", file_of(same=b"1" * 32)))
    second = FileKeyProvider(write(tmp_path / "b", file_of(same=b"2" * 32)))
    with pytest.raises(KeyFileWrong):
        second.unwrap(first.wrap(KEY, CONTEXT, first.key_id()), CONTEXT, "same")


def test_a_wrapped_key_of_another_context_or_changed_is_tampered(path):
    """A tenant's wrapped key does not unwrap for another tenant."""
    provider = FileKeyProvider.create(path)
    wrapped = provider.wrap(KEY, CONTEXT, provider.key_id())
    with pytest.raises(Tampered):
        provider.unwrap(wrapped, b"other", provider.key_id())
    with pytest.raises(Tampered):
        provider.unwrap(wrapped[:-1] + bytes((wrapped[-1] ^ 1,)), CONTEXT, provider.key_id())


def test_an_older_key_in_the_file_still_unwraps(tmp_path):
    """The provider's key can be replaced while what it wrapped is still there."""
    before = FileKeyProvider(write(tmp_path / "a", file_of(old=b"1" * 32)))
    after = FileKeyProvider(write(tmp_path / "b", file_of(new=b"2" * 32, old=b"1" * 32)))
    assert after.key_id() == "new"
    assert after.unwrap(before.wrap(KEY, CONTEXT, before.key_id()), CONTEXT, "old") == KEY


def test_a_key_from_the_environment_wraps_and_unwraps():
    """The variable holds a name and 32 bytes."""
    provider = EnvironmentKeyProvider(environment={"AMANAH_KEY": f"main:{GOOD}"})
    assert provider.key_id() == "main"
    assert provider.unwrap(provider.wrap(KEY, CONTEXT, provider.key_id()), CONTEXT, "main") == KEY


@pytest.mark.parametrize("value", [None, "", GOOD, f":{GOOD}", "main:", f"main:{GOOD[:-4]}", f"main:{GOOD}x"])
def test_an_environment_without_a_proper_key_is_refused(value):
    """At the start, with an error that does not quote the variable."""
    with pytest.raises(ConfigurationError) as caught:
        EnvironmentKeyProvider(environment={} if value is None else {"AMANAH_KEY": value})
    assert GOOD[:-4] not in str(caught.value)
