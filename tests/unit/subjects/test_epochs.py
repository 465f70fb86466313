from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from amanah.errors import KeyUnknown, SealError
from amanah.subjects.epochs import Epochs

DAY = 86_400


def tend(clinic: Any, day: float, **options: Any) -> Any:
    """A run of the daily command, so many days from now."""
    now = time.time_ns() + int(day * DAY * 1e9)
    return Epochs(clinic.guard, operator="operator:test", clock=lambda: now).tend(**options)


def epochs(clinic: Any, tenant: str = "a") -> list[Any]:
    """The tenant's epoch keys: version, and whether it is retired."""
    rows = clinic.stored("SELECT version, retired_at FROM amanah_key WHERE kind = 'epoch' AND tenant_id = :t", t=tenant)
    return [(version, retired is not None) for version, retired in sorted(rows)]


def name_of(clinic: Any) -> str:
    """What an access reads, with keys loaded anew."""
    clinic.guard.keyring.forget("a")
    with clinic.session() as session:
        return str(session.get(clinic.m.Patient, 1).name)


def test_nothing_happens_before_its_time(clinic: Any) -> None:
    """A run on the first day changes nothing."""
    done = tend(clinic, 1)
    assert (done.begun, done.rewrapped, done.waiting, done.retired, done.destroyed) == (False, 0, 0, 0, [])
    assert epochs(clinic) == [(1, False)]


def test_a_secret_goes_from_epoch_to_epoch_and_the_old_key_is_destroyed(clinic: Any) -> None:
    """Begin, wait until all know, re-wrap, retire, keep for the backups, destroy: values open all the while."""
    before = clinic.stored("SELECT wrapped FROM amanah_subject WHERE subject = '1' AND tenant_id = 'a'")[0][0]
    provider_key = clinic.stored("SELECT provider_key_id FROM amanah_key WHERE kind = 'epoch' AND tenant_id = 'a'")[0][
        0
    ]
    first = tend(clinic, 31)
    assert (first.begun, first.rewrapped, first.waiting) == (True, 0, 3)
    assert name_of(clinic) == "Budi"
    assert tend(clinic, 33).rewrapped == 3
    assert epochs(clinic) == [(1, True), (2, False)]
    assert name_of(clinic) == "Budi"
    assert tend(clinic, 33 + 34).destroyed == []
    assert tend(clinic, 33 + 36).destroyed == [provider_key]
    assert next(version for version, _ in epochs(clinic)) == 2
    assert name_of(clinic) == "Budi"
    clinic.stored("UPDATE amanah_subject SET wrapped = :w WHERE subject = '1' AND tenant_id = 'a'", w=before)
    with pytest.raises((KeyUnknown, SealError)):
        name_of(clinic)


def test_a_new_person_goes_under_the_newest_epoch(clinic: Any) -> None:
    """Once it has begun, new secrets name it."""
    tend(clinic, 1, begin=True)
    clinic.guard.keyring.forget("a")
    with clinic.session() as session:
        session.add(clinic.m.Patient(id=7, name="Wati", nickname="w"))
        session.commit()
    assert clinic.stored("SELECT epoch FROM amanah_subject WHERE subject = '7'") == [(2,)]


def test_a_tenant_from_before_epochs_gets_one(clinic: Any) -> None:
    """An installation that is older than subject keys is brought up by the same command."""
    with clinic.plain.begin() as connection:
        connection.execute(text("DELETE FROM amanah_subject WHERE tenant_id = 'b'"))
        connection.execute(text("DELETE FROM amanah_key WHERE tenant_id = 'b' AND kind = 'epoch'"))
    tend(clinic, 0)
    assert epochs(clinic, "b") == [(1, False)]


def test_the_declared_retention_counts(clinic: Any) -> None:
    """Where backups are kept for a year, the old key can be had for a year."""
    clinic.guard.settings = replace(clinic.guard.settings, backup_retention_days=365, epoch_days=3650)
    tend(clinic, 1, begin=True)
    tend(clinic, 3)
    assert epochs(clinic) == [(1, True), (2, False)]
    assert tend(clinic, 300).destroyed == []
    assert len(tend(clinic, 370).destroyed) == 1
