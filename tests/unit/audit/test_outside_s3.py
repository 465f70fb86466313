"""A bucket of checkpoints, against moto's server: objects that are only ever made, and locked."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from amanah.audit.outside_s3 import Bucket, S3Outside
from amanah.errors import CheckpointsAway, ConfigurationError, TrailDamaged
from tests.s3_world import key, record


def test_records_are_read_back_in_order_from_any_number_on(s3):
    """The greatest is found by four listings, whatever the gaps."""
    outside = s3.place()
    assert (outside.newest(), list(outside.read()), outside.heartbeat()) == (0, [], None)
    written = [1, 2, 999, 1000, 1001, 1_000_000, 2_000_000_007]
    for number in written:
        outside.write(number, record(number))
        assert outside.newest() == number
    assert list(outside.read()) == [(one, record(one)) for one in written]
    assert [number for number, _ in s3.place().read(1000)] == written[3:]
    assert list(outside.read(2_000_000_008)) == []


def test_more_records_than_a_listing_has_are_all_read(s3, monkeypatch):
    """Page after page, with one that ends between two versions of a record."""
    outside = s3.filled(*range(1, 8))
    listed = outside._client[1].list_object_versions
    monkeypatch.setattr(outside._client[1], "list_object_versions", lambda **more: listed(**more, MaxKeys=2))
    assert [number for number, _ in outside.read()] == list(range(1, 8))
    assert outside.newest() == 7


def test_a_record_is_locked_until_its_day(s3):
    """Compliance for a year unless the setting says otherwise; the store refuses to take it away before."""
    s3.filled(1)
    s3.place("&lock=governance&days=30").write(2, record(2))
    for number, mode, days in ((1, "COMPLIANCE", 365), (2, "GOVERNANCE", 30)):
        kept = s3.admin.head_object(Bucket=s3.bucket, Key=key(number))
        assert kept["ObjectLockMode"] == mode
        assert abs(kept["ObjectLockRetainUntilDate"] - datetime.now(UTC) - timedelta(days=days)) < timedelta(minutes=5)
    version = s3.versions(1)[0]["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.admin.delete_object(Bucket=s3.bucket, Key=key(1), VersionId=version)


def test_the_same_record_again_is_fine_and_another_one_is_refused_by_the_store(s3):
    """An answer that was lost is made up for by the next attempt."""
    outside = s3.filled(1)
    outside.write(1, record(1))
    with pytest.raises(TrailDamaged):
        outside.write(1, "another")
    assert len(s3.versions(1)) == 1


def test_the_heartbeat_is_the_newest(s3):
    """Replaced, again and again."""
    outside = s3.place()
    outside.beat("first\n")
    outside.beat("second é\n")
    assert s3.place().heartbeat() == "second é\n"


def test_what_lies_beside_the_records_is_left_alone(s3):
    """A folder made in a console, and somebody else's objects."""
    s3.filled(1)
    for name in ("amanah/eu/checkpoints/", "amanah/eu/checkpoints/readme", "amanah/eu/other", "x"):
        s3.put(name, b"")
    assert s3.place().newest() == 1
    assert list(s3.place().read()) == [(1, record(1))]


def test_a_place_that_does_not_answer_is_away(s3, monkeypatch):
    """Nobody listening, nobody answering, no such bucket, no object lock: the code is told, no address."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (1, silent.getsockname()[1]):
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
            limits = {"connect_timeout": 0.2, "read_timeout": 0.2, "attempts": 1}
            away = S3Outside(Bucket.parse(f"s3://{s3.bucket}/amanah/eu"), **limits)
            for ask in (
                S3Outside.newest,
                lambda one: one.write(1, "x"),
                lambda one: [*one.read()],
                S3Outside.heartbeat,
            ):
                with pytest.raises(CheckpointsAway) as met:
                    ask(away)
                assert "127.0.0.1" not in str(met.value)


def test_a_bucket_that_is_not_there_or_does_not_lock_takes_nothing(s3):
    """The operator is told the store's own code."""
    with pytest.raises(CheckpointsAway, match="NoSuchBucket"):
        s3.place(bucket="no-such-bucket").write(1, "x")
    s3.make(f"{s3.bucket}-plain")
    with pytest.raises(CheckpointsAway, match="InvalidRequest"):
        s3.place(bucket=f"{s3.bucket}-plain").write(1, "x")


def test_a_child_process_has_connections_of_its_own(s3):
    """A worker may fork after it has written."""
    outside = s3.filled(1)
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
