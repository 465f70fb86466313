"""Of which rows a rule speaks."""

import sqlalchemy as sa
from alembic import op

from amanah.access_policies.way_back import narrow

revision = "core_0009"
down_revision = "core_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    column = sa.Column("row_filter", sa.String(length=64), server_default="", nullable=False)
    op.add_column("amanah_rule", column)


def downgrade() -> None:
    # A rule that spoke of some rows must not speak of all of them.
    narrow(op.get_bind(), ["row_filter"])
    op.drop_column("amanah_rule", "row_filter")
