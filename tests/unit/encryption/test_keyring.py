from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine, func, select, update

from amanah import database
from amanah.encryption.file_provider import FileKeyProvider
from amanah.encryption.keyring import Keyring, TenantCipher
from amanah.encryption.models import key as key_table
from amanah.errors import (
    DatabaseNotMigrated,
    KeyFileWrong,
    KeysUnavailable,
    KeyUnknown,
    SealError,
    Tampered,
)

FIELD, PLACE = "customer.phone", b"14:customer.phone,1:7,"


class Counting:
    """A provider that counts, can be slow and can be away; around a real one."""

    def __init__(self, inner):
        self.inner = inner
        self.unwrapped = 0
        self.failure = None
        self.gate = threading.Event()
        self.gate.set()

    def key_id(self):
        return self.inner.key_id()

    def wrap(self, key, context, key_id):
        return self.inner.wrap(key, context, key_id)

    def create_key(self, use):
        return self.inner.create_key(use)

    def destroy_key(self, key_id):
        self.inner.destroy_key(key_id)

    def unwrap(self, wrapped, context, key_id):
        self.unwrapped += b"3:kek," in context  # once a load, whatever else is unwrapped
        assert self.gate.wait(30)
        if self.failure:
            raise self.failure
        return self.inner.unwrap(wrapped, context, key_id)


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def provider(tmp_path):
    return Counting(FileKeyProvider.create(tmp_path / "keys.json"))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keyring(own_database, provider, clock):
    keyring = Keyring(own_database, provider, capacity=2, ttl=60, clock=clock)
    with own_database.begin() as connection:
        for tenant in ("surabaya", "bandung", database.PLATFORM):
            keyring.provision(connection, tenant)
    provider.unwrapped = 0
    return keyring


def rows(engine):
    with engine.connect() as connection:
        return connection.execute(select(key_table).order_by(*key_table.primary_key)).all()


def test_a_provisioned_tenant_seals_and_another_process_opens(own_database, keyring, provider):
    """What is sealed under one keyring opens under another over the same database and key file."""
    sealed = keyring.cipher("surabaya").seal(FIELD, PLACE, b"value")
    other = Keyring(own_database, provider)
    assert other.cipher("surabaya").open(FIELD, PLACE, sealed) == b"value"
    assert other.cipher("surabaya").token("d", b"v") == keyring.cipher("surabaya").token("d", b"v")


def test_tenants_do_not_open_each_others_values_and_have_other_tokens(keyring):
    """Keys are a tenant's own; so is the blind index of the same value, the platform's too."""
    ciphers = [keyring.cipher(tenant) for tenant in ("surabaya", "bandung", database.PLATFORM)]
    with pytest.raises(Tampered):
        ciphers[1].open(FIELD, PLACE, ciphers[0].seal(FIELD, PLACE, b"value"))
    assert len({cipher.token("domain", b"value") for cipher in ciphers}) == 3


def test_no_key_stands_in_the_database_in_the_clear(own_database, keyring):
    """The rows hold wrapped keys only: nothing of the unwrapped ones occurs in any of them."""
    cipher = keyring.cipher("surabaya")
    secrets = [*cipher._keys.values(), *cipher._index.values(), *cipher._secrets._keys.values()]
    stored = b"".join(row.wrapped for row in rows(own_database))
    assert not any(secret in stored for secret in secrets)


def test_a_read_never_creates_a_key(own_database, keyring):
    """Asking for a tenant without keys is refused, and leaves the table as it was."""
    before = rows(own_database)
    with pytest.raises(KeyUnknown):
        keyring.cipher("nobody")
    keyring.cipher("surabaya")
    assert keyring.cached("nobody") is None
    assert rows(own_database) == before


def test_provisioning_twice_changes_nothing(own_database, keyring):
    """It is idempotent: the keys that sealed values stay."""
    before = rows(own_database)
    with own_database.begin() as connection:
        keyring.provision(connection, "surabaya")
    assert rows(own_database) == before
    assert len(before) == 12


def test_provisioning_is_part_of_the_callers_transaction(own_database, keyring):
    """A tenant whose creation is rolled back leaves no keys."""
    with own_database.connect() as connection:
        keyring.provision(connection, "jakarta")
        connection.rollback()
    with pytest.raises(KeyUnknown):
        keyring.cipher("jakarta")


def test_provisioning_mends_what_is_lacking(own_database, keyring):
    """A tenant with a KEK alone gets its data and index keys under that KEK."""
    with own_database.begin() as connection:
        connection.execute(key_table.delete().where(key_table.c.tenant_id == "surabaya", key_table.c.kind != "kek"))
        keyring.provision(connection, "surabaya")
    cipher = keyring.cipher("surabaya")
    assert cipher.open(FIELD, PLACE, cipher.seal(FIELD, PLACE, b"x")) == b"x"


def test_two_transactions_that_provision_at_once_agree(own_database, keyring):
    """Both succeed, one set of keys is left, and it works."""
    start = threading.Barrier(2)

    def work(_):
        start.wait()
        with own_database.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            keyring.provision(connection, "jakarta")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    cipher = keyring.cipher("jakarta")
    assert cipher.open(FIELD, PLACE, cipher.seal(FIELD, PLACE, b"x")) == b"x"


