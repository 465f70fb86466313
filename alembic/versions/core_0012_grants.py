"""Roles in an emergency, grants to operators, duties to a second factor, and grants that lapse."""

import sqlalchemy as sa
from alembic import op

revision = "core_0012"
down_revision = "core_0011"
branch_labels = None
depends_on = None

_KINDS = "kind IN ('excludes', 'requires', 'at_most', 'two_people')"
_MORE_KINDS = "kind IN ('excludes', 'requires', 'at_most', 'two_people', 'second_factor')"
_ONE_HOLDER = "(member_id IS NULL) <> (operator_id IS NULL)"


def upgrade() -> None:
    op.add_column("amanah_tenant", sa.Column("lapse_days", sa.Integer(), nullable=True))
    op.create_table(
        "amanah_emergency",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["amanah_tenant.id"], name=op.f("fk_amanah_emergency_tenant_id")),
        sa.PrimaryKeyConstraint("tenant_id", "role", "holder", name=op.f("pk_amanah_emergency")),
    )
    _check_kinds(_MORE_KINDS)
    with op.batch_alter_table("amanah_grant") as table:
        table.alter_column("member_id", existing_type=sa.String(length=128), nullable=True)
        table.add_column(sa.Column("operator_id", sa.String(length=128), nullable=True))
        table.add_column(sa.Column("emergency", sa.Boolean(), server_default=sa.false(), nullable=False))
        table.add_column(sa.Column("reviewed_by", sa.String(length=128), nullable=True))
        table.add_column(sa.Column("reviewed_at", sa.BigInteger(), nullable=True))
        table.create_check_constraint(op.f("ck_amanah_grant_one_holder"), _ONE_HOLDER)


def downgrade() -> None:
    # To the code before, a role that counts only with a second factor would count without.
    op.execute(
        "WITH RECURSIVE bound(tenant_id, role) AS ("
        " SELECT tenant_id, role FROM amanah_duty WHERE kind = 'second_factor'"
        " UNION SELECT p.tenant_id, p.role FROM amanah_role_parent p"
        " JOIN bound ON bound.tenant_id = p.tenant_id AND bound.role = p.parent)"
        " UPDATE amanah_grant SET revoked_at = granted_at WHERE revoked_at IS NULL AND EXISTS (SELECT 1 FROM bound"
        " WHERE bound.tenant_id = amanah_grant.tenant_id AND bound.role = amanah_grant.role)"
    )
    op.execute("DELETE FROM amanah_duty WHERE kind = 'second_factor'")
    op.execute("DELETE FROM amanah_grant WHERE member_id IS NULL")
    with op.batch_alter_table("amanah_grant") as table:
        table.drop_constraint(op.f("ck_amanah_grant_one_holder"), type_="check")
        for name in ("reviewed_at", "reviewed_by", "emergency", "operator_id"):
            table.drop_column(name)
        table.alter_column("member_id", existing_type=sa.String(length=128), nullable=False)
    _check_kinds(_KINDS)
    op.drop_table("amanah_emergency")
    op.drop_column("amanah_tenant", "lapse_days")


def _check_kinds(kinds: str) -> None:
    """Let a duty be of one of these kinds."""
    name = op.f("ck_amanah_duty_kind")
    with op.batch_alter_table("amanah_duty") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, kinds)
