"""Employees and workshop, payments and receipts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "karyawan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("nama", sa.String(100), nullable=False),
        sa.Column("jabatan", sa.String(50), nullable=False),
        sa.Column("no_hp", sa.String(20), nullable=True),
        sa.Column("gaji", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_karyawan_perusahaan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_karyawan"),
    )
    op.create_index("ix_karyawan_perusahaan_id", "karyawan", ["perusahaan_id"])
    op.create_table(
        "servis",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("pelanggan_id", sa.Integer(), nullable=False),
        sa.Column("mekanik_id", sa.Integer(), nullable=True),
        sa.Column("no_polisi", sa.String(12), nullable=False),
        sa.Column("keluhan", sa.Text(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_servis_perusahaan_id"),
        sa.ForeignKeyConstraint(["pelanggan_id"], ["pelanggan.id"], name="fk_servis_pelanggan_id"),
        sa.ForeignKeyConstraint(["mekanik_id"], ["karyawan.id"], name="fk_servis_mekanik_id"),
        sa.PrimaryKeyConstraint("id", name="pk_servis"),
    )
    op.create_index("ix_servis_perusahaan_id", "servis", ["perusahaan_id"])
    op.create_table(
        "pembayaran",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("faktur_id", sa.Integer(), nullable=False),
        sa.Column("referensi", sa.String(60), nullable=False),
        sa.Column("jumlah", sa.BigInteger(), nullable=False),
        sa.Column("diterima_pada", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["faktur_id"], ["faktur.id"], name="fk_pembayaran_faktur_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pembayaran"),
        sa.UniqueConstraint("referensi", name="uq_pembayaran_referensi"),
    )
    op.create_index("ix_pembayaran_faktur_id", "pembayaran", ["faktur_id"])
    op.create_table(
        "kwitansi",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("faktur_id", sa.Integer(), nullable=False),
        sa.Column("diterima_dari", sa.String(100), nullable=False),
        sa.Column("no_hp", sa.String(20), nullable=False),
        sa.Column("jumlah", sa.BigInteger(), nullable=False),
        sa.Column("dibuat_pada", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_kwitansi_perusahaan_id"),
        sa.ForeignKeyConstraint(["faktur_id"], ["faktur.id"], name="fk_kwitansi_faktur_id"),
        sa.PrimaryKeyConstraint("id", name="pk_kwitansi"),
    )
    op.create_index("ix_kwitansi_faktur_id", "kwitansi", ["faktur_id"])
    op.create_index("ix_kwitansi_perusahaan_id", "kwitansi", ["perusahaan_id"])


def downgrade() -> None:
    for table in ("kwitansi", "pembayaran", "servis", "karyawan"):
        op.drop_table(table)