# -- wrong and broken --------------------------------------------------------------------------------------------------


def test_the_wrong_key_file_is_named_as_such(own_database, keyring, tmp_path):
    """Neither a file with other keys nor one that reuses the name passes for damage in the database."""
    other = Keyring(own_database, FileKeyProvider.create(tmp_path / "other.json"))
    with pytest.raises(KeyFileWrong):
        other.cipher("surabaya")


def test_a_provider_that_is_away_is_its_own_error_and_heals(keyring, provider):
    """Whatever a key service's client raises becomes KeysUnavailable; nothing of the failure is remembered."""
    provider.failure = OSError("connection refused")
    with pytest.raises(KeysUnavailable):
        keyring.cipher("surabaya")
    provider.failure = None
    keyring.cipher("surabaya")


def test_an_unmigrated_database_is_named_as_such(tmp_path, provider):
    """The remedy is to migrate, so the error says so."""
    engine = database.own_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(DatabaseNotMigrated):
        Keyring(engine, provider).cipher("surabaya")
    engine.dispose()


def test_a_database_that_is_away_makes_the_keys_unavailable(provider):
    """No database, no keys, no values; and not the advice to migrate."""
    engine = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing", connect_args={"connect_timeout": 2})
    with pytest.raises(KeysUnavailable):
        Keyring(engine, provider).cipher("surabaya")
    engine.dispose()


@pytest.mark.parametrize("kind", ["kek", "data", "index"])
def test_a_wrapped_key_that_was_changed_is_refused(own_database, keyring, kind):
    """One flipped bit in a tenant's wrapped keys stops this tenant, and no other."""
    with own_database.begin() as connection:
        row = key_table.c.tenant_id == "surabaya", key_table.c.kind == kind
        wrapped = connection.execute(select(key_table.c.wrapped).where(*row)).scalar_one()
        connection.execute(update(key_table).where(*row).values(wrapped=wrapped[:-1] + bytes((wrapped[-1] ^ 1,))))
    with pytest.raises(Tampered):
        keyring.cipher("surabaya")
    keyring.cipher("bandung")


@pytest.mark.parametrize("kind", ["kek", "data", "index"])
def test_a_wrapped_key_of_another_tenant_is_refused(own_database, keyring, kind):
    """Whoever can write the key table cannot make one tenant seal under another one's key."""
    with own_database.begin() as connection:
        column = select(key_table.c.wrapped).where(key_table.c.kind == kind)
        foreign = connection.execute(column.where(key_table.c.tenant_id == "bandung")).scalar_one()
        connection.execute(
            update(key_table)
            .where(key_table.c.tenant_id == "surabaya", key_table.c.kind == kind)
            .values(wrapped=foreign)
        )
    with pytest.raises(Tampered):
        keyring.cipher("surabaya")


def test_a_data_key_in_the_place_of_the_index_key_is_refused(own_database, keyring):
    """A wrap is bound to its kind: tokens are never made under a key that seals."""
    with own_database.begin() as connection:
        mine = key_table.c.tenant_id == "surabaya"
        data = connection.execute(select(key_table.c.wrapped).where(mine, key_table.c.kind == "data")).scalar_one()
        connection.execute(update(key_table).where(mine, key_table.c.kind == "index").values(wrapped=data))
    with pytest.raises(Tampered):
        keyring.cipher("surabaya")


@pytest.mark.parametrize("kind", ["kek", "data", "index"])
def test_a_tenant_that_lacks_a_kind_of_key_is_refused(own_database, keyring, kind):
    """A half-restored key table is not worked with, and not mended by a read."""
    with own_database.begin() as connection:
        connection.execute(key_table.delete().where(key_table.c.tenant_id == "surabaya", key_table.c.kind == kind))
    with pytest.raises(KeyUnknown):
        keyring.cipher("surabaya")


def test_a_retired_key_is_never_loaded(own_database, keyring):
    """Nor does provisioning bring a tenant back whose KEK was retired."""
    with own_database.begin() as connection:
        connection.execute(update(key_table).where(key_table.c.tenant_id == "surabaya").values(retired_at=1))
    with pytest.raises(KeyUnknown):
        keyring.cipher("surabaya")
    with own_database.begin() as connection, pytest.raises(KeyUnknown):
        keyring.provision(connection, "surabaya")


# -- memory ------------------------------------------------------------------------------------------------------------


def test_keys_are_loaded_once(keyring, provider):
    """The second question is answered from memory, with the same cipher."""
    assert keyring.cached("surabaya") is None
    first = keyring.cipher("surabaya")
    assert keyring.cipher("surabaya") is first is keyring.cached("surabaya")
    assert provider.unwrapped == 1


def test_eight_threads_that_ask_at_once_cause_one_load(keyring, provider):
    """A cold start under load asks the key service once per tenant, and everybody gets the same cipher."""
    provider.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(keyring.cipher, "surabaya") for _ in range(8)]
        wait_until(lambda: provider.unwrapped == 1)
        provider.gate.set()
        ciphers = {id(future.result(30)) for future in asked}
    assert provider.unwrapped == 1
    assert len(ciphers) == 1


