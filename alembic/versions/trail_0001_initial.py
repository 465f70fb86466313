"""The tables of trail."""

import sqlalchemy as sa
from alembic import op

revision = "trail_0001"
down_revision = None
branch_labels = ("trail",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "amanah_checkpoint",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False, comment="C2SP signed note"),
        sa.PrimaryKeyConstraint("tenant_id", "size", name=op.f("pk_amanah_checkpoint")),
        comment="Signed statements about the size and root of each tenant's tree.",
    )
    op.create_table(
        "amanah_entry",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False, comment="0 is the first"),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="microseconds since the epoch, UTC"),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False, comment="RFC 6962 leaf hash of the body"),
        sa.Column(
            "chain",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="SHA-256 of the previous entry's chain and this leaf hash",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "position", name=op.f("pk_amanah_entry")),
        comment="The log: append-only, one tree per tenant.",
    )
    op.create_index("ix_amanah_entry_actor", "amanah_entry", ["tenant_id", "actor", "position"], unique=False)
    op.create_index("ix_amanah_entry_event_id", "amanah_entry", ["event_id"], unique=False)
    op.create_index("uq_amanah_entry_event", "amanah_entry", ["tenant_id", "event_id", "leaf_hash"], unique=True)
    op.create_table(
        "amanah_head",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column(
            "frontier", sa.LargeBinary(), nullable=False, comment="roots of the complete subtrees, the largest first"
        ),
        sa.Column("chain", sa.LargeBinary(length=32), nullable=False, comment="the last entry's chain"),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_amanah_head")),
        comment="How far each tenant's tree has grown.",
    )
    op.create_table(
        "amanah_heartbeat",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False, comment="C2SP signed note over the tenants' heads"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_amanah_heartbeat")),
        comment="The newest signed statement that the sequencer lives, and over which heads.",
    )
    op.create_table(
        "amanah_lease",
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_amanah_lease")),
        comment="Which sequencer works now.",
    )
    op.create_table(
        "amanah_queued",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_amanah_queued")),
        comment="Entries that are durable and wait for their place in the log.",
    )


def downgrade() -> None:
    op.drop_table("amanah_queued")
    op.drop_table("amanah_lease")
    op.drop_table("amanah_heartbeat")
    op.drop_table("amanah_head")
    op.drop_index("uq_amanah_entry_event", table_name="amanah_entry")
    op.drop_index("ix_amanah_entry_event_id", table_name="amanah_entry")
    op.drop_index("ix_amanah_entry_actor", table_name="amanah_entry")
    op.drop_table("amanah_entry")
    op.drop_table("amanah_checkpoint")
