"""Duties on who may hold a role, and grants that wait for a second person."""

import sqlalchemy as sa
from alembic import op

revision = "core_0007"
down_revision = "core_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("amanah_grant", sa.Column("waits", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("amanah_grant", sa.Column("approved_by", sa.String(length=128), nullable=True))
    op.add_column("amanah_grant", sa.Column("approved_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "amanah_duty",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("other", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('excludes', 'requires', 'at_most', 'two_people')", name=op.f("ck_amanah_duty_kind")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["amanah_tenant.id"], name=op.f("fk_amanah_duty_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "role", "kind", "other", name=op.f("pk_amanah_duty")),
    )


def downgrade() -> None:
    op.drop_table("amanah_duty")
    with op.batch_alter_table("amanah_grant") as table:
        for name in ("approved_at", "approved_by", "waits"):
            table.drop_column(name)
