"""The table of wrapped keys, in the application's database."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, String, Table

from ..database import TENANT_ID, core

KEK = "kek"
DATA = "data"
INDEX = "index"
EPOCH = "epoch"

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
    Column("read_from", BigInteger, nullable=True),
    CheckConstraint("(kind IN ('kek', 'epoch')) = (provider_key_id IS NOT NULL)", name="by_provider"),
    CheckConstraint("(kind IN ('kek', 'epoch')) = (kek_version IS NULL)", name="by_kek"),
)
"""One row per tenant, kind and version. A key-encryption key (`kek`) and an epoch key (under which the secrets of
subjects are wrapped) are wrapped by the provider under ``provider_key_id``; data and index keys by the tenant's
``kek_version``. Times are microseconds since 1970, UTC. ``read_from``: of an index key, since when searches go by it;
NULL while its tokens are still being written. A retired key is never loaded again, but for an index key, which goes on
finding what it marked in the trail."""

subject = Table(
    "amanah_subject",
    core,
    Column("tenant_id", TENANT_ID, primary_key=True),
    Column("kind", String(64), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("epoch", Integer, nullable=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("erased_at", BigInteger, nullable=True),
    CheckConstraint("(epoch IS NULL) = (erased_at IS NOT NULL)", name="erased"),
    Index("ix_amanah_subject_epoch", "tenant_id", "epoch"),
)
"""The secret of each subject, under which their values are sealed: a netstring of its envelope under the tenant's key
of that ``epoch``, as SELECTs carry it; or, once the subject is erased, its `tombstone`. ``kind``
says whom the id names (`patient`)."""
