"""The console's own tables, in the application's database. Tokens are kept as hashes only.

Instants are whole microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from ..database import TENANT_ID, core

_MEMBER_ID = String(128)
_HASH = LargeBinary(32)
_TOKEN = LargeBinary(16)
_A_MEMBER = (["tenant_id", "member_id"], ["amanah_member.tenant_id", "amanah_member.id"])

credential = Table(
    "amanah_credential",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("member_id", _MEMBER_ID, primary_key=True),
    Column("name_token", _TOKEN, nullable=True),
    Column("password_hash", String(255), nullable=False),
    Column("set_at", BigInteger, nullable=False),
    ForeignKeyConstraint(*_A_MEMBER),
    UniqueConstraint("tenant_id", "name_token"),
    Index("ix_amanah_credential_name", "name_token"),
)
"""How a member signs in: ``name_token`` is the keyed token of their e-mail address (or another name); the address
itself is not kept. ``password_hash`` is an Argon2id PHC string."""

invitation = Table(
    "amanah_invitation",
    core,
    Column("token_hash", _HASH, primary_key=True),
    Column("tenant_id", TENANT_ID, nullable=False),
    Column("member_id", _MEMBER_ID, nullable=False),
    Column("name_token", _TOKEN, nullable=True),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=True),
    ForeignKeyConstraint(*_A_MEMBER),
    Index("ix_amanah_invitation_member", "tenant_id", "member_id"),
)
"""A link by which a member sets a password, once."""

session = Table(
    "amanah_console_session",
    core,
    Column("token_hash", _HASH, primary_key=True),
    Column("tenant_id", TENANT_ID, nullable=False),
    Column("member_id", _MEMBER_ID, nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    ForeignKeyConstraint(*_A_MEMBER),
    Index("ix_amanah_console_session_member", "tenant_id", "member_id"),
    Index("ix_amanah_console_session_expires_at", "expires_at"),
)
"""Who is signed in to the console. A row that is gone is a session that has ended."""

attempt = Table(
    "amanah_attempt",
    core,
    Column("name_token", _TOKEN, primary_key=True),
    Column("wrong", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Index("ix_amanah_attempt_last_at", "last_at"),
)
"""Wrong passwords at the terminal, where each attempt is a process of its own. A row is forgotten after an hour."""
