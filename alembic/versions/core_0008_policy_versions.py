"""Whole policies by version, roles that ended, and what a record of processing says of a purpose."""

import sqlalchemy as sa
from alembic import op

revision = "core_0008"
down_revision = "core_0007"
branch_labels = None
depends_on = None

_OF_PURPOSES = {
    "categories": sa.JSON(),
    "recipients": sa.JSON(),
    "retention": sa.Text(),
    "owner": sa.Text(),
    "review_at": sa.String(length=10),
}


def upgrade() -> None:
    op.add_column("amanah_role", sa.Column("until", sa.BigInteger(), nullable=True))
    for name, kind in _OF_PURPOSES.items():
        op.add_column("amanah_purpose", sa.Column(name, kind, nullable=True))
    op.create_table(
        "amanah_policy_version",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("applied_by", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "version", name=op.f("pk_amanah_policy_version")),
    )


def downgrade() -> None:
    op.drop_table("amanah_policy_version")
    for name in _OF_PURPOSES:
        op.drop_column("amanah_purpose", name)
    # To the code before, an ended role is a role. It has no rules in force.
    op.drop_column("amanah_role", "until")
