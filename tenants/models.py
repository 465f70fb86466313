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
    Column("lapse_days", Integer, nullable=True),
    CheckConstraint("status IN ('active', 'suspended', 'closed')", name="status"),
)
"""A customer organisation. Its grants lapse when they were not used for ``lapse_days`` (NULL: never)."""

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
    Column("member_id", MEMBER_ID, nullable=True),
    Column("operator_id", MEMBER_ID, nullable=True),
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
    Column("emergency", Boolean, nullable=False, server_default=false()),
    Column("reviewed_by", MEMBER_ID, nullable=True),
    Column("reviewed_at", BigInteger, nullable=True),
    CheckConstraint("(member_id IS NULL) <> (operator_id IS NULL)", name="one_holder"),
    ForeignKeyConstraint(["tenant_id", "member_id"], ["amanah_member.tenant_id", "amanah_member.id"]),
)
"""A role for a member or for an operator of the platform, whose ids are not of one kind: the same text in the other
column is somebody else.

In force from ``starts_at`` (NULL: at once) until before ``ends_at`` (NULL: until revoked), and not while it ``waits``
for a second person. ``emergency``: taken by the member, to be reviewed."""

duty = Table(
    "amanah_duty",
    core,
    Column("tenant_id", TENANT_ID, ForeignKey("amanah_tenant.id"), primary_key=True),
    Column("role", ROLE, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("other", ROLE, primary_key=True),
    Column("number", Integer, nullable=False),
    CheckConstraint("kind IN ('excludes', 'requires', 'at_most', 'two_people', 'second_factor')", name="kind"),
)
"""A constraint on who may hold a role; ``other`` is "" and ``number`` 0 where the kind has none."""

emergency = Table(
    "amanah_emergency",
    core,
    Column("tenant_id", TENANT_ID, ForeignKey("amanah_tenant.id"), primary_key=True),
    Column("role", ROLE, primary_key=True),
    Column("holder", ROLE, primary_key=True),
    Column("minutes", Integer, nullable=False),
)
"""Which role may be taken in an emergency, by members who hold which role (``*``: by every member), for how long."""
