"""The one session of this process with a PKCS#11 token, and what the module's errors mean.

PKCS#11 logs a *process* in, not a session, and python-pkcs11 initialises modules without telling them of threads. So
all of this process's providers of one token share a session, and one call at a time goes into a module. Who waits for a
call that does not come back is told after `WAIT_SECONDS` that the keys are not available; how long a call itself may
take is a setting of the module.

A PIN that the token refused is not tried again: tokens lock themselves after a few wrong ones.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from ..errors import AmanahError, ConfigurationError, KeyServiceRefused, KeysUnavailable, TokenMissing
from ..i18n import N_

if TYPE_CHECKING:
    from collections.abc import Callable

    from pkcs11 import Session

    Result = TypeVar("Result")

WAIT_SECONDS: Final = 5.0
_REFUSED: Final = frozenset(
    {"PinExpired", "PinIncorrect", "PinInvalid", "PinLenRange", "PinLocked", "UserPinNotInitialized"}
)
_LOST: Final = frozenset(
    {
        "DeviceRemoved",
        "KeyHandleInvalid",
        "ObjectHandleInvalid",
        "SessionClosed",
        "SessionHandleInvalid",
        "TokenNotPresent",
        "UserNotLoggedIn",
    }
)
"""The session is of no use any more; another one may be."""


class Token(NamedTuple):
    """Where the keys are."""

    module: str
    label: str


class Connection:
    """A session that is opened when first needed, and again when it was lost. Thread-safe, usable after a fork."""

    def __init__(self, token: Token) -> None:
        """Use `connection_to`."""
        self._token = token
        self._session: Session | None = None
        self._pid = os.getpid()
        self._refused: set[str] = set()

    def run(self, work: Callable[[Session], Result], pin: str) -> Result:
        """What ``work`` returns; it is begun anew, once, where the session was lost. Raises errors of ours only."""
        import pkcs11

        lock = _lock
        if not lock.acquire(timeout=WAIT_SECONDS):
            raise KeysUnavailable
        try:
            try:
                return work(self._opened(pin))
            except pkcs11.PKCS11Error as error:
                if type(error).__name__ not in _LOST:
                    raise
                self._drop()
                return work(self._opened(pin))
        except AmanahError:
            raise
        except pkcs11.NoSuchToken as error:
            raise TokenMissing(token=self._token.label) from error
        except Exception as error:
            name = type(error).__name__
            if name in _REFUSED:
                raise KeyServiceRefused(detail=name) from None
            raise KeysUnavailable from error
        finally:
            lock.release()

    def _opened(self, pin: str) -> Session:
        import pkcs11

        if self._session is not None and self._pid == os.getpid():
            return self._session
        if pin in self._refused:
            raise KeyServiceRefused(detail="PinIncorrect")
        token = self._module().get_token(token_label=self._token.label)
        try:
            self._session = token.open(rw=True, user_pin=pin)
        except pkcs11.UserAlreadyLoggedIn:  # by other code of this process
            self._session = token.open(rw=True)
        except pkcs11.PKCS11Error as error:
            if type(error).__name__ in _REFUSED:
                self._refused.add(pin)
            raise
        return self._session

    def _module(self) -> Any:
        import pkcs11

        name, pid = self._token.module, os.getpid()
        self._pid = pid
        try:
            module = pkcs11.lib(name)
            if _begun_in.setdefault(name, pid) != pid:  # PKCS#11 wants it so in a forked child
                with contextlib.suppress(pkcs11.PKCS11Error):  # it may have noticed by itself
                    module.finalize()
                module.initialize()
                _begun_in[name] = pid
        except pkcs11.PKCS11Error as error:
            if type(error) is pkcs11.PKCS11Error:  # python-pkcs11's own, of a file that is no module
                raise ConfigurationError(detail=N_("The PKCS#11 module cannot be loaded.")) from error
            raise
        return module

    def _drop(self) -> None:
        import pkcs11

        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(pkcs11.PKCS11Error):
                session.close()


def connection_to(token: Token) -> Connection:
    """This process's connection to ``token``. Nothing is opened yet."""
    with _lock:
        return _connections.setdefault(token, Connection(token))


_lock = threading.RLock()
_connections: dict[Token, Connection] = {}
_begun_in: dict[str, int] = {}
"""In which process each module was initialised."""


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - whoever held it is not in this process
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
