"""Allergies; labels, payments and the log."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("pasien", sa.Column("alergi", sa.Text))
    op.create_table(
        "label",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column(
            "resep_id", sa.Uuid, sa.ForeignKey("resep.id", name="fk_label_resep_id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("teks", sa.Text, nullable=False),
        sa.Column("dicetak", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
    )
    op.create_index("ix_label_resep_id", "label", ["resep_id"])
    op.create_table(
        "pembayaran",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("referensi", sa.String(60), nullable=False),
        sa.Column("resep_id", sa.Uuid, sa.ForeignKey("resep.id", name="fk_pembayaran_resep_id"), nullable=False),
        sa.Column("jumlah", sa.Integer, nullable=False),
        sa.Column("pembayar", sa.String(120)),
        sa.Column("diterima", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pembayaran"),
        sa.UniqueConstraint("referensi", name="uq_pembayaran_referensi"),
    )
    op.create_index("ix_pembayaran_resep_id", "pembayaran", ["resep_id"])
    op.create_table(
        "log",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("akun_id", sa.Integer, sa.ForeignKey("akun.id", name="fk_log_akun_id")),
        sa.Column("peristiwa", sa.String(40), nullable=False),
        sa.Column("keterangan", sa.Text, nullable=False),
        sa.Column("waktu", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_log"),
    )


def downgrade() -> None:
    for table in ("log", "pembayaran", "label"):
        op.drop_table(table)
    op.drop_column("pasien", "alergi")
