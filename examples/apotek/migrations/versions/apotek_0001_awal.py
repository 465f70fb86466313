"""Accounts, patients, doctors, medicines and prescriptions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "akun",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("email", sa.String(120), nullable=False),
        sa.Column("nama", sa.String(120), nullable=False),
        sa.Column("sandi", sa.String(200), nullable=False),
        sa.Column("peran", sa.String(20), nullable=False),
        sa.Column("aktif", sa.Boolean, server_default=sa.true(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_akun"),
        sa.UniqueConstraint("email", name="uq_akun_email"),
    )
    op.create_table(
        "pasien",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("nama", sa.String(120), nullable=False),
        sa.Column("tanggal_lahir", sa.Date, nullable=False),
        sa.Column("alamat", sa.Text),
        sa.Column("telepon", sa.String(20), nullable=False),
        sa.Column("email", sa.String(120), nullable=False),
        sa.Column("nik", sa.String(16)),
        sa.Column("dibuat", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pasien"),
        sa.UniqueConstraint("nik", name="uq_pasien_nik"),
    )
    op.create_index("ix_pasien_nama", "pasien", ["nama"])
    op.create_index("ix_pasien_telepon", "pasien", ["telepon"])
    op.create_table(
        "dokter",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("nama", sa.String(120), nullable=False),
        sa.Column("nomor_sip", sa.String(40), nullable=False),
        sa.Column("telepon", sa.String(20)),
        sa.Column("email", sa.String(120)),
        sa.PrimaryKeyConstraint("id", name="pk_dokter"),
        sa.UniqueConstraint("nomor_sip", name="uq_dokter_nomor_sip"),
    )
    op.create_index("ix_dokter_nama", "dokter", ["nama"])
    op.create_table(
        "obat",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("kode", sa.String(20), nullable=False),
        sa.Column("nama", sa.String(120), nullable=False),
        sa.Column("harga", sa.Integer, nullable=False),
        sa.Column("stok", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_obat"),
        sa.UniqueConstraint("kode", name="uq_obat_kode"),
    )
    op.create_table(
        "resep",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("nomor", sa.String(30), nullable=False),
        sa.Column("pasien_id", sa.Integer, sa.ForeignKey("pasien.id", name="fk_resep_pasien_id"), nullable=False),
        sa.Column("dokter_id", sa.Integer, sa.ForeignKey("dokter.id", name="fk_resep_dokter_id"), nullable=False),
        sa.Column("tanggal", sa.Date, nullable=False),
        sa.Column("diagnosa", sa.Text, nullable=False),
        sa.Column("catatan", sa.Text),
        sa.Column("status", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_resep"),
        sa.UniqueConstraint("nomor", name="uq_resep_nomor"),
    )
    op.create_table(
        "resep_obat",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column(
            "resep_id",
            sa.Uuid,
            sa.ForeignKey("resep.id", name="fk_resep_obat_resep_id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("obat_id", sa.Integer, sa.ForeignKey("obat.id", name="fk_resep_obat_obat_id"), nullable=False),
        sa.Column("jumlah", sa.Integer, nullable=False),
        sa.Column("aturan_pakai", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_resep_obat"),
    )
    for table, column in (
        ("resep", "pasien_id"),
        ("resep", "dokter_id"),
        ("resep", "tanggal"),
        ("resep_obat", "resep_id"),
        ("resep_obat", "obat_id"),
    ):
        op.create_index(f"ix_{table}_{column}", table, [column])


def downgrade() -> None:
    for table in ("resep_obat", "resep", "obat", "dokter", "pasien", "akun"):
        op.drop_table(table)
