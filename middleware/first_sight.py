"""What becomes of somebody whom the login knows and the tenant's list of members does not.

Invariants:

1. It is asked only after the login has named an actor of a tenant that exists and is active, and only about people who
   are in no roster: a known member costs one look into memory and no query.
2. Becoming a member opens nothing. Who has no role is refused as before; their administrator now sees that they wait.
3. Bounded: at most `PER_MINUTE` members a minute and tenant, counted in the database over all processes; and of each
   process at most as many attempts, so that a crowd of strangers does not become a crowd of transactions.
4. The row and its entry in the trail (``member.first_seen``) are one transaction.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

from sqlalchemy.exc import SQLAlchemyError

from ..audit.entries import Entry, new_event_id, now_us
from ..audit.staging import stage
from ..errors import ConfigurationError, InvalidInput
from ..tenants.newcomers import first_seen
from ..tenants.roster import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine

    from ..tenants.roster import Roster
    from .identify import Identity

Policy: TypeAlias = Literal["member", "refuse"]
"""``member``: everybody whom the login names. ``refuse``: only those to whom the application gives a role."""

PER_MINUTE: Final = 20
_MINUTE: Final = 60.0
_KINDS: Final = frozenset({"member", "service"})

_log = logging.getLogger("amanah.gate")


class FirstSight:
    """Adds strangers to the members of their tenant. Safe for threads; remembers attempts of ``capacity`` tenants."""

    def __init__(
        self,
        engine: Engine,
        policy: Policy,
        *,
        clock: Callable[[], float] = time.monotonic,
        capacity: int = 500,
    ) -> None:
        """``clock``: seconds, for the attempts of this process. Raises `ConfigurationError` for another policy."""
        if policy not in get_args(Policy):
            raise ConfigurationError(detail=f'first_sight is "member" or "refuse", not {policy!r:.40}')
        self._engine = engine
        self._everybody = policy == "member"
        self._clock = clock
        self._capacity = capacity
        self._attempts: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = threading.Lock()

    def concerns(self, identity: Identity, roster: Roster, now: int) -> bool:
        """Whether this is a stranger who is to become a member; no I/O."""
        return (
            roster.standing(identity.actor.id, now).member_status is None
            and roster.status == ACTIVE
            and identity.actor.kind in _KINDS
            and (self._everybody or bool(identity.roles))
        )

    def meet(self, identity: Identity) -> str | None:
        """Make them a member if that may be now, and return their status; None where they are none.

        Blocks for a transaction. What goes wrong with it is logged and leaves them a stranger.
        """
        tenant, actor = identity.tenant, identity.actor
        if not self._may_try(tenant):
            return None
        try:
            with self._engine.connect() as connection:
                arrival = first_seen(connection, tenant, actor.id, per_minute=PER_MINUTE)
                if arrival.added:
                    stage(connection, [_entry(identity)])
                    connection.commit()
        except InvalidInput:
            return None  # an account id that no member can have
        except SQLAlchemyError:
            _log.exception("a member could not be added at first sight")
            return None
        return arrival.status

    def _may_try(self, tenant: str) -> bool:
        now = self._clock()
        with self._lock:
            began, tried = self._attempts.pop(tenant, (now, 0))
            if now - began >= _MINUTE:
                began, tried = now, 0
            self._attempts[tenant] = (began, min(tried + 1, PER_MINUTE + 1))
            if len(self._attempts) > self._capacity:
                self._attempts.popitem(last=False)
            return tried < PER_MINUTE


def _entry(identity: Identity) -> Entry:
    """Their own coming is what did it; ``roles`` says whether the application vouched for a role as well."""
    actor = identity.actor
    return Entry(
        id=new_event_id(),
        at=now_us(),
        tenant=identity.tenant,
        access=new_event_id(),
        kind="admin",
        actor=actor.id,
        actor_kind=actor.kind,
        strength=actor.strength,
        outcome="committed",
        detail={
            "act": "member.first_seen",
            "member": actor.id,
            "roles": "application" if identity.roles else "none",
        },
    )
