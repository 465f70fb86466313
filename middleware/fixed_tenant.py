"""An application whose data is all one tenant's: nobody of another tenant is let in at the door.

The wall would show them nothing, and the statement's own check (`shape.demand_tenant`) stops jobs; a sign-in ends here,
before the other tenant's policy and keys are looked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..database import PLATFORM
from ..errors import ConfigurationError, TenantForeign
from ..tenants.names import could_be_tenant
from .identify import adapt

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .identify import Identify, Identity


def fixed(tenant: str | None) -> str | None:
    """``tenant``, if it is a tenant's id or None. Raises `ConfigurationError`."""
    if tenant is not None and (not could_be_tenant(tenant) or tenant == PLATFORM):
        raise ConfigurationError(detail=f"fixed_tenant={tenant!r:.80} is no tenant's id")
    return tenant


def only(tenant: str | None, identify: Identify) -> Identify:
    """``identify``, which may yield nobody but actors of ``tenant``; as it is where ``tenant`` is None.

    The callable that is returned raises `TenantForeign`. Raises `ConfigurationError` for what is no tenant's id.
    """
    if fixed(tenant) is None:
        return identify
    ask = adapt(identify)

    async def asked(connection: HTTPConnection) -> Identity | None:
        found = await ask(connection)
        if found is not None and found.tenant != tenant:
            raise TenantForeign
        return found

    return asked


__all__ = ["fixed", "only"]
