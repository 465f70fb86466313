"""A request to decrypt, as it is kept: what two people decided, bound to what they decided it about.

Invariants:

1. The row holds one envelope, sealed under the tenant's keys for the tenant and the request's id. Whoever can write to
   the table but has not the keys can neither make, change, nor move one. Nothing of it is in the clear.
2. The trail is the witness of how far it has come. Each step is an entry staged in the transaction of the row: asking
   under the request's own id, approval and end under ids that follow from it under the tenant's keys. A row and a trail
   that do not tell the same story are refused: an older row that was put back, an entry that was taken away.
3. Of two changes at the same time one is made.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import insert, select, update

from ..audit.log import find
from ..encryption.envelope import FORMAT, VERSION_END, start
from ..encryption.netstrings import netstring
from ..errors import KeyRetired, KeyUnknown, RequestDecided, RequestForged, RequestUnknown, Tampered
from .models import request as table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from ..encryption.keyring import TenantCipher
    from ..guard import Guard

Step = Literal["approved", "ended"]
End = Literal["", "refused", "withdrawn", "done"]

_FIELD: Final = "amanah/request"
_DOMAIN: Final = "amanah/request.step"


@dataclass(frozen=True, slots=True)
class Request:
    """What one member asked for, and what was decided. Instants are µs since the epoch, UTC.

    ``columns``: each ``table.column``, all of them, fixed when it was asked. ``ended`` is "" while it can still be
    approved or carried out.
    """

    id: str
    tenant: str
    columns: tuple[str, ...]
    reason: str
    asked_by: str
    asked_at: int
    expires_at: int
    approved_by: str = ""
    approved_at: int = 0
    ended: End = ""
    ended_by: str = ""
    ended_at: int = 0

    def state(self, now: int) -> str:
        """``waiting``, ``approved``, ``expired``, ``refused``, ``withdrawn`` or ``done``."""
        if self.ended:
            return self.ended
        if now >= self.expires_at:
            return "expired"
        return "approved" if self.approved_by else "waiting"


@dataclass(frozen=True, slots=True)
class Kept:
    """A request as it was found, genuine and as the trail tells it."""

    request: Request
    envelope: bytes


def entry_id(cipher: TenantCipher, request_id: str, step: Step) -> str:
    """The id of the trail's entry of a step: 32 hex digits that nobody without the tenant's keys can know before."""
    return cipher.lasting_token(_DOMAIN, netstring(request_id, step)).hex()


def keep(connection: Connection, cipher: TenantCipher, request: Request) -> None:
    """Take a new request in, in the caller's transaction."""
    row = {"tenant_id": request.tenant, "id": request.id, "envelope": _seal(cipher, request)}
    connection.execute(insert(table).values(row))


def change(connection: Connection, cipher: TenantCipher, kept: Kept, request: Request) -> None:
    """Put ``request`` in the place of ``kept``, in the caller's transaction. Raises `RequestDecided` if it is gone."""
    unchanged = (
        table.c.tenant_id == request.tenant,
        table.c.id == request.id,
        table.c.envelope == kept.envelope,
    )
    changed = connection.execute(update(table).where(*unchanged).values(envelope=_seal(cipher, request)))
    if changed.rowcount != 1:
        raise RequestDecided


def tenant_of(guard: Guard, request_id: str) -> str:
    """The tenant of the request with this id, as its row says: to know whom to ask. Raises `RequestUnknown`."""
    query = select(table.c.tenant_id).where(table.c.id == request_id).limit(1)
    with guard.engine.connect() as connection:
        tenant = connection.scalar(query)
    if tenant is None:
        raise RequestUnknown
    return str(tenant)


def look_up(guard: Guard, tenant: str, request_id: str) -> Kept:
    """The request of this tenant. Raises `RequestUnknown` and `RequestForged`."""
    before: bytes | None = None
    while True:
        envelope = _stored(guard, tenant, request_id)
        if before == envelope:  # it did not move while we looked into the trail
            raise RequestForged
        request = _opened(guard.keyring.cipher(tenant), tenant, request_id, envelope)
        if _witnessed(guard, request):
            return Kept(request, envelope)
        before = envelope


