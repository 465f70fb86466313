"""The web pages for tenant admins and compliance officers: mounted beside the application, behind the same gates."""

from __future__ import annotations

from .mounting import mount

__all__ = ["mount"]
