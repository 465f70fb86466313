"""A tenant's cipher: what seals, opens and finds this tenant's values, and wraps the secrets of its subjects.

Invariants, beside those of :mod:`.field_cipher`:

- equal values have equal tokens within one tenant, domain and version of the index key, and nowhere else;
- a subject's secret is wrapped for that subject: one that was put beside another id does not unwrap.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from ..errors import EpochMissing, KeyUnknown
from ..measures import opened
from . import row_seal
from .field_cipher import FieldCipher
from .netstrings import netstring
from .remembered import Remembered
from .sealing import Sealing, derive
from .subject_sealing import Secret, SubjectSealing

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN_SIZE: Final = 16

ARCHIVED: Final = ("trail.agent", "trail.ip", "trail.reason")
"""Fields of the trail's entries, whose leaves are never written anew: a retired key goes on to open them."""

_DOMAINS: Final = 512
_PLACE_OF_SECRETS: Final = "amanah_subject.secret"


@dataclass(frozen=True, slots=True, repr=False)
class TenantKeys:
    """A tenant's unwrapped keys, each by its version; 32 bytes each."""

    data: Mapping[int, bytes]
    sealing: int
    """The data key under which new values are sealed."""
    index: Mapping[int, bytes]
    """At most two: the one by which searches go, and its predecessor or successor."""
    reading: int
    """The index key by whose tokens searches go."""
    retired_index: Mapping[int, bytes] = field(default_factory=dict)
    """Index keys that were exchanged: under them are only tokens that nobody can compute anew, the trail's."""
    epochs: Mapping[int, bytes] = field(default_factory=dict)
    """The keys under which subjects' secrets are wrapped; new ones under the newest."""
    retired: Mapping[int, bytes] = field(default_factory=dict)
    """The data keys that were retired: they open what the trail sealed (`ARCHIVED`), and nothing else."""


