"""The table of what two people decide, in the application's database."""

from __future__ import annotations

from sqlalchemy import Column, LargeBinary, String, Table

from ..database import TENANT_ID, core

request = Table(
    "amanah_request",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("id", String(32), primary_key=True),
    Column("envelope", LargeBinary, nullable=False),
)
"""A request to decrypt and what became of it, sealed as a whole under the tenant's keys: see `requests`."""
