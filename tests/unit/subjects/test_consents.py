"""What becomes of the consents of subjects who are erased or merged."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from amanah.access_policies import consents
from amanah.subjects.erase import erase, plan_of
from amanah.subjects.merge import merge

LETTERS, ADS = "marketing.communications.email", "marketing.advertising"


def give(clinic: Any, subject: str, purpose: str = LETTERS, *, tenant: str = "a", **facts: Any) -> str:
    """A consent by the application's desk."""
    with clinic.guard.engine.begin() as connection:
        return consents.give(connection, tenant, "patient", subject, purpose, by="desk", source="form", **facts)


def take_back(clinic: Any, subject: str, purpose: str = LETTERS) -> None:
    """And its withdrawal."""
    with clinic.guard.engine.begin() as connection:
        consents.withdraw(connection, "a", "patient", subject, purpose, by="desk")


def of(clinic: Any, subject: str, tenant: str = "a") -> list[tuple[str, bool, str, str]]:
    """Purpose, live, why no longer, and as whom it was given."""
    with clinic.guard.engine.connect() as connection:
        found = consents.consents(connection, tenant, kind="patient", subject=subject)
    return [(one.purpose, one.live, one.withdrawn_because, one.given_as) for one in found]


def test_who_is_erased_has_withdrawn_everything(clinic: Any) -> None:
    """What shows that they had consented is kept; an earlier withdrawal stays what it was; nobody else is touched."""
    give(clinic, "1", evidence="form:7")
    take_back(clinic, "1")
    give(clinic, "1", ADS)
    give(clinic, "2")
    give(clinic, "1", tenant="b")
    erase(clinic.guard, plan_of(clinic.guard, "a", "patient", "1"), operator="ops", reason="asked")
    assert of(clinic, "1") == [(LETTERS, False, "withdrawn", ""), (ADS, False, "erased", "")]
    assert of(clinic, "2") == [(LETTERS, True, "", "")]
    assert of(clinic, "1", "b") == [(LETTERS, True, "", "")]
    body = clinic.stored("SELECT body FROM amanah_staged WHERE body LIKE '%subject.erase%'")[0][0]
    assert '"consents":1' in body


def test_the_consents_of_two_who_are_one_are_theirs(clinic: Any) -> None:
    """Each says under which number it was given."""
    give(clinic, "1")
    give(clinic, "2", ADS)
    merge(clinic.guard, "a", "patient", "1", "2", operator="ops", reason="same person")
    assert of(clinic, "1") == []
    assert of(clinic, "2") == [(LETTERS, True, "", "1"), (ADS, True, "", "")]
    body = clinic.stored("SELECT body FROM amanah_staged WHERE body LIKE '%subject.merge%'")[0][0]
    assert '"consents":1' in body


def test_of_two_acts_of_one_person_the_later_holds(clinic: Any) -> None:
    """Who withdrew under one number after they had consented under the other has withdrawn; and the other way round."""
    give(clinic, "2")
    give(clinic, "1")
    take_back(clinic, "1")
    give(clinic, "1", ADS)
    take_back(clinic, "1", ADS)
    clinic.stored("UPDATE amanah_consent SET given_at = given_at - 9000000, withdrawn_at = withdrawn_at - 5000000 "
                  "WHERE purpose = :ads", ads=ADS)  # fmt: skip
    give(clinic, "2", ADS)
    merge(clinic.guard, "a", "patient", "1", "2", operator="ops", reason="same person")
    with clinic.guard.engine.connect() as connection:
        live = [one.purpose for one in consents.consents(connection, "a", subject="2") if one.live]
    assert live == [ADS]


def test_a_consent_is_live_by_the_databases_clock(clinic: Any) -> None:
    """What was given a moment ago is live at once; what ends now has ended."""
    now = "CAST(EXTRACT(EPOCH FROM now()) * 1000000 AS BIGINT)"
    if "sqlite" in clinic.url:
        now = "CAST(strftime('%s', 'now') AS INTEGER) * 1000000"
    with clinic.guard.engine.connect() as connection:
        instant = int(connection.execute(text(f"SELECT {now}")).scalar_one())
    give(clinic, "1", ends_at=instant)
    give(clinic, "1", ADS, ends_at=instant + 3_600_000_000)
    assert [live for _, live, _, _ in of(clinic, "1")] == [False, True]
    stored = clinic.stored("SELECT given_at FROM amanah_consent")
    assert all(abs(at - instant) < 60_000_000 for (at,) in stored)
