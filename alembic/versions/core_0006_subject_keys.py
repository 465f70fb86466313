"""Secrets of subjects, epoch keys, and since when searches go by an index key."""

import sqlalchemy as sa
from alembic import op

revision = "core_0006"
down_revision = "core_0005"
branch_labels = None
depends_on = None

_OLD = {
    "ck_amanah_key_rest_by_kek": "(kind = 'kek') = (kek_version IS NULL)",
    "ck_amanah_key_kek_by_provider": "(kind = 'kek') = (provider_key_id IS NOT NULL)",
}
_NEW = {
    "ck_amanah_key_by_kek": "(kind IN ('kek', 'epoch')) = (kek_version IS NULL)",
    "ck_amanah_key_by_provider": "(kind IN ('kek', 'epoch')) = (provider_key_id IS NOT NULL)",
}


def _key_table(checks: dict[str, str], *more: sa.Column) -> sa.Table:
    """SQLite makes the table anew, and does not tell which CHECKs it has."""
    return sa.Table(
        "amanah_key",
        sa.MetaData(),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("provider_key_id", sa.String(length=255), nullable=True),
        sa.Column("kek_version", sa.Integer(), nullable=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        *more,
        *(sa.CheckConstraint(condition, name=op.f(name)) for name, condition in checks.items()),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "version", name=op.f("pk_amanah_key")),
    )


def upgrade() -> None:
    with op.batch_alter_table("amanah_key", copy_from=_key_table(_OLD)) as table:
        for name in _OLD:
            table.drop_constraint(op.f(name), type_="check")
        table.add_column(sa.Column("read_from", sa.BigInteger(), nullable=True))
        for name, condition in _NEW.items():
            table.create_check_constraint(op.f(name), condition)
    op.execute("UPDATE amanah_key SET read_from = created_at WHERE kind = 'index'")
    op.create_table(
        "amanah_subject",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("(epoch IS NULL) = (erased_at IS NOT NULL)", name=op.f("ck_amanah_subject_erased")),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "subject", name=op.f("pk_amanah_subject")),
    )
    op.create_index("ix_amanah_subject_epoch", "amanah_subject", ["tenant_id", "epoch"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_amanah_subject_epoch", table_name="amanah_subject")
    op.drop_table("amanah_subject")
    op.execute("DELETE FROM amanah_key WHERE kind = 'epoch'")
    now = _key_table(_NEW, sa.Column("read_from", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("amanah_key", copy_from=now) as table:
        for name in _NEW:
            table.drop_constraint(op.f(name), type_="check")
        table.drop_column("read_from")
        for name, condition in _OLD.items():
            table.create_check_constraint(op.f(name), condition)
