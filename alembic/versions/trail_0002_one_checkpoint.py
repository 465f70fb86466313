"""One checkpoint over all tenants; entries packed, found by terms, by month; numbered streams of what waits.

Trees, leaf hashes and entries stay what they were. The checkpoints of single tenants are not carried over: their notes
stay verifiable where they were published, and the next checkpoint signs all heads anew.
"""

import json
from hashlib import sha256

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from amanah.audit.months import create, month_of
from amanah.audit.packing import pack, unpack
from amanah.audit.tally import tallied
from amanah.audit.terms import Terms, facts, terms_of

revision = "trail_0002"
down_revision = "trail_0001"
branch_labels = None
depends_on = None

PAGE = 1000


def upgrade() -> None:
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "amanah_parked",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_amanah_parked")),
        comment="Entries of tenants whose logs are not appended to now; their streams were found whole.",
    )
    op.execute(
        "INSERT INTO amanah_parked (event_id, tenant_id, at, body)"
        " SELECT event_id, tenant_id, at, body FROM amanah_queued"
    )
    op.drop_table("amanah_queued")
    op.create_table(
        "amanah_queued",
        sa.Column("stream", sa.String(length=32), nullable=False, comment="of the writer's connection"),
        sa.Column(
            "number", sa.BigInteger(), autoincrement=False, nullable=False, comment="its place in the stream, from 1"
        ),
        sa.Column(
            "mac", sa.LargeBinary(length=16), nullable=False, comment="proves that the writer gave it this number"
        ),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "number", "mac", name=op.f("pk_amanah_queued")),
        comment="Entries that are durable and wait for their place in the log.",
    )
    op.create_table(
        "amanah_stream",
        sa.Column("stream", sa.String(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of the last entry that was taken from it"),
        sa.Column("mac", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_amanah_stream")),
        comment="How far each writer's stream was taken into the log.",
    )
    for name in ("uq_amanah_entry_event", "ix_amanah_entry_event_id", "ix_amanah_entry_actor"):
        op.drop_index(name, table_name="amanah_entry")
    if on_postgresql:
        op.execute("ALTER INDEX pk_amanah_entry RENAME TO pk_amanah_entry_before")
    op.rename_table("amanah_entry", "amanah_entry_before")
    op.create_table(
        "amanah_entry",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False, comment="0 is the first"),
        sa.Column(
            "month",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="year * 12 + month - 1 of its sequencing",
        ),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="microseconds since the epoch, UTC"),
        sa.Column("link", sa.BigInteger(), nullable=False, comment="the first 8 bytes of the chain up to here"),
        sa.Column("event_id", postgresql.UUID() if on_postgresql else sa.String(32), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False, comment="RFC 6962 leaf hash of the body"),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="the canonical encoding, packed"),
        sa.Column("terms", Terms(), nullable=False, comment="what it is found by"),
        sa.PrimaryKeyConstraint("tenant_id", "position", "month", name=op.f("pk_amanah_entry")),
        postgresql_partition_by="RANGE (month)",
        comment="The log: append-only, one tree per tenant.",
    )
    op.create_index("ix_amanah_entry_event_id", "amanah_entry", ["event_id"])
    op.create_index("ix_amanah_entry_at", "amanah_entry", ["at"], postgresql_using="brin")
    if on_postgresql:
        op.create_index(
            "ix_amanah_entry_terms",
            "amanah_entry",
            ["terms"],
            postgresql_using="gin",
            postgresql_with={"fastupdate": "on", "gin_pending_list_limit": "256"},
        )
        op.execute("CREATE TABLE amanah_entry_default PARTITION OF amanah_entry DEFAULT")
    else:
        op.create_table(
            "amanah_term",
            sa.Column("tenant", sa.Integer(), autoincrement=False, nullable=False, comment="amanah_head.number"),
            sa.Column("term", sa.Integer(), autoincrement=False, nullable=False),
            sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.PrimaryKeyConstraint("tenant", "term", "position", name=op.f("pk_amanah_term")),
            sqlite_with_rowid=False,
            comment="The index of the log's terms where the database has none for lists.",
        )
    op.create_table(
        "amanah_tally",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False, comment="days since the epoch, UTC"),
        sa.Column("facet", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False, comment="the lowest position among them"),
        sa.Column("last", sa.BigInteger(), nullable=False, comment="the highest"),
        sa.PrimaryKeyConstraint("tenant_id", "day", "facet", "value", name=op.f("pk_amanah_tally")),
        comment="How many entries of a day have a fact in common, and where they lie.",
    )
    if on_postgresql:
        op.execute("ALTER INDEX pk_amanah_head RENAME TO pk_amanah_head_before")
    op.rename_table("amanah_head", "amanah_head_before")
    op.create_table(
        "amanah_head",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the tenant within this trail, for amanah_term"),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column(
            "frontier", sa.LargeBinary(), nullable=False, comment="roots of the complete subtrees, the largest first"
        ),
        sa.Column(
            "chain",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="SHA-256 of the chain before the last entry and its leaf hash",
        ),
        sa.Column("month", sa.Integer(), nullable=False, comment="of the last entry"),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_amanah_head")),
        comment="How far each tenant's tree has grown.",
    )
    op.execute(
        "INSERT INTO amanah_head (tenant_id, number, size, root, frontier, chain, month)"
        " SELECT tenant_id, (SELECT count(*) FROM amanah_head_before b WHERE b.tenant_id <= h.tenant_id),"
        " size, root, frontier, chain, 0 FROM amanah_head_before h"
    )
    op.drop_table("amanah_head_before")
    op.drop_table("amanah_checkpoint")
    op.create_table(
        "amanah_checkpoint",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False, comment="1 is the first"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False, comment="C2SP signed note over the tree of the tenants' heads"),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_amanah_checkpoint")),
        comment="Signed statements about all tenants' trees.",
    )
    op.create_table(
        "amanah_signed_head",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of the checkpoint that covers it"),
        sa.Column("place", sa.BigInteger(), nullable=False, comment="position in the tree of heads"),
        sa.Column("proof", sa.LargeBinary(), nullable=False, comment="inclusion in the tree of heads, hash after hash"),
        sa.PrimaryKeyConstraint("tenant_id", "size", name=op.f("pk_amanah_signed_head")),
        comment="Heads that a checkpoint covers, each from when it changed.",
    )
    op.create_index("ix_amanah_signed_head_number", "amanah_signed_head", ["number"])
    op.execute("DELETE FROM amanah_heartbeat")
    _carry_over(op.get_bind())
    op.drop_table("amanah_entry_before")


