"""Against a token of SoftHSM2."""

from __future__ import annotations

import logging
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pkcs11
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from amanah.encryption import pkcs11_connection, pkcs11_provider
from amanah.encryption.pkcs11_provider import Pkcs11Provider
from amanah.errors import (
    ConfigurationError,
    KeyServiceRefused,
    KeysUnavailable,
    ProviderCannot,
    ProviderKeyCurrent,
    ProviderKeyMissing,
    ProviderKeyUnusable,
    ProviderKeyWrong,
    Tampered,
    TokenMissing,
)

KEY, CONTEXT = b"\xaak" * 16, b"3:key,7:tenant1,"


@pytest.fixture
def label(request):
    """Each test has keys of its own in the one token."""
    return f"t{abs(hash(request.node.name))}"


@pytest.fixture
def keys(soft_token, label):
    """A provider with a first key."""
    keys = Pkcs11Provider(soft_token.module, soft_token.label, soft_token.pin, label=label)
    keys.create_key("tenants")
    return keys


@pytest.fixture
def session(keys, soft_token):
    """What an administrator of the token would use."""
    return keys._connection.run(lambda session: session, soft_token.pin)


def import_key(session, label, id_):
    """An AES key of known bytes, which no token would let out."""
    template = {
        pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY,
        pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.AES,
        pkcs11.Attribute.VALUE: KEY,
        pkcs11.Attribute.LABEL: label,
        pkcs11.Attribute.ID: id_,
        pkcs11.Attribute.TOKEN: True,
        pkcs11.Attribute.ENCRYPT: True,
        pkcs11.Attribute.DECRYPT: True,
        pkcs11.Attribute.EXTRACTABLE: False,
    }
    return session.create_object(template)


def test_what_the_token_wrapped_it_unwraps_for_the_same_context_only(keys):
    """Another context, or any changed byte, is tampering; and so is what is too short or too long."""
    name = keys.key_id()
    assert len(name) <= 255
    wrapped = keys.wrap(KEY, CONTEXT, name)
    assert wrapped != keys.wrap(KEY, CONTEXT, name)
    assert keys.unwrap(wrapped, CONTEXT, name) == KEY
    with pytest.raises(Tampered):
        keys.unwrap(wrapped, CONTEXT + b"x", name)
    for at in range(len(wrapped)):
        with pytest.raises(Tampered):
            keys.unwrap(wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :], CONTEXT, name)
    for changed in (b"", wrapped[:-1], wrapped[:13], wrapped + b"x"):
        with pytest.raises(Tampered):
            keys.unwrap(changed, CONTEXT, name)


def test_wraps_are_aes_gcm_as_others_know_it(keys, session, label):
    """The context is the associated data: `cryptography` opens what the token made with a key that both know."""
    import_key(session, f"{label}-epoch", b"\x07")
    wrapped = keys.wrap(KEY, CONTEXT, f"{label}-epoch:07")
    assert wrapped[0] == 1
    assert AESGCM(KEY).decrypt(wrapped[1:13], wrapped[13:], CONTEXT) == KEY


def test_a_key_never_leaves_the_token(keys, session, label):
    """It is made in it, sensitive, not extractable, never was, cannot be changed to be, and wraps no other key."""
    keys.create_key("epoch")
    for use in ("tenants", "epoch"):
        (made,) = session.get_objects({pkcs11.Attribute.LABEL: f"{label}-{use}"})
        facts = {name: made[pkcs11.Attribute[name]] for name in ("LOCAL", "SENSITIVE", "NEVER_EXTRACTABLE", "PRIVATE")}
        assert all(facts.values()), facts
        assert not any(made[pkcs11.Attribute[name]] for name in ("EXTRACTABLE", "WRAP", "MODIFIABLE"))
        with pytest.raises(pkcs11.AttributeSensitive):
            made[pkcs11.Attribute.VALUE]


def test_the_newest_key_for_tenants_is_the_current_one(keys):
    """The older one still unwraps; one of an epoch is never current."""
    old = keys.key_id()
    wrapped = keys.wrap(KEY, CONTEXT, old)
    epoch = keys.create_key("epoch")
    assert keys.key_id() == old
    new = keys.create_key("tenants")
    assert keys.key_id() == new != old
    assert keys.unwrap(wrapped, CONTEXT, old) == KEY
    assert keys.unwrap(keys.wrap(KEY, CONTEXT, epoch), CONTEXT, epoch) == KEY


