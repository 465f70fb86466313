"""The few request headers that the gate reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ..errors import PurposeRepeated, VersionUnreadable

if TYPE_CHECKING:
    from starlette.types import Scope

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_VERSION: Final = re.compile(r"[0-9]{1,18}")
_LONGEST_AGENT: Final = 512


class Headers:
    """Found in one pass over the scope's list."""

    __slots__ = ("accept", "agent", "language", "length", "purposes", "request", "versions")

    def __init__(self, scope: Scope) -> None:
        """Of ``Amanah-Purpose`` and ``Amanah-Policy-Version`` every line counts, of the others the first."""
        self.purposes: list[str] = []
        self.versions: list[str] = []
        self.accept: str | None = None
        self.agent: str | None = None
        self.language: str | None = None
        self.request: str | None = None
        self.length = 0
        """Of the body in bytes, as far as it is said before."""
        for name, value in scope["headers"]:
            if name == b"amanah-purpose":
                self.purposes.append(value.decode("latin-1").strip())
            elif name == b"amanah-policy-version":
                self.versions.append(value.decode("latin-1").strip())
            elif name == b"user-agent":
                self.agent = self.agent or value[:_LONGEST_AGENT].decode("latin-1")
            elif name == b"accept":
                self.accept = self.accept or value.decode("latin-1")
            elif name == b"accept-language":
                self.language = self.language or value.decode("latin-1")
            elif name == b"content-length" and value.isdigit():
                self.length = int(value[:18])
            elif name == b"x-request-id" and self.request is None:
                text = value.decode("latin-1")
                self.request = text if _REQUEST_ID.fullmatch(text) else None

    def purpose(self) -> str | None:
        """The one purpose that is named, or None. Raises `PurposeRepeated`; proxies join repeated lines by a comma."""
        if not self.purposes:
            return None
        if len(self.purposes) > 1 or "," in self.purposes[0]:
            raise PurposeRepeated
        return self.purposes[0]

    def at_least(self) -> int:
        """The version of the tenant that must have been seen before this is answered; 0: any.

        By this a client reads its own writes: `Directory.version`. Raises `VersionUnreadable`.
        """
        if not self.versions:
            return 0
        if len(self.versions) > 1 or not _VERSION.fullmatch(self.versions[0]):
            raise VersionUnreadable
        return int(self.versions[0])
