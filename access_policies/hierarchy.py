"""The three hierarchies (roles, objects, purposes) as plain links, and the check that Casbin can follow them.

Casbin's role manager walks nine links and then answers "no link" without a word: an allow would be lost, and a *deny*
would be lost, which is worse. The subject ``set:<hash>`` takes one link, so eight are left. Chains that are longer, and
circles, are refused when they are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..errors import InvalidInput
from .names import ANY, CATEGORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .purposes import Purpose

LONGEST_CHAIN: Final = 8
"""How many links a chain of roles, categories or purposes may have."""

Link = tuple[str, str]
"""(lower, higher): whatever a rule says of the higher holds for the lower."""


def check_links(links: Iterable[Link], kind: str) -> None:
    """Raise ``InvalidInput`` if the links go round in a circle or a chain has more than ``LONGEST_CHAIN`` of them."""
    above: dict[str, list[str]] = {}
    for lower, higher in links:
        above.setdefault(lower, []).append(higher)
    heights: dict[str, int] = {}
    for start in above:
        _height(start, above, heights, [], kind)


def _height(name: str, above: Mapping[str, list[str]], heights: dict[str, int], path: list[str], kind: str) -> int:
    """The longest chain of links upward from ``name``; ``path`` is the way on which we came."""
    if name in path:
        circle = " → ".join([*path[path.index(name) :], name])
        raise InvalidInput(detail=f"the {kind} hierarchy would go round in a circle: {circle}")
    if name in heights:
        return heights[name]
    path.append(name)
    if len(path) > LONGEST_CHAIN + 1:
        raise InvalidInput(
            detail=f"the {kind} hierarchy would have a chain of more than {LONGEST_CHAIN} links, from {path[0]}"
        )
    height = max((1 + _height(higher, above, heights, path, kind) for higher in above.get(name, ())), default=0)
    if height > LONGEST_CHAIN:
        raise InvalidInput(
            detail=f"the {kind} hierarchy would have a chain of more than {LONGEST_CHAIN} links, from {name}"
        )
    path.pop()
    heights[name] = height
    return height


def closure(names: Iterable[str], above: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """``names`` and everything that they inherit from."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(above.get(name, ()))
    return frozenset(found)


def _dotted_parents(key: str) -> Iterator[str]:
    """``a.b.c`` → ``a.b``; an extension ``x.a.b.c`` hangs under ``a.b`` as well as under ``x.a.b``."""
    extension = key.startswith("x.")
    head, dot, _ = key.removeprefix("x.").rpartition(".")
    if dot:
        yield head
        if extension:
            yield f"x.{head}"


def dotted_links(key: str) -> list[Link]:
    """Every link from ``key`` upward by its dots."""
    links: list[Link] = []
    waiting, seen = [key], {key}
    while waiting:
        lower = waiting.pop()
        for higher in _dotted_parents(lower):
            links.append((lower, higher))
            if higher not in seen:
                seen.add(higher)
                waiting.append(higher)
    return links


def object_links(name: str, fields: Mapping[str, str]) -> list[Link]:
    """The links of the field ``name`` to the fields of its resource and to its category; none for a resource.

    ``fields``: field → key of its category. ``x.user.health_and_medical.diagnosis`` is an extension of fideslang and
    counts as a kind of ``user.health_and_medical``.
    """
    category = fields.get(name)
    if category is None:
        return []
    resource = name.rpartition(".")[0]
    above = [(CATEGORY + lower, CATEGORY + higher) for lower, higher in dotted_links(category)]
    return [(name, f"{resource}.*"), (name, CATEGORY + category), *above]


def purpose_links(purposes: Mapping[str, Purpose]) -> list[Link]:
    """Each registered purpose under its dotted parents, under the parent that the register names, and under ``*``."""
    links: dict[Link, None] = {}
    for key, purpose in purposes.items():
        links[key, ANY] = None
        links.update(dict.fromkeys(dotted_links(key)))
        if purpose.parent:
            links[key, purpose.parent] = None
            links.update(dict.fromkeys(dotted_links(purpose.parent)))
    return list(links)
