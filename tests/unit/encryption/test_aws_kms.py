"""Against moto's server, which refuses a wrong encryption context as KMS does."""

from __future__ import annotations

import base64
import logging
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import boto3
import pytest
from botocore.exceptions import ClientError, NoCredentialsError
from moto.server import ThreadedMotoServer

from amanah.encryption.aws_kms_errors import raised
from amanah.encryption.aws_kms_provider import AwsKmsProvider
from amanah.errors import (
    AmanahError,
    ConfigurationError,
    KeyServiceRefused,
    KeysUnavailable,
    ProviderCannot,
    ProviderKeyCurrent,
    ProviderKeyMissing,
    ProviderKeyUnusable,
    ProviderKeyWrong,
    Tampered,
)

KEY, CONTEXT = b"\xaak" * 16, b"3:key,7:tenant1,"
REGION = "ap-southeast-3"


def kms(key, **more):
    """A provider that waits for a machine that is busy."""
    return AwsKmsProvider(key, connect_timeout=30.0, read_timeout=30.0, **more)


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def surroundings(kms_world, endpoint, monkeypatch, tmp_path):
    """What boto3 reads, and nothing of this machine's own."""
    kms_world.surround(monkeypatch, tmp_path, int(endpoint.rpartition(":")[2]))


@pytest.fixture(scope="module")
def aws(endpoint):
    """What an administrator of the account would use."""
    secret = {"aws_access_key_id": "admin", "aws_secret_access_key": "testing"}
    return boto3.session.Session().client("kms", region_name=REGION, endpoint_url=endpoint, **secret)


@pytest.fixture
def alias(request):
    return f"alias/{abs(hash(request.node.name))}"


@pytest.fixture
def keys(alias):
    """A provider whose alias leads to a first key."""
    keys = kms(alias)
    keys.create_key("tenants")
    return keys


def test_what_kms_wrapped_it_unwraps_for_the_same_context_only(keys):
    """In another process too; another context or a changed byte is tampering."""
    name = keys.key_id()
    assert len(name) <= 255
    wrapped = keys.wrap(KEY, CONTEXT, name)
    assert len(wrapped) <= 1024
    assert KEY not in wrapped
    assert kms(name).unwrap(wrapped, CONTEXT, name) == KEY
    for changed, context in [
        (wrapped, CONTEXT + b"x"),
        (wrapped[:-1] + bytes([wrapped[-1] ^ 1]), CONTEXT),
        (wrapped[:-1], CONTEXT),
        (b"", CONTEXT),
        (b"x" * 7000, CONTEXT),
    ]:
        with pytest.raises(Tampered):
            keys.unwrap(changed, context, name)


def test_the_alias_says_which_key_is_current(keys, alias, aws):
    """A new key for tenants moves it; other processes notice within the time for which they remember it."""
    clock = SimpleNamespace(now=0.0)
    other = kms(alias, clock=lambda: clock.now, remembered=30)
    old = other.key_id()
    wrapped = keys.wrap(KEY, CONTEXT, old)
    new = keys.create_key("tenants")
    assert new != old
    assert keys.key_id() == new == aws.describe_key(KeyId=alias)["KeyMetadata"]["Arn"]
    assert other.key_id() == old
    clock.now = 30.0
    assert other.key_id() == new
    assert keys.unwrap(wrapped, CONTEXT, old) == KEY


@pytest.mark.parametrize("form", ["id", "arn", "alias arn"])
def test_a_key_is_configured_by_id_arn_or_alias(keys, aws, alias, form):
    """Rows always hold its ARN."""
    found = aws.describe_key(KeyId=alias)["KeyMetadata"]
    said = {"id": found["KeyId"], "arn": found["Arn"], "alias arn": found["Arn"].partition("key/")[0] + alias}[form]
    other = kms(said)
    wrapped = other.wrap(KEY, CONTEXT, found["Arn"])
    assert other.key_id() == found["Arn"]
    assert keys.unwrap(wrapped, CONTEXT, keys.key_id()) == KEY


def test_one_configured_key_stays_the_current_one(keys, aws):
    """Without an alias there is nothing to move; nothing is made. Keys of epochs can be."""
    fixed = kms(keys.key_id())
    before = len(aws.list_keys(Limit=1000)["Keys"])
    with pytest.raises(ProviderCannot, match="alias"):
        fixed.create_key("tenants")
    assert len(aws.list_keys(Limit=1000)["Keys"]) == before
    epoch = fixed.create_key("epoch")
    assert fixed.key_id() == keys.key_id() != epoch
    assert keys.unwrap(fixed.wrap(KEY, CONTEXT, epoch), CONTEXT, epoch) == KEY


def test_a_key_carries_its_use_as_a_tag(keys, aws):
    """So that a policy in IAM can name what Amanah made and nothing else."""
    epoch = keys.create_key("epoch")
    tags = [aws.list_resource_tags(KeyId=name)["Tags"] for name in (keys.key_id(), epoch)]
    assert tags == [[{"TagKey": "amanah", "TagValue": use}] for use in ("tenants", "epoch")]


