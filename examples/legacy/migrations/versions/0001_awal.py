"""Companies, users, customers, products and invoices."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PROVINSI = ("Bali", "Banten", "DI Yogyakarta", "DKI Jakarta", "Jawa Barat", "Jawa Tengah", "Jawa Timur", "Lampung")
SATUAN = (("BH", "buah"), ("L", "liter"), ("SET", "set"))


def upgrade() -> None:
    provinsi = op.create_table(
        "provinsi",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("nama", sa.String(50), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_provinsi"),
        sa.UniqueConstraint("nama", name="uq_provinsi_nama"),
    )
    satuan = op.create_table(
        "satuan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kode", sa.String(10), nullable=False),
        sa.Column("nama", sa.String(30), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_satuan"),
        sa.UniqueConstraint("kode", name="uq_satuan_kode"),
    )
    op.create_table(
        "perusahaan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("nama", sa.String(100), nullable=False),
        sa.Column("kota", sa.String(50), nullable=False),
        sa.Column("provinsi_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["provinsi_id"], ["provinsi.id"], name="fk_perusahaan_provinsi_id"),
        sa.PrimaryKeyConstraint("id", name="pk_perusahaan"),
    )
    op.create_table(
        "pengguna",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("nama", sa.String(100), nullable=False),
        sa.Column("email", sa.String(120), nullable=False),
        sa.Column("sandi_hash", sa.String(200), nullable=False),
        sa.Column("peran", sa.String(20), nullable=False),
        sa.Column("aktif", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_pengguna_perusahaan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pengguna"),
        sa.UniqueConstraint("email", name="uq_pengguna_email"),
    )
    op.create_index("ix_pengguna_perusahaan_id", "pengguna", ["perusahaan_id"])
    op.create_table(
        "pelanggan",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("nama", sa.String(100), nullable=False),
        sa.Column("alamat", sa.Text(), nullable=False),
        sa.Column("provinsi_id", sa.Integer(), nullable=True),
        sa.Column("no_hp", sa.String(20), nullable=False),
        sa.Column("email", sa.String(120), nullable=False),
        sa.Column("dibuat_pada", sa.DateTime(), server_default=sa.func.now(), nullable=False),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_pelanggan_perusahaan_id"),
        sa.ForeignKeyConstraint(["provinsi_id"], ["provinsi.id"], name="fk_pelanggan_provinsi_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pelanggan"),
    )
    op.create_table(
        "produk",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("satuan_id", sa.Integer(), nullable=False),
        sa.Column("sku", sa.String(30), nullable=False),
        sa.Column("nama", sa.String(100), nullable=False),
        sa.Column("harga", sa.BigInteger(), nullable=False),
        sa.Column("stok", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_produk_perusahaan_id"),
        sa.ForeignKeyConstraint(["satuan_id"], ["satuan.id"], name="fk_produk_satuan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_produk"),
        sa.UniqueConstraint("perusahaan_id", "sku", name="uq_produk_perusahaan_id_sku"),
    )
    op.create_table(
        "faktur",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("perusahaan_id", sa.Integer(), nullable=False),
        sa.Column("pelanggan_id", sa.Integer(), nullable=False),
        sa.Column("nomor", sa.String(30), nullable=False),
        sa.Column("tanggal", sa.Date(), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("dibayar_pada", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["perusahaan_id"], ["perusahaan.id"], name="fk_faktur_perusahaan_id"),
        sa.ForeignKeyConstraint(["pelanggan_id"], ["pelanggan.id"], name="fk_faktur_pelanggan_id"),
        sa.PrimaryKeyConstraint("id", name="pk_faktur"),
        sa.UniqueConstraint("nomor", name="uq_faktur_nomor"),
    )
    op.create_index("ix_faktur_pelanggan_id", "faktur", ["pelanggan_id"])
    op.create_index("ix_faktur_perusahaan_id_tanggal", "faktur", ["perusahaan_id", "tanggal"])
    op.create_table(
        "faktur_baris",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("faktur_id", sa.Integer(), nullable=False),
        sa.Column("produk_id", sa.Integer(), nullable=False),
        sa.Column("jumlah", sa.Integer(), nullable=False),
        sa.Column("harga", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["faktur_id"], ["faktur.id"], name="fk_faktur_baris_faktur_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["produk_id"], ["produk.id"], name="fk_faktur_baris_produk_id"),
        sa.PrimaryKeyConstraint("id", name="pk_faktur_baris"),
    )
    op.create_index("ix_faktur_baris_faktur_id", "faktur_baris", ["faktur_id"])
    op.bulk_insert(provinsi, [{"nama": nama} for nama in PROVINSI])
    op.bulk_insert(satuan, [{"kode": kode, "nama": nama} for kode, nama in SATUAN])


def downgrade() -> None:
    for table in ("faktur_baris", "faktur", "produk", "pelanggan", "pengguna", "perusahaan", "satuan", "provinsi"):
        op.drop_table(table)
