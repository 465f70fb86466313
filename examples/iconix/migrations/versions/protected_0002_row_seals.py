"""Add the column for the seals of rows to the tables of money.

Only a program that holds the keys can seal what is there already: `amanah seal-rows` does, before the protected
application starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "protected_0002"
down_revision = "protected_0001"
branch_labels = None
depends_on = None

TABLES = ("invoice", "payment", "credit_note", "settlement")


def upgrade() -> None:
    """Add the columns."""
    for table in TABLES:
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("amanah_seal", sa.LargeBinary(37), nullable=True))


def downgrade() -> None:
    """Drop the columns."""
    for table in TABLES:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("amanah_seal")
