"""The web pages for tenant admins and compliance officers: mounted beside the application, behind the same gates."""

from __future__ import annotations

from .credentials import set_password
from .invitations import invite
from .mounting import mount

__all__ = ["invite", "mount", "set_password"]
