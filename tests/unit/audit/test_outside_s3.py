"""A bucket of checkpoints, against moto's server: objects that are only ever made, and locked."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from amanah.audit.outside_s3 import Bucket, S3Outside
from amanah.errors import CheckpointsAway, ConfigurationError, TrailDamaged

PATIENT = {"connect_timeout": 30.0, "read_timeout": 30.0}


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
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)


@pytest.fixture(scope="module")
def admin(endpoint):
    """What an administrator of the account would use."""
    secret = {"aws_access_key_id": "admin", "aws_secret_access_key": "testing"}
    return boto3.session.Session().client("s3", region_name="ap-southeast-3", endpoint_url=endpoint, **secret)


@pytest.fixture
def bucket(admin, request):
    name = f"trail-{abs(hash(request.node.name)):x}"
    where = {"LocationConstraint": "ap-southeast-3"}
    admin.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=where)
    return name


def place(bucket, more=""):
    return S3Outside(Bucket.parse(f"s3://{bucket}/amanah/eu?region=ap-southeast-3{more}"), **PATIENT)


def key(number):
    digits = f"{number:012}"
    return f"amanah/eu/checkpoints/{digits[:3]}/{digits[3:6]}/{digits[6:9]}/{digits[9:]}"


def record(number):
    return f"amanah/klinik-a\n{number}\nroot é\n"


def filled(bucket, *numbers):
    outside = place(bucket)
    for number in numbers:
        outside.write(number, record(number))
    return outside


def test_records_are_read_back_in_order_from_any_number_on(bucket):
    """The greatest is found by four listings, whatever the gaps."""
    outside = place(bucket)
    assert (outside.newest(), list(outside.read()), outside.heartbeat()) == (0, [], None)
    written = [1, 2, 999, 1000, 1001, 1_000_000, 2_000_000_007]
    for number in written:
        outside.write(number, record(number))
        assert outside.newest() == number
    assert list(outside.read()) == [(one, record(one)) for one in written]
    assert [number for number, _ in place(bucket).read(1000)] == written[3:]
    assert list(outside.read(2_000_000_008)) == []


def test_more_records_than_a_listing_has_are_all_read(bucket, monkeypatch):
    """Page after page, with one that ends between two versions of a record."""
    outside = filled(bucket, *range(1, 8))
    listed = outside._client[1].list_object_versions
    monkeypatch.setattr(outside._client[1], "list_object_versions", lambda **more: listed(**more, MaxKeys=2))
    assert [number for number, _ in outside.read()] == list(range(1, 8))
    assert outside.newest() == 7


def test_a_record_is_locked_until_its_day(bucket, admin):
    """Compliance for a year unless the setting says otherwise; the store refuses to take it away before."""
    filled(bucket, 1)
    place(bucket, "&lock=governance&days=30").write(2, record(2))
    for number, mode, days in ((1, "COMPLIANCE", 365), (2, "GOVERNANCE", 30)):
        kept = admin.head_object(Bucket=bucket, Key=key(number))
        assert kept["ObjectLockMode"] == mode
        assert abs(kept["ObjectLockRetainUntilDate"] - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=5)
    version = admin.list_object_versions(Bucket=bucket, Prefix=key(1))["Versions"][0]["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        admin.delete_object(Bucket=bucket, Key=key(1), VersionId=version)


def test_the_same_record_again_is_fine_and_another_one_is_refused_by_the_store(bucket, admin):
    """An answer that was lost is made up for by the next attempt."""
    outside = filled(bucket, 1)
    outside.write(1, record(1))
    with pytest.raises(TrailDamaged):
        outside.write(1, "another")
    assert len(admin.list_object_versions(Bucket=bucket, Prefix=key(1))["Versions"]) == 1


def test_the_heartbeat_is_the_newest(bucket):
    """Replaced, again and again."""
    outside = place(bucket)
    outside.beat("first\n")
    outside.beat("second é\n")
    assert place(bucket).heartbeat() == "second é\n"


def test_what_lies_beside_the_records_is_left_alone(bucket, admin):
    """A folder made in a console, and somebody else's objects."""
    filled(bucket, 1)
    for name in ("amanah/eu/checkpoints/", "amanah/eu/checkpoints/readme", "amanah/eu/other", "x"):
        admin.put_object(Bucket=bucket, Key=name, Body=b"")
    assert place(bucket).newest() == 1
    assert list(place(bucket).read()) == [(1, record(1))]