def _carry_over(connection: sa.Connection) -> None:
    """Every entry into the new table, by tenant and position, a page at a time."""
    before = sa.Table("amanah_entry_before", sa.MetaData(), autoload_with=connection)
    heads = connection.execute(sa.text("SELECT tenant_id, number FROM amanah_head ORDER BY tenant_id")).all()
    for tenant, number in heads:
        position, month = -1, 0
        while True:
            query = sa.select(before).where(before.c.tenant_id == tenant, before.c.position > position)
            page = connection.execute(query.order_by(before.c.position).limit(PAGE)).all()
            if not page:
                break
            position = page[-1].position
            month = _write(connection, number, page, month)
        connection.execute(sa.text("UPDATE amanah_head SET month = :m WHERE tenant_id = :t"), {"m": month, "t": tenant})


def _write(connection: sa.Connection, number: int, page: list[sa.Row], month: int) -> int:
    from amanah.audit.models import entry, term

    rows, found = [], []
    for old in page:
        body = old.body.encode()
        values = json.loads(body)
        month = max(month, month_of(old.at))
        if connection.dialect.name == "postgresql":
            create(connection, month)
        said = set(facts(values))
        found.append((old.position, old.at, said))
        rows.append(
            {
                "tenant_id": old.tenant_id,
                "position": old.position,
                "month": month,
                "at": old.at,
                "link": int.from_bytes(old.chain[:8], "big", signed=True),
                "event_id": old.event_id,
                "leaf_hash": old.leaf_hash,
                "body": pack(body),
                "terms": terms_of(old.tenant_id, said),
            }
        )
    connection.execute(entry.insert(), rows)
    if connection.dialect.name == "sqlite":
        connection.execute(
            term.insert(), [{"tenant": number, "term": t, "position": r["position"]} for r in rows for t in r["terms"]]
        )
    tallied(connection, page[0].tenant_id, found)
    return month


