"""The way back: plain columns are filled from the sealed ones, while both are written."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event, select

from amanah.adoption.sealing_restore import restore
from amanah.errors import SealingStepWrong
from tests import sealing_world
from tests.spelled_out import spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = (
    "phone",
    "born",
    "score",
    "fee",
    "profile",
    "photo",
    "seen_at",
)


@pytest.fixture
def clinic(database_url: str, tmp_path: Path) -> Iterator[sealing_world.SealingWorld]:
    """Everything sealed, both columns written, the sealed ones read."""
    made = sealing_world.SealingWorld(database_url, tmp_path).fill()
    made.encrypt()
    made.deploy("read_sealed")
    yield made
    made.close()


def back(clinic: sealing_world.SealingWorld, *names: str, **more: Any) -> dict[str, Any]:
    """The results of a restore, by column."""
    done = restore(clinic.guard, names, operator="operator:ops", **more)
    return {f"{one.table}.{one.column}": one for one in done}


def all_plain(clinic: sealing_world.SealingWorld) -> list[Any]:
    """What the plain columns of the patients hold, as the application's types give it."""
    with clinic.world.plain.connect() as connection:
        return list(connection.execute(select(clinic.raw.Patient.__table__).order_by("id")))


def test_what_was_emptied_is_filled_again(clinic: sealing_world.SealingWorld) -> None:
    """Values of every kind, in every table; one that is NULL stays NULL."""
    before = all_plain(clinic)
    clinic.sql(f"UPDATE patient SET {', '.join(f'{name} = NULL' for name in PLAIN)}")
    clinic.sql("UPDATE remark SET words = NULL")
    results = back(clinic)
    assert all(one.whole for one in [*results.values(), *clinic.verify().values()])
    assert results["patient.phone"].done == 3
    assert all_plain(clinic) == before
    assert before[1].fee == Decimal("0.10")
    assert before[1].born == dt.date(1990, 1, 2)


def test_what_differs_is_replaced_with_a_new_envelope(clinic: sealing_world.SealingWorld) -> None:
    """The sealed value is the one that is read; its envelope changes along, else the trigger would refuse."""
    before = clinic.sql("SELECT id, phone_sealed, phone_ix FROM patient ORDER BY id")
    clinic.sql("UPDATE patient SET phone = 'old' WHERE id = 1")
    assert back(clinic, "patient.phone")["patient.phone"].done == 1
    assert clinic.sql("SELECT phone FROM patient WHERE id = 1") == [("0812 3456 7890",)]
    after = clinic.sql("SELECT id, phone_sealed, phone_ix FROM patient ORDER BY id")
    assert bytes(after[0][1]) != bytes(before[0][1])
    assert bytes(after[0][2]) == bytes(before[0][2])
    assert after[1:] == before[1:]
    assert back(clinic)["patient.phone"].done == 0


def test_a_write_in_between_wins(clinic: sealing_world.SealingWorld) -> None:
    """What the application wrote meanwhile, in both columns, stays."""
    clinic.sql("UPDATE patient SET phone = NULL WHERE id = 1")
    met: list[str] = []
    m = clinic.world.m

    def look(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        if sql.startswith("UPDATE patient") and not met:
            met.append(sql)
            with clinic.world.session() as session:
                session.get(m.Patient, 1).phone = "0899"
                session.commit()

    event.listen(Engine, "before_cursor_execute", look)
    try:
        back(clinic, "patient.phone")
    finally:
        event.remove(Engine, "before_cursor_execute", look)
    assert met
    assert clinic.sql("SELECT phone FROM patient WHERE id = 1") == [("0899",)]
    assert clinic.verify("patient.phone")["patient.phone"].whole


def test_what_does_not_open_is_told_by_its_row(clinic: sealing_world.SealingWorld) -> None:
    """And the others go on."""
    clinic.sql("UPDATE patient SET phone = NULL")
    clinic.sql("UPDATE patient SET phone_sealed = (SELECT p.phone_sealed FROM patient p WHERE p.id = 4) WHERE id = 1")
    result = back(clinic)["patient.phone"]
    assert (result.done, result.left, result.refused) == (2, 1, [("a", "1")])


@pytest.mark.postgresql
def test_what_the_plain_column_does_not_take_is_told_by_its_row(postgres_database: str, tmp_path: Path) -> None:
    """A value that grew longer than the column once was, while only sealed ones were written."""
    clinic = sealing_world.SealingWorld(postgres_database, tmp_path).fill()
    try:
        clinic.encrypt()
        clinic.sql("UPDATE patient SET phone = NULL")
        clinic.sql("ALTER TABLE patient ALTER COLUMN phone TYPE varchar(10)")
        clinic.sql("ALTER TABLE patient ALTER COLUMN phone TYPE varchar(12)")
        clinic.deploy("read_sealed")
        result = back(clinic, "patient.phone")["patient.phone"]
        assert (result.done, result.refused) == (1, [("a", "1"), ("b", "4")])
    finally:
        clinic.close()


@pytest.mark.parametrize("step", ["write_both", "sealed_only"])
def test_another_step_is_refused(clinic: sealing_world.SealingWorld, step: Any) -> None:
    """While only one of the two columns is written, the plain one would be stale the next moment."""
    clinic.deploy(step)
    with pytest.raises(SealingStepWrong):
        back(clinic, "patient")


def test_one_tenant_and_one_column_can_be_restored_alone(clinic: sealing_world.SealingWorld) -> None:
    """What two people agreed on, and nothing beside it; the trail says it."""
    clinic.sql("UPDATE patient SET phone = NULL, score = NULL")
    results = back(clinic, "patient.phone", tenant="b")
    assert (list(results), results["patient.phone"].done) == (["patient.phone"], 1)
    assert clinic.sql("SELECT id FROM patient WHERE phone IS NOT NULL OR score IS NOT NULL") == [(4,)]
    bodies = clinic.sql("SELECT body FROM amanah_staged ORDER BY at, event_id")
    acts = [(e["tenant"], e["detail"]) for e in (spelled_out(body) for (body,) in bodies)]
    assert [one for one in acts if one[1]["act"].startswith("decrypt")] == [
        ("b", {"act": "decrypt.begin", "columns": "patient.phone"}),
        ("b", {"act": "decrypt.end", "patient.phone": 1}),
    ]
