"""The doctor finds epochs that nobody tends, and erasures that a restore took back."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from amanah.subjects.epochs import Epochs
from amanah.subjects.erase import erase, plan_of
from amanah.subjects.ledger import Erasure, Ledger
from amanah.subjects.live_erasures import live_epochs, live_ledger
from amanah.subjects.replay import replay

DAY = 86_400 * 10**9
EVERYBODY = {"a", "b", "platform"}


def on(day: float) -> Any:
    """A clock, so many days from now."""
    now = time.time_ns() + int(day * DAY)
    return lambda: now


def tend(clinic: Any, day: float) -> Any:
    """A run of the daily command."""
    return Epochs(clinic.guard, operator="operator:test", clock=on(day)).tend()


def overdue(clinic: Any, day: float) -> set[str]:
    """Whose epochs are overdue on that day."""
    found = list(live_epochs(clinic.guard, clock=on(day)))
    assert {(one.id, one.level) for one in found} <= {("AMN-D050", "warning")}
    assert all("amanah keys epochs" in one.advice() for one in found)
    return {one.subject for one in found}


def test_an_epoch_that_nobody_tends_is_a_warning(clinic: Any) -> None:
    """Two days after it was to end; where the command runs every day, there is never any."""
    assert overdue(clinic, 31.9) == set()
    assert overdue(clinic, 32.1) == EVERYBODY
    for day in range(120):
        assert overdue(clinic, day) == set(), day
        tend(clinic, day)
    clinic.guard.settings = replace(clinic.guard.settings, epoch_days=365)
    assert overdue(clinic, 150) == EVERYBODY, "what was retired is to be destroyed"


def test_each_step_that_is_left_out_is_found(clinic: Any) -> None:
    """Begun and not carried on; a tenant that was left behind; retired and not destroyed."""
    tend(clinic, 31)
    assert overdue(clinic, 33.9) == set()
    assert overdue(clinic, 34.1) == EVERYBODY
    tend(clinic, 33)
    assert overdue(clinic, 34.1) == set()
    clinic.stored("DELETE FROM amanah_key WHERE kind = 'epoch' AND tenant_id = 'b' AND version = 2")
    clinic.stored("UPDATE amanah_key SET retired_at = NULL WHERE kind = 'epoch' AND tenant_id = 'b'")
    assert overdue(clinic, 33.1) == {"b"}
    tend(clinic, 33)
    tend(clinic, 35)
    clinic.guard.settings = replace(clinic.guard.settings, epoch_days=365, backup_retention_days=50)
    assert overdue(clinic, 33 + 51.9) == set()
    assert overdue(clinic, 33 + 52.1) == {"a", "platform"}
    tend(clinic, 33 + 52)
    assert overdue(clinic, 33 + 52.1) == set()


def ahead(clinic: Any) -> Any:
    """What the doctor says about the ledger."""
    found = list(live_ledger(clinic.guard))
    assert all(one.subject == str(clinic.guard.settings.erasure_ledger) for one in found)
    return [(one.id, one.level, one.told()) for one in found]


def test_erasures_that_a_restore_took_back_are_an_error(clinic: Any) -> None:
    """Until they are repeated; with the secret as it was, and without any."""
    secret = clinic.stored("SELECT wrapped, epoch FROM amanah_subject WHERE subject = '1' AND tenant_id = 'a'")[0]
    assert ahead(clinic) == []
    for number in ("1", "2"):
        erase(clinic.guard, plan_of(clinic.guard, "a", "patient", number), operator="operator:test", reason="asked")
    assert ahead(clinic) == []
    clinic.stored(
        "UPDATE amanah_subject SET wrapped = :w, epoch = :e, erased_at = NULL WHERE subject = '1' AND tenant_id = 'a'",
        w=secret[0],
        e=secret[1],
    )
    clinic.stored("DELETE FROM amanah_subject WHERE subject = '2'")
    ((id_, level, said),) = ahead(clinic)
    assert (id_, level, "names 2 erasures" in said) == ("AMN-D051", "error", True)
    assert len(list(replay(clinic.guard, operator="operator:test"))) == 2
    assert ahead(clinic) == []


def test_an_erasure_of_a_tenant_that_is_not_here_is_none(clinic: Any) -> None:
    """The remedy could do nothing about it."""
    ledger = Ledger(clinic.guard.settings.erasure_ledger, clinic.guard.signer)
    ledger.append(Erasure("e" * 32, 1, "closed", "patient", "1"))
    assert ahead(clinic) == []


@pytest.mark.parametrize("damage", ["line", "file"])
def test_a_damaged_ledger_is_an_error_of_its_own(clinic: Any, damage: str) -> None:
    """The doctor goes on with the rest."""
    path = clinic.guard.settings.erasure_ledger
    if damage == "file":
        path.mkdir()
    else:
        path.write_text('{"note": "made up"}\n')
    ((id_, level, said),) = ahead(clinic)
    assert (id_, level, str(path) in said) == ("AMN-D052", "error", True)
