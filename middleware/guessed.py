"""What `amanah init` wrote and nobody has confirmed yet.

A guess is marked by `guessed(…)` around the declaration or route. While one is left, only a guard that observes starts:
a wrong guess of a category, a subject or an action would otherwise be in force and look like somebody's decision.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar, cast

from ..errors import ConfigurationError
from .declare import Declaration
from .routes import Route

if TYPE_CHECKING:
    from collections.abc import Iterable

TODO: Final = "TODO"
"""The purpose that `amanah init` writes: no register knows it."""

Guessed = TypeVar("Guessed", Declaration, list[Declaration], Route)


def guessed(item: Guessed) -> Guessed:
    """Mark a declaration, a list of them (`shared`) or a route as a guess. To confirm it, take the ``guessed()`` away.

    Raises `ConfigurationError` for anything else.
    """
    if isinstance(item, list) and all(isinstance(one, Declaration) for one in item):
        return cast(Guessed, [replace(one, guessed=True) for one in item])
    if isinstance(item, Declaration | Route):
        return replace(item, guessed=True)
    raise ConfigurationError(
        detail=f"guessed() marks what declare, shared, route, public or sign_in return, and no {type(item).__name__}"
    )


def confirmed(
    declarations: Iterable[Declaration | list[Declaration]], routes: Iterable[Route]
) -> tuple[tuple[Declaration | list[Declaration], ...], tuple[Route, ...]]:
    """Both as tuples, if nothing in them is a guess any more. Raises `ConfigurationError` naming the first that is."""
    declared, served = tuple(declarations), tuple(routes)
    for item in declared:
        for declaration in item if isinstance(item, list) else [item]:
            if declaration.guessed:
                raise ConfigurationError(detail=_unconfirmed(f"the declaration of the table {declaration.table!r}"))
    for route in served:
        if route.guessed:
            raise ConfigurationError(detail=_unconfirmed(f"the route {route.name}"))
        if TODO in route.purposes:
            raise ConfigurationError(
                detail=f"the route {route.name} still has the purpose TODO: name those that it serves, "
                "from the tenants' registers"
            )
    return declared, served


def _unconfirmed(what: str) -> str:
    return (
        f"{what} is a guess of `amanah init`: read it, correct it, and confirm it by taking the guessed() around it "
        "away (amanah doctor lists all that are left). Until then only Guard.observing(…) starts"
    )
