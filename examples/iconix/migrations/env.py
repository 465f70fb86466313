"""Alembic's entry: the connection comes from iconix.migrate."""

from alembic import context

from iconix.models import Base

connection = context.config.attributes["connection"]
names = frozenset(Base.metadata.tables)


def ours(name: str | None, kind: str, _parents: object) -> bool:
    """Other programs may keep tables in the same database; they are none of our business."""
    return kind != "table" or name in names


context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    version_table="iconix_version",
    render_as_batch=connection.dialect.name == "sqlite",
    include_name=ours,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
