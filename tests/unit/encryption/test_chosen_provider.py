from __future__ import annotations

import base64
import os
import warnings

import pytest

from amanah.encryption.aws_kms_provider import AwsKmsProvider
from amanah.encryption.chosen_provider import _read_pin, chosen, first_key, is_for_development
from amanah.encryption.environment_provider import EnvironmentKeyProvider
from amanah.encryption.file_provider import FileKeyProvider
from amanah.encryption.pkcs11_provider import Pkcs11Provider
from amanah.encryption.succeeding_provider import SucceedingProvider
from amanah.errors import (
    ConfigurationError,
    KeyFileExists,
    KeyFileMissing,
    KeyFileWrong,
    KeysUnavailable,
    ProviderCannot,
    ProviderKeyCurrent,
    ProviderKeyUnusable,
)
from amanah.middleware.application import create_keys, deployed
from amanah.settings import Settings
from amanah.testing import MemoryKeys

KEY, CONTEXT = b"k" * 32, b"context"
KMS = {"AMANAH_KEY_PROVIDER": "aws-kms", "AMANAH_AWS_KMS_KEY": "alias/amanah"}


def settings(folder, **given):
    return Settings.from_environment({"AMANAH_STATE": str(folder / "state"), **given})


def pkcs11(token, **more):
    """The variables that lead to the tests' token."""
    said = {"MODULE": token.module, "TOKEN": token.label, "PIN": token.pin, **more}
    return {"AMANAH_KEY_PROVIDER": "pkcs11", **{f"AMANAH_PKCS11_{name}": value for name, value in said.items()}}


def test_a_file_is_chosen_unless_something_else_is_said(tmp_path):
    """It must be there; nothing is made by looking."""
    with pytest.raises(KeyFileMissing):
        chosen(settings(tmp_path))
    created = FileKeyProvider.create(tmp_path / "keys.json")
    provider = chosen(settings(tmp_path, AMANAH_KEY_FILE=str(tmp_path / "keys.json")))
    assert (type(provider), provider.key_id()) == (FileKeyProvider, created.key_id())


def test_each_provider_is_chosen_by_its_name(tmp_path, monkeypatch, soft_token):
    """With the variables that it needs; no key service is asked."""
    monkeypatch.setenv("AWS_REGION", "ap-southeast-3")
    monkeypatch.setenv("AMANAH_KEY", f"main:{base64.b64encode(KEY).decode()}")
    assert type(chosen(settings(tmp_path, **KMS))) is AwsKmsProvider
    assert type(chosen(settings(tmp_path, **pkcs11(soft_token)))) is Pkcs11Provider
    assert type(chosen(settings(tmp_path, AMANAH_KEY_PROVIDER="environment"))) is EnvironmentKeyProvider


@pytest.mark.parametrize("variable", ["AMANAH_KEY_PROVIDER", "AMANAH_KEY_PROVIDER_BEFORE"])
def test_a_provider_that_there_is_not_is_refused(tmp_path, variable):
    """A slip of the pen does not fall back to a file."""
    with pytest.raises(ConfigurationError, match="aws-kms, pkcs11"):
        settings(tmp_path, **{variable: "aws_kms"})


@pytest.mark.parametrize("name", ["aws-kms", "pkcs11"])
def test_a_provider_of_which_nothing_is_said_is_refused(tmp_path, name):
    """The variable that is missing is named."""
    with pytest.raises(ConfigurationError, match=r"AMANAH_(AWS_KMS|PKCS11)"):
        chosen(settings(tmp_path, AMANAH_KEY_PROVIDER=name))


def test_a_key_file_need_be_said_only_where_it_is_used():
    """With a key service, signer and checkpoints are enough; while keys move out of the file it is used."""
    said = {"AMANAH_SIGNER_FILE": "/s/signer.key", "AMANAH_CHECKPOINTS": "/c", **KMS}
    Settings.from_environment(said)
    with pytest.raises(ConfigurationError, match="AMANAH_KEY_FILE"):
        Settings.from_environment({**said, "AMANAH_KEY_PROVIDER_BEFORE": "file"})


def test_the_pin_is_read_from_a_file_of_mode_600(tmp_path, soft_token):
    """One that others may read, or that is not there, is refused; the PIN is in no error and in no printed settings."""
    pin = tmp_path / "pin"
    given = pkcs11(soft_token, PIN="9999", PIN_FILE=str(pin), LABEL="pinned")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        chosen(settings(tmp_path, **given))
    pin.write_text(soft_token.pin + "\n")
    pin.chmod(0o640)
    with pytest.raises(ConfigurationError, match="mode 600") as told:
        chosen(settings(tmp_path, **given))
    assert soft_token.pin not in str(told.value)
    pin.chmod(0o600)
    assert first_key(settings(tmp_path, **given)).startswith("pinned-tenants:")
    assert "9999" not in repr(settings(tmp_path, **given))


@pytest.mark.parametrize("mode", [0o640, 0o620, 0o610, 0o604, 0o602, 0o601])
def test_a_pin_that_anybody_else_may_reach_is_refused(tmp_path, mode):
    """Before any token is asked, whichever of their rights it is."""
    pin = tmp_path / "pin"
    pin.write_text("4711")
    pin.chmod(mode)
    with pytest.raises(ConfigurationError, match="mode 600"):
        _read_pin(pin)