def test_a_place_that_does_not_answer_is_away(bucket, monkeypatch):
    """Nobody listening, nobody answering, no such bucket, no object lock: the code is told, no address."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (1, silent.getsockname()[1]):
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
            limits = {"connect_timeout": 0.2, "read_timeout": 0.2, "attempts": 1}
            away = S3Outside(Bucket.parse(f"s3://{bucket}/amanah/eu"), **limits)
            for ask in (
                S3Outside.newest,
                lambda one: one.write(1, "x"),
                lambda one: [*one.read()],
                S3Outside.heartbeat,
            ):
                with pytest.raises(CheckpointsAway) as met:
                    ask(away)
                assert "127.0.0.1" not in str(met.value)


def test_a_bucket_that_is_not_there_or_does_not_lock_takes_nothing(admin, bucket):
    """The operator is told the store's own code."""
    with pytest.raises(CheckpointsAway, match="NoSuchBucket"):
        place("no-such-bucket").write(1, "x")
    where = {"LocationConstraint": "ap-southeast-3"}
    admin.create_bucket(Bucket=f"{bucket}-plain", CreateBucketConfiguration=where)
    with pytest.raises(CheckpointsAway, match="InvalidRequest"):
        place(f"{bucket}-plain").write(1, "x")


def test_a_child_process_has_connections_of_its_own(bucket):
    """A worker may fork after it has written."""
    outside = filled(bucket, 1)
    client = outside._client
    outside._client = (os.getpid() + 1, client[1])
    assert outside.newest() == 1
    assert outside._client[1] is not client[1]


@pytest.mark.parametrize(
    "text",
    [
        "s3://",
        "s3:///prefix",
        "s3://Bucket/x",
        "s3://bucket/x?lock=none",
        "s3://bucket/x?days=0",
        "s3://bucket/x?days=ten",
        "s3://bucket/x?days=99999",
        "s3://bucket/x?region=",
        "s3://bucket/x?nonsense=1",
        "s3://bucket/x?region",
        "s3://bucket/x#y",
        "s3://bucket/x y",
        "s3://user:password@bucket/x",
        "https://bucket/x",
    ],
)
def test_a_bucket_that_cannot_be_meant_is_refused(text):
    """Nothing is guessed, and the refusal does not repeat what may be a secret."""
    with pytest.raises(ConfigurationError) as met:
        Bucket.parse(text)
    assert "password" not in str(met.value)


def test_a_bucket_is_understood():
    """With and without a prefix."""
    assert Bucket.parse("s3://bucket/a/b/?region=eu-central-1&lock=governance&days=30") == Bucket(
        "bucket", "a/b/", "eu-central-1", "governance", 30
    )
    assert Bucket.parse("s3://bucket") == Bucket("bucket", "", None, "compliance", 365)
    assert Bucket.parse("s3://bucket/a?region=x").name == "s3://bucket/a"


# -- who may write to the bucket, but not take away what is locked -----------------------------------------------------


def test_a_delete_marker_hides_no_record(bucket, admin):
    """Neither from who asks for the newest nor from who reads."""
    filled(bucket, 1, 2)
    admin.delete_object(Bucket=bucket, Key=key(2))
    assert place(bucket).newest() == 2
    assert list(place(bucket).read()) == [(1, record(1)), (2, record(2))]


def test_a_record_that_was_written_over_does_not_pass(bucket, admin):
    """The first version is still there, and two that differ are damage."""
    filled(bucket, 1, 2)
    admin.put_object(Bucket=bucket, Key=key(2), Body=b"forged\n")
    with pytest.raises(TrailDamaged, match="2"):
        list(place(bucket).read())
    with pytest.raises(TrailDamaged):
        place(bucket).write(2, record(2))


def test_the_same_record_behind_a_delete_marker_is_one_record(bucket, admin):
    """The store lets it be made again; two versions that are alike are one."""
    filled(bucket, 1)
    admin.delete_object(Bucket=bucket, Key=key(1))
    place(bucket).write(1, record(1))
    assert len(admin.list_object_versions(Bucket=bucket, Prefix=key(1))["Versions"]) == 2
    assert list(place(bucket).read()) == [(1, record(1))]


@pytest.mark.parametrize("body", [b"\xff", b"x" * 100_001])
def test_a_heartbeat_that_cannot_be_ours_is_damage(bucket, admin, body):
    """No text, or too much of it."""
    admin.put_object(Bucket=bucket, Key="amanah/eu/heartbeat.note", Body=body)
    with pytest.raises(TrailDamaged):
        place(bucket).heartbeat()
