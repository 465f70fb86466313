"""Create patients, doctors, visits and the queue."""

import sqlalchemy as sa
from alembic import op

revision = "iconix_0003"
down_revision = "iconix_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "patient",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("record_number", sa.String(20), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("nik", sa.String(16), nullable=True),
        sa.Column("bpjs_number", sa.String(13), nullable=True),
        sa.Column("birth_date", sa.Date(), nullable=False),
        sa.Column("gender", sa.String(10), nullable=False),
        sa.Column("phone", sa.String(20), nullable=True),
        sa.Column("address", sa.String(300), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_patient")),
        sa.UniqueConstraint("tenant_id", "nik", name=op.f("uq_patient_tenant_id_nik")),
        sa.UniqueConstraint("tenant_id", "record_number", name=op.f("uq_patient_tenant_id_record_number")),
    )
    op.create_index("ix_patient_tenant_id_bpjs_number", "patient", ["tenant_id", "bpjs_number"])
    op.create_index("ix_patient_tenant_id_phone", "patient", ["tenant_id", "phone"])
    op.create_table(
        "guardian",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("patient_id", sa.String(36), nullable=False),
        sa.Column("relation", sa.String(20), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("phone", sa.String(20), nullable=True),
        sa.Column("nik", sa.String(16), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_guardian")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_guardian_tenant_id_patient_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_guardian_tenant_id_patient_id", "guardian", ["tenant_id", "patient_id"])
    op.create_table(
        "doctor",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("code", sa.String(20), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("speciality", sa.String(60), nullable=False),
        sa.Column("room", sa.String(20), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_doctor")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_doctor_tenant_id_code")),
    )
    op.create_table(
        "visit",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("patient_id", sa.String(36), nullable=False),
        sa.Column("doctor_id", sa.String(36), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("complaint", sa.Text(), nullable=True),
        sa.Column("diagnosis", sa.Text(), nullable=True),
        sa.Column("prescription", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_visit")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "doctor_id"], ["doctor.tenant_id", "doctor.id"], name=op.f("fk_visit_tenant_id_doctor_id")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"], ["patient.tenant_id", "patient.id"], name=op.f("fk_visit_tenant_id_patient_id")
        ),
    )
    op.create_index("ix_visit_tenant_id_date", "visit", ["tenant_id", "date"])
    op.create_index("ix_visit_tenant_id_doctor_id", "visit", ["tenant_id", "doctor_id"])
    op.create_index("ix_visit_tenant_id_patient_id", "visit", ["tenant_id", "patient_id"])
    op.create_table(
        "queue_ticket",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.String(36), nullable=False),
        sa.Column("doctor_id", sa.String(36), nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("called_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_queue_ticket")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "doctor_id"],
            ["doctor.tenant_id", "doctor.id"],
            name=op.f("fk_queue_ticket_tenant_id_doctor_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "patient_id"],
            ["patient.tenant_id", "patient.id"],
            name=op.f("fk_queue_ticket_tenant_id_patient_id"),
        ),
        sa.UniqueConstraint("tenant_id", "date", "number", name=op.f("uq_queue_ticket_tenant_id_date_number")),
    )
    op.create_index("ix_queue_ticket_tenant_id_patient_id", "queue_ticket", ["tenant_id", "patient_id"])


def downgrade() -> None:
    """Drop the tables, the newest first."""
    for name in ("queue_ticket", "visit", "doctor", "guardian", "patient"):
        op.drop_table(name)