def test_a_pin_is_read_from_a_file_and_nothing_else(tmp_path):
    """Not from a pipe into which anybody could have written, and without waiting for somebody to do so."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    with pytest.raises(ConfigurationError, match="mode 600"):
        _read_pin(pipe)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        _read_pin(tmp_path)


# -- making keys -------------------------------------------------------------------------------------------------------


def test_a_first_key_is_made_in_the_token_once(tmp_path, soft_token):
    """`amanah keys init` makes key and signer; run again it leaves both and says which key is current."""
    given = settings(tmp_path, **pkcs11(soft_token, LABEL="first"))
    made = create_keys(given)
    assert given.signer_file.exists()
    assert not given.key_file.exists()
    signer = given.signer_file.read_bytes()
    assert create_keys(given) == made == chosen(given).key_id()
    assert given.signer_file.read_bytes() == signer


def test_a_key_file_is_made_once(tmp_path):
    """With its signer; where only the signer is missing, the keys stay."""
    given = settings(tmp_path)
    made = create_keys(given)
    with pytest.raises(KeyFileExists):
        create_keys(given)
    given.signer_file.unlink()
    assert create_keys(given) == made == chosen(given).key_id()


# -- development -------------------------------------------------------------------------------------------------------


def test_keys_that_can_be_copied_are_warned_of(tmp_path, monkeypatch):
    """A guard for real data says so when it is built with a file or a variable, and not with a key service."""
    monkeypatch.setenv("AMANAH_KEY", f"main:{base64.b64encode(KEY).decode()}")
    monkeypatch.setenv("AWS_REGION", "ap-southeast-3")
    create_keys(settings(tmp_path))
    for given in ({}, {"AMANAH_KEY_PROVIDER": "environment"}):
        with pytest.warns(RuntimeWarning, match="keep-keys-in-a-key-service"):
            deployed(settings(tmp_path, **given), None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert type(deployed(settings(tmp_path, **KMS), None)["provider"]) is AwsKmsProvider
        deployed(settings(tmp_path), MemoryKeys())


# -- moving ------------------------------------------------------------------------------------------------------------


def test_an_installation_moves_from_one_provider_to_another(tmp_path, soft_token):
    """New wraps are made in the new one; what the old one wrapped is still unwrapped; moving is no development."""
    file = FileKeyProvider.create(tmp_path / "keys.json")
    wrapped = file.wrap(KEY, CONTEXT, file.key_id())
    given = {**pkcs11(soft_token, LABEL="moving"), "AMANAH_KEY_FILE": str(tmp_path / "keys.json")}
    made = create_keys(settings(tmp_path, **given))
    moving = chosen(settings(tmp_path, AMANAH_KEY_PROVIDER_BEFORE="file", **given))
    assert moving.key_id() == made
    assert moving.unwrap(wrapped, CONTEXT, file.key_id()) == KEY
    assert moving.unwrap(moving.wrap(KEY, CONTEXT, made), CONTEXT, made) == KEY
    assert not is_for_development(moving)
    with pytest.raises(KeyFileWrong):
        moving.unwrap(wrapped, CONTEXT, "nobodys")


def test_keys_are_destroyed_wherever_they_are(tmp_path, soft_token):
    """In the old provider and in the new one; what neither can have is refused, and the current ones are."""
    file = FileKeyProvider.create(tmp_path / "keys.json")
    token = Pkcs11Provider(soft_token.module, soft_token.label, soft_token.pin, label="destroying")
    moving = SucceedingProvider(token, file)
    moving.create_key("tenants")
    for provider in (file, token):
        epoch = provider.create_key("epoch")
        wrapped = moving.wrap(KEY, CONTEXT, epoch)
        assert provider.unwrap(wrapped, CONTEXT, epoch) == KEY
        moving.destroy_key(epoch)
        with pytest.raises(KeyFileWrong):
            moving.unwrap(wrapped, CONTEXT, epoch)
        with pytest.raises(ProviderKeyCurrent):
            moving.destroy_key(provider.key_id())
    environment = EnvironmentKeyProvider(environment={"AMANAH_KEY": f"m:{base64.b64encode(KEY).decode()}"})
    with pytest.raises(ProviderCannot):
        SucceedingProvider(token, environment).destroy_key("arn:aws:kms:elsewhere")


@pytest.mark.parametrize("error", [KeysUnavailable(), ProviderKeyUnusable(key_id="k", detail="d")])
def test_a_new_provider_that_is_away_is_not_passed_by(error, monkeypatch):
    """Only a key that is not its own is looked for in the old one."""
    successor, predecessor = MemoryKeys(), MemoryKeys()

    def fails(*_):
        raise error

    monkeypatch.setattr(successor, "wrap", fails)
    monkeypatch.setattr(successor, "unwrap", fails)
    moving = SucceedingProvider(successor, predecessor)
    for call in (moving.wrap, moving.unwrap):
        with pytest.raises(type(error)):
            call(KEY, CONTEXT, "memory")
