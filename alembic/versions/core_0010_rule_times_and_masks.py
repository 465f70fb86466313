"""When a rule is in force, and how what it opens is masked."""

import sqlalchemy as sa
from alembic import op

from amanah.access_policies.way_back import narrow

revision = "core_0010"
down_revision = "core_0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("amanah_rule", sa.Column("mask", sa.String(length=32), server_default="", nullable=False))
    op.add_column("amanah_rule", sa.Column("starts_at", sa.BigInteger(), nullable=True))
    op.add_column("amanah_rule", sa.Column("ends_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    # A rule that opened less, or for a time, must not open more, or for ever.
    narrow(op.get_bind(), ["mask", "starts_at", "ends_at"], ["row_filter"])
    for name in ("ends_at", "starts_at", "mask"):
        op.drop_column("amanah_rule", name)
