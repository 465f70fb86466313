"""What a role, an object, an action and a purpose may be called; anything else is refused when it is written.

Casbin's text formats separate by comma, newline and blank, and quote by nothing: a role named ``admin, tenantB`` has
become ``admin`` in tenant B with published adapters. Our own adapter never joins text, and these names would survive
other people's tools as well.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import InvalidInput

ANY: Final = "*"
"""As an object: everything. As a purpose: any registered purpose."""

CATEGORY: Final = "category:"
"""Prefix of an object that names a category of personal data, ``category:user.contact``."""

SUBJECT_PREFIX: Final = "set:"
"""Prefix of the subject under which a set of roles is judged; no role's name can start with it."""

_WORDS = r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*"
_ROLE = re.compile(_WORDS)
_DOTTED = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*(?:\.[a-z0-9]+(?:_[a-z0-9]+)*)*")
_RESOURCE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_ACTION = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")

LENGTHS: Final = {"role": 64, "object": 160, "action": 32, "purpose": 96, "alias": 64, "row filter": 64, "mask": 32}
"""The longest name of each kind, in characters; the columns of the tables have the same widths."""


def _check(kind: str, value: str, pattern: re.Pattern[str], allowed: str) -> str:
    if not isinstance(value, str) or len(value) > LENGTHS[kind] or not pattern.fullmatch(value):
        detail = f"{value!r:.80} is no valid name for a {kind}: {allowed}, at most {LENGTHS[kind]} characters"
        raise InvalidInput(detail=detail)
    return value


def check_role(name: str) -> str:
    """Return ``name`` if a role may be called so; raises ``InvalidInput``."""
    return _check("role", name, _ROLE, "lower-case letters and digits, in words joined by _ . or -")


def check_alias(name: str) -> str:
    """Return ``name`` if a purpose may have this short name; raises ``InvalidInput``."""
    return _check("alias", name, _ROLE, "lower-case letters and digits, in words joined by _ . or -")


def check_purpose(key: str) -> str:
    """Return ``key`` if it can be a purpose's key (fideslang's form, ``a.b_c.d``); raises ``InvalidInput``."""
    return _check("purpose", key, _DOTTED, "lower-case words joined by dots, as in fideslang")


def check_action(name: str) -> str:
    """Return ``name`` if an action may be called so; raises ``InvalidInput``. There is no action that means all."""
    return _check("action", name, _ACTION, "one verb in lower case, as in read_masked")


def check_row_filter(name: str) -> str:
    """Return ``name`` if a row filter may be called so; raises ``InvalidInput``."""
    return _check("row filter", name, _ROLE, "lower-case letters and digits, in words joined by _ . or -")


def check_object(name: str) -> str:
    """Return ``name`` if a rule may be about it; raises ``InvalidInput``.

    ``invoice``, ``customer.phone``, ``customer.*``, ``category:user.contact`` or ``*``.
    """
    if name == ANY:
        return name
    if name.startswith(CATEGORY):
        _check("object", name.removeprefix(CATEGORY), _DOTTED, "a category of fideslang after category:")
        return _within(name)
    _check("object", name.removesuffix(".*"), _RESOURCE, "a resource, resource.field, resource.*, category:… or *")
    return _within(name)


def _within(name: str) -> str:
    if len(name) > LENGTHS["object"]:
        raise InvalidInput(detail=f"{name!r:.80} is longer than {LENGTHS['object']} characters")
    return name


def askable(name: str) -> bool:
    """Whether a decision can be asked about ``name``: a resource or a field, never a pattern that rules are made of."""
    return _RESOURCE.fullmatch(name) is not None
