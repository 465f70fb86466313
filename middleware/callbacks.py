"""Routes that another system calls: it has no login here, it signs what it sends.

1. The body is read up to the limit that the route declares, and kept: the application receives the same messages.
2. The application's own ``verify`` looks at address, headers and body. None means nobody; nothing of the body is
   believed before it has answered.
3. Its answer is the tenant, or, where the route names a column as ``owner``, the value by which the row is found whose
   tenant it is. That look-up compares this one column and brings back a tenant and nothing else; what is not exactly
   one tenant's is refused.
4. The caller is a service account of that tenant, and admitted as everybody is: a member, with roles, for a purpose, by
   a decision, on record.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from anyio import to_thread
from sqlalchemy import Column, Enum, Integer, String, Uuid, literal, select, text
from sqlalchemy.exc import DataError, SQLAlchemyError

from ..database import SIGN_IN_SETTING
from ..errors import BodyTooLarge, ConfigurationError, DeclarationError, OwnerUnknown, TenantForeign, Unavailable
from .access import Actor
from .identify import Identity, waited_for
from .routes import WEBSOCKET, Route, route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Engine, FromClause, Select
    from starlette.requests import HTTPConnection
    from starlette.types import Message, Receive

    from .fields import Protected, Register

Verify: TypeAlias = Callable[["HTTPConnection", bytes], Awaitable[str | int | None] | str | int | None]
"""Asked under a sign-in access, as `Identify` is. None: the signature is wrong."""

_LONGEST: Final = 1 << 24


@dataclass(frozen=True, slots=True)
class Caller:
    """How a route's caller is recognised. ``owner``: the ``table.column`` that leads to the tenant, if any does."""

    verify: Verify
    actor: str
    owner: str | None
    limit: int


def callback(
    pattern: str,
    resource: str,
    action: str,
    purposes: Sequence[str],
    *,
    verify: Verify,
    actor: str,
    owner: str | None = None,
    limit: int = 65_536,
) -> Route:
    """Declare a route that another system calls, as a payment gateway does. Nothing of the handler changes.

    ::

        def paid(connection, body):
            if not hmac.compare_digest(signature(body), connection.headers.get("x-signature", "")):
                return None
            return json.loads(body)["number"]


        callback(
            "POST /callback/payment", "payment", "create", ["billing"],
            verify=paid, owner="invoice.number", actor="payment-gateway",
        )

    ``verify(connection, body)`` checks the signature with the application's own function; it may be a coroutine
    function. It answers None, or the tenant's id, or with ``owner``, a ``table.column``, the value that this column has
    in the row whose tenant is meant. ``actor``: the id of the service account, a member of each tenant that is called
    for. ``limit``: bytes that a body may have; what is longer is refused. Raises `DeclarationError`.
    """
    declared = route(pattern, resource, action, purposes)
    if WEBSOCKET in declared.methods:
        raise DeclarationError(detail=f"the route {pattern} is called with a body, which a WebSocket has not")
    if not callable(verify) or not actor or isinstance(limit, bool) or not 0 < limit <= _LONGEST:
        raise DeclarationError(
            detail=f"the callback {pattern} needs verify=, a function of the connection and the body, actor=, the id "
            f"of a service account, and a limit of at most {_LONGEST} bytes"
        )
    return replace(declared, caller=Caller(verify, actor, owner, limit))


class Body:
    """A request's body, read before the application reads it and given to it all the same."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: deque[Message] = deque()

    async def read(self, limit: int) -> bytes | None:
        """All of it; None where the client went away in the middle. Raises `BodyTooLarge`."""
        size, parts = 0, []
        while True:
            message = await self._receive()
            self._kept.append(message)
            if message["type"] != "http.request":
                return None
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise BodyTooLarge(limit=limit)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def receive(self) -> Message:
        """What the application calls as ``receive``: first what was read, message by message, then the rest."""
        return self._kept.popleft() if self._kept else await self._receive()


class Callers:
    """Recognises the callers of one application's callbacks."""

    def __init__(
        self, routes: Iterable[Route], register: Register, engine: Engine, *, fixed_tenant: str | None = None
    ) -> None:
        """``engine`` reaches the tables past the wall. Raises `DeclarationError` for a wrong ``owner``."""
        self._engine = engine
        self._fixed = fixed_tenant
        callers = [one.caller for one in routes if one.caller is not None]
        self._owners: Mapping[str, _Lookup] = {
            one.owner: _Lookup.named(register, one.owner) for one in callers if one.owner is not None
        }

    async def who(self, caller: Caller, connection: HTTPConnection, body: bytes) -> Identity | None:
        """The service account that calls, in its tenant; None for a wrong signature. Raises `OwnerUnknown`."""
        said = await waited_for(caller.verify)(connection, body)
        if said is None:
            return None
        if isinstance(said, bool) or not isinstance(said, str | int):
            raise ConfigurationError(detail="verify of a callback returns a text, a number or None")
        tenant: str | None = str(said)
        if caller.owner is not None:
            tenant = await to_thread.run_sync(self._owners[caller.owner].tenant, self._engine, said)
        if tenant is None:
            raise OwnerUnknown
        if self._fixed is not None and tenant != self._fixed:
            raise TenantForeign
        return Identity(tenant, Actor(caller.actor, kind="service"))


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The way from the value of one column to the tenant whose row has it."""

    column: Column[Any]
    statement: Select[Any]

    @classmethod
    def named(cls, register: Register, name: str) -> _Lookup:
        """For ``table.column``. Raises `DeclarationError` for what is no plain column of a protected table."""
        table_name, _, column_name = name.rpartition(".")
        table = register.by_name(table_name)
        if table is None or column_name not in table.table.c:
            raise DeclarationError(detail=f"owner={name!r} of a callback is no column of a protected table")
        column = table.table.c[column_name]
        if table.column_named(column_name) is not None:
            raise DeclarationError(detail=f"owner={name!r} of a callback is personal: take a number of the row itself")
        if not isinstance(column.type, Integer | String | Uuid) or isinstance(column.type, Enum):
            raise DeclarationError(detail=f"owner={name!r} of a callback is neither text nor number nor UUID")
        owner: Protected | None = table
        while owner is not None:
            owner.looked_up = True
            owner = owner.via.parent if owner.via is not None else None
        return cls(column, _tenants(table))

    def tenant(self, engine: Engine, value: str | int) -> str | None:
        """Whose the row with ``value`` is; None unless it is exactly one tenant's. Raises `Unavailable`."""
        kind = self.column.type.python_type
        try:
            wanted = value if isinstance(value, kind) else kind(str(value))
            with engine.connect() as connection:
                if engine.dialect.name == "postgresql":  # row-level security asks who looks, as it asks at sign-in
                    connection.execute(text(f"SET LOCAL {SIGN_IN_SETTING} = 'on'"))
                found = connection.scalars(self.statement.where(self.column == wanted)).all()
        except (ValueError, OverflowError, DataError):
            return None  # no value that this column could have
        except SQLAlchemyError as error:
            raise Unavailable from error
        return str(found[0]) if len(found) == 1 and found[0] is not None else None


def _tenants(table: Protected) -> Select[Any]:
    """The tenants of rows of ``table``, by way of their parents; two are as many as need to be known."""
    joined: FromClause = table.table
    while table.via is not None:
        parent = table.via.parent
        joined = joined.join(parent.table, table.table.c[table.via.column] == parent.key_columns()[0])
        table = parent
    owner = literal(table.fixed) if table.tenant is None else table.table.c[table.tenant]
    return select(owner).select_from(joined).distinct().limit(2)


__all__ = ["Body", "Caller", "Callers", "callback"]
