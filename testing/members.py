"""Code under test that touches protected tables without a request, on behalf of somebody with a role."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from anyio import to_thread

from ..database import time_of
from ..tenants.roster import ACTIVE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..guard import Guard
    from ..middleware.access import Access
    from ..middleware.jobs import JobAccess

P = ParamSpec("P")
R = TypeVar("R")

_OPERATOR: Final = "amanah.testing"


class as_member:  # noqa: N801 - reads as a function: ``with as_member(guard, …):``
    """Run a block, a test or a fixture under a real access of a member who has ``role``.

    ::

        with as_member(guard, tenant="sinar-jaya", role="cashier", purpose="billing"):
            assert session.get(Invoice, 7).total == 100

        @as_member(guard, tenant="sinar-jaya", role="cashier", purpose="billing")
        async def test_totals(): …

    ``with`` and ``async with``, around plain and async functions and generator fixtures. No shortcut: the tenant's
    policy decides and the trail records, as for `Guard.access`, which it calls. The member ``test-<role>`` is added
    with that one grant where it is not there. The tenant must exist, and its policy know the role. Raises
    `TenantUnknown`, `InvalidInput`, and what `Guard.access` raises.
    """

    def __init__(self, guard: Guard, *, tenant: str, role: str, purpose: str, reason: str = "a test") -> None:
        """Nothing happens before it is entered. ``purpose``: a key or alias of the tenant's register."""
        self._guard = guard
        self._tenant = tenant
        self._role = role
        self._purpose = purpose
        self._reason = reason
        self._entered: list[JobAccess] = []

    def _member(self) -> str:
        """Make sure of member and grant."""
        guard, tenant, member = self._guard, self._tenant, f"test-{self._role}"
        with guard.engine.connect() as connection:
            now = time_of(connection)
        standing = guard.directory.load(tenant).standing(member, now)
        if standing.member_status != ACTIVE or self._role not in standing.roles:
            with guard.engine.begin() as connection:
                if standing.member_status != ACTIVE:
                    guard.directory.add_member(connection, tenant, member)
                if self._role not in standing.roles:
                    guard.directory.grant(
                        connection, tenant, member, self._role, reason=self._reason, granted_by=_OPERATOR
                    )
        return member

    def _access(self, member: str) -> JobAccess:
        access = self._guard.access(tenant=self._tenant, actor=member, purpose=self._purpose, reason=self._reason)
        self._entered.append(access)
        return access

    def __enter__(self) -> Access:
        """Open the access."""
        return self._access(self._member()).__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Record what was read and close the access."""
        self._entered.pop().__exit__(kind, error, trace)

    async def __aenter__(self) -> Access:
        """Open the access without blocking the event loop."""
        return await self._access(await to_thread.run_sync(self._member)).__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As `__exit__`, without blocking the event loop."""
        await self._entered.pop().__aexit__(kind, error, trace)

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """``function``, each call of which runs under an access of its own; a generator until it is over."""
        wrapper: Any
        if inspect.isasyncgenfunction(function):
            # Its two halves run in different tasks, and a ContextVar set in one cannot be reset in the other.
            raise TypeError("an async generator cannot be decorated: use `async with as_member(…)` in the test")
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
                async with self._again():
                    return await function(*args, **kwargs)

        elif inspect.isgeneratorfunction(function):

            @wraps(function)
            def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._again():
                    yield from function(*args, **kwargs)

        else:

            @wraps(function)
            def wrapper(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._again():
                    return function(*args, **kwargs)

        result: Callable[P, R] = wrapper
        return result

    def _again(self) -> as_member:
        return as_member(self._guard, tenant=self._tenant, role=self._role, purpose=self._purpose, reason=self._reason)
