"""When a rule is in force, and how what it opens is masked."""

import sqlalchemy as sa
from alembic import op

revision = "core_0010"
down_revision = "core_0009"
branch_labels = None
depends_on = None

RULE = sa.table("amanah_rule", *map(sa.column, ("tenant_id", "effect", "until", "mask", "starts_at", "ends_at")))
VERSION = sa.table("amanah_version", sa.column("tenant_id"), sa.column("version"))


def upgrade() -> None:
    op.add_column("amanah_rule", sa.Column("mask", sa.String(length=32), server_default="", nullable=False))
    op.add_column("amanah_rule", sa.Column("starts_at", sa.BigInteger(), nullable=True))
    op.add_column("amanah_rule", sa.Column("ends_at", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    # A rule that opened less, or for a time, must not open more, or for ever: it ends. A denial only gets longer.
    limited = (RULE.c.mask != "") | RULE.c.starts_at.is_not(None) | RULE.c.ends_at.is_not(None)
    mine = (RULE.c.effect == "allow") & RULE.c.until.is_(None) & limited
    owners = sa.select(RULE.c.tenant_id).where(mine)
    op.execute(VERSION.update().where(VERSION.c.tenant_id.in_(owners)).values(version=VERSION.c.version + 1))
    version = sa.select(VERSION.c.version).where(VERSION.c.tenant_id == RULE.c.tenant_id).scalar_subquery()
    op.execute(RULE.update().where(mine).values(until=version))
    for name in ("ends_at", "starts_at", "mask"):
        op.drop_column("amanah_rule", name)
