"""The table of wrapped keys, in the application's database."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, LargeBinary, String, Table

from ..database import TENANT_ID, core

KEK = "kek"
DATA = "data"
INDEX = "index"

key = Table(
    "amanah_key",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("provider_key_id", String(255), nullable=True),
    Column("kek_version", Integer, nullable=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("retired_at", BigInteger, nullable=True),
    CheckConstraint("(kind = 'kek') = (provider_key_id IS NOT NULL)", name="kek_by_provider"),
    CheckConstraint("(kind = 'kek') = (kek_version IS NULL)", name="rest_by_kek"),
)
"""One row per tenant, kind and version. A key-encryption key (`kek`) is wrapped by the provider under
``provider_key_id``; data and index keys by the tenant's ``kek_version``. Times are microseconds since the epoch, UTC.
A retired key is never loaded again."""