class TenantCipher(FieldCipher):
    """Seals, opens and tokenises for one tenant. Holds every key that is not retired. Thread-safe, no I/O."""

    __slots__ = (
        "_archive",
        "_by_subject",
        "_by_version",
        "_first",
        "_index",
        "_reading",
        "_rows",
        "_secrets",
        "_tokens",
        "slot",
        "tenant_id",
    )

    tenant_id: str
    slot: int
    """In which of two search columns the tokens by which searches go stand: 0 or 1."""

    def __init__(self, tenant_id: str, keys: TenantKeys) -> None:
        """Raise `KeyUnknown` where a version that is to be used is not among the keys."""
        context = netstring(tenant_id)
        super().__init__(context, keys.data, keys.sealing, keys.retired)
        # Derived here, so that nothing holds a retired key itself.
        self._archive = {
            (name, version): Sealing(key, context + netstring(name, str(version)))
            for version, key in keys.retired.items()
            for name in ARCHIVED
        }
        if keys.reading not in keys.index:
            raise KeyUnknown
        self.tenant_id = tenant_id
        self._index = {**keys.retired_index, **keys.index}
        self._first = min(self._index)
        self._reading = keys.reading
        self.slot = slot_of(keys.reading)
        self._by_version = _by_slot(keys)
        self._tokens: Remembered[tuple[str, int], HMAC] = Remembered(_DOMAINS)
        self._rows: Remembered[tuple[bytes, int], HMAC] = Remembered(_DOMAINS)
        self._secrets = FieldCipher(context, keys.epochs, max(keys.epochs)) if keys.epochs else None
        self._by_subject = SubjectSealing(self, context)

    def _sealing(self, field: str, key_version: int) -> Sealing:
        archived = self._archive.get((field, key_version))
        return super()._sealing(field, key_version) if archived is None else archived

    # -- search --

    def token(self, domain: str, value: bytes) -> bytes:
        """The blind index of a normalised value: 16 bytes of HMAC-SHA-256 under this tenant's key for ``domain``.

        Of the version by which searches go.
        """
        return self._token(domain, value, self._reading)

    def slots(self, domain: str, value: bytes) -> tuple[bytes | None, bytes | None]:
        """What is stored of a normalised value in its two search columns: a token in each whose index key lives."""
        first, second = self._by_version
        return (
            None if first is None else self._token(domain, value, first),
            None if second is None else self._token(domain, value, second),
        )

    def lasting_token(self, domain: str, value: bytes) -> bytes:
        """The token under the first version of the index key, which no exchange of keys changes.

        For what is found by its token alone and cannot be computed anew, because the value is kept nowhere.
        """
        return self._token(domain, value, self._first)

    def tokens(self, domain: str, value: bytes) -> tuple[bytes, ...]:
        """The tokens of every version of the index key that there was, the newest first.

        To find what was written under any of them and is never computed anew, such as the trail's entries.
        """
        return tuple(self._token(domain, value, version) for version in sorted(self._index, reverse=True))

    def _token(self, domain: str, value: bytes, version: int) -> bytes:
        keyed = self._tokens.get((domain, version))
        if keyed is None:
            context = self._context + netstring(domain)
            if version > 1:  # the first version's context has no number, so that its tokens stay
                context += netstring(str(version))
            keyed = HMAC(derive(self._index[version], b"amanah/1 index", context), SHA256())
            self._tokens.put((domain, version), keyed)
        mac = keyed.copy()  # hmac.digest would let go of the interpreter's lock, which costs more than the digest
        mac.update(value)
        return mac.finalize()[:TOKEN_SIZE]

    # -- rows --

    def row_seal(self, place: bytes, body: bytes) -> bytes:
        """The seal of a row: ``place`` names table and columns, ``body`` holds their values and the row's key.

        See :mod:`.row_seal`, also for the exact form of both.
        """
        return row_seal.make(self._row_mac(place, self._version), self._version, body)

    def check_row_seal(self, place: bytes, body: bytes, seal: bytes) -> bool:
        """Whether ``seal`` is the row's. Raises what `key` raises."""
        parts = row_seal.parse(seal)
        return parts is not None and row_seal.holds(self._row_mac(place, parts.key_version), parts, body)

    def _row_mac(self, place: bytes, key_version: int) -> HMAC:
        mac = self._rows.get((place, key_version))
        if mac is None:
            context = self._context + place + netstring(str(key_version))
            mac = row_seal.keyed(derive(self.key(key_version), row_seal.LABEL, context))
            self._rows.put((place, key_version), mac)
        return mac

    # -- subjects --

    def seal_for(self, secret: Secret, place: bytes, plaintext: bytes) -> bytes:
        """The envelope of ``plaintext`` under the ``secret`` of the person whom it is about, too (format 2)."""
        return self._by_subject.seal(secret, place, plaintext)

    def open_for(self, secret: Secret, place: bytes, envelope: bytes) -> bytes:
        """The inverse of `seal_for`. Raises `Tampered`, also for another secret, and what `key` raises."""
        value = self._by_subject.open(secret, place, envelope)
        opened()
        return value

    @property
    def epoch(self) -> int:
        """The version of the epoch key under which secrets are wrapped now. Raises `EpochMissing`."""
        if self._secrets is None:
            raise EpochMissing
        return self._secrets.sealing_version

    def wrap_secret(self, kind: str, subject: str, secret: Secret) -> bytes:
        """``secret`` in an envelope of format 1 whose key version is the `epoch`, for the subject of that kind and id.

        Raises `EpochMissing`.
        """
        if self._secrets is None:
            raise EpochMissing
        return self._secrets.seal(_PLACE_OF_SECRETS, netstring(kind, subject), secret)

    def unwrap_secret(self, kind: str, subject: str, wrapped: bytes) -> Secret:
        """The inverse of `wrap_secret`. Raises `Tampered`, and `KeyUnknown` for an epoch whose key is destroyed."""
        if self._secrets is None:
            raise EpochMissing
        person = subject.encode()
        place = b"%d:%b,%d:%b," % (len(kind), kind.encode(), len(person), person)  # netstring(kind, subject), quicker
        return Secret(self._secrets.open(_PLACE_OF_SECRETS, place, wrapped))


def slot_of(version: int) -> int:
    """The search column, 0 or 1, that holds the tokens of that version of the index key."""
    return (version - 1) % 2


def _by_slot(keys: TenantKeys) -> tuple[int | None, int | None]:
    """The version whose tokens stand in each search column: where two claim one, the one by which searches go."""
    ranked = sorted(keys.index, key=lambda version: (version == keys.reading, version))
    found = {slot_of(version): version for version in ranked}
    return found.get(0), found.get(1)


__all__ = ["ARCHIVED", "TOKEN_SIZE", "TenantCipher", "TenantKeys", "slot_of"]
