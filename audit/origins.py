"""From which IP address something was done: an address is kept once for a sign-in, and all that was done under it.

The address itself is sealed. Who holds the tenant's keys makes the token by which it is found.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from ..errors import InvalidInput
from ..i18n import N_
from .filters import Filter, Origin
from .search import Search

if TYPE_CHECKING:
    from sqlalchemy import Connection

DOMAIN: Final = "trail.ip"
"""The domain of the tokens of IP addresses."""
MOST: Final = 10_000
"""Sign-ins from one address that one search takes in."""


def address(text: str) -> bytes:
    """An IP address as tokens are made of it. Raises `InvalidInput` for what is none."""
    try:
        return str(ipaddress.ip_address(text.strip())).encode()
    except ValueError:
        raise InvalidInput(detail=N_("this is no IP address")) from None


def origin(connection: Connection, tenant: str, tokens: tuple[str, ...]) -> Origin:
    """The address with these keyed ``tokens``, with the sign-ins from it so far.

    Raises `InvalidInput` where there are more than `MOST`.
    """
    itself = Origin(tokens)
    found = Search(connection, tenant, Filter(kind="sign_in", origin=itself)).page(MOST + 1)
    if len(found) > MOST:
        raise InvalidInput(detail=N_("there are too many sign-ins from this address for one search"))
    return Origin(tokens, tuple(str(one.values["id"]) for one in found))