def test_threads_that_share_a_failed_load_get_an_error_of_their_own(keyring, provider):
    """Each refused request can carry its own decision id; the next question tries again."""
    provider.gate.clear()
    provider.failure = KeysUnavailable()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(keyring.cipher, "surabaya") for _ in range(8)]
        wait_until(lambda: provider.unwrapped == 1)
        provider.gate.set()
        errors = [future.exception(30) for future in asked]
    assert {type(error) for error in errors} == {KeysUnavailable}
    assert len({id(error) for error in errors}) == 8
    provider.failure = None
    keyring.cipher("surabaya")


def test_keys_leave_the_memory_when_their_time_is_over(keyring, provider, clock):
    """After ``ttl`` seconds they are asked for again; a provider that is away by then means no."""
    keyring.cipher("surabaya")
    clock.now += 59
    assert keyring.cached("surabaya") is not None
    clock.now += 1
    assert keyring.cached("surabaya") is None
    provider.failure = KeysUnavailable()
    with pytest.raises(KeysUnavailable):
        keyring.cipher("surabaya")


def test_the_number_of_tenants_in_memory_is_bounded(keyring):
    """The one that was not used for longest goes first."""
    keyring.cipher("surabaya")
    keyring.cipher("bandung")
    keyring.cipher("surabaya")
    keyring.cipher(database.PLATFORM)
    assert keyring.cached("bandung") is None
    assert keyring.cached("surabaya") is not None


def test_keys_that_were_dropped_are_held_by_nothing(own_database, keyring, clock):
    """Not where their time is over and nobody asks again, not where others took their place, not where forgotten."""

    def alive():
        gc.collect()
        return {one.tenant_id for one in gc.get_objects() if type(one) is TenantCipher} & {"ambon", "biak", "cirebon"}

    with own_database.begin() as connection:
        for tenant in ("ambon", "biak", "cirebon"):
            keyring.provision(connection, tenant)
    keyring.cipher("ambon")
    clock.now += 60
    keyring.cipher("biak")
    assert alive() == {"biak"}
    keyring.cipher("ambon")
    keyring.cipher("cirebon")
    assert alive() == {"ambon", "cirebon"}
    keyring.forget("ambon")
    assert alive() == {"cirebon"}


def test_what_is_forgotten_is_loaded_anew(keyring, provider):
    """Also when a load was under way that had begun before: its result is not kept."""
    keyring.cipher("surabaya")
    keyring.forget("surabaya")
    assert keyring.cached("surabaya") is None
    provider.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        stale = pool.submit(keyring.cipher, "surabaya")
        wait_until(lambda: provider.unwrapped == 2)
        keyring.forget("surabaya")
        provider.gate.set()
        stale.result(30)
    assert keyring.cached("surabaya") is None


@pytest.mark.parametrize("options", [{"capacity": 0}, {"ttl": 0}, {"ttl": -1}])
def test_a_keyring_without_bounds_is_refused(own_database, provider, options):
    """No setting means "for ever" or "never"."""
    with pytest.raises(ValueError, match="keyring"):
        Keyring(own_database, provider, **options)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_during_a_load_leaves_a_usable_keyring(keyring, provider):
    """The child does not wait for threads that exist in its parent only."""
    provider.gate.clear()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(keyring.cipher, "surabaya")
        wait_until(lambda: provider.unwrapped == 1)
        child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                if keyring.cached("surabaya") is None and not keyring._flights:
                    os._exit(7)
            os._exit(1)
        provider.gate.set()
        loading.result(30)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


# -- rotation ----------------------------------------------------------------------------------------------------------


def test_a_new_data_key_seals_once_every_process_must_know_it(own_database, keyring):
    """Old values open throughout; the new version is used two ``ttl`` after it was made."""
    old = keyring.cipher("surabaya").seal(FIELD, PLACE, b"old")
    with own_database.begin() as connection:
        assert keyring.rotate_data_key(connection, "surabaya") == 2
    keyring.forget("surabaya")
    assert keyring.cipher("surabaya").sealing_version == 1
    with own_database.begin() as connection:
        long_ago = (int(time.time()) - 121) * 1_000_000
        connection.execute(update(key_table).values(created_at=long_ago))
    keyring.forget("surabaya")
    cipher = keyring.cipher("surabaya")
    assert cipher.sealing_version == 2
    assert cipher.open(FIELD, PLACE, old) == b"old"
    assert keyring.cipher("bandung").sealing_version == 1


def test_a_tenant_without_keys_has_none_to_rotate(own_database, keyring):
    """Rotation never makes the first key."""
    with own_database.begin() as connection:
        with pytest.raises(SealError):
            keyring.rotate_data_key(connection, "nobody")
        assert not connection.execute(
            select(func.count()).select_from(key_table).where(key_table.c.tenant_id == "nobody")
        ).scalar_one()


def wait_until(happened):
    for _ in range(3000):
        if happened():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen within 30 s")