@pytest.mark.parametrize("id_", [b"\x01", b"\xff" * 16, b"\xff" * 20])
def test_a_new_key_is_current_whatever_ids_there_are(keys, session, label, id_):
    """Those of an administrator, or of a host whose clock is ahead."""
    import_key(session, f"{label}-tenants", id_)
    if id_ != b"\x01":
        assert keys.key_id() == f"{label}-tenants:{id_.hex()}"
    new = keys.create_key("tenants")
    assert keys.key_id() == new


def test_a_destroyed_key_is_gone(keys, session, label):
    """At once and for ever; a second time is no error. The current one is kept."""
    epoch = keys.create_key("epoch")
    wrapped = keys.wrap(KEY, CONTEXT, epoch)
    for _ in range(2):
        keys.destroy_key(epoch)
    assert not list(session.get_objects({pkcs11.Attribute.LABEL: f"{label}-epoch"}))
    with pytest.raises(ProviderKeyWrong, match=epoch) as wrong:
        keys.unwrap(wrapped, CONTEXT, epoch)
    assert keys.key_id() in str(wrong.value)
    with pytest.raises(ProviderKeyCurrent):
        keys.destroy_key(keys.key_id())
    old, _ = keys.key_id(), keys.create_key("tenants")
    keys.destroy_key(old)


def test_keys_of_another_provider_or_label_are_not_used(keys, soft_token, session):
    """Whoever can write to the database cannot name another application's key in the same token."""
    import_key(session, "payroll", b"\x01")
    wrapped = keys.wrap(KEY, CONTEXT, keys.key_id())
    for foreign in ("5d1f0c9a7b3e4826", "", "payroll:01", "arn:aws:kms:x:1:key/2", keys.key_id() + "g", "t-tenants:"):
        for call in (lambda key_id: keys.unwrap(wrapped, CONTEXT, key_id), lambda k: keys.wrap(KEY, CONTEXT, k)):
            with pytest.raises(ProviderKeyWrong):
                call(foreign)
        with pytest.raises(ProviderCannot):
            keys.destroy_key(foreign)
    assert list(session.get_objects({pkcs11.Attribute.LABEL: "payroll"}))


def test_a_key_that_should_not_be_trusted_is_not_used(keys, session, label):
    """One that can be taken out, two of one name, and one of another kind."""
    for _ in range(2):
        import_key(session, f"{label}-epoch", b"\x01")
    template = {pkcs11.Attribute.EXTRACTABLE: True, pkcs11.Attribute.SENSITIVE: False}
    session.generate_key(pkcs11.KeyType.AES, 256, id=b"\x03", label=f"{label}-epoch", store=True, template=template)
    session.generate_key(pkcs11.KeyType.DES3, id=b"\x04", label=f"{label}-epoch", store=True)
    for id_, why in (("01", "several"), ("03", "taken out"), ("04", "AES-GCM")):
        with pytest.raises(ProviderKeyUnusable, match=why):
            keys.wrap(KEY, CONTEXT, f"{label}-epoch:{id_}")


def test_a_token_without_keys_says_how_to_make_one(soft_token):
    """It names what is looked for."""
    empty = Pkcs11Provider(soft_token.module, soft_token.label, soft_token.pin, label="nothing")
    with pytest.raises(ProviderKeyMissing, match=r"nothing-tenants.*keys init"):
        empty.key_id()


# -- the token ---------------------------------------------------------------------------------------------------------


def test_a_token_or_a_module_that_is_not_there_is_named(soft_token, tmp_path):
    """Not plugged in is unavailable; a file that is no module is a wrong configuration."""
    with pytest.raises(TokenMissing, match="elsewhere"):
        Pkcs11Provider(soft_token.module, "elsewhere", soft_token.pin).key_id()
    with pytest.raises(ConfigurationError, match="module"):
        Pkcs11Provider(str(tmp_path / "nothing.so"), soft_token.label, soft_token.pin).key_id()


@pytest.mark.parametrize("given", [("", "t", "p"), ("m", "", "p"), ("m", "t", "")])
def test_what_is_not_said_is_told_at_once(given):
    """Before any token is asked."""
    with pytest.raises(ConfigurationError, match="AMANAH_PKCS11_MODULE"):
        Pkcs11Provider(*given)
    with pytest.raises(ConfigurationError, match="label"):
        Pkcs11Provider("m", "t", "p", label="a:b")


