"""From the application's own words for roles to the names in the tenants' policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..tenants.names import could_be_role

if TYPE_CHECKING:
    from collections.abc import Hashable

_NONE: frozenset[str] = frozenset()


class RoleMap:
    """What the application calls a role → the roles of the policy that it stands for.

    ::

        ROLES = RoleMap({"pemilik": "owner", "kasir": ["cashier", "support"]})
        …
        Identity(str(user.company_id), Actor(str(user.id)), roles=ROLES(user.role))

    A word that is not in the map stands for no role. Words are compared exactly: "Kasir" is not "kasir".
    """

    __slots__ = ("_roles",)

    def __init__(self, roles: Mapping[Hashable, str | Iterable[str]]) -> None:
        """Raises `ConfigurationError` for an empty map and for what cannot be the name of a role."""
        if not isinstance(roles, Mapping) or not roles:
            raise ConfigurationError(detail='a RoleMap takes a mapping like {"kasir": "cashier"}')
        self._roles = {said: _names(said, meant) for said, meant in roles.items()}

    def __call__(self, *said: Hashable) -> frozenset[str]:
        """The roles that the words stand for together; none for None and for words that the map does not have.

        The answer is what `Identity.roles` takes. It is never None, so that nobody falls back to grants by a word that
        the map does not have.
        """
        return _NONE.union(*(self._roles.get(word, _NONE) for word in said))

    @property
    def roles(self) -> frozenset[str]:
        """Every role of the policies that the map can give."""
        return _NONE.union(*self._roles.values())


def _names(said: Hashable, meant: str | Iterable[str]) -> frozenset[str]:
    names = frozenset([meant] if isinstance(meant, str) else meant)
    if not names:
        raise ConfigurationError(detail=f"the RoleMap gives {said!r:.60} no role; leave the word out instead")
    for name in names:
        if not isinstance(name, str) or not could_be_role(name):
            raise ConfigurationError(
                detail=f"the RoleMap gives {said!r:.60} the role {name!r:.80}, which is no role's name"
            )
    return names
