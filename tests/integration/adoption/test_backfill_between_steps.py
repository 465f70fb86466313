"""The backfill and the way back, between the migrations of the application's own Alembic, with their triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import select

import amanah.operations  # noqa: F401 - gives Operations the steps of sealing
from amanah.adoption.revision import due
from amanah.adoption.sealing_restore import restore
from tests import sealing_world

if TYPE_CHECKING:
    from pathlib import Path

    from amanah.adoption.revision import Migration

TABLES = ("patient", "visit", "remark", "account")


def migrate(clinic: sealing_world.SealingWorld, step: Migration) -> None:
    """Run the operations that `amanah revision` would write."""
    steps = due(clinic.guard, step, ())
    with clinic.world.plain.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        for one in steps:
            operations.invoke(one)


def test_there_and_back_again(database_url: str, tmp_path: Path) -> None:
    """Sealed, read sealed, left by the plain values, and filled again: every value is the same."""
    clinic = sealing_world.SealingWorld(database_url, tmp_path, None).fill()
    try:
        clinic.deploy("write_both")
        migrate(clinic, "add")
        assert all(one.whole for one in [*clinic.encrypt().values(), *clinic.verify().values()])
        clinic.sql("UPDATE patient SET phone = '0899' WHERE id = 1")  # by an old process
        assert clinic.encrypt()["patient.phone"].done == 1

        clinic.deploy("read_sealed")
        migrate(clinic, "read")
        assert not any(one.done for one in restore(clinic.guard, TABLES, operator="operator"))

        m = clinic.deploy("sealed_only").world.m
        migrate(clinic, "release")
        with clinic.world.session() as session:
            session.get(m.Patient, 1).phone = "0877"
            session.add(m.Patient(id=90, phone="0866", score=9))
            session.commit()
        assert clinic.sql("SELECT phone FROM patient WHERE id IN (1, 90)") == [(None,), (None,)]

        clinic.deploy("read_sealed")
        results = restore(clinic.guard, TABLES, operator="operator")
        assert all(one.whole for one in [*results, *clinic.verify().values()])
        assert clinic.sql("SELECT phone, score FROM patient WHERE id IN (1, 90) ORDER BY id") == [
            ("0877", 7),
            ("0866", 9),
        ]
        with clinic.world.session() as session:
            assert set(session.scalars(select(clinic.world.m.Visit.complaint))) == {"batuk", "it's 100% %s"}
    finally:
        clinic.close()
