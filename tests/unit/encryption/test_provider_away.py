"""A keyring over the real client of AWS KMS, whose server stops, or takes the connection and never answers."""

from __future__ import annotations

import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import select

from amanah import database
from amanah.encryption.aws_kms_provider import AwsKmsProvider
from amanah.encryption.file_provider import FileKeyProvider
from amanah.encryption.keyring import Keyring
from amanah.encryption.models import key as key_table
from amanah.encryption.succeeding_provider import SucceedingProvider
from amanah.errors import KeysUnavailable, ProviderKeyWrong

FIELD, PLACE = "customer.phone", b"14:customer.phone,1:7,"


class Clock:
    """Seconds that pass when a test says so."""

    now = 1000.0

    def __call__(self):
        return self.now


def limit(provider, limits):
    """Give the provider another client with these limits."""
    provider._limits = limits
    provider._client = os.getpid(), provider._made_client()


class Service:
    """A port of this machine behind which KMS answers, is away, or takes connections and says nothing."""

    def __init__(self, world, monkeypatch, folder):
        self.world = world
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self.port = self._server.get_host_and_port()[1]
        self._silent = None
        world.surround(monkeypatch, folder, self.port)

    def stop(self, provider=None):
        if self._server is not None:
            self._server.stop()
            self._server = None

    def be_silent(self, provider):
        self.stop()
        self._silent = socket.create_server(("127.0.0.1", self.port))
        limit(provider, self.world.IMPATIENT)

    def begin(self, provider):
        self.close()
        limit(provider, self.world.PATIENT)
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
        self._server.start()

    def close(self):
        self.stop()
        if self._silent is not None:
            self._silent.close()
            self._silent = None


@pytest.fixture
def service(kms_world, monkeypatch, tmp_path):
    service = Service(kms_world, monkeypatch, tmp_path)
    yield service
    service.close()


@pytest.fixture
def engine(sqlite_database, all_models):
    engine = database.own_engine(sqlite_database)
    database.core.create_all(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def provider(service, request):
    provider = AwsKmsProvider(f"alias/{abs(hash(request.node.name))}", attempts=1, **service.world.PATIENT)
    provider.create_key("tenants")
    return provider


@pytest.fixture
def keyring(engine, provider, clock):
    keyring = Keyring(engine, provider, ttl=60, clock=clock)
    with engine.begin() as connection:
        for tenant in (database.PLATFORM, "surabaya", "bandung"):
            keyring.provision(connection, tenant)
    return keyring


@pytest.mark.parametrize("how", ["stop", "be_silent"])
def test_what_is_in_memory_goes_on_until_its_time_limit(keyring, provider, service, clock, how):
    """Another tenant is refused at once; then this one is too, and both are back with the service."""
    sealed = keyring.cipher("surabaya").seal(FIELD, PLACE, b"value")
    getattr(service, how)(provider)
    clock.now += 59
    assert keyring.cipher("surabaya").open(FIELD, PLACE, sealed) == b"value"
    with pytest.raises(KeysUnavailable):
        keyring.cipher("bandung")
    clock.now += 1
    with pytest.raises(KeysUnavailable):
        keyring.cipher("surabaya")
    service.begin(provider)
    assert keyring.cipher("surabaya").open(FIELD, PLACE, sealed) == b"value"
    keyring.cipher("bandung")


def test_who_waits_for_a_service_that_never_answers_is_told_with_the_first(keyring, provider, service, monkeypatch):
    """One question to the service for all who ask at once; each gets an error of its own, after one time limit."""
    service.be_silent(provider)
    asked, all_here = [], threading.Event()
    real = AwsKmsProvider.unwrap

    def unwrap(self, *arguments):
        asked.append(arguments)
        all_here.wait(30)  # or a quick first one would be done before the others come
        return real(self, *arguments)

    monkeypatch.setattr(AwsKmsProvider, "unwrap", unwrap)
    began = threading.Barrier(9)

    def work():
        began.wait(30)
        return keyring.cipher("surabaya")

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(work) for _ in range(8)]
        began.wait(30)
        while not (asked and len(keyring._flights["surabaya"]._condition._waiters) == 7):
            threading.Event().wait(0.002)
        all_here.set()
        errors = [one.exception(30) for one in waiting]
    assert {type(error) for error in errors} == {KeysUnavailable}
    assert len({id(error) for error in errors}) == 8
    assert len(asked) == 1
    assert keyring.cached("surabaya") is None


def test_nothing_is_created_while_the_service_is_away(keyring, engine, provider, service):
    """A new tenant is refused, and no row is left of it: no key that only this process would have known."""
    service.be_silent(provider)
    with pytest.raises(KeysUnavailable), engine.begin() as connection:
        keyring.provision(connection, "jakarta")
    with engine.connect() as connection:
        assert not connection.execute(select(key_table).where(key_table.c.tenant_id == "jakarta")).all()


def test_keys_that_another_provider_wrapped_are_named_with_both_ids(keyring, engine, provider, tmp_path):
    """A key file over KMS's database, and the other way round: which key is wanted and which there is."""
    file = FileKeyProvider.create(tmp_path / "keys.json")
    with pytest.raises(ProviderKeyWrong, match=file.key_id()) as wrong:
        Keyring(engine, file).cipher("surabaya")
    assert provider.key_id() in str(wrong.value)
    moving = SucceedingProvider(file, provider)
    with engine.begin() as connection:
        Keyring(engine, moving).provision(connection, "jakarta")
        kek = select(key_table.c.provider_key_id).where(key_table.c.tenant_id == "jakarta", key_table.c.kind == "kek")
        assert connection.execute(kek).scalar_one() == file.key_id()
    with pytest.raises(ProviderKeyWrong, match=file.key_id()) as wrong:
        keyring.cipher("jakarta")
    assert provider.key_id() in str(wrong.value)
    Keyring(engine, moving).cipher("surabaya")
    Keyring(engine, moving).cipher("jakarta")
