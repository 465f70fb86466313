"""What was enforced the last time."""

import sqlalchemy as sa
from alembic import op

revision = "core_0004"
down_revision = "core_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "amanah_posture",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("enforced", sa.Text(), nullable=False),
        sa.Column("until", sa.String(length=10), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_amanah_posture")),
    )


def downgrade() -> None:
    op.drop_table("amanah_posture")