def requests_of(guard: Guard, tenant: str) -> Iterator[tuple[str, Request | None]]:
    """The id of each request of this tenant, and the request where it is genuine."""
    with guard.engine.connect() as connection:
        ids = connection.scalars(select(table.c.id).where(table.c.tenant_id == tenant)).all()
    for request_id in ids:
        try:
            yield request_id, look_up(guard, tenant, request_id).request
        except RequestForged:
            yield request_id, None


def under(guard: Guard, tenant: str) -> Counter[bytes]:
    """How many of the tenant's requests are in envelopes that begin with which 5 bytes (format and key version)."""
    query = select(table.c.envelope).where(table.c.tenant_id == tenant)
    with guard.engine.connect() as connection:
        return Counter(_bytes(one)[:VERSION_END] for one in connection.scalars(query))


def move_requests(guard: Guard, tenant: str) -> tuple[int, list[str]]:
    """Seal what is under an older data key anew, under the newest; how many, and the ids of those that do not open.

    One that changes at the same moment is left to whoever changes it: that seals it under the newest key.
    """
    cipher = guard.keyring.cipher(tenant)
    newest = start(FORMAT, cipher.sealing_version)
    query = select(table.c.id, table.c.envelope).where(table.c.tenant_id == tenant).order_by(table.c.id)
    with guard.engine.connect() as connection:
        found = [(one, _bytes(envelope)) for one, envelope in connection.execute(query)]
    moved, unopened = 0, []
    for request_id, envelope in found:
        if envelope.startswith(newest):
            continue
        place = netstring(_FIELD, request_id)
        try:
            again = cipher.seal(_FIELD, place, cipher.open(_FIELD, place, envelope))
        except (Tampered, KeyUnknown, KeyRetired):
            unopened.append(request_id)
            continue
        same = table.c.tenant_id == tenant, table.c.id == request_id, table.c.envelope == envelope
        with guard.engine.begin() as connection:
            moved += connection.execute(update(table).where(*same).values(envelope=again)).rowcount
    return moved, unopened


def _bytes(envelope: object) -> bytes:
    return bytes(envelope) if isinstance(envelope, bytes | memoryview) else b""  # SQLite keeps what it is given


def _stored(guard: Guard, tenant: str, request_id: str) -> bytes:
    query = select(table.c.envelope).where(table.c.tenant_id == tenant, table.c.id == request_id)
    with guard.engine.connect() as connection:
        envelope = connection.scalar(query)
    if envelope is None:
        raise RequestUnknown
    if isinstance(envelope, str | int | float):  # SQLite keeps what it is given
        raise RequestForged
    return bytes(envelope)


def _seal(cipher: TenantCipher, request: Request) -> bytes:
    body = json.dumps(asdict(replace(request, id="", tenant="")), separators=(",", ":"))
    return cipher.seal(_FIELD, netstring(_FIELD, request.id), body.encode("ascii"))


def _opened(cipher: TenantCipher, tenant: str, request_id: str, envelope: bytes) -> Request:
    """What the envelope holds (invariant 1)."""
    try:
        values = json.loads(cipher.open(_FIELD, netstring(_FIELD, request_id), envelope))
    except (Tampered, KeyUnknown, KeyRetired):
        raise RequestForged from None
    return Request(**{**values, "id": request_id, "tenant": tenant, "columns": tuple(values["columns"])})


def _witnessed(guard: Guard, request: Request) -> bool:
    """Whether the trail tells the same (invariant 2)."""
    cipher = guard.keyring.cipher(request.tenant)
    told = {
        request.id: True,
        entry_id(cipher, request.id, "approved"): bool(request.approved_by),
        entry_id(cipher, request.id, "ended"): bool(request.ended),
    }
    return all(
        said is (find(guard.trail_engine, event, tenant=request.tenant, core_engine=guard.engine) is not None)
        for event, said in told.items()
    )
