"""`amanah keys rotate` and `destroy`, on a real guard with values in its tables."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from amanah.encryption.key_rotation import held, replace_kek
from amanah.encryption.tenant_keys import insert_wrapped, newest, rows_of, unwrapped_kek
from amanah.errors import KeysUnavailable, KeyUnknown, ProviderKeyCurrent, ProviderKeyNamed, RotationBusy
from amanah.rekeying.alone import alone
from amanah.rekeying.keys import destroy, rotate_data, rotate_provider, rotate_tenant, with_keys
from tests.rekeying_world import OPS, acts, age, another_process, keys

PLACE = b"14:customer.phone,1:7,"


def opens(guard, tenant, sealed):
    """What another process, and this one, read."""
    found = {ring.cipher(tenant).open("f", PLACE, sealed) for ring in (guard.keyring, another_process(guard))}
    return found == {b"value"}


def test_a_new_data_key_seals_once_every_process_knows_it(vault):
    """The older one seals until then, and goes on to open; the command says from when."""
    guard = vault.guard
    age(guard)
    sealed = guard.keyring.cipher("a").seal("f", PLACE, b"value")
    made = rotate_data(guard, with_keys(guard), operator=OPS)
    assert [(one.tenant, one.version, one.made) for one in made] == [
        ("a", 2, True),
        ("b", 2, True),
        ("platform", 2, True),
    ]
    assert another_process(guard).cipher("a").sealing_version == 1
    assert made[0].used_from - keys(guard, "a", "data")[1].created_at < 601_000_000
    age(guard)
    assert guard.keyring.cipher("a").sealing_version == 2
    assert opens(guard, "a", sealed)
    assert acts(guard, "a")[-1] == {"act": "keys.rotate.data", "version": 2}


def test_a_data_key_that_is_not_in_use_yet_is_not_followed_by_another(vault):
    """Started twice, the second run does nothing and says from when the first one's key is used."""
    age(vault.guard)
    first = rotate_data(vault.guard, ["a"], operator=OPS)
    second = rotate_data(vault.guard, ["a"], operator=OPS)
    assert [one.made for one in second] == [False]
    assert abs(second[0].used_from - first[0].used_from) < 1_000_000
    assert len(keys(vault.guard, "a", "data")) == 2


def test_a_new_tenant_key_wraps_all_others_and_the_old_one_is_gone(vault):
    """Nobody notices: what was sealed opens, in a process that has the keys and in one that loads them."""
    guard = vault.guard
    cipher = guard.keyring.cipher("a")
    sealed, token = cipher.seal("f", PLACE, b"value"), cipher.token("d", b"v")
    before = keys(guard, "a", "epoch")
    rotate_tenant(guard, ["a"], operator=OPS)
    assert [row.version for row in keys(guard, "a", "kek")] == [2]
    assert {row.kek_version for kind in ("data", "index") for row in keys(guard, "a", kind)} == {2}
    assert keys(guard, "a", "epoch") == before
    assert [row.version for row in keys(guard, "b", "kek")] == [1]
    assert opens(guard, "a", sealed)
    assert another_process(guard).cipher("a").token("d", b"v") == token
    assert acts(guard, "a")[-1] == {"act": "keys.rotate.tenant", "version": 2}


def test_two_replacements_of_a_tenant_key_at_once_follow_each_other(vault):
    """Also without the lock that commands take: the second transaction finds what the first one left."""
    guard = vault.guard
    sealed = guard.keyring.cipher("a").seal("f", PLACE, b"value")
    start = threading.Barrier(2)

    def work(_):
        start.wait()
        with guard.engine.begin() as connection:
            return replace_kek(connection, guard.provider, "a", held(connection, "a"))

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(work, range(2))) == [2, 3]
    assert [row.version for row in keys(guard, "a", "kek")] == [3]
    assert opens(guard, "a", sealed)


def test_a_key_is_never_added_under_a_tenant_key_that_is_gone(vault):
    """Whoever read the tenant's key before it was replaced is told to begin again, and leaves no row behind."""
    guard = vault.guard
    with guard.engine.connect() as connection:
        old = newest(rows_of(connection, "a"), "kek")
    wrapping = unwrapped_kek(guard.provider, "a", old)
    rotate_tenant(guard, ["a"], operator=OPS)
    with pytest.raises(KeysUnavailable), guard.engine.begin() as connection:
        insert_wrapped(connection, "a", "data", 2, old.version, wrapping)
    assert len(keys(guard, "a", "data")) == 1
    guard.keyring.forget("a")
    guard.keyring.cipher("a")


def test_a_tenant_without_keys_gets_none_by_rotation(vault):
    """Nothing is made for a tenant that does not exist."""
    for rotate in (rotate_data, rotate_tenant):
        with pytest.raises(KeyUnknown):
            rotate(vault.guard, ["nobody"], operator=OPS)


