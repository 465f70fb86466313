"""A bucket with object lock on moto's server, and what an administrator of its account could do there."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

import boto3
from moto.server import ThreadedMotoServer

from amanah.audit.outside_s3 import Bucket, S3Outside

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION: Final = "ap-southeast-3"
PREFIX: Final = "amanah/eu/"


def serve() -> Iterator[str]:
    """The endpoint of a server that runs meanwhile."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class World:
    """One bucket; ``admin`` is not the one that the places write with."""

    def __init__(self, endpoint: str) -> None:
        secret = {"aws_access_key_id": "admin", "aws_secret_access_key": "testing"}
        self.admin: Any = boto3.session.Session().client("s3", region_name=REGION, endpoint_url=endpoint, **secret)
        self.bucket = f"trail-{uuid.uuid4().hex}"
        self.make(self.bucket, ObjectLockEnabledForBucket=True)

    def make(self, name: str, **more: Any) -> None:
        """Make a bucket."""
        where = {"LocationConstraint": REGION}
        self.admin.create_bucket(Bucket=name, CreateBucketConfiguration=where, **more)

    def place(self, more: str = "", bucket: str | None = None) -> S3Outside:
        """Another instance of the place, patient with a machine that is busy."""
        said = Bucket.parse(f"s3://{bucket or self.bucket}/{PREFIX}?region={REGION}{more}")
        return S3Outside(said, connect_timeout=30.0, read_timeout=30.0)

    def filled(self, *numbers: int) -> S3Outside:
        """A place with these records."""
        outside = self.place()
        for number in numbers:
            outside.write(number, record(number))
        return outside

    def versions(self, number: int) -> list[Any]:
        """All that there is of a record."""
        found: list[Any] = self.admin.list_object_versions(Bucket=self.bucket, Prefix=key(number))["Versions"]
        return found

    def put(self, name: str, body: bytes) -> None:
        """What somebody with other credentials writes there."""
        self.admin.put_object(Bucket=self.bucket, Key=name, Body=body)


def key(number: int) -> str:
    """The object's name of a record."""
    digits = f"{number:012}"
    return f"{PREFIX}checkpoints/{digits[:3]}/{digits[3:6]}/{digits[6:9]}/{digits[9:]}"


def record(number: int) -> str:
    """Some text of its own for each number."""
    return f"amanah/klinik-a\n{number}\nroot é\n"
