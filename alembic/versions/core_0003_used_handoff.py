"""The hand-overs that were taken up."""

import sqlalchemy as sa
from alembic import op

revision = "core_0003"
down_revision = "core_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "amanah_used_handoff",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_amanah_used_handoff")),
    )
    op.create_index("ix_amanah_used_handoff_expires_at", "amanah_used_handoff", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_table("amanah_used_handoff")
