"""Provider keys in a PKCS#11 token (extra ``pkcs11``): a hardware module, or SoftHSM. They never leave it.

*Keys* are AES keys of 256 bits, sensitive and not extractable. With the configured label ``amanah`` those for tenants
have the label (CKA_LABEL) ``amanah-tenants``, those of epochs ``amanah-epoch``, and each has an id (CKA_ID) of its own.
The *current* one is that for tenants whose CKA_ID, read as a number, is the greatest; ours begin with the time in
microseconds, so making a key is one step and needs no mark to be moved. *Key ids* are ``<label>:<CKA_ID in hex>``.

*Wrapping* is AES-GCM inside the token (CKM_AES_GCM), with what the key is bound to as associated data::

    0x01 || nonce, 12 random bytes || ciphertext || tag, 16 bytes

*Bound.* Nonces are random: a provider key serves 2^32 wraps (SP 800-38D, section 8.3), one for each version of a
tenant's key.
"""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING, Any, Final

from ..errors import (
    ConfigurationError,
    KeysUnavailable,
    ProviderCannot,
    ProviderKeyCurrent,
    ProviderKeyMissing,
    ProviderKeyUnusable,
    ProviderKeyWrong,
    Tampered,
)
from ..i18n import N_
from .pkcs11_connection import Token, connection_to
from .xaes import KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from pkcs11 import Session

    from .provider import KeyUse

    Result = TypeVar("Result")

