"""The gate's own tables, in the application's database: which hand-overs were taken up, and what is enforced.

Instants are whole microseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, String, Table, Text

from ..database import TENANT_ID, core

used_handoff = Table(
    "amanah_used_handoff",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_amanah_used_handoff_expires_at", "expires_at"),
)
"""One row per hand-over that was taken up. It is removed a while after the hand-over's own time is over."""

posture = Table(
    "amanah_posture",
    core,
    Column("name", String(16), primary_key=True),
    Column("enforced", Text, nullable=False),
    Column("until", String(10)),
    Column("at", BigInteger, nullable=False),
)
"""One row: the resources that the guard enforced when it last started, a line each ("*": all), and the last day of
observing the others (ISO 8601)."""