def test_destroying_takes_the_shortest_window(keys, aws):
    """Seven days; a second time changes nothing, nor does a key that is not there."""
    epoch = keys.create_key("epoch")
    for _ in range(2):
        keys.destroy_key(epoch)
    found = aws.describe_key(KeyId=epoch)["KeyMetadata"]
    assert found["KeyState"] == "PendingDeletion"
    assert round((found["DeletionDate"] - found["CreationDate"]).total_seconds() / 86400) == 7
    keys.destroy_key(epoch[:-12] + "0" * 12)


def test_the_current_key_is_not_destroyed(keys, alias, aws):
    """The alias is asked, not the memory: another process may have moved it."""
    old, new = keys.key_id(), kms(alias).create_key("tenants")
    with pytest.raises(ProviderKeyCurrent):
        keys.destroy_key(new)
    keys.destroy_key(old)
    assert aws.describe_key(KeyId=new)["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_key_that_somebody_else_made_is_not_destroyed(keys, aws):
    """Whoever can write to the database cannot make Amanah delete the keys of another application."""
    foreign = aws.create_key(Description="payroll")["KeyMetadata"]["Arn"]
    with pytest.raises(ProviderCannot, match="did not make"):
        keys.destroy_key(foreign)
    assert aws.describe_key(KeyId=foreign)["KeyMetadata"]["KeyState"] == "Enabled"


@pytest.mark.parametrize("configured", ["alias", "arn"])
def test_keys_of_another_provider_account_or_region_are_not_used(keys, alias, configured):
    """The error names both; KMS is not asked to use a key of somebody else's account."""
    name = keys.key_id()
    other = kms(alias if configured == "alias" else name)
    wrapped = keys.wrap(KEY, CONTEXT, name)
    asked = []
    other._client[1].meta.events.register("before-call.kms.*", lambda model, **_: asked.append(model.name))
    foreign = [
        "5d1f0c9a7b3e4826",
        "",
        alias,
        name.replace("key/", "alias/"),
        name.replace(REGION, "us-east-1"),
        name.replace("123456789012", "999999999999"),
        name + "\nx",
    ]
    for key_id in foreign:
        with pytest.raises(ProviderKeyWrong) as wrong:
            other.unwrap(wrapped, CONTEXT, key_id)
        assert key_id in str(wrong.value)
        assert (name if configured == "arn" else alias) in str(wrong.value) or name in str(wrong.value)
        with pytest.raises(ProviderKeyWrong):
            other.wrap(KEY, CONTEXT, key_id)
        with pytest.raises(ProviderCannot):
            other.destroy_key(key_id)
    assert set(asked) <= {"DescribeKey"}, "of its own key or alias"


def test_a_key_or_an_alias_that_is_not_there_is_named(keys):
    """It is the wrong configuration, not a service that is away."""
    gone = keys.key_id()[:-12] + "0" * 12
    for call in (lambda: keys.wrap(KEY, CONTEXT, gone), lambda: keys.unwrap(b"x", CONTEXT, gone)):
        with pytest.raises(ProviderKeyWrong, match=gone):
            call()
    with pytest.raises(ProviderKeyMissing, match=r"alias/nowhere.*keys init"):
        kms("alias/nowhere").key_id()


def test_a_key_made_for_an_alias_that_cannot_be_moved_is_given_back(keys, aws, monkeypatch):
    """The error is told, the old key stays current, and the new one costs nothing for ever."""
    before, old = {one["KeyArn"] for one in aws.list_keys(Limit=1000)["Keys"]}, keys.key_id()

    def refused(*_):
        raise KeyServiceRefused(detail="AccessDeniedException")

    monkeypatch.setattr(keys, "_point", refused)
    with pytest.raises(KeyServiceRefused):
        keys.create_key("tenants")
    (made,) = {one["KeyArn"] for one in aws.list_keys(Limit=1000)["Keys"]} - before
    assert aws.describe_key(KeyId=made)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert keys.key_id() == old


def test_credentials_that_may_not_make_keys_are_no_outage(keys):
    """It is something that this installation cannot do; expired ones are refused as ever."""
    said = {"Error": {"Code": "AccessDeniedException", "Message": "not authorized"}}
    answer = SimpleNamespace(status_code=400), said
    keys._client[1].meta.events.register("before-call.kms.CreateKey", lambda **_: answer)
    with pytest.raises(ProviderCannot, match="kms:CreateKey"):
        keys.create_key("epoch")
    said["Error"]["Code"] = "ExpiredTokenException"
    with pytest.raises(KeyServiceRefused, match="Expired"):
        keys.create_key("epoch")


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code, wanted",
    [
        ("InvalidCiphertextException", Tampered),
        ("IncorrectKeyException", Tampered),
        ("NotFoundException", ProviderKeyWrong),
        ("DisabledException", ProviderKeyUnusable),
        ("KMSInvalidStateException", ProviderKeyUnusable),
        ("InvalidKeyUsageException", ProviderKeyUnusable),
        ("AccessDeniedException", KeyServiceRefused),
        ("ExpiredTokenException", KeyServiceRefused),
        ("ThrottlingException", KeysUnavailable),
        ("KeyUnavailableException", KeysUnavailable),
        ("DependencyTimeoutException", KeysUnavailable),
        ("KMSInternalException", KeysUnavailable),
        ("500", KeysUnavailable),
        ("SomethingNewException", KeysUnavailable),
    ],
)
def test_each_answer_of_kms_has_its_error(code, wanted):
    """Changed, gone, unusable, refused, away; what is not known is away."""
    with pytest.raises(AmanahError) as told:
        raised(ClientError({"Error": {"Code": code, "Message": "m"}}, "Decrypt"), key_id="k", current="c")
    assert type(told.value) is wanted


