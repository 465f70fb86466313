"""Create companies, accounts and numbers."""

import sqlalchemy as sa
from alembic import op

revision = "iconix_0001"
down_revision = None
branch_labels = ("iconix",)
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "company",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("city", sa.String(80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_company")),
    )
    op.create_table(
        "account",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("password_hash", sa.String(200), nullable=False),
        sa.Column("display_name", sa.String(120), nullable=False),
        sa.Column("role", sa.String(30), nullable=False),
        sa.Column("locale", sa.String(5), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_account")),
        sa.ForeignKeyConstraint(["tenant_id"], ["company.id"], name=op.f("fk_account_tenant_id")),
        sa.UniqueConstraint("tenant_id", "email", name=op.f("uq_account_tenant_id_email")),
    )
    op.create_index("ix_account_email", "account", ["email"])
    op.create_table(
        "login_token",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("csrf", sa.String(64), nullable=True),
        sa.Column("purpose", sa.String(80), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_login_token")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["account.tenant_id", "account.id"],
            name=op.f("fk_login_token_tenant_id_account_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_login_token_tenant_id_account_id", "login_token", ["tenant_id", "account_id"])
    op.create_index("ix_login_token_token_hash", "login_token", ["token_hash"])
    op.create_table(
        "number_series",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("series", sa.String(60), nullable=False),
        sa.Column("next", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "series", name=op.f("pk_number_series")),
    )


def downgrade() -> None:
    """Drop the tables, the newest first."""
    for name in ("number_series", "login_token", "account", "company"):
        op.drop_table(name)
