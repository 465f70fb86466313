"""What Prometheus is told: in its format, with nothing personal, and of a database that is away, too."""

from __future__ import annotations

import time

from prometheus_client.parser import text_string_to_metric_families as parsed
from sqlalchemy import create_engine

from amanah import measures
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.metrics import Metrics
from amanah.audit.outside import chosen
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import stage
from amanah.audit.writer import TrailWriter


def entry(seconds_ago=0):
    at = now_us() - seconds_ago * 1_000_000
    return Entry(id=new_event_id(), at=at, tenant="klinik-a", access="x", kind="write", actor="sari")


def told(metrics):
    """Every sample, by name and labels."""
    return {
        (one.name, *sorted(one.labels.values())): one.value
        for family in parsed(metrics.text().decode())
        for one in family.samples
    }


def test_how_long_entries_wait_is_asked_of_the_database(own_database, trail_database, tmp_path):
    """The oldest in either queue counts; none waits once they have their place, and the heartbeat is the database's."""
    metrics = Metrics(own_database, trail_database)
    before = told(metrics)
    assert (before["amanah_trail_up",], before["amanah_trail_lag_seconds",]) == (1, 0)
    assert before["amanah_checkpoint_written_timestamp_seconds", "database"] == 0
    writer = TrailWriter(trail_database, bytes(32))
    writer.record(entry(seconds_ago=30))
    assert 30 <= told(metrics)["amanah_trail_lag_seconds",] < 60
    with own_database.begin() as connection:
        stage(connection, [entry(seconds_ago=100)])
    assert 100 <= told(metrics)["amanah_trail_lag_seconds",] < 130
    sequencer = Sequencer(own_database, trail_database, SignerKey.create(tmp_path / "signer.key"))
    sequencer.run_once()
    after = told(metrics)
    assert after["amanah_trail_lag_seconds",] == 0
    assert abs(after["amanah_checkpoint_written_timestamp_seconds", "database"] - time.time()) < 60
    sequencer.close()
    writer.close()


def test_a_database_that_is_away_is_told_and_the_rest_too(tmp_path):
    """A scrape does not fail because of it."""
    away = create_engine(f"sqlite:///{tmp_path / 'nowhere' / 'app.db'}")
    now = told(Metrics(away, away, lambda: 7))
    assert now["amanah_trail_up",] == 0
    assert ("amanah_trail_lag_seconds",) not in now
    assert now["amanah_trail_queue_entries",] == 7
    assert ("amanah_decisions_total", "asked") in now


def test_what_the_process_did_is_told(own_database, trail_database, tmp_path):
    """Each count goes up by what was counted."""
    metrics = Metrics(own_database, trail_database)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    places = chosen([folder])
    before = told(metrics)
    measures.committed(3, 0.004)
    measures.sequenced(5)
    measures.refused("field-probed")
    measures.remembered()
    measures.asked()
    measures.opened()
    measures.ran("sequencer", "ok")
    places.beat("note")
    after = told(metrics)
    risen = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
    assert risen.pop(("amanah_checkpoint_written_timestamp_seconds", "folder")) > 0
    assert round(risen.pop(("amanah_trail_commit_seconds_sum",)), 6) == 0.004
    assert risen == {
        ("amanah_trail_commit_seconds_count",): 1,
        **{("amanah_trail_commit_seconds_bucket", one): 1 for one in _limits_from(0.005)},
        ("amanah_trail_committed_entries_total",): 3,
        ("amanah_trail_sequenced_entries_total",): 5,
        ("amanah_refusals_total", "field-probed"): 1,
        ("amanah_decisions_total", "remembered"): 1,
        ("amanah_decisions_total", "asked"): 1,
        ("amanah_opened_values_total",): 1,
        ("amanah_job_runs_total", "ok", "sequencer"): 1,
    }


def _limits_from(seconds):
    return [str(one) for one in measures.commit_seconds.limits if one >= seconds] + ["+Inf"]


def test_no_tenant_and_no_actor_is_told(own_database, trail_database):
    """Not even by an entry that waits."""
    with own_database.begin() as connection:
        stage(connection, [entry()])
    text = Metrics(own_database, trail_database).text().decode()
    assert "klinik-a" not in text
    assert "sari" not in text