def downgrade() -> None:
    """Every entry goes back; a library of before reads those that it wrote. What is signed is not carried back."""
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    if on_postgresql:
        op.execute("ALTER INDEX pk_amanah_entry RENAME TO pk_amanah_entry_after")
    op.drop_index("ix_amanah_entry_event_id", table_name="amanah_entry")
    op.rename_table("amanah_entry", "amanah_entry_after")
    op.create_table(
        "amanah_entry",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False, comment="0 is the first"),
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="microseconds since the epoch, UTC"),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.Column("access", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(length=32), nullable=False, comment="RFC 6962 leaf hash of the body"),
        sa.Column(
            "chain",
            sa.LargeBinary(length=32),
            nullable=False,
            comment="SHA-256 of the previous entry's chain and this leaf hash",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "position", name=op.f("pk_amanah_entry")),
        comment="The log: append-only, one tree per tenant.",
    )
    _carry_back(op.get_bind())
    op.drop_table("amanah_entry_after")
    op.create_index("ix_amanah_entry_actor", "amanah_entry", ["tenant_id", "actor", "position"], unique=False)
    op.create_index("ix_amanah_entry_event_id", "amanah_entry", ["event_id"], unique=False)
    op.create_index("uq_amanah_entry_event", "amanah_entry", ["tenant_id", "event_id", "leaf_hash"], unique=True)
    with op.batch_alter_table("amanah_head") as batch:
        batch.drop_column("number")
        batch.drop_column("month")
    op.drop_table("amanah_signed_head")
    op.drop_table("amanah_checkpoint")
    op.create_table(
        "amanah_checkpoint",
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False, comment="C2SP signed note"),
        sa.PrimaryKeyConstraint("tenant_id", "size", name=op.f("pk_amanah_checkpoint")),
        comment="Signed statements about the size and root of each tenant's tree.",
    )
    op.execute("DELETE FROM amanah_heartbeat")
    op.drop_table("amanah_tally")
    if not on_postgresql:
        op.drop_table("amanah_term")
    op.rename_table("amanah_queued", "amanah_queued_after")
    if on_postgresql:
        op.execute("ALTER INDEX pk_amanah_queued RENAME TO pk_amanah_queued_after")
    op.create_table(
        "amanah_queued",
        sa.Column("event_id", sa.String(length=32), nullable=False),
        sa.Column("tenant_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_amanah_queued")),
        comment="Entries that are durable and wait for their place in the log.",
    )
    for table in ("amanah_queued_after", "amanah_parked"):
        op.execute(
            "INSERT INTO amanah_queued (event_id, tenant_id, at, body)"  # noqa: S608 - one of two names
            f" SELECT event_id, min(tenant_id), min(at), min(body) FROM {table} t WHERE NOT EXISTS"
            " (SELECT 1 FROM amanah_queued q WHERE q.event_id = t.event_id) GROUP BY event_id"
        )
    op.drop_table("amanah_queued_after")
    op.drop_table("amanah_stream")
    op.drop_table("amanah_parked")


def _carry_back(connection: sa.Connection) -> None:
    after = sa.Table("amanah_entry_after", sa.MetaData(), autoload_with=connection)
    before = sa.Table("amanah_entry", sa.MetaData(), autoload_with=connection)
    for tenant in connection.scalars(sa.text("SELECT tenant_id FROM amanah_head ORDER BY tenant_id")).all():
        position, chain = -1, bytes(32)
        while True:
            query = sa.select(after.c.position, after.c.at, after.c.event_id, after.c.leaf_hash, after.c.body)
            query = query.where(after.c.tenant_id == tenant, after.c.position > position)
            page = connection.execute(query.order_by(after.c.position).limit(PAGE)).all()
            if not page:
                break
            rows = []
            for row in page:
                chain = sha256(chain + row.leaf_hash).digest()
                rows.append(_old(tenant, row, chain))
            connection.execute(before.insert(), rows)
            position = page[-1].position


def _old(tenant: str, row: sa.Row, chain: bytes) -> dict[str, object]:
    body = unpack(row.body).decode("ascii")
    values = json.loads(body)
    actor, purpose = values.get("actor"), values.get("purpose")
    return {
        "tenant_id": tenant,
        "position": row.position,
        "event_id": str(row.event_id).replace("-", ""),
        "at": row.at,
        "kind": values["kind"],
        "outcome": values.get("outcome", "answered"),
        "actor": None if actor is None else actor[:200].replace("\0", ""),
        "access": values.get("access", "")[:200].replace("\0", ""),
        "purpose": None if purpose is None else purpose[:200].replace("\0", ""),
        "body": body,
        "leaf_hash": row.leaf_hash,
        "chain": chain,
    }