_FORMAT: Final = b"\x01"
_NONCE: Final = 12
_TAG: Final = 16
_ID: Final = 16
_LABEL: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Pkcs11Provider:
    """A :class:`~amanah.encryption.provider.KeyProvider` over one token."""

    def __init__(self, module: str, token: str, pin: str, *, label: str = "amanah") -> None:
        """``module``: path of the PKCS#11 library. ``token``: the token's label. ``label``: with which keys' begin.

        The token is asked when a key is first needed. Raises :class:`~amanah.errors.ConfigurationError` where
        something is not said, or python-pkcs11 is missing.
        """
        try:
            import pkcs11  # noqa: F401
        except ImportError:
            raise ConfigurationError(detail=N_("PKCS#11 needs python-pkcs11: pip install amanah[pkcs11]")) from None
        if not module or not token or not pin:
            raise ConfigurationError(
                detail=N_("Say AMANAH_PKCS11_MODULE, AMANAH_PKCS11_TOKEN and AMANAH_PKCS11_PIN_FILE.")
            )
        if not _LABEL.fullmatch(label):
            raise ConfigurationError(detail=N_("A label in PKCS#11 has 1 to 64 letters, digits, '.', '_' or '-' here."))
        self._pin = pin
        self._labels: dict[KeyUse, str] = {"tenants": f"{label}-tenants", "epoch": f"{label}-epoch"}
        self._connection = connection_to(Token(module, token))

    def key_id(self) -> str:
        """The id of the newest key for tenants in the token."""
        return self._run(self._current)

    def wrap(self, key: bytes, context: bytes, key_id: str) -> bytes:
        """AES-GCM in the token."""

        def work(session: Session) -> bytes:
            nonce = os.urandom(_NONCE)
            return _FORMAT + nonce + _encrypt(self._found(session, key_id), nonce, key, context)

        return self._run(work, key_id)

    def unwrap(self, wrapped: bytes, context: bytes, key_id: str) -> bytes:
        """AES-GCM in the token, by this key only."""

        def work(session: Session) -> bytes:
            found = self._found(session, key_id)
            body = wrapped[1 + _NONCE :]
            if wrapped[:1] != _FORMAT or len(body) != KEY_SIZE + _TAG:
                raise Tampered
            return _decrypt(found, wrapped[1 : 1 + _NONCE], body, context)

        return self._run(work, key_id)

    def create_key(self, use: KeyUse) -> str:
        """A key that the token makes and keeps."""

        def work(session: Session) -> str:
            import pkcs11

            number = int.from_bytes((time.time_ns() // 1000).to_bytes(8, "big") + os.urandom(8), "big")
            newest = max(self._ids(session, use), key=_number, default=b"")
            if number <= _number(newest):  # a clock that went back, or an id that an administrator chose
                number = _number(newest) + 1 + int.from_bytes(os.urandom(4), "big")
            made = number.to_bytes(max(_ID, (number.bit_length() + 7) // 8), "big")
            session.generate_key(
                pkcs11.KeyType.AES,
                KEY_SIZE * 8,
                id=made,
                label=self._labels[use],
                store=True,
                capabilities=pkcs11.MechanismFlag.ENCRYPT | pkcs11.MechanismFlag.DECRYPT,
                template={
                    pkcs11.Attribute.PRIVATE: True,
                    pkcs11.Attribute.SENSITIVE: True,
                    pkcs11.Attribute.EXTRACTABLE: False,
                    pkcs11.Attribute.MODIFIABLE: False,
                },
            )
            return self._name(use, made)

        return self._run(work)

    def destroy_key(self, key_id: str) -> None:
        """C_DestroyObject; there is no way back, and no copy unless the token's own backups have one."""

        def work(session: Session) -> None:
            try:
                label, id_ = self._parsed(key_id)
            except ProviderKeyWrong:  # it may well exist, where this cannot reach it
                raise ProviderCannot(detail=N_("That key is not one of this token and label.")) from None
            if label == self._labels["tenants"] and key_id == self._current(session):
                raise ProviderKeyCurrent(key_id=key_id)
            for one in _keys(session, label, id_):
                one.destroy()

        self._run(work, key_id)

    # -- keys --

    def _run(self, work: Callable[[Session], Result], key_id: str = "") -> Result:
        import pkcs11

        def told(session: Session) -> Result:
            try:
                return work(session)
            except (pkcs11.KeyTypeInconsistent, pkcs11.MechanismInvalid, pkcs11.MechanismParamInvalid):
                detail = N_("the token does not use it with AES-GCM")
                raise ProviderKeyUnusable(key_id=key_id, detail=detail) from None

        return self._connection.run(told, self._pin)

    def _name(self, use: KeyUse, id_: bytes) -> str:
        return f"{self._labels[use]}:{id_.hex()}"

    def _ids(self, session: Session, use: KeyUse) -> list[bytes]:
        return [bytes(one.id) for one in _keys(session, self._labels[use])]

    def _current(self, session: Session) -> str:
        ids = self._ids(session, "tenants")
        if not ids:
            raise ProviderKeyMissing(name=self._labels["tenants"])
        return self._name("tenants", max(ids, key=_number))

    def _parsed(self, key_id: str) -> tuple[str, bytes]:
        label, _, digits = key_id.rpartition(":")
        if label not in self._labels.values() or not re.fullmatch(r"(?:[0-9a-f]{2}){1,64}", digits):
            raise ProviderKeyWrong(key_id=key_id, current=self._labels["tenants"])
        return label, bytes.fromhex(digits)

    def _found(self, session: Session, key_id: str) -> Any:
        import pkcs11

        label, id_ = self._parsed(key_id)
        found = _keys(session, label, id_)
        if not found:
            ids = self._ids(session, "tenants")
            newest = self._name("tenants", max(ids, key=_number)) if ids else self._labels["tenants"]
            raise ProviderKeyWrong(key_id=key_id, current=newest)
        if len(found) > 1:
            raise ProviderKeyUnusable(key_id=key_id, detail=N_("the token has several keys of that name"))
        if found[0][pkcs11.Attribute.EXTRACTABLE]:
            raise ProviderKeyUnusable(key_id=key_id, detail=N_("it can be taken out of the token"))
        return found[0]


def _number(id_: bytes) -> int:
    return int.from_bytes(id_, "big")


def _keys(session: Session, label: str, id_: bytes | None = None) -> list[Any]:
    import pkcs11

    wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY, pkcs11.Attribute.LABEL: label}
    if id_ is not None:
        wanted[pkcs11.Attribute.ID] = id_
    return list(session.get_objects(wanted))


def _encrypt(key: Any, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    import pkcs11

    parameters = pkcs11.GCMParams(nonce, associated, _TAG * 8)
    return bytes(key.encrypt(plaintext, mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=parameters))


def _decrypt(key: Any, nonce: bytes, body: bytes, associated: bytes) -> bytes:
    import pkcs11

    parameters = pkcs11.GCMParams(nonce, associated, _TAG * 8)
    try:
        return bytes(key.decrypt(body, mechanism=pkcs11.Mechanism.AES_GCM, mechanism_param=parameters))
    except pkcs11.PKCS11Error as error:
        # Modules say "general error" of a wrong tag and of a broken device. One that still encrypts is not broken.
        if type(error).__name__ in {"GeneralError", "FunctionFailed", "DeviceError"}:
            try:
                _encrypt(key, os.urandom(_NONCE), bytes(KEY_SIZE), b"probe")
            except pkcs11.PKCS11Error:
                raise KeysUnavailable from error
            raise Tampered from None
        if type(error).__name__.startswith("EncryptedData"):
            raise Tampered from None
        raise
