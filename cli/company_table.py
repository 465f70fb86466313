"""The application's own table of companies, read for ``amanah tenant import``: ids, names and first owners only.

No other column is selected. A column that is declared personal is refused: what is sealed cannot be read outside an
access, and what is personal has no place among the names of tenants, which are stored in clear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.exc import OperationalError, ProgrammingError

from ..adoption.sealing_targets import engine_for
from ..errors import InvalidInput
from ..i18n import N_
from ..tenants.names import check_member, check_tenant, check_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Column, Table

    from ..guard import Guard


@dataclass(frozen=True, slots=True)
class Company:
    """One row. ``trouble``: why it can be no tenant, or nothing."""

    id: str
    name: str
    admin: str | None
    trouble: str = ""


def read_companies(guard: Guard, table: str, columns: dict[str, str | None]) -> list[Company]:
    """Every company, by id. ``columns``: "id", "name" and "admin" → the column, or None. Raises `InvalidInput`."""
    found = guard.metadata.tables.get(table)
    if found is None:
        raise InvalidInput(detail=f"the application has no table {table!r:.80}")
    picked = {what: _column(guard, found, name) for what, name in columns.items() if name is not None}
    try:
        with engine_for(guard) as engine, engine.connect() as connection:
            rows = connection.execute(select(*picked.values()).order_by(picked["id"])).all()
    except (OperationalError, ProgrammingError) as error:
        raise InvalidInput(detail=f"the table {table} cannot be read; are its migrations done?") from error
    return list(_companies([dict(zip(picked, row, strict=True)) for row in rows]))


def _column(guard: Guard, table: Table, name: str) -> Column[Any]:
    column = table.columns.get(name)
    if column is None:
        raise InvalidInput(detail=f"the table {table.name} has no column {name!r:.80}")
    protected = guard.register.by_name(table.name)
    if protected is not None and protected.column_named(name) is not None:
        raise InvalidInput(
            detail=f"{table.name}.{name} is declared personal and is not read; name another column, or leave it out"
        )
    return column


def _companies(rows: list[dict[str, Any]]) -> Iterator[Company]:
    seen: set[str] = set()
    for row in rows:
        tenant = str(row["id"])
        name = str(row.get("name") or "").strip() or tenant
        admin = None if row.get("admin") is None else str(row["admin"])
        trouble = _trouble(tenant, name, admin) or (N_("the same id twice") if tenant in seen else "")
        seen.add(tenant)
        yield Company(tenant, name, admin, trouble)


def _trouble(tenant: str, name: str, admin: str | None) -> str:
    try:
        check_tenant(tenant)
        check_text(name, "the tenant's name")
        if admin is not None:
            check_member(admin)
    except InvalidInput as error:
        return str(error.facts["detail"])
    return ""
