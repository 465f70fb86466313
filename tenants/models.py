"""The tables of who: tenants, their members, and the roles granted to them. Every key begins with the tenant.

Instants are whole microseconds since 1970-01-01 UTC: SQLite has no time zones, and a time limit must not depend on one.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    Table,
    Text,
    false,
)

from ..database import TENANT_ID, core

MEMBER_ID = String(128)
ROLE = String(64)

tenant = Table(
    "amanah_tenant",
    core,
    Column("id", TENANT_ID, primary_key=True),
    Column("name", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("template", String(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    CheckConstraint("status IN ('active', 'suspended', 'closed')", name="status"),
)
"""A customer organisation."""

member = Table(
    "amanah_member",
    core,
    Column("tenant_id", TENANT_ID, ForeignKey("amanah_tenant.id"), primary_key=True),
    Column("id", MEMBER_ID, primary_key=True),
    Column("display", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("added_at", BigInteger, nullable=False),
    CheckConstraint("status IN ('active', 'suspended', 'removed')", name="status"),
)
"""``id``: the application's account id as text. ``display``: a label in clear (a staff number, not a person's name)."""

grant = Table(
    "amanah_grant",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("member_id", MEMBER_ID, nullable=False),
    Column("role", ROLE, nullable=False),
    Column("reason", Text, nullable=False),
    Column("granted_by", MEMBER_ID, nullable=False),
    Column("granted_at", BigInteger, nullable=False),
    Column("starts_at", BigInteger, nullable=True),
    Column("ends_at", BigInteger, nullable=True),
    Column("revoked_at", BigInteger, nullable=True),
    Column("waits", Boolean, nullable=False, server_default=false()),
    Column("approved_by", MEMBER_ID, nullable=True),
    Column("approved_at", BigInteger, nullable=True),
    ForeignKeyConstraint(["tenant_id", "member_id"], ["amanah_member.tenant_id", "amanah_member.id"]),
)
"""A role for a member, from ``starts_at`` (NULL: at once) until before ``ends_at`` (NULL: until revoked).

While it ``waits`` for a second person it is not in force."""

duty = Table(
    "amanah_duty",
    core,
    Column("tenant_id", TENANT_ID, ForeignKey("amanah_tenant.id"), primary_key=True),
    Column("role", ROLE, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("other", ROLE, primary_key=True),
    Column("number", Integer, nullable=False),
    CheckConstraint("kind IN ('excludes', 'requires', 'at_most', 'two_people')", name="kind"),
)
"""A constraint on who may hold a role; ``other`` is "" and ``number`` 0 where the kind has none."""
