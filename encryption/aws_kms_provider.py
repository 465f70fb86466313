"""Provider keys in AWS KMS (extra ``aws``): they never leave it, and who may use them is said in IAM.

*Wrapping* is KMS's Encrypt under a symmetric key, with an encryption context of one entry, ``amanah``: the base64 of
what the wrapped key is bound to. KMS authenticates it, and CloudTrail shows it (it names the tenant, no person).
*Key ids* are the keys' ARNs. A row of the database that names an ARN of another account or region, an alias, or another
provider's key is refused before KMS is asked, so nobody who can write to the database makes this installation use a key
of their own account.

Invariants:

- a call takes at most ``attempts`` times (connect + read time-out) and a short pause between: ten seconds by default;
- only keys that `create_key` made (their description says so) are destroyed, and never the current one;
- botocore writes requests and answers, keys included, to its log at level DEBUG: not those of this provider.

*Destroying* schedules the deletion with the shortest window that KMS has, seven days. The key cannot be used from then
on; until the window ends an administrator of the account can cancel the deletion.
"""

from __future__ import annotations

import base64
import os
import re
import time
from typing import TYPE_CHECKING, Any, Final

from ..errors import (
    ConfigurationError,
    KeyServiceRefused,
    KeysUnavailable,
    ProviderCannot,
    ProviderKeyCurrent,
    ProviderKeyMissing,
    ProviderKeyWrong,
    Tampered,
)
from ..i18n import N_
from .aws_kms_errors import raised
from .aws_kms_log import quiet

if TYPE_CHECKING:
    from collections.abc import Callable

    from .provider import KeyUse

WINDOW_DAYS: Final = 7
"""Between `AwsKmsProvider.destroy_key` and the destruction; the least that KMS has."""
_MADE: Final = "Amanah: "
_ARN: Final = re.compile(r"(arn:aws[a-z-]*:kms:([a-z0-9-]+):[0-9]{12}:)(key|alias)/[A-Za-z0-9/_-]+")
_LONGEST_WRAPPED: Final = 6144  # of what KMS's Decrypt takes
_GOING: Final = frozenset({"PendingDeletion", "PendingReplicaDeletion"})


