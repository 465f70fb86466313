"""What tenants, members and roles may be called; anything else is refused when it is written."""

from __future__ import annotations

import re
from typing import Final

from ..database import PLATFORM
from ..errors import InvalidInput

OWNER: Final = "owner"
"""The role whose last holder cannot be taken away."""

_TENANT = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ROLE = re.compile(r"[a-z][a-z0-9]*(?:[._-][a-z0-9]+)*")

_TENANT_LENGTH: Final = 64
_ROLE_LENGTH: Final = 64
_MEMBER_LENGTH: Final = 128
_TEXT_LENGTH: Final = 200
_REASON_LENGTH: Final = 2000


def could_be_tenant(tenant_id: str) -> bool:
    """Whether a tenant can have this id; asked of what a login brings before it reaches a query."""
    return len(tenant_id) <= _TENANT_LENGTH and _TENANT.fullmatch(tenant_id) is not None


def check_tenant(tenant_id: str) -> str:
    """Return ``tenant_id`` if a tenant may have it: lower-case letters, digits and single dashes, at most 64.

    Raises ``InvalidInput``, also for the reserved name of the platform.
    """
    if not could_be_tenant(tenant_id):
        raise InvalidInput(
            detail=f"{tenant_id!r:.80} is no tenant id: lower-case letters, digits and dashes, at most 64"
        )
    if tenant_id == PLATFORM:
        raise InvalidInput(detail=f"the tenant id {PLATFORM} is reserved")
    return tenant_id


def could_be_role(name: str) -> bool:
    """Whether a role can be called so; asked before a name that an application brings is shown to anybody."""
    return len(name) <= _ROLE_LENGTH and _ROLE.fullmatch(name) is not None


def check_role(name: str) -> str:
    """Return ``name`` if a role can be called so; raises ``InvalidInput``. No separators, no quotes, no wildcard."""
    if not could_be_role(name):
        raise InvalidInput(
            detail=f"{name!r:.80} is no name for a role: lower-case letters and digits, in words joined by _ . or -"
        )
    return name


def check_member(member_id: str) -> str:
    """Return ``member_id`` if it is 1 to 128 printable characters without blanks around; raises ``InvalidInput``.

    The id itself is not repeated in the message: an application may use e-mail addresses.
    """
    if not 0 < len(member_id) <= _MEMBER_LENGTH or not member_id.isprintable() or member_id != member_id.strip():
        raise InvalidInput(detail="a member's id has 1 to 128 printable characters and no blank at either end")
    return member_id


def check_text(text: str, what: str, *, reason: bool = False) -> str:
    """Return ``text`` without blanks around if it is not empty and not too long; raises ``InvalidInput``."""
    stripped = text.strip()
    longest = _REASON_LENGTH if reason else _TEXT_LENGTH
    if not stripped or len(stripped) > longest or "\x00" in stripped:
        raise InvalidInput(detail=f"{what} is missing or longer than {longest} characters")
    return stripped
