"""The way to the application: HTTPS or nothing, and the headers that a browser needs to keep what it was given.

1. A connection is secure when the server says so (``scheme`` of the ASGI scope) or when a *configured* proxy says so.
   ``X-Forwarded-*`` from anybody else is what a stranger wrote.
2. A plain GET or HEAD without credentials is redirected; everything else is refused: a body or a token that already
   travelled in the clear must not seem to have worked.
3. Headers are added where the application sets none, and never override its own.
"""

from __future__ import annotations

import ipaddress
import re
import warnings
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TWO_YEARS = 63_072_000
"""Seconds; the least that the browsers' preload lists take for HSTS (RFC 6797)."""

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_TARGET = re.compile(rb"/[\x21-\x7e]*")
_REMEMBERED = 4096


class Transport:
    """Judges how a connection came here, and dresses the answers that go back."""

    def __init__(
        self,
        *,
        required: bool = True,
        trusted_proxies: Sequence[str] = (),
        hosts: Sequence[str] = (),
        port: int = 443,
        hsts: int = TWO_YEARS,
    ) -> None:
        """Require HTTPS unless this is development.

        ``trusted_proxies``: addresses or networks (``"10.0.0.0/8"``; ``"unix"`` for a server on a Unix socket) whose
        ``X-Forwarded-Proto`` and ``X-Forwarded-For`` are believed. ``hosts``: the names to which a plain request may be
        redirected, none meaning any; ``port``: of HTTPS; ``hsts``: seconds. Raises :class:`ConfigurationError`.
        """
        if not 0 < port < 65536 or hsts < 0:  # noqa: PLR2004 - ports have 16 bits
            raise ConfigurationError(detail="the HTTPS port or the duration of HSTS is out of range")
        self.required = required
        self._unix = "unix" in trusted_proxies
        self._proxies: tuple[Network, ...] = tuple(_network(name) for name in trusted_proxies if name != "unix")
        self._hosts = frozenset(name.lower() for name in hosts)
        self._port = "" if port == 443 else f":{port}"  # noqa: PLR2004 - https
        self._hsts = (b"strict-transport-security", b"max-age=%d" % hsts)
        self._known: dict[str, bool] = {}

    @classmethod
    def development(cls) -> Transport:
        """Plain HTTP is let in, with a warning."""
        warnings.warn("Amanah lets plain HTTP in: this is for development only.", RuntimeWarning, stacklevel=2)
        return cls(required=False)

    def secure(self, scope: Mapping[str, Any]) -> bool:
        """Whether the connection is encrypted as far as the server or a trusted proxy knows (step 1)."""
        if scope.get("scheme") in {"https", "wss"}:
            return True
        if not self._behind_proxy(scope):
            return False
        said = [part.strip().lower() for part in _values(scope, b"x-forwarded-proto")]
        return bool(said) and all(part in {"https", "wss"} for part in said)

    def address(self, scope: Mapping[str, Any]) -> str | None:
        """The client's IP address: the peer's, or the last one that no trusted proxy vouches to be a proxy."""
        peer = _peer(scope)
        if not self._behind_proxy(scope):
            return peer
        found = peer
        for part in reversed(_values(scope, b"x-forwarded-for")):
            try:
                found = str(ipaddress.ip_address(part.strip()))
            except ValueError:
                break
            if not self._is_proxy(found):
                break
        return found

    def redirect(self, scope: Mapping[str, Any]) -> bytes | None:
        """Where a plain request is sent with 308, or None where it must be refused (step 2)."""
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return None
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        if any(name == b"authorization" for name, _ in headers):
            return None
        named = [value for name, value in headers if name == b"host"]
        found = _HOST.fullmatch(named[0].decode("latin-1")) if len(named) == 1 else None
        raw: bytes = scope.get("raw_path") or b""
        if found is None or not _TARGET.fullmatch(raw) or raw.startswith(b"//"):
            return None
        host = found[1].lower()
        if self._hosts and host not in self._hosts:
            return None
        query: bytes = scope.get("query_string", b"")
        return f"https://{host}{self._port}".encode("ascii") + raw.partition(b"?")[0] + (b"?" + query if query else b"")

    def dress(
        self, headers: Iterable[tuple[bytes, bytes]], *, secure: bool, guarded: bool
    ) -> list[tuple[bytes, bytes]]:
        """The response's headers with what is missing (step 3). ``guarded`` answers are not kept by any cache."""
        dressed = list(headers)
        present = {name.lower(): value for name, value in dressed}
        if b"x-content-type-options" not in present:
            dressed.append((b"x-content-type-options", b"nosniff"))
        if b"referrer-policy" not in present:
            dressed.append((b"referrer-policy", b"same-origin"))  # addresses name rows, rows are about people
        if b"x-frame-options" not in present:
            policy = present.get(b"content-security-policy")
            if policy is None:
                dressed.append((b"content-security-policy", b"frame-ancestors 'none'"))
            if policy is None or b"frame-ancestors" not in policy:
                dressed.append((b"x-frame-options", b"DENY"))
        if guarded:
            if b"cache-control" not in present:
                dressed.append((b"cache-control", b"no-store"))  # an answer from a cache is an access nobody recorded
            else:
                dressed.append((b"vary", b"Amanah-Purpose"))
        if secure and self.required and b"strict-transport-security" not in present:
            dressed.append(self._hsts)
        return dressed

    def _behind_proxy(self, scope: Mapping[str, Any]) -> bool:
        if not self._proxies and not self._unix:
            return False
        peer = _peer(scope)
        return self._unix if peer is None else self._is_proxy(peer)

    def _is_proxy(self, peer: str) -> bool:
        known = self._known.get(peer)
        if known is None:
            try:
                address = ipaddress.ip_address(peer)
            except ValueError:
                known = False
            else:
                known = any(address in network for network in self._proxies)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[peer] = known
        return known


def _network(name: str) -> Network:
    try:
        return ipaddress.ip_network(name)
    except ValueError as error:
        raise ConfigurationError(detail=f"{name} is neither an address nor a network of a trusted proxy") from error


def _peer(scope: Mapping[str, Any]) -> str | None:
    client = scope.get("client")
    return client[0] or None if client else None  # uvicorn gives an empty name on a Unix socket


def _values(scope: Mapping[str, Any], wanted: bytes) -> list[str]:
    """Every element of a list header, over all its lines, in order."""
    lines = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
    return ",".join(lines).split(",") if lines else []
