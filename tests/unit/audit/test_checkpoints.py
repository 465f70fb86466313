"""Signed notes and checkpoints: the published example, and everything that must not be believed."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from amanah.audit.checkpoints import Checkpoint, SignerKey, VerifierKey, parse
from amanah.errors import ConfigurationError, KeyFileMissing, KeyFileUnreadable, TrailDamaged

if TYPE_CHECKING:
    from pathlib import Path

KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
TEXT = "This is an example message.\n"
LINE = (
    "\N{EM DASH} example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
NOTE = f"{TEXT}\n{LINE}"
OTHER = "\N{EM DASH} example.com/bar Uw2QOkn8srV1yJGh\n"


@pytest.fixture
def signer(tmp_path: Path) -> SignerKey:
    """A signer with a new key."""
    return SignerKey.create(tmp_path / "signer.key", "log.example.id")


def test_the_published_example_verifies() -> None:
    """c2sp.org/signed-note's own example opens to its text."""
    assert VerifierKey.parse(KEY).open(NOTE) == TEXT
    assert str(VerifierKey.parse(KEY)) == KEY


@pytest.mark.parametrize("note", [f"{NOTE}{OTHER}", f"{TEXT}\n{OTHER}{LINE}"])
def test_signatures_of_others_are_ignored(note: str) -> None:
    """A note may carry signatures of unknown keys (witnesses)."""
    assert VerifierKey.parse(KEY).open(note) == TEXT


@pytest.mark.parametrize(
    "note",
    [
        NOTE.replace("example message", "example massage"),
        NOTE.replace("Uw2QOkn8", "Uw2QOkn9"),
        NOTE.replace("example.com/foo", "example.com/fox"),
        NOTE.replace("IneyaQM=", "IneyaQN="),
        NOTE.removesuffix("\n"),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\N{EM DASH}", "-"),
        NOTE.replace("foo Uw", "foo  Uw"),
        NOTE.replace("message.", "message.\t"),
        NOTE + "\n",
        NOTE + "rubbish\n",
        f"{NOTE}{LINE.replace('OBH3', 'OBH4')}",
        f"{TEXT}\n{OTHER}",
        TEXT,
        "",
        "\n\n",
        "x" * 200_000,
        NOTE.replace("example", "ex\ud800mple"),
    ],
)
def test_a_note_that_was_touched_is_not_believed(note: str) -> None:
    """Text, name, signature, separator: each change is refused."""
    with pytest.raises(TrailDamaged):
        VerifierKey.parse(KEY).open(note)


@pytest.mark.parametrize(
    "key",
    ["", "a+b", KEY.replace("530d903a", "530d903b"), KEY.replace("Aeky", "Beky"), KEY[:-4], f" {KEY[8:]}", "n+00+!!"],
)
def test_a_wrong_verifier_key_is_refused(key: str) -> None:
    """A key whose hash, kind or length is wrong never verifies anything."""
    with pytest.raises(ConfigurationError):
        VerifierKey.parse(key)


def test_a_signed_checkpoint_is_read_back(signer: SignerKey) -> None:
    """Origin, size and root survive the signature."""
    note = signer.checkpoint("klinik-a", 17, b"\x07" * 32)
    assert note.startswith(f"log.example.id/klinik-a\n17\n{ROOT}\n\n")
    opened = signer.verifier.checkpoint(note, signer.verifier.origin("klinik-a"))
    assert opened == Checkpoint("log.example.id/klinik-a", 17, b"\x07" * 32)


def test_one_tenants_checkpoint_is_not_anothers(signer: SignerKey) -> None:
    """The origin binds a checkpoint to its tenant."""
    note = signer.checkpoint("klinik-a", 17, b"\x07" * 32)
    with pytest.raises(TrailDamaged):
        signer.verifier.checkpoint(note, signer.verifier.origin("klinik-b"))


ROOT = base64.b64encode(b"\x07" * 32).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"o\n017\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"\n17\n{ROOT}\n",
        f"o\n17\n{ROOT}",
        "o\n17\n",
        f"o\n17\n{ROOT[:-4]}\n",
        f"o\n17\n{ROOT}\n\n",
        f"o\n1\u0661\n{ROOT}\n",
        f"o\n{'9' * 20}\n{ROOT}\n",
        "o\n17\nnot base64\n",
        "",
    ],
)
def test_a_malformed_checkpoint_is_refused(text: str) -> None:
    """There is one way to write a size and a root."""
    with pytest.raises(TrailDamaged):
        parse(text)


def test_extension_lines_are_kept() -> None:
    """Lines after the root belong to the checkpoint."""
    checkpoint = Checkpoint("o", 0, b"\0" * 32, ("time 1",))
    assert parse(checkpoint.text()) == checkpoint


def test_a_signer_key_survives_its_file(tmp_path: Path, signer: SignerKey) -> None:
    """The file is for its owner only, and what it signs verifies with the same public key."""
    path = tmp_path / "signer.key"
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = SignerKey.load(path)
    assert loaded.verifier == signer.verifier == VerifierKey.parse(str(signer.verifier))
    assert signer.verifier.open(loaded.sign("x\n")) == "x\n"


def test_a_signer_key_is_never_overwritten(tmp_path: Path, signer: SignerKey) -> None:
    """`create` refuses a path that is taken, a folder that is missing, and a name that notes cannot carry."""
    before = (tmp_path / "signer.key").read_bytes()
    for path, name in (("signer.key", "a"), ("no/folder.key", "a"), ("new.key", "a b"), ("new.key", "a+b")):
        with pytest.raises(ConfigurationError):
            SignerKey.create(tmp_path / path, name)
    assert (tmp_path / "signer.key").read_bytes() == before
    assert not (tmp_path / "new.key").exists()
    assert signer.verifier.name == "log.example.id"


def test_a_signer_key_that_cannot_be_trusted_is_refused(tmp_path: Path, signer: SignerKey) -> None:
    """Missing, readable by others, or not a key: each with an error of its own that does not repeat the key."""
    with pytest.raises(KeyFileMissing):
        SignerKey.load(tmp_path / "missing.key")
    path = tmp_path / "signer.key"
    good = path.read_text()
    path.chmod(0o644)
    with pytest.raises(KeyFileUnreadable):
        SignerKey.load(path)
    path.chmod(0o600)
    for bad in ("", "x", good.replace("PRIVATE", "PUBLIC"), good[:-6], good.replace("log.", "lag."), "\udcff"):
        path.write_bytes(bad.encode("utf-8", "surrogateescape"))
        with pytest.raises(KeyFileUnreadable) as caught:
            SignerKey.load(path)
        assert good.split("+")[-1].strip() not in str(caught.value)
    with pytest.raises(KeyFileUnreadable):
        SignerKey.load(tmp_path)
    assert signer.verifier.public
