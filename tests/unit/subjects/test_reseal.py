from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from amanah import is_erased
from amanah.errors import Forbidden, InvalidInput, RowNotThere, SubjectErased
from amanah.subjects.erase import erase, plan_of
from amanah.subjects.merge import merge


def visits(clinic: Any) -> list[tuple[Any, ...]]:
    """Whom each visit is about, and what it says."""
    v = clinic.m.Visit
    with clinic.session() as session:
        rows = session.execute(select(v.id, v.patient_id, v.complaint, v.diagnosis).order_by(v.id))
        return [tuple(row) for row in rows]


def test_a_row_is_moved_to_another_person_and_goes_with_them(clinic: Any) -> None:
    """Sealed anew under the other one's secret: erasing the first leaves it, erasing the second takes it."""
    with clinic.session() as session:
        clinic.guard.reseal(session, "visit", key={"id": 1}, to={"patient_id": 2})
        session.commit()
    assert visits(clinic)[0] == (1, 2, "pain 1", "flu 1")
    erase(clinic.guard, plan_of(clinic.guard, "a", "patient", "1"), operator="o", reason="r")
    assert visits(clinic)[0] == (1, 2, "pain 1", "flu 1")
    erase(clinic.guard, plan_of(clinic.guard, "a", "patient", "2"), operator="o", reason="r")
    assert is_erased(visits(clinic)[0][2])


def test_a_row_about_nobody_becomes_somebodys_and_back(clinic: Any) -> None:
    """From the tenant's key alone to a person's, and the other way round."""
    for patient in (2, None):
        with clinic.session() as session:
            clinic.guard.reseal(session, "visit", key={"id": 9}, to={"patient_id": patient})
            session.commit()
        assert visits(clinic)[-1] == (9, patient, "walk-in", None)


def test_a_row_is_moved_to_another_key(clinic: Any) -> None:
    """Values open under the new key, and it is an entry."""
    with clinic.session() as session:
        clinic.guard.reseal(session, "visit", key={"id": 9}, to={"id": 90})
        session.commit()
    assert visits(clinic)[-1] == (90, None, "walk-in", None)
    assert [(w["action"], w["rows"]) for w in clinic.changes("a")][-1] == ("reseal", ["90"])


def test_what_may_not_be_moved_stays(clinic: Any) -> None:
    """Another tenant's row, a tenant, another column, an erased person, or without the right to change."""
    reseal = clinic.guard.reseal
    with clinic.session("b") as session, pytest.raises(RowNotThere):
        reseal(session, "visit", key={"id": 1}, to={"patient_id": 3})
    with clinic.session() as session:
        for key, to in (({"id": 1}, {"tenant_id": "b"}), ({"id": 1}, {"complaint": "x"}), ({}, {"patient_id": 2})):
            with pytest.raises(InvalidInput):
                reseal(session, "visit", key=key, to=to)
    with clinic.session("a", "viewer") as session, pytest.raises(Forbidden):
        reseal(session, "visit", key={"id": 1}, to={"patient_id": 2})
    erase(clinic.guard, plan_of(clinic.guard, "a", "patient", "2"), operator="o", reason="r")
    with clinic.session() as session, pytest.raises(SubjectErased):
        reseal(session, "visit", key={"id": 1}, to={"patient_id": 2})
    assert visits(clinic)[0] == (1, 1, "pain 1", "flu 1")


def test_two_numbers_become_one_person(clinic: Any) -> None:
    """All rows about the first are about the second; its own row stays; the trail has one entry with both."""
    assert merge(clinic.guard, "a", "patient", "1", "2", operator="operator:test", reason="twice") == {"visit": 1}
    assert [row[:2] for row in visits(clinic)] == [(1, 2), (2, 2), (9, None)]
    with clinic.session() as session:
        assert session.get(clinic.m.Patient, 1).name == "Budi"
    bodies = [row[0] for row in clinic.stored("SELECT body FROM amanah_staged") if "subject.merge" in row[0]]
    assert len(bodies) == 1
    assert '"subjects":["1","2"]' in bodies[0]


def test_nobody_is_merged_with_who_is_not_there(clinic: Any) -> None:
    """Unknown numbers, oneself, and erased persons are refused, and nothing is moved."""
    for source, target in (("1", "77"), ("77", "1"), ("1", "1")):
        with pytest.raises(InvalidInput):
            merge(clinic.guard, "a", "patient", source, target, operator="o", reason="r")
    erase(clinic.guard, plan_of(clinic.guard, "a", "patient", "2"), operator="o", reason="r")
    with pytest.raises(SubjectErased):
        merge(clinic.guard, "a", "patient", "1", "2", operator="o", reason="r")
    assert visits(clinic)[0][:2] == (1, 1)
