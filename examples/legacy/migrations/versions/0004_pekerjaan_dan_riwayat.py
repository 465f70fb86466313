"""Jobs for the worker, outgoing messages and the access log."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pekerjaan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("jenis", sa.String(30), nullable=False),
        sa.Column("muatan", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("hasil", sa.JSON(), nullable=True),
        sa.Column("dibuat_pada", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_pekerjaan_perusahaan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pekerjaan"),
    )
    op.create_index("ix_pekerjaan_perusahaan_id", "pekerjaan", ["perusahaan_id"])
    op.create_index("ix_pekerjaan_status", "pekerjaan", ["status"])
    op.create_table(
        "pesan_keluar",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("tujuan", sa.String(120), nullable=False),
        sa.Column("isi", sa.Text(), nullable=False),
        sa.Column("dibuat_pada", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_pesan_keluar_perusahaan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pesan_keluar"),
    )
    op.create_index("ix_pesan_keluar_perusahaan_id", "pesan_keluar", ["perusahaan_id"])
    op.create_table(
        "riwayat",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("pengguna_id", sa.Integer(), nullable=False),
        sa.Column("pelanggan_id", sa.Integer(), nullable=False),
        sa.Column("aksi", sa.String(20), nullable=False),
        sa.Column("waktu", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_riwayat_perusahaan_id"),
        sa.ForeignKeyConstraint(["pengguna_id"], ["pengguna.id"], name="fk_riwayat_pengguna_id"),
        sa.ForeignKeyConstraint(["pelanggan_id"], ["pelanggan.id"], name="fk_riwayat_pelanggan_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_riwayat"),
    )
    op.create_index("ix_riwayat_pelanggan_id", "riwayat", ["pelanggan_id"])
    op.create_index("ix_riwayat_perusahaan_id", "riwayat", ["perusahaan_id"])


def downgrade() -> None:
    for table in ("riwayat", "pesan_keluar", "pekerjaan"):
        op.drop_table(table)