def test_without_python_pkcs11_the_extra_is_named(monkeypatch):
    """An installation that does not use it needs nothing of it."""
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ConfigurationError, match=r"amanah\[pkcs11\]"):
        Pkcs11Provider("m", "t", "p")


def test_a_wrong_pin_is_tried_once(keys, soft_token, monkeypatch):
    """Tokens lock themselves after a few; and it is neither told nor logged."""
    connection = pkcs11_connection.Connection(pkcs11_connection.Token(soft_token.module, soft_token.label))
    keys._connection._drop()  # or this process is logged in already
    opened = []
    real = pkcs11_connection.Connection._module
    monkeypatch.setattr(pkcs11_connection.Connection, "_module", lambda self: opened.append(1) or real(self))
    for _ in range(3):
        with pytest.raises(KeyServiceRefused, match="PinIncorrect") as told:
            connection.run(lambda session: session, "1111-wrong")
        assert "1111" not in str(told.value)
    assert len(opened) == 1
    assert keys.unwrap(keys.wrap(KEY, CONTEXT, keys.key_id()), CONTEXT, keys.key_id()) == KEY


@pytest.mark.filterwarnings(
    "ignore:.*OperationContext:pytest.PytestUnraisableExceptionWarning"
)  # python-pkcs11 tidies up
def test_a_session_that_was_lost_is_opened_again(keys, session):
    """The call that finds out succeeds."""
    name = keys.key_id()
    wrapped = keys.wrap(KEY, CONTEXT, name)
    session.close()
    assert keys.unwrap(wrapped, CONTEXT, name) == KEY


def test_a_module_that_fails_is_away_and_not_a_changed_value(keys, monkeypatch):
    """Where the token does not encrypt either, "general error" is not taken for tampering."""
    name = keys.key_id()
    wrapped = keys.wrap(KEY, CONTEXT, name)

    def broken(*_):
        raise pkcs11.GeneralError

    monkeypatch.setattr(pkcs11_provider, "_encrypt", broken)
    with pytest.raises(KeysUnavailable):
        keys.unwrap(wrapped, CONTEXT + b"x", name)
    with pytest.raises(KeysUnavailable):
        keys.wrap(KEY, CONTEXT, name)


def test_a_call_that_does_not_come_back_holds_up_the_others_for_a_bounded_time(keys, soft_token, monkeypatch):
    """They are told that the keys are not available."""
    monkeypatch.setattr(pkcs11_connection, "WAIT_SECONDS", 0.05)
    inside, end = threading.Event(), threading.Event()

    def hangs(session):
        inside.set()
        end.wait(30)

    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(keys._connection.run, hangs, soft_token.pin)
        inside.wait(30)
        with pytest.raises(KeysUnavailable):
            keys.key_id()
        end.set()
        hanging.result(30)
    assert keys.key_id()


def test_eight_threads_share_the_token(keys):
    """Each gets its own key back."""
    name = keys.key_id()

    def work(number):
        key = bytes([number]) * 32
        return keys.unwrap(keys.wrap(key, CONTEXT, name), CONTEXT, name) == key

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(64)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_uses_the_token_too(keys):
    """With a session of its own, also when another thread was in a call at that moment."""
    name = keys.key_id()
    wrapped = keys.wrap(KEY, CONTEXT, name)
    with pkcs11_connection._lock, ThreadPoolExecutor(1) as pool:
        child = pool.submit(fork_and_unwrap, keys, wrapped, name).result(30)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert keys.unwrap(wrapped, CONTEXT, name) == KEY


def fork_and_unwrap(keys, wrapped, name):
    """The child's process id."""
    child = os.fork()
    if not child:
        done = 1
        try:
            done = 7 if keys.unwrap(wrapped, CONTEXT, name) == KEY else 2
        finally:
            os._exit(done)
    return child


def test_neither_pin_nor_key_is_shown_or_logged(keys, soft_token, caplog):
    """In what a traceback or a debugger prints of the provider, and at no level of the log."""
    caplog.set_level(logging.DEBUG)
    assert keys.unwrap(keys.wrap(KEY, CONTEXT, keys.key_id()), CONTEXT, keys.key_id()) == KEY
    shown = caplog.text + repr(keys) + repr(keys._connection)
    assert soft_token.pin not in shown
    assert repr(KEY)[2:-1] not in shown
