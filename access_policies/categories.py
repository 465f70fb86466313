"""The categories that a purpose is registered for: columns of all others are closed for it, whatever rules say.

Said in the words of Casbin's model, as rows beside the policy's own, so that Casbin decides it with everything else and
an exported policy decides it without us:

- ``p, role:any, outside:P, read, P, deny``, and the same of read_masked, for each purpose P that names some;
- ``g``: each role → ``role:any``; ``g2``: a field whose category is none of P's and below none of them → ``outside:P``.

They are denials, so they never widen; and as with every rule, what they say of a purpose holds for those below it. No
name of a policy has a colon like these, so no rule can mean one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import InvalidInput
from .hierarchy import closure, dotted_links, purpose_links
from .names import ANY, CATEGORY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .hierarchy import Link
    from .purposes import Purpose
    from .rules import Rule

ANY_ROLE: Final = "role:any"
OUTSIDE: Final = "outside:"
SEEING: Final = ("read", "read_masked")
"""The actions that open a column."""

Row = tuple[str, str, str, str, str]


def _up(category: str) -> set[str]:
    """The category and all above it."""
    return {category, *(higher for _, higher in dotted_links(category))}


def closes(purpose: Purpose, category: str) -> bool:
    """Whether the purpose is registered for some categories, and for none to which ``category`` belongs."""
    return bool(purpose.categories) and _up(category).isdisjoint(purpose.categories)


def binding(purposes: Mapping[str, Purpose]) -> dict[str, tuple[Purpose, ...]]:
    """Each registered purpose → those whose categories bind it: itself and the registered ones above it, if any."""
    if not any(one.categories for one in purposes.values()):
        return {}
    above: dict[str, list[str]] = {}
    for lower, higher in purpose_links(purposes):
        above.setdefault(lower, []).append(higher)
    found = {key: closure({key}, above) for key in purposes}
    return {
        key: tuple(one for one in purposes.values() if one.key in names and one.categories)
        for key, names in found.items()
    }


def check(purposes: Mapping[str, Purpose]) -> None:
    """Raise ``InvalidInput`` where a purpose names a category that one above it is not registered for."""
    for key, bound in binding(purposes).items():
        for category in purposes[key].categories:
            for one in bound:
                if closes(one, category):
                    detail = f"{key} cannot be registered for {category}: {one.key}, above it, is not"
                    raise InvalidInput(detail=detail)


def outside_links(field: str, fields: Mapping[str, str], purposes: Iterable[Purpose]) -> list[Link]:
    """The links of ``field`` to each purpose that is not registered for its category; none for a resource."""
    category = fields.get(field)
    return [] if category is None else [(field, OUTSIDE + one.key) for one in purposes if closes(one, category)]


def denials(purposes: Iterable[Purpose]) -> list[Row]:
    """The rows of Casbin's ``p``."""
    limited = [one.key for one in purposes if one.categories]
    return [(ANY_ROLE, OUTSIDE + key, action, key, "deny") for key in limited for action in SEEING]


def role_links(roles: Iterable[str], purposes: Iterable[Purpose]) -> list[Link]:
    """Each role stands under `ANY_ROLE`, where some purpose needs it."""
    return [(role, ANY_ROLE) for role in roles] if any(one.categories for one in purposes) else []


def idle(rules: Iterable[Rule], purposes: Mapping[str, Purpose], fields: Mapping[str, str]) -> list[Rule]:
    """The rules that open no column: what they allow is closed for their purpose."""
    bound = binding(purposes)
    return [
        rule
        for rule in rules
        if rule.effect == "allow"
        and rule.action in SEEING
        and rule.purpose != ANY
        and any(_shuts(one, rule.object, fields) for one in bound.get(rule.purpose, ()))
    ]


def _shuts(purpose: Purpose, obj: str, fields: Mapping[str, str]) -> bool:
    """Whether all that a rule's object means is closed: a category with all below it, or one field."""
    if obj.startswith(CATEGORY):
        category = obj.removeprefix(CATEGORY)
        return closes(purpose, category) and not _some_below(category, purpose.categories)
    return obj in fields and closes(purpose, fields[obj])


def _some_below(category: str, others: Collection[str]) -> bool:
    return any(category in _up(one) for one in others)


__all__ = [
    "ANY_ROLE",
    "OUTSIDE",
    "SEEING",
    "binding",
    "check",
    "closes",
    "denials",
    "idle",
    "outside_links",
    "role_links",
]
