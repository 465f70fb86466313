"""Which access is open: one ContextVar, set for a block and reset in ``finally``."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING

from ..errors import AccessClosed, AccessLost, AccessRequired

if TYPE_CHECKING:
    from types import TracebackType

    from .access import Access

_current: ContextVar[Access | None] = ContextVar("amanah_access", default=None)
current = _current.get


def require(resource: str) -> Access:
    """The open access, or `AccessRequired` (`AccessLost` in a thread) or `AccessClosed`.

    ``resource`` is what was about to be touched.
    """
    access = _current.get()
    if access is None:
        raise (AccessLost if _in_worker_thread() else AccessRequired)(resource=resource)
    if access._closed:  # noqa: SLF001 - once for each cell
        raise AccessClosed
    return access


def _in_worker_thread() -> bool:
    """Whether this thread was started by other code to do some work: neither the main one nor an event loop's."""
    if threading.current_thread() is threading.main_thread():
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


class open_access:  # noqa: N801 - reads as a function at its call sites: ``with open_access(access):``
    """Make ``access`` the current one for the block, then reset the ContextVar and close the access."""

    __slots__ = ("_access", "_token")

    def __init__(self, access: Access) -> None:
        """``access`` must not have been closed."""
        self._access = access
        self._token: Token[Access | None] | None = None

    def __enter__(self) -> Access:
        """Set the ContextVar."""
        if self._access.closed:
            raise AccessClosed
        self._token = _current.set(self._access)
        return self._access

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Reset the ContextVar and close the access, whatever happened."""
        if self._token is not None:
            _current.reset(self._token)
        self._access.close()


__all__ = ["current", "open_access", "require"]
