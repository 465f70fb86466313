"""The second wall between tenants: what PostgreSQL's row-level security says of a table, as SQL.

The first wall's three ways in which a row belongs to its tenant, read from what `binding` says of the transaction:

- by a column: ``tenant_id = (SELECT NULLIF(current_setting('amanah.tenant', true), ''))``;
- by parents: EXISTS for each, up to the one with the column;
- all rows to one fixed tenant: the setting is that tenant.

``(SELECT …)`` is evaluated once a statement instead of once a row. A setting that was local to a transaction is "" on
the connection ever after, which is why "" is nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import String

from ..database import SIGN_IN_SETTING, TENANT_SETTING

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

    from .fields import Protected

TENANT_POLICY: Final = "amanah_tenant"
SIGN_IN_POLICY: Final = "amanah_sign_in"

_SIGN_IN: Final = f"(SELECT current_setting('{SIGN_IN_SETTING}', true)) = 'on'"


@dataclass(frozen=True, slots=True)
class RowSecurity:
    """Whose the rows of a table are. Either ``tenant``, the column that says it, or ``fixed``, the one tenant.

    ``via``: the way to the table with that column, each step "column → parent.key". ``kind``: the column's type; None
    for text. ``sign_in``: an access that signs somebody in sees all rows, and so does the look for a callback's owner.
    """

    table: str
    tenant: str | None = None
    kind: TypeEngine[object] | None = None
    via: tuple[tuple[str, str, str], ...] = ()
    fixed: str | None = None
    sign_in: bool = False
    schema: str | None = None

    def policies(self, dialect: Dialect) -> dict[str, str]:
        """The condition of each policy of the table, by its name."""
        found = {TENANT_POLICY: self._condition(dialect)}
        if self.sign_in:
            found[SIGN_IN_POLICY] = _SIGN_IN
        return found

    def name(self, dialect: Dialect) -> str:
        """The table in SQL."""
        quote = dialect.identifier_preparer.quote_identifier
        return ".".join(map(quote, filter(None, [self.schema, self.table])))

    def _condition(self, dialect: Dialect) -> str:
        quote = dialect.identifier_preparer.quote_identifier
        setting = f"NULLIF(current_setting('{TENANT_SETTING}', true), '')"
        if self.kind is not None and not isinstance(self.kind, String):
            setting = f"CAST({setting} AS {self.kind.compile(dialect)})"
        if self.tenant is None:
            text = "'" + str(self.fixed).replace("'", "''") + "'"
            whole = f"(SELECT {setting}) = {text}"
        else:
            whole = f"{{row}}.{quote(self.tenant)} = (SELECT {setting})"
        # From the table with the tenant's column down to this one. A parent has a name of its own in each step.
        rows = [quote(self.table), *(f"amanah_up{n}" for n in range(1, len(self.via) + 1))]
        whole = whole.replace("{row}", rows[-1])
        for number in range(len(self.via), 0, -1):
            column, parent, key = self.via[number - 1]
            place = ".".join(map(quote, filter(None, [self.schema, parent])))
            up, row = rows[number], rows[number - 1]
            whole = (
                f"EXISTS (SELECT 1 FROM {place} AS {up} "  # noqa: S608 - names, quoted
                f"WHERE {up}.{quote(key)} = {row}.{quote(column)} AND {whole})"
            )
        return whole


def row_security(table: Protected) -> RowSecurity:
    """What the declarations ask for."""
    via: list[tuple[str, str, str]] = []
    owner = table
    while owner.via is not None:
        via.append((owner.via.column, owner.via.parent.name, owner.via.parent.key[0]))
        owner = owner.via.parent
    kind = None if owner.tenant is None else owner.table.c[owner.tenant].type
    return RowSecurity(
        table.table.name,
        tenant=owner.tenant,
        kind=None if isinstance(kind, String) else kind,
        via=tuple(via),
        fixed=owner.fixed,
        sign_in=table.sign_in or table.looked_up,
        schema=table.table.schema,
    )


__all__ = ["SIGN_IN_POLICY", "TENANT_POLICY", "RowSecurity", "row_security"]
