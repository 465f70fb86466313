"""The tables of the console."""

import sqlalchemy as sa
from alembic import op

revision = "core_0002"
down_revision = "core_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "amanah_credential",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=128), nullable=False),
        sa.Column("name_token", sa.LargeBinary(length=16), nullable=True),
        sa.Column("password_hash", sa.String(length=255), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["amanah_member.tenant_id", "amanah_member.id"],
            name=op.f("fk_amanah_credential_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "member_id", name=op.f("pk_amanah_credential")),
        sa.UniqueConstraint("tenant_id", "name_token", name=op.f("uq_amanah_credential_tenant_id_name_token")),
    )
    op.create_index("ix_amanah_credential_name", "amanah_credential", ["name_token"], unique=False)
    op.create_table(
        "amanah_invitation",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=128), nullable=False),
        sa.Column("name_token", sa.LargeBinary(length=16), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["amanah_member.tenant_id", "amanah_member.id"],
            name=op.f("fk_amanah_invitation_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_amanah_invitation")),
    )
    op.create_index("ix_amanah_invitation_member", "amanah_invitation", ["tenant_id", "member_id"], unique=False)
    op.create_table(
        "amanah_console_session",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=128), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["amanah_member.tenant_id", "amanah_member.id"],
            name=op.f("fk_amanah_console_session_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_amanah_console_session")),
    )
    op.create_index("ix_amanah_console_session_expires_at", "amanah_console_session", ["expires_at"], unique=False)
    op.create_index(
        "ix_amanah_console_session_member", "amanah_console_session", ["tenant_id", "member_id"], unique=False
    )


def downgrade() -> None:
    op.drop_table("amanah_console_session")
    op.drop_table("amanah_invitation")
    op.drop_table("amanah_credential")