def test_all_tenants_move_to_a_new_key_of_the_provider(vault):
    """The platform too; epoch keys stay; nothing is left, and the key that wrapped them may go."""
    guard = vault.guard
    old = guard.provider.key_id()
    epochs = [row for tenant in ("a", "b", "platform") for row in keys(guard, tenant, "epoch")]
    sealed = guard.keyring.cipher("a").seal("f", PLACE, b"value")
    told = []
    found = rotate_provider(guard, None, operator=OPS, new=True, advance=told.append)
    assert found.key_id == guard.provider.key_id() != old
    assert (found.done, sum(told), found.left, found.refused) == (3, 3, {}, {})
    assert found.free == [old]
    assert {row.provider_key_id for t in ("a", "b", "platform") for row in keys(guard, t, "kek")} == {found.key_id}
    assert [row for tenant in ("a", "b", "platform") for row in keys(guard, tenant, "epoch")] == epochs
    assert opens(guard, "a", sealed)
    assert acts(guard, "a")[-1] == {"act": "keys.rotate.provider", "provider_key": found.key_id, "before": old}

    again = rotate_provider(guard, None, operator=OPS)
    assert (again.done, again.left, again.key_id) == (0, {}, found.key_id)
    destroy(guard, old, operator=OPS, pause=lambda _: None)
    assert opens(guard, "a", sealed)
    assert acts(guard, "platform")[-1] == {"act": "keys.destroy", "provider_key": old}


class Failing:
    """The provider, until it has wrapped so many keys."""

    def __init__(self, inner, after):
        self.inner, self.after = inner, after

    def wrap(self, key, context, key_id):
        self.after -= 1
        if self.after < 0:
            raise KeysUnavailable
        return self.inner.wrap(key, context, key_id)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def test_a_move_that_was_interrupted_is_run_again(vault):
    """What was moved stays moved, the rest is moved by the second run, and each tenant has one entry."""
    guard, provider = vault.guard, vault.guard.provider
    guard.provider = Failing(provider, 1)
    with pytest.raises(KeysUnavailable):
        rotate_provider(guard, None, operator=OPS, new=True)
    guard.provider = provider
    found = rotate_provider(guard, None, operator=OPS)
    assert (found.done, found.left) == (2, {})
    assert len({keys(guard, t, "kek")[0].provider_key_id for t in ("a", "b", "platform")}) == 1
    assert [one["act"] for one in acts(guard, "a")].count("keys.rotate.provider") == 1


def test_one_tenant_can_be_moved_alone(vault):
    """The others are told as left."""
    old = vault.guard.provider.key_id()
    found = rotate_provider(vault.guard, ["a"], operator=OPS, new=True)
    assert (found.done, found.left, found.free) == (1, {old: 2}, [])


def test_a_tenant_whose_key_is_damaged_does_not_hold_up_the_others(vault):
    """It is named with the reason, and counted as left."""
    guard = vault.guard
    with guard.engine.begin() as connection:
        row = keys(guard, "a", "kek")[0]
        connection.exec_driver_sql("UPDATE amanah_key SET wrapped = substr(wrapped, 1, 60) WHERE tenant_id = 'a'")
    found = rotate_provider(guard, None, operator=OPS, new=True)
    assert (found.done, found.refused) == (2, {"a": "tampered"})
    assert found.left == {row.provider_key_id: 1}


def test_a_key_of_the_provider_that_is_named_is_not_destroyed(vault):
    """Neither one that wraps tenants' keys, nor one that wraps epoch keys, nor the current one."""
    guard = vault.guard
    epoch = keys(guard, "a", "epoch")[0].provider_key_id
    for key_id in (guard.provider.key_id(), epoch):
        with pytest.raises(ProviderKeyNamed):
            destroy(guard, key_id, operator=OPS, pause=pytest.fail)
    current = guard.provider.create_key("tenants")
    with pytest.raises(ProviderKeyCurrent):
        destroy(guard, current, operator=OPS, pause=pytest.fail)


def test_a_tenant_that_comes_while_a_key_is_being_destroyed_keeps_it(vault):
    """A process that still took it for the current key had a minute; then it is looked again."""
    guard = vault.guard
    old = guard.provider.key_id()
    rotate_provider(guard, None, operator=OPS, new=True)

    def meanwhile(seconds):
        assert seconds == 60
        with guard.engine.begin() as connection:
            connection.exec_driver_sql(
                f"UPDATE amanah_key SET provider_key_id = '{old}' WHERE tenant_id = 'b' AND kind = 'kek'"
            )

    with pytest.raises(ProviderKeyNamed):
        destroy(guard, old, operator=OPS, pause=meanwhile)


def test_a_second_command_that_changes_keys_is_told(vault):
    """While one runs, each other one is refused and has done nothing; afterwards it works."""
    guard = vault.guard
    before = [row for tenant in ("a", "b") for kind in ("kek", "data") for row in keys(guard, tenant, kind)]
    with alone(guard.engine):
        for command in (
            lambda: rotate_data(guard, ["a"], operator=OPS),
            lambda: rotate_tenant(guard, ["a"], operator=OPS),
            lambda: rotate_provider(guard, None, operator=OPS, new=True),
            lambda: destroy(guard, "none", operator=OPS, pause=pytest.fail),
        ):
            with pytest.raises(RotationBusy):
                command()
    assert before == [row for tenant in ("a", "b") for kind in ("kek", "data") for row in keys(guard, tenant, kind)]
    rotate_tenant(guard, ["a"], operator=OPS)
    with guard.engine.begin() as connection:
        assert connection.scalar(select(1)) == 1
