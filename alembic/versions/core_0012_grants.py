"""Roles in an emergency, grants to operators, duties to a second factor, and grants that lapse."""

import sqlalchemy as sa
from alembic import op

from amanah.access_policies.way_back import log

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
    _tell("duties to a second factor, and the grants of their roles end", "amanah_duty WHERE kind = 'second_factor'")
    _tell("grants to operators", "amanah_grant WHERE member_id IS NULL")
    _tell("roles that may be taken in an emergency", "amanah_emergency")
    _tell("organisations whose unused grants lapse", "amanah_tenant WHERE lapse_days IS NOT NULL")
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


def _tell(what: str, rows: str) -> None:
    """Say what the code before has no place for."""
    if count := op.get_bind().execute(sa.text(f"SELECT count(*) FROM {rows}")).scalar_one():  # noqa: S608 - names of ours
        log.warning("%s: %d are deleted, and do not come back", what, count)


def _check_kinds(kinds: str) -> None:
    """Let a duty be of one of these kinds."""
    name = op.f("ck_amanah_duty_kind")
    with op.batch_alter_table("amanah_duty") as table:
        table.drop_constraint(name, type_="check")
        table.create_check_constraint(name, kinds)
