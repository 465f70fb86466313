"""Findings that a guard silences: never without a reason, never what must be told, never unseen."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, Text, create_engine

from amanah import Guard, declare
from amanah.errors import ConfigurationError
from amanah.guard import create_keys
from amanah.middleware.checks import CHECKS
from amanah.middleware.checks_of_declarations import FREE_TEXT, PERSONAL
from amanah.middleware.declare import build
from amanah.middleware.doctor import diagnose
from amanah.middleware.silences import Silences
from amanah.settings import Settings

FOUND = [PERSONAL("pelanggan.catatan"), PERSONAL("pelanggan.email"), FREE_TEXT("pelanggan.keterangan")]


def reasons(said, **rest):
    """(id, subject) → reason, after the silences."""
    return {(one.id, one.subject): one.silenced for one in Silences(said).over(FOUND, **rest)}


def test_an_id_silences_all_of_its_findings_and_an_id_with_a_subject_one():
    """The nearer reason is the one that is kept; what is not named stays loud."""
    assert reasons({"AMN-D001": "all", "AMN-D001 pelanggan.catatan": "codes of goods"}) == {
        ("AMN-D001", "pelanggan.catatan"): "codes of goods",
        ("AMN-D001", "pelanggan.email"): "all",
        ("AMN-D003", "pelanggan.keterangan"): None,
    }


def test_a_subject_may_hold_spaces():
    """A route's name does."""
    assert Silences({"AMN-D003 GET /x": "why"}).over([FREE_TEXT("GET /x")])[0].silenced == "why"


@pytest.mark.parametrize(
    "key, reason, told",
    [
        ("AMN-D003", "", "say why"),
        ("AMN-D003", "  \n", "say why"),
        ("AMN-D003", None, "say why"),
        ("AMN-D999", "why", "no finding of that id"),
        ("D003", "why", "no finding of that id"),
        ("", "why", "no finding of that id"),
        ("AMN-D003,AMN-D001", "why", "no finding of that id"),
        ("AMN-D030", "why", "AMN-D030 cannot be silenced, only mended; see docs/reference/doctor/AMN-D030.md"),
        ("AMN-D011 pelanggan", "why", "AMN-D011 cannot be silenced"),
    ],
)
def test_a_silence_that_cannot_be_kept_is_refused(key, reason, told):
    """Without a reason, for an id that is none, for what must be told."""
    with pytest.raises(ConfigurationError, match=told):
        Silences({key: reason})


def test_a_silence_that_matches_nothing_is_a_finding():
    """It would hide something new; the rest is as it was."""
    said = {"AMN-D001 pelanggan.alamat": "gone", "AMN-D002": "no passwords", "AMN-D003": "seen"}
    assert reasons(said) == {
        ("AMN-D001", "pelanggan.catatan"): None,
        ("AMN-D001", "pelanggan.email"): None,
        ("AMN-D003", "pelanggan.keterangan"): "seen",
        ("AMN-D015", "AMN-D001 pelanggan.alamat"): None,
        ("AMN-D015", "AMN-D002"): None,
    }


def test_an_id_whose_only_finding_has_a_nearer_silence_matches_nothing():
    """Both keys are looked at, each for itself."""
    told = reasons({"AMN-D003": "all", "AMN-D003 pelanggan.keterangan": "this one"})
    assert told["AMN-D003", "pelanggan.keterangan"] == "this one"
    assert ("AMN-D015", "AMN-D003") in told


def test_a_silence_of_what_was_not_looked_for_may_have_its_use():
    """A database that is away does not make silences stale."""
    assert ("AMN-D015", "AMN-D036") not in reasons({"AMN-D036": "wide tables"}, left_out={"AMN-D036"})
    assert ("AMN-D015", "AMN-D036") in reasons({"AMN-D036": "wide tables"})
    register = build(metadata := MetaData(), [], "tenant_id")
    assert diagnose(register, metadata, [], silences=Silences({"AMN-D036": "wide tables"})).findings == ()


def test_what_the_doctor_is_sure_of_and_must_not_stay_cannot_be_silenced():
    """Of errors only those in which it can be wrong.

    A name misled it, no request reaches the engine, a policy of one's own is stricter.

    Of the rest all but keys, trail and to-dos.
    """
    may_mislead = {"AMN-D001", "AMN-D013", "AMN-D039", "AMN-D054"}
    assert {one.id for one in CHECKS.values() if one.level == "error" and one.silenceable} == may_mislead
    assert {one.id for one in CHECKS.values() if one.level != "error" and not one.silenceable} == {
        "AMN-D011",
        "AMN-D014",
        "AMN-D015",
        "AMN-D018",
        "AMN-D031",
        "AMN-D032",
    }


@pytest.mark.filterwarnings("ignore:Amanah lets plain HTTP in")
def test_a_guard_takes_silences_and_enforces_the_same(tmp_path):
    """Each posture takes them; what is wrong with them is told before the first request."""
    settings = Settings.in_folder(tmp_path / "s")
    create_keys(settings)

    def start(kind, silenced):
        metadata = MetaData()
        key = [Column("tenant_id", String, primary_key=True), Column("id", Integer, primary_key=True)]
        Table("customer", metadata, *key, Column("notes", Text))
        place = {"state": tmp_path / "s"} if kind == "development" else {"settings": settings}
        return getattr(Guard, kind)(
            metadata=metadata,
            engine=create_engine(f"sqlite:///{tmp_path}/app.db"),
            identify=lambda _: None,
            declarations=[declare("customer", subject="id")],
            routes=[],
            silenced=silenced,
            **place,
        )

    for kind in ("development", "production"):
        with pytest.raises(ConfigurationError, match="say why"):
            start(kind, {"AMN-D003": ""})
    guard = start("production", {"AMN-D003 customer.notes": "delivery codes only"})
    try:
        (one,) = diagnose(guard.register, guard.metadata, [], silences=guard.silences).findings
        assert (one.id, one.subject, one.silenced) == ("AMN-D003", "customer.notes", "delivery codes only")
        assert not diagnose(guard.register, guard.metadata, [], silences=guard.silences).loud
    finally:
        guard.close()
