"""What two people decide, and wrong passwords at the terminal."""

import sqlalchemy as sa
from alembic import op

revision = "core_0005"
down_revision = "core_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "amanah_request",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_amanah_request")),
    )
    op.create_table(
        "amanah_attempt",
        sa.Column("name_token", sa.LargeBinary(length=16), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name_token", name=op.f("pk_amanah_attempt")),
    )
    op.create_index("ix_amanah_attempt_last_at", "amanah_attempt", ["last_at"], unique=False)


def downgrade() -> None:
    op.drop_table("amanah_attempt")
    op.drop_table("amanah_request")
