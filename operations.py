"""For migrations: ``import amanah.operations`` gives Alembic's ``op`` the steps of sealing a live column.

`op.add_sealed_columns`, `op.read_sealed_columns`, `op.release_plain_columns`, `op.drop_plain_columns`, and their ways
back; `op.lock_tables` before them. ``amanah revision`` writes the migrations.
"""

from .adoption import alembic_steps  # noqa: F401 - what the operations do
from .adoption.alembic_locks import LockedTables
from .adoption.alembic_operations import PlainColumns, ReadColumns, ReleasedColumns, SealedColumns

__all__ = ["LockedTables", "PlainColumns", "ReadColumns", "ReleasedColumns", "SealedColumns"]
