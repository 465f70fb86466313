"""The tables of the policy. Every key begins with the tenant.

A rule that is taken away keeps its row, with the version that ended it: an entry of the trail names rule and version,
and both must still mean something years later.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from ..database import TENANT_ID, core
from .names import LENGTHS

role = Table(
    "amanah_role",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("name", String(LENGTHS["role"]), primary_key=True),
    Column("description", JSON, nullable=False),
    Column("until", BigInteger, nullable=True),
)
"""A role. ``description``: language code → sentence. Ended in version ``until`` (NULL: still), for its ended rules."""

role_parent = Table(
    "amanah_role_parent",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("role", String(LENGTHS["role"]), primary_key=True),
    Column("parent", String(LENGTHS["role"]), primary_key=True),
    ForeignKeyConstraint(["tenant_id", "role"], ["amanah_role.tenant_id", "amanah_role.name"]),
    ForeignKeyConstraint(
        ["tenant_id", "parent"],
        ["amanah_role.tenant_id", "amanah_role.name"],
        name="fk_amanah_role_parent_parent",
    ),
)
"""``role`` has all rules of ``parent`` too."""

purpose = Table(
    "amanah_purpose",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("key", String(LENGTHS["purpose"]), primary_key=True),
    Column("alias", String(LENGTHS["alias"]), nullable=True),
    Column("legal_basis", String(32), nullable=False),
    Column("description", JSON, nullable=False),
    Column("parent", String(LENGTHS["purpose"]), nullable=True),
    Column("categories", JSON, nullable=True),
    Column("recipients", JSON, nullable=True),
    Column("retention", Text, nullable=True),
    Column("owner", Text, nullable=True),
    Column("review_at", String(10), nullable=True),
    UniqueConstraint("tenant_id", "alias"),
)
"""The register of purposes."""

rule = Table(
    "amanah_rule",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("role", String(LENGTHS["role"]), nullable=False),
    Column("object", String(LENGTHS["object"]), nullable=False),
    Column("action", String(LENGTHS["action"]), nullable=False),
    Column("purpose", String(LENGTHS["purpose"]), nullable=False),
    Column("effect", String(8), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=True),
    Column("row_filter", String(LENGTHS["row filter"]), nullable=False, server_default=""),
    Column("mask", String(LENGTHS["mask"]), nullable=False, server_default=""),
    Column("starts_at", BigInteger, nullable=True),
    Column("ends_at", BigInteger, nullable=True),
    CheckConstraint("effect IN ('allow', 'deny')", name="effect"),
    ForeignKeyConstraint(["tenant_id", "role"], ["amanah_role.tenant_id", "amanah_role.name"]),
)
"""In force from version ``since`` until version ``until`` (NULL: still), and then from ``starts_at`` until ``ends_at``,
µs since the epoch (NULL: no limit). ``row_filter``: "" for all rows. ``mask``: "" for each column's own.
"""

policy_version = Table(
    "amanah_policy_version",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("applied_by", String(255), nullable=False),
    Column("source", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("content", JSON, nullable=False),
)
"""The whole policy as it was from ``version`` on, for each version that was applied as a whole, and the one before it.

``at``: µs since the epoch. ``source``: files, casbin, rollback, or found (changed otherwise, seen by the next apply).
"""

consent = Table(
    "amanah_consent",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("purpose", String(LENGTHS["purpose"]), nullable=False),
    Column("given_at", BigInteger, nullable=False),
    Column("given_by", String(255), nullable=False),
    Column("given_as", String(255), nullable=True),
    Column("source", String(32), nullable=False),
    Column("evidence", String(200), nullable=True),
    Column("ends_at", BigInteger, nullable=True),
    Column("withdrawn_at", BigInteger, nullable=True),
    Column("withdrawn_by", String(255), nullable=True),
    Column("withdrawn_because", String(16), nullable=True),
    CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_by IS NULL)", name="withdrawn"),
    CheckConstraint("(withdrawn_at IS NULL) = (withdrawn_because IS NULL)", name="because"),
    Index("ix_amanah_consent_subject", "tenant_id", "kind", "subject", "purpose"),
)
"""That a subject consented to a purpose: one row for each time, kept for ever, since who relies on it must be able to
show it (GDPR art. 7(1), UU PDP 27/2022 art. 24). Times are µs since the epoch, by the database's clock.

``kind`` and ``subject`` name the person as `amanah_subject` does; ``given_as``: the subject under which it was given,
where the two were merged. ``source``: how it was given (form, paper, …); ``evidence``: where that is kept, a reference
and nothing personal. ``withdrawn_because``: withdrawn, erased or merged."""
