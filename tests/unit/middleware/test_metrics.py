"""The guard's metrics on a route of the application's, and an application that leaves the trail to its worker."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed
from sqlalchemy import Column, MetaData, String, Table, create_engine
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from amanah import Guard, declare, public, route
from amanah.guard import create_keys
from amanah.settings import Settings

pytestmark = pytest.mark.filterwarnings("ignore:Amanah lets plain HTTP in:RuntimeWarning")


@pytest.fixture
def guard(filled_migrated, sqlite_database, tmp_path):
    metadata = MetaData()
    Table(
        "note", metadata, Column("tenant_id", String(64), primary_key=True), Column("id", String(9), primary_key=True)
    )
    create_keys(Settings.in_folder(tmp_path / "state"))
    made = Guard.development(
        metadata=metadata,
        engine=create_engine(sqlite_database),
        identify=lambda _: None,
        state=tmp_path / "state",
        routes=[public("GET,POST,HEAD /metrics"), route("GET /notes", "note", "read", ["billing"])],
        declarations=[declare("note")],
    )
    made.create_tenant("klinik-a", "Klinik A", template="clinic", admin=None)
    yield made
    made.close()


def served(guard):
    async def notes(_request):
        return PlainTextResponse("notes")

    return guard.wrap(Starlette(routes=[Route("/metrics", guard.metrics), Route("/notes", notes)]))


def told(response):
    return {
        (one.name, *sorted(one.labels.values())): one.value
        for family in parsed(response.text)
        for one in family.samples
    }


def test_a_route_of_the_applications_tells_what_the_process_did(guard):
    """A refusal is counted by its code, and what the writer committed with its time."""
    with TestClient(served(guard)) as http:
        before = told(http.get("/metrics"))
        assert http.get("/notes").status_code == 401
        response = http.get("/metrics")
        after = told(response)
    code = ("amanah_refusals_total", "not-identified")
    assert after[code] - before.get(code, 0) == 1
    for name in ("amanah_trail_committed_entries_total", "amanah_trail_commit_seconds_count"):
        assert after[name,] - before[name,] == 1
    assert after["amanah_trail_queue_entries",] == 0
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert response.headers["cache-control"] == "no-store"


def test_only_reading_is_answered(guard):
    """Metrics take no orders."""
    with TestClient(served(guard)) as http:
        assert http.post("/metrics").status_code == 405
        assert http.head("/metrics").status_code == 200


def test_metrics_are_not_there_unless_mounted(guard):
    """A guard serves nothing by itself."""
    app = guard.wrap(Starlette(routes=[]))
    with TestClient(app) as http:
        assert http.get("/metrics").status_code == 404


def test_an_application_leaves_the_trail_to_its_worker_where_the_setting_says_so(guard):
    """By default it sequences itself; with `AMANAH_WORKER=outside` only a worker does."""
    guard.settings = replace(guard.settings, worker="outside")
    guard.start()
    assert guard.started
    assert guard.sequencer._thread is None
    guard.close()
    guard.settings = replace(guard.settings, worker="inside")
    guard.start()
    assert guard.sequencer._thread is not None