class AwsKmsProvider:
    """A :class:`~amanah.encryption.provider.KeyProvider` over one AWS account and region."""

    destruction_days: Final = WINDOW_DAYS
    """An administrator of the service may call off a key's destruction for so long."""

    def __init__(
        self,
        key: str,
        *,
        region: str | None = None,
        connect_timeout: float = 2.0,
        read_timeout: float = 2.5,
        attempts: int = 2,
        remembered: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``key``: an alias (``alias/amanah``) that says which key is current, or one key's ARN or id. Asks nobody.

        Credentials, region (unless an ARN says it) and endpoint come from where boto3 takes them: the environment
        (``AWS_REGION``, ``AWS_ENDPOINT_URL_KMS`` …), a profile, or the machine's role. Time-outs in seconds, of one of
        ``attempts``. ``remembered``: seconds for which an alias's key is kept.

        Raises :class:`~amanah.errors.ConfigurationError` where boto3 or a region is missing.
        """
        if not key:
            raise ConfigurationError(detail=N_("Name the key or the alias in AWS KMS: AMANAH_AWS_KMS_KEY."))
        self._configured = key
        self._is_alias = key.startswith("alias/") or ":alias/" in key
        whole = _ARN.fullmatch(key)
        # AWS's containers and functions set AWS_REGION; boto3 itself reads AWS_DEFAULT_REGION.
        self._region = region or (whole[2] if whole else None) or os.environ.get("AWS_REGION")
        self._limits = {"connect_timeout": connect_timeout, "read_timeout": read_timeout}
        self._attempts = attempts
        self._remembered = remembered
        self._clock = clock
        self._home = whole[1] if whole else None
        self._current: tuple[str, float] | None = (key, float("inf")) if whole and whole[3] == "key" else None
        self._client: tuple[int, Any] = os.getpid(), self._made_client()

    def key_id(self) -> str:
        """The ARN of the key that the alias leads to, or of the one key."""
        current = self._current
        if current is not None and self._clock() < current[1]:
            return current[0]
        return self._resolved()

    def wrap(self, key: bytes, context: bytes, key_id: str) -> bytes:
        """KMS's Encrypt."""
        self._check_home(key_id)
        answer = self._call("encrypt", key_id, KeyId=key_id, Plaintext=key, EncryptionContext=_bound(context))
        return bytes(answer["CiphertextBlob"])

    def unwrap(self, wrapped: bytes, context: bytes, key_id: str) -> bytes:
        """KMS's Decrypt, by this key only."""
        self._check_home(key_id)
        if not 0 < len(wrapped) <= _LONGEST_WRAPPED:
            raise Tampered
        answer = self._call("decrypt", key_id, KeyId=key_id, CiphertextBlob=wrapped, EncryptionContext=_bound(context))
        return bytes(answer["Plaintext"])

    def create_key(self, use: KeyUse) -> str:
        """A symmetric key, with the tag ``amanah`` = ``use``. For tenants the alias is moved to it, or made."""
        if use == "tenants" and not self._is_alias:
            raise ProviderCannot(
                detail=N_("It is configured with one key, which stays the current one. Configure an alias instead.")
            )
        tags = [{"TagKey": "amanah", "TagValue": use}]
        try:
            made = self._call("create_key", "", Description=f"{_MADE}{use}", Tags=tags)["KeyMetadata"]
        except KeyServiceRefused as refused:
            if "AccessDenied" not in str(refused.facts.get("detail")):
                raise
            detail = N_("Its credentials may not make keys: they lack kms:CreateKey or kms:TagResource.")
            raise ProviderCannot(detail=detail) from refused
        if use == "tenants":
            try:
                self._point(made["KeyId"])
            except BaseException:
                self._discard(made["KeyId"])
                raise
            self._take(made["Arn"])
        return str(made["Arn"])

    def destroy_key(self, key_id: str) -> None:
        """KMS's ScheduleKeyDeletion after seven days."""
        try:
            self._check_home(key_id)
        except ProviderKeyWrong:  # it may well exist, where this cannot reach it
            raise ProviderCannot(detail=N_("That key is not one of this account and region of AWS KMS.")) from None
        if key_id == self._resolved():
            raise ProviderKeyCurrent(key_id=key_id)
        try:
            found = self._call("describe_key", key_id, KeyId=key_id)["KeyMetadata"]
        except ProviderKeyWrong:
            return
        if found["KeyState"] in _GOING:
            return
        if not str(found.get("Description", "")).startswith(_MADE):
            raise ProviderCannot(detail=N_("Amanah did not make that key. Schedule its deletion in AWS yourself."))
        self._call("schedule_key_deletion", key_id, KeyId=found["KeyId"], PendingWindowInDays=WINDOW_DAYS)

    # -- keys --

    def _resolved(self) -> str:
        begun = self._clock()
        try:
            found = self._call("describe_key", self._configured, KeyId=self._configured)["KeyMetadata"]
        except ProviderKeyWrong as error:
            raise ProviderKeyMissing(name=self._configured) from error
        return self._take(str(found["Arn"]), begun)

    def _take(self, arn: str, begun: float | None = None) -> str:
        whole = _ARN.fullmatch(arn)
        if whole is None:
            raise KeysUnavailable
        self._home = whole[1]
        self._current = arn, (self._clock() if begun is None else begun) + self._remembered
        return arn

    def _check_home(self, key_id: str) -> None:
        """Refuse what is no key of this account and region."""
        whole = _ARN.fullmatch(key_id)
        if self._home is None and whole is not None:
            self._resolved()
        if whole is None or whole[3] != "key" or whole[1] != self._home:
            raise ProviderKeyWrong(key_id=key_id, current=self._shown())

    def _shown(self) -> str:
        """The current key, as far as it is known without asking."""
        return self._current[0] if self._current is not None else self._configured

    def _point(self, target: str) -> None:
        name = self._configured[self._configured.index("alias/") :]
        try:
            self._call("update_alias", name, AliasName=name, TargetKeyId=target)
        except ProviderKeyWrong:
            self._call("create_alias", name, AliasName=name, TargetKeyId=target)

    def _discard(self, target: str) -> None:
        """A key that nothing will ever name."""
        try:
            self._call("schedule_key_deletion", target, KeyId=target, PendingWindowInDays=WINDOW_DAYS)
        except (KeysUnavailable, ConfigurationError):
            return  # the error before this one is what is told

    # -- calls --

    def _call(self, operation: str, key_id: str, **parameters: object) -> dict[str, Any]:
        pid, client = self._client
        if pid != os.getpid():  # connections are not shared with the process that forked this one
            client = self._made_client()
            self._client = os.getpid(), client
        try:
            with quiet():
                answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except Exception as error:  # noqa: BLE001 - whatever boto3 raises has one of our errors
            raised(error, key_id=key_id, current=self._shown())
        return answer

    def _made_client(self) -> Any:
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError
        except ImportError:
            raise ConfigurationError(detail=N_("AWS KMS needs boto3: pip install amanah[aws]")) from None
        retries = {"total_max_attempts": self._attempts, "mode": "standard"}
        try:
            # A session of its own: boto3's default one is not safe for threads.
            return boto3.session.Session().client(
                "kms", region_name=self._region, config=Config(retries=retries, **self._limits)
            )
        except (BotoCoreError, ValueError) as error:
            raise ConfigurationError(detail=str(error)) from None


def _bound(context: bytes) -> dict[str, str]:
    return {"amanah": base64.b64encode(context).decode()}
