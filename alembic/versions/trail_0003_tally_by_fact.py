"""Counts are kept by fact, then day; rules, actions and the hours of a day are counted as well.

Everything is counted anew from the entries themselves.
"""

import json

import sqlalchemy as sa
from alembic import op

from amanah.audit.packing import unpack
from amanah.audit.tally import tallied
from amanah.audit.terms import facts

revision = "trail_0003"
down_revision = "trail_0002"
branch_labels = None
depends_on = None

PAGE = 1000
_FACTS_FIRST = ("tenant_id", "facet", "value", "day")
_DAYS_FIRST = ("tenant_id", "day", "facet", "value")


def upgrade() -> None:
    op.drop_table("amanah_tally")
    _create("amanah_tally", _FACTS_FIRST)
    connection = op.get_bind()
    entry = sa.Table("amanah_entry", sa.MetaData(), autoload_with=connection)
    for (tenant,) in connection.execute(sa.text("SELECT tenant_id FROM amanah_head ORDER BY tenant_id")).all():
        after = -1
        while page := connection.execute(
            sa.select(entry.c.position, entry.c.at, entry.c.body)
            .where(entry.c.tenant_id == tenant, entry.c.position > after)
            .order_by(entry.c.position)
            .limit(PAGE)
        ).all():
            bodies = ((row.position, row.at, json.loads(unpack(bytes(row.body)))) for row in page)
            tallied(connection, tenant, ((position, at, set(facts(values))) for position, at, values in bodies))
            after = page[-1].position


def downgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:
        op.execute("ALTER INDEX pk_amanah_tally RENAME TO pk_amanah_tally_after")
    op.rename_table("amanah_tally", "amanah_tally_after")
    _create("amanah_tally", _DAYS_FIRST)
    columns = "tenant_id, day, facet, value, entries, first, last"
    old = "FROM amanah_tally_after WHERE facet NOT IN ('hour', 'rule', 'action')"
    op.execute(f"INSERT INTO amanah_tally ({columns}) SELECT {columns} {old}")
    op.drop_table("amanah_tally_after")


def _create(name: str, key: tuple[str, ...]) -> None:
    columns = {
        "tenant_id": sa.Column("tenant_id", sa.String(length=64), nullable=False),
        "day": sa.Column("day", sa.Integer(), autoincrement=False, nullable=False, comment="days since the epoch, UTC"),
        "facet": sa.Column("facet", sa.String(length=16), nullable=False),
        "value": sa.Column("value", sa.String(length=200), nullable=False),
    }
    op.create_table(
        name,
        *(columns[one] for one in key),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False, comment="the lowest position among them"),
        sa.Column("last", sa.BigInteger(), nullable=False, comment="the highest"),
        sa.PrimaryKeyConstraint(*key, name=op.f("pk_amanah_tally")),
        comment="How many entries of a day have a fact in common, and where they lie.",
    )