def test_errors_without_an_answer_have_theirs():
    """No credentials is a refusal; a parameter that boto3 refuses is not quoted."""
    with pytest.raises(KeyServiceRefused, match="NoCredentialsError"):
        raised(NoCredentialsError(), key_id="k", current="c")
    with pytest.raises(KeysUnavailable):
        raised(OSError("no route to host"), key_id="k", current="c")


def test_a_key_in_a_parameter_that_boto3_refuses_is_not_in_the_error(keys):
    """It would quote the value."""
    with pytest.raises(KeysUnavailable) as told:
        keys._call("encrypt", "k", KeyId="k", Plaintext=KEY, EncryptionContext={"a": [KEY]})
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_a_server_that_stopped_is_unavailable_and_heals(alias, monkeypatch):
    """Connection refused, then the same provider against a server on the same port."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://{host}:{port}")
    keys = kms(alias, attempts=1)
    name = keys.create_key("tenants")
    wrapped = keys.wrap(KEY, CONTEXT, name)
    server.stop()
    for call in (
        lambda: keys.unwrap(wrapped, CONTEXT, name),
        lambda: keys.wrap(KEY, CONTEXT, name),
        lambda: keys.create_key("epoch"),
        lambda: keys.destroy_key(name),
        kms(alias, attempts=1).key_id,
    ):
        with pytest.raises(KeysUnavailable):
            call()
    again = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    again.start()
    try:
        assert keys.unwrap(wrapped, CONTEXT, name) == KEY
    finally:
        again.stop()


def test_a_server_that_never_answers_is_unavailable(kms_world, monkeypatch):
    """After the time-out, which is bounded by default as well."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(KeysUnavailable):
            AwsKmsProvider("alias/a", attempts=1, **kms_world.IMPATIENT).key_id()
        limits = AwsKmsProvider("alias/a")._client[1].meta.config
    assert (limits.connect_timeout + limits.read_timeout) * limits.retries["total_max_attempts"] <= 10


def test_nothing_of_a_key_is_logged(keys, aws, caplog):
    """At no level, by no logger: boto3 would log requests and answers at DEBUG."""
    caplog.set_level(logging.DEBUG)
    for known in list(logging.root.manager.loggerDict):
        if known.startswith(("boto", "urllib3")):  # somebody's Alembic in this process may have switched them off
            logging.getLogger(known).disabled = False
    name = keys.key_id()
    assert keys.unwrap(keys.wrap(KEY, CONTEXT, name), CONTEXT, name) == KEY
    for form in (KEY.decode("latin-1"), base64.b64encode(KEY).decode(), repr(KEY)[2:-1], KEY.hex()):
        assert form not in caplog.text
    aws.list_keys()
    assert "botocore" in {record.name.partition(".")[0] for record in caplog.records}, "the application's own are"


# -- where it runs -----------------------------------------------------------------------------------------------------


def test_no_region_and_no_key_are_told_at_once(monkeypatch):
    """A wrong configuration is found when the guard is built."""
    with pytest.raises(ConfigurationError, match="AMANAH_AWS_KMS_KEY"):
        AwsKmsProvider("")
    monkeypatch.delenv("AWS_REGION")
    with pytest.raises(ConfigurationError, match="region"):
        AwsKmsProvider("alias/a")


def test_without_boto3_the_extra_is_named(monkeypatch):
    """And Amanah without the extra imports nothing of it."""
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigurationError, match=r"amanah\[aws\]"):
        AwsKmsProvider("alias/a")
    code = "import amanah, amanah.guard, sys; sys.exit(bool({'boto3', 'botocore', 'pkcs11'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False).returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(keys):
    """Two processes never speak through one socket."""
    name, client = keys.key_id(), keys._client[1]
    wrapped = keys.wrap(KEY, CONTEXT, name)
    child = os.fork()
    if not child:
        done = 1
        try:
            done = 7 if keys.unwrap(wrapped, CONTEXT, name) == KEY and keys._client[1] is not client else 2
        finally:
            os._exit(done)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert keys._client[1] is client
