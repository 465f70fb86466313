"""A bucket of checkpoints, of S3 or a store that speaks like it (extra ``s3``): one object for each record, locked.

``checkpoints/000/000/001/234`` below the prefix is record 1234. Each carries a retention of its own (object lock), so
that nobody takes it away before its time, and is only ever created (``If-None-Match: *``). ``heartbeat.note`` is
replaced and not locked.

Invariants:

- what is read are *versions*: a delete marker on a record hides nothing, and a record of which two versions differ is
  `TrailDamaged`;
- to create, list and read is all that is needed: the writer's credentials should not be allowed more;
- a call takes at most ``attempts`` times (connect + read time-out) and a short pause between: ten seconds by default;
- an error's words hold the code of the store's answer, never its text.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from ..errors import CheckpointsAway, ConfigurationError, TrailDamaged
from ..i18n import N_
from .outside import LARGEST, checked

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY: Final = re.compile(r"checkpoints/([0-9]{3})/([0-9]{3})/([0-9]{3})/([0-9]{3})")
_LEVELS: Final = 4
_LONGEST_HEARTBEAT: Final = 100_000
_LONGEST_DAYS: Final = 36_500
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9!_.*'()/-]{0,500}")
_LOCKS: Final = ("compliance", "governance")
_THERE: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
_NOT_THERE: Final = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True, slots=True)
class Bucket:
    """``s3://bucket/prefix?region=…&lock=compliance&days=365``.

    ``prefix`` ends in a slash or is empty. ``lock``: ``compliance`` (nobody may shorten it) or ``governance`` (who has
    the permission to may). ``days``: for how long a record is locked.
    """

    bucket: str
    prefix: str
    region: str | None = None
    lock: str = "compliance"
    days: int = 365

    @classmethod
    def parse(cls, text: str) -> Bucket:
        """Raises `ConfigurationError` for anything that is not understood."""
        wrong = ConfigurationError(
            detail=N_("A bucket for checkpoints is written s3://bucket/prefix?region=…&lock=compliance&days=365.")
        )
        try:
            parts = urlsplit(text)
            said = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError:
            raise wrong from None
        prefix = parts.path.strip("/")
        lock, days = said.pop("lock", "compliance"), said.pop("days", "365")
        region = said.pop("region", None)
        if (
            said
            or parts.scheme != "s3"
            or parts.fragment
            or not _BUCKET.fullmatch(parts.netloc)
            or not _PREFIX.fullmatch(prefix)
            or lock not in _LOCKS
            or not (days.isascii() and days.isdecimal() and 1 <= int(days) <= _LONGEST_DAYS)
            or region == ""
        ):
            raise wrong
        return cls(parts.netloc, f"{prefix}/" if prefix else "", region, lock, int(days))

    @property
    def name(self) -> str:
        """By which an operator knows it."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class S3Outside:
    """The records in one bucket, below one prefix. Safe for threads and after a fork."""

    def __init__(
        self, bucket: Bucket, *, connect_timeout: float = 2.0, read_timeout: float = 2.5, attempts: int = 2
    ) -> None:
        """Asks nobody. Credentials, region and endpoint (AWS_ENDPOINT_URL_S3) come from where boto3 takes them.

        Time-outs in seconds, of one of ``attempts``. Raises `ConfigurationError` where boto3 or a region is missing.
        """
        self._bucket = bucket
        self._limits = {"connect_timeout": connect_timeout, "read_timeout": read_timeout}
        self._attempts = attempts
        self._client: tuple[int, Any] = os.getpid(), self._made_client()

    def write(self, number: int, record: str) -> None:
        """One PUT; another GET where an object of that name is there already."""
        data = checked(number, record)
        until = datetime.now(UTC) + timedelta(days=self._bucket.days)
        try:
            self._call(
                "put_object",
                Key=self._key(number),
                Body=data,
                ContentType="text/plain; charset=utf-8",
                IfNoneMatch="*",
                ObjectLockMode=self._bucket.lock.upper(),
                ObjectLockRetainUntilDate=until,
                ChecksumAlgorithm="SHA256",
            )
        except _Answered as answer:
            if answer.code not in _THERE:
                raise self._away(answer.code) from None
            kept = self._get(self._key(number), LARGEST)
            if kept is None:
                raise self._away(answer.code) from None
            if kept != data:
                raise TrailDamaged(detail=f"another record {number} was written before") from None

    def newest(self) -> int:
        """Four listings: of thousands of millions, of millions, of thousands, of ones."""
        prefix = "checkpoints/"
        for level in range(_LEVELS):
            names = [name for name, _ in self._names(prefix)] if level == _LEVELS - 1 else self._folders(prefix)
            numbers = [name for name in names if re.fullmatch(r"[0-9]{3}/?", name.removeprefix(prefix))]
            if not numbers:
                if level == 0:
                    return 0
                raise TrailDamaged(detail=f"{prefix} in the bucket holds something that is no record")
            prefix = max(numbers)
        return self._number(prefix)

    def read(self, first: int = 1) -> Iterator[tuple[int, str]]:
        """A listing for a thousand records, and one GET for each."""
        after = self._key(first - 1) if first > 1 else None
        for name, versions in self._names("checkpoints/", after=after):
            if _KEY.fullmatch(name) is None:
                continue  # somebody else's
            data = self._get(self._bucket.prefix + name, LARGEST, versions[0])
            if any(self._get(self._bucket.prefix + name, LARGEST, one) != data for one in versions[1:]):
                raise TrailDamaged(detail=f"record {self._number(name)} was written over")
            yield self._number(name), _text(data, name)

    def beat(self, note: str) -> None:
        """One PUT."""
        try:
            self._call(
                "put_object",
                Key=f"{self._bucket.prefix}heartbeat.note",
                Body=note.encode(),
                ContentType="text/plain; charset=utf-8",
            )
        except _Answered as answer:
            raise self._away(answer.code) from None

    def heartbeat(self) -> str | None:
        """One GET."""
        data = self._get(f"{self._bucket.prefix}heartbeat.note", _LONGEST_HEARTBEAT)
        return None if data is None else _text(data, "heartbeat.note")

    # -- names ---------------------------------------------------------------------------------------------------------

    def _key(self, number: int) -> str:
        digits = f"{number:012}"
        return f"{self._bucket.prefix}checkpoints/{digits[:3]}/{digits[3:6]}/{digits[6:9]}/{digits[9:]}"

    def _number(self, name: str) -> int:
        found = _KEY.fullmatch(name)
        if found is None or not int("".join(found.groups())):
            raise TrailDamaged(detail="the bucket holds something among the records that is none")
        return int("".join(found.groups()))

    def _folders(self, prefix: str) -> list[str]:
        return [
            str(one["Prefix"]).removeprefix(self._bucket.prefix)
            for page in self._pages(prefix, Delimiter="/")
            for one in page.get("CommonPrefixes", ())
        ]

    def _names(self, prefix: str, after: str | None = None) -> Iterator[tuple[str, list[str]]]:
        """Each object's name and the ids of its versions, by name."""
        name, versions = "", list[str]()
        for page in self._pages(prefix, **({} if after is None else {"KeyMarker": after})):
            for one in page.get("Versions", ()):
                key = str(one["Key"]).removeprefix(self._bucket.prefix)
                if key != name and versions:
                    yield name, versions
                    versions = []
                name = key
                versions.append(str(one["VersionId"]))
        if versions:
            yield name, versions

    def _pages(self, prefix: str, **more: str) -> Iterator[dict[str, Any]]:
        while True:
            try:
                page = self._call("list_object_versions", Prefix=self._bucket.prefix + prefix, **more)
            except _Answered as answer:
                raise self._away(answer.code) from None
            yield page
            if not page.get("IsTruncated"):
                return
            more["KeyMarker"] = page["NextKeyMarker"]
            if page.get("NextVersionIdMarker"):
                more["VersionIdMarker"] = page["NextVersionIdMarker"]
            else:
                more.pop("VersionIdMarker", None)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _get(self, key: str, limit: int, version: str | None = None) -> bytes | None:
        which = {} if version in (None, "null") else {"VersionId": version}
        try:
            answer = self._call("get_object", Key=key, **which)
        except _Answered as said:
            if said.code in _NOT_THERE:
                return None
            raise self._away(said.code) from None
        try:
            data: bytes = answer["Body"].read(limit + 1)
        except Exception as error:  # noqa: BLE001 - the connection ended, in any of botocore's and urllib3's ways
            raise self._away(type(error).__name__) from None
        if len(data) > limit:
            raise TrailDamaged(detail="the bucket holds a record that is too long")
        return data

    def _call(self, operation: str, **parameters: object) -> dict[str, Any]:
        """Raises `_Answered` where the store says no, `CheckpointsAway` where it says nothing."""
        pid, client = self._client
        if pid != os.getpid():  # connections are not shared with the process that forked this one
            client = self._made_client()
            self._client = os.getpid(), client
        try:
            answer: dict[str, Any] = getattr(client, operation)(Bucket=self._bucket.bucket, **parameters)
        except Exception as error:  # noqa: BLE001 - whatever boto3 raises has one of our errors
            response: dict[str, Any] = getattr(error, "response", None) or {}
            code = str(response.get("Error", {}).get("Code", ""))
            if code:
                raise _Answered(code) from None
            raise self._away(type(error).__name__) from None
        return answer

    def _away(self, detail: str) -> CheckpointsAway:
        return CheckpointsAway(place=self._bucket.name, detail=detail)

    def _made_client(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise ConfigurationError(
                detail=N_("A bucket for checkpoints needs boto3: pip install amanah[s3]")
            ) from None
        config: dict[str, Any] = {"retries": {"total_max_attempts": self._attempts, "mode": "standard"}, **self._limits}
        if os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
            config["s3"] = {"addressing_style": "path"}  # other stores than Amazon's rarely have a host per bucket
        region = self._bucket.region or os.environ.get("AWS_REGION")
        try:
            # A session of its own: boto3's default one is not safe for threads.
            return boto3.session.Session().client("s3", region_name=region, config=Config(**config))
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(detail=str(error)) from None


class _Answered(Exception):
    """The store answered with an error of this code."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


def _text(data: bytes | None, name: str) -> str:
    try:
        return (data or b"").decode()
    except UnicodeDecodeError:
        raise TrailDamaged(detail=f"{name} holds something that is not text") from None


__all__ = ["Bucket", "S3Outside"]
