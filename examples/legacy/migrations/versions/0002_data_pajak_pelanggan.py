"""Customers: NIK, NPWP and date of birth, quick search, and each e-mail once per company."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("pelanggan") as batch:
        batch.add_column(sa.Column("nik", sa.String(16), nullable=True))
        batch.add_column(sa.Column("npwp", sa.String(20), nullable=True))
        batch.add_column(sa.Column("tgl_lahir", sa.Date(), nullable=True))
        batch.create_unique_constraint("uq_pelanggan_perusahaan_id_email", ["perusahaan_id", "email"])
    op.create_index("ix_pelanggan_no_hp", "pelanggan", ["no_hp"])
    op.create_index("ix_pelanggan_perusahaan_id_nama", "pelanggan", ["perusahaan_id", "nama"])


def downgrade() -> None:
    op.drop_index("ix_pelanggan_perusahaan_id_nama", "pelanggan")
    op.drop_index("ix_pelanggan_no_hp", "pelanggan")
    with op.batch_alter_table("pelanggan") as batch:
        batch.drop_constraint("uq_pelanggan_perusahaan_id_email", type_="unique")
        batch.drop_column("tgl_lahir")
        batch.drop_column("npwp")
        batch.drop_column("nik")
