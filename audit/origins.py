"""From which IP address something was done: an address is kept once for a sign-in, and all that was done under it.

The address itself is sealed. Who holds the tenant's keys makes the token by which it is found.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ..errors import InvalidInput
from ..i18n import N_
from .filters import LARGEST, Filter, Origin
from .models import entry
from .queries import Look, Terms, gather

if TYPE_CHECKING:
    from sqlalchemy import Connection

DOMAIN: Final = "trail.ip"
"""The domain of the tokens of IP addresses."""
MOST: Final = 100_000
"""Sign-ins from one address that one search takes in."""


def address(text: str) -> bytes:
    """An IP address as tokens are made of it. Raises `InvalidInput` for what is none."""
    try:
        return str(ipaddress.ip_address(text.strip())).encode()
    except ValueError:
        raise InvalidInput(detail=N_("this is no IP address")) from None


def origin(connection: Connection, tenant: str, tokens: tuple[str, ...]) -> Origin:
    """The address with these keyed ``tokens``, with what by their terms are the sign-ins from it so far.

    An office behind one address has very many of them, so they are not read here: a search looks at those that it
    meets. Raises `InvalidInput` where there are more than `MOST`.
    """
    wanted = Filter(kind="sign_in", origin=Origin(tokens))
    look = Look(tenant, Terms.of(wanted, tenant), wanted, 0, LARGEST, backwards=True)
    query = gather(look, connection.dialect.name).with_only_columns(entry.c.event_id).order_by(None).limit(MOST + 1)
    found = frozenset(connection.scalars(query))
    if len(found) > MOST:
        raise InvalidInput(detail=N_("there are too many sign-ins from this address for one search"))
    return Origin(tokens, found)
