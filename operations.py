"""For migrations: ``import amanah.operations`` gives Alembic's ``op`` the operations of Amanah.

`op.enable_row_security` and its way back are the second wall between tenants on PostgreSQL; `op.add_tenant_column`
gives a table the column that says whose a row is. Of sealing:
`op.add_sealed_columns`, `op.read_sealed_columns`, `op.release_plain_columns`, `op.drop_plain_columns`, and their ways
back; `op.lock_tables` before them. ``amanah revision`` writes the migrations.
"""

from .adoption import alembic_steps, alembic_walls  # noqa: F401 - what the operations do, and autogenerate
from .adoption.alembic_locks import LockedTables
from .adoption.alembic_operations import PlainColumns, ReadColumns, ReleasedColumns, SealedColumns
from .adoption.alembic_row_security import RowSecurityStep
from .adoption.alembic_tenant_column import TenantColumnStep

__all__ = [
    "LockedTables",
    "PlainColumns",
    "ReadColumns",
    "ReleasedColumns",
    "RowSecurityStep",
    "SealedColumns",
    "TenantColumnStep",
]
