"""Roots of complete subtrees, so that proofs read few rows, and signed statements about what a restore lost."""

import sqlalchemy as sa
from alembic import op

from amanah.audit.subtrees import kept
from amanah.audit.tree import Frontier

revision = "trail_0004"
down_revision = "trail_0003"
branch_labels = None
depends_on = None

PAGE = 5000


def upgrade() -> None:
    op.create_table(
        "amanah_subtree",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column(
            "level",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="its subtrees have 256^level leaves",
        ),
        sa.Column(
            "number", sa.BigInteger(), autoincrement=False, nullable=False, comment="0 is the first of its level"
        ),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "level", "number", name=op.f("pk_amanah_subtree")),
        comment="Roots of complete subtrees, so that a proof reads few rows. Can be computed from the entries.",
    )
    op.create_table(
        "amanah_recovery",
        sa.Column(
            "number",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="of the checkpoint that says it",
        ),
        sa.Column(
            "note",
            sa.Text(),
            nullable=False,
            comment="C2SP signed note: what was lost when the database went back",
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_amanah_recovery")),
        comment="Signed statements that a trail goes on from less than was published.",
    )
    connection = op.get_bind()
    for tenant in connection.scalars(sa.text("SELECT tenant_id FROM amanah_head ORDER BY tenant_id")).all():
        _compute(connection, tenant)


def _compute(connection: sa.Connection, tenant: str) -> None:
    """The subtrees of the entries that are there, up to the first that is missing."""
    from amanah.audit.models import entry, subtree

    frontier = Frontier.empty()
    while True:
        query = sa.select(entry.c.position, entry.c.leaf_hash).where(
            entry.c.tenant_id == tenant, entry.c.position >= frontier.size
        )
        page = connection.execute(query.order_by(entry.c.position).limit(PAGE)).all()
        rows = []
        for row in page:
            if row.position != frontier.size:
                break
            rows += kept(tenant, row.position, frontier.append(row.leaf_hash))
        if rows:
            connection.execute(subtree.insert(), rows)
        if len(page) < PAGE or frontier.size != page[-1].position + 1:
            return


def downgrade() -> None:
    op.drop_table("amanah_recovery")
    op.drop_table("amanah_subtree")
