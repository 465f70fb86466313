"""Consents of subjects to purposes."""

import sqlalchemy as sa
from alembic import op

from amanah.access_policies.way_back import log

revision = "core_0011"
down_revision = "core_0010"
branch_labels = None
depends_on = None


KEPT = "amanah_consent_kept"
PURPOSES = "amanah_purpose_kept"
COLUMNS = ", ".join(
    f'"{name}"'
    for name in ("tenant_id", "key", "alias", "legal_basis", "description", "parent", "categories", "recipients",
                 "retention", "owner", "review_at")
)  # fmt: skip


def upgrade() -> None:
    there = sa.inspect(op.get_bind()).get_table_names()
    if KEPT in there:
        op.rename_table(KEPT, "amanah_consent")
    else:
        _create()
    op.create_index("ix_amanah_consent_subject", "amanah_consent", ["tenant_id", "kind", "subject", "purpose"])
    if PURPOSES in there:
        _bump(PURPOSES)
        fits = (
            "NOT EXISTS (SELECT 1 FROM amanah_purpose p WHERE p.tenant_id = k.tenant_id"
            ' AND (p."key" = k."key" OR p.alias = k.alias))'
        )
        told = op.get_bind().execute(sa.text(f"SELECT count(*) FROM {PURPOSES} k WHERE NOT ({fits})")).scalar_one()  # noqa: S608 - names of ours
        if told:
            log.warning("purposes that rest on consent: %d were registered anew meanwhile, and stay as they are", told)
        op.execute(f"INSERT INTO amanah_purpose ({COLUMNS}) SELECT {COLUMNS} FROM {PURPOSES} k WHERE {fits}")  # noqa: S608 - names of ours
        op.drop_table(PURPOSES)


def _create() -> None:
    op.create_table(
        "amanah_consent",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("purpose", sa.String(length=96), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.Column("given_by", sa.String(length=255), nullable=False),
        sa.Column("given_as", sa.String(length=255), nullable=True),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("evidence", sa.String(length=200), nullable=True),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_at", sa.BigInteger(), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=255), nullable=True),
        sa.Column("withdrawn_because", sa.String(length=16), nullable=True),
        sa.CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name=op.f("ck_amanah_consent_withdrawn")),
        sa.CheckConstraint(
            "(withdrawn_at IS NULL) = (withdrawn_because IS NULL)", name=op.f("ck_amanah_consent_because")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_amanah_consent")),
    )


def downgrade() -> None:
    connection = op.get_bind()
    # Consents are kept aside: who relied on one must be able to show it.
    op.drop_index("ix_amanah_consent_subject", table_name="amanah_consent")
    if count := connection.execute(sa.text("SELECT count(*) FROM amanah_consent")).scalar_one():
        op.rename_table("amanah_consent", KEPT)
        log.warning("consents: %d are kept aside in %s until the next upgrade", count, KEPT)
    else:
        op.drop_table("amanah_consent")
    # The code before does not ask for consents: to it, a purpose that rests on one must be none that it knows.
    resting = "FROM amanah_purpose WHERE legal_basis = 'consent'"
    if count := connection.execute(sa.text(f"SELECT count(*) {resting}")).scalar_one():
        op.execute(f"CREATE TABLE {PURPOSES} AS SELECT {COLUMNS} {resting}")
        op.execute(f"DELETE {resting}")
        _bump(PURPOSES)
        log.warning("purposes that rest on consent: %d are kept aside in %s until the next upgrade", count, PURPOSES)


def _bump(table: str) -> None:
    op.execute(f"UPDATE amanah_version SET version = version + 1 WHERE tenant_id IN (SELECT tenant_id FROM {table})")  # noqa: S608 - names of ours
