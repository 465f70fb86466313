"""Whose rows a table holds: by its own column, by a parent, or all one tenant's; or nobody said it.

What is said twice, in two ways, is a contradiction and refused: one of the two would let in whom the other keeps out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..errors import DeclarationError
from .fields import Via

if TYPE_CHECKING:
    from sqlalchemy import Table

    from .declare import Declaration
    from .fields import Register


class Owner(NamedTuple):
    """Whose rows a table holds: one of the three."""

    tenant: str | None = None
    via: Via | None = None
    fixed: str | None = None


def owner_of(
    register: Register,
    table: Table,
    said: Declaration,
    parent: Table | None,
    tenant_column: str,
    fixed_tenant: str | None,
) -> Owner | None:
    """How the table's rows belong to a tenant; None where nobody said it, or where all share them.

    ``parent`` is the table to which ``said.via`` leads, taken in before. Raises `DeclarationError`.
    """
    if said.tenant is not None and said.tenant not in table.c:
        raise DeclarationError(detail=f"{table.name} has no column {said.tenant!r} to be its tenant")
    tenant = said.tenant or tenant_column
    if fixed_tenant is not None:
        named = "tenant=" if said.tenant else "via=" if said.via else None
        if named is not None:
            raise DeclarationError(
                detail=f"{table.name} is declared with {named}, and fixed_tenant says that all rows are of one tenant"
            )
        if tenant in table.c and not said.shared:
            raise DeclarationError(
                detail=f"{table.name} has the tenant column {tenant!r}, and fixed_tenant says that there is none: "
                "leave out fixed_tenant, or name another tenant_column if this one means something else"
            )
        return None if said.shared else Owner(fixed=fixed_tenant)
    if parent is not None and said.via is not None:
        if tenant in table.c:
            raise DeclarationError(detail=f"{table.name} has the tenant column {tenant!r}: leave out via=")
        known = register.by_name(parent.name)
        if known is None:
            raise DeclarationError(
                detail=f"{table.name}.{said.via} leads to {parent.name}, whose rows belong to no tenant: "
                f"declare {parent.name} with tenant= or via="
            )
        known.has_children = True
        return Owner(via=Via(said.via, known))
    return None if said.shared or tenant not in table.c else Owner(tenant=tenant)


__all__ = ["Owner", "owner_of"]
