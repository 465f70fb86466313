"""The tables of core."""

import sqlalchemy as sa
from alembic import op

revision = "core_0001"
down_revision = None
branch_labels = ("core",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "amanah_counter",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_amanah_counter")),
    )
    op.create_table(
        "amanah_key",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("provider_key_id", sa.String(length=255), nullable=True),
        sa.Column("kek_version", sa.Integer(), nullable=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(kind = 'kek') = (kek_version IS NULL)", name=op.f("ck_amanah_key_rest_by_kek")),
        sa.CheckConstraint(
            "(kind = 'kek') = (provider_key_id IS NOT NULL)", name=op.f("ck_amanah_key_kek_by_provider")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "version", name=op.f("pk_amanah_key")),
    )
    op.create_table(
        "amanah_purpose",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=96), nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=True),
        sa.Column("legal_basis", sa.String(length=32), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("parent", sa.String(length=96), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "key", name=op.f("pk_amanah_purpose")),
        sa.UniqueConstraint("tenant_id", "alias", name=op.f("uq_amanah_purpose_tenant_id_alias")),
    )
    op.create_table(
        "amanah_role",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "name", name=op.f("pk_amanah_role")),
    )
    op.create_table(
        "amanah_staged",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_amanah_staged")),
        comment="Entries of committed changes that wait for their place in the log.",
    )
    op.create_table(
        "amanah_tenant",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("template", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended', 'closed')", name=op.f("ck_amanah_tenant_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_amanah_tenant")),
    )
    op.create_table(
        "amanah_version",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_amanah_version")),
    )
    op.create_table(
        "amanah_member",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=128), nullable=False),
        sa.Column("display", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("status IN ('active', 'suspended', 'removed')", name=op.f("ck_amanah_member_status")),
        sa.ForeignKeyConstraint(["tenant_id"], ["amanah_tenant.id"], name=op.f("fk_amanah_member_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_amanah_member")),
    )
    op.create_table(
        "amanah_role_parent",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("parent", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent"], ["amanah_role.tenant_id", "amanah_role.name"], name="fk_amanah_role_parent_parent"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role"],
            ["amanah_role.tenant_id", "amanah_role.name"],
            name=op.f("fk_amanah_role_parent_tenant_id_role"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "role", "parent", name=op.f("pk_amanah_role_parent")),
    )
    op.create_table(
        "amanah_rule",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("object", sa.String(length=160), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=96), nullable=False),
        sa.Column("effect", sa.String(length=8), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("effect IN ('allow', 'deny')", name=op.f("ck_amanah_rule_effect")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "role"],
            ["amanah_role.tenant_id", "amanah_role.name"],
            name=op.f("fk_amanah_rule_tenant_id_role"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "number", name=op.f("pk_amanah_rule")),
    )
    op.create_table(
        "amanah_grant",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("member_id", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("granted_by", sa.String(length=128), nullable=False),
        sa.Column("granted_at", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", sa.BigInteger(), nullable=True),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_id"],
            ["amanah_member.tenant_id", "amanah_member.id"],
            name=op.f("fk_amanah_grant_tenant_id_member_id"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_amanah_grant")),
    )


def downgrade() -> None:
    op.drop_table("amanah_grant")
    op.drop_table("amanah_rule")
    op.drop_table("amanah_role_parent")
    op.drop_table("amanah_member")
    op.drop_table("amanah_version")
    op.drop_table("amanah_tenant")
    op.drop_table("amanah_staged")
    op.drop_table("amanah_role")
    op.drop_table("amanah_purpose")
    op.drop_table("amanah_key")
    op.drop_table("amanah_counter")
