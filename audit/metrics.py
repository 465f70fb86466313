"""What Prometheus is told about this process and the trail (extra ``metrics``).

No label is a tenant, an actor or anything personal: places by kind, jobs by name, refusals by code. How long entries
wait for their place and when the database last got a heartbeat is asked of the database when somebody scrapes, so every
process tells the same; the rest is what this one has done (`amanah.measures`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from .. import measures
from ..errors import ConfigurationError
from ..i18n import N_
from .entries import now_us
from .models import heartbeat, queued
from .staging import staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric
    from sqlalchemy import Engine

_SECOND = 1_000_000


class Metrics:
    """A collector for Prometheus. ``waiting``: how many entries wait for this process's writer, if it has one.

    Raises `ConfigurationError` where prometheus-client is missing.
    """

    def __init__(self, core: Engine, trail: Engine, waiting: Callable[[], int] | None = None) -> None:
        try:
            from prometheus_client import CollectorRegistry
            from prometheus_client.exposition import CONTENT_TYPE_LATEST
        except ImportError:
            raise ConfigurationError(detail=N_("Metrics need prometheus-client: pip install amanah[metrics]")) from None
        self._core = core
        self._trail = trail
        self._waiting = waiting
        self.content_type: str = CONTENT_TYPE_LATEST
        self.registry: CollectorRegistry = CollectorRegistry(auto_describe=False)
        self.registry.register(self)

    def text(self) -> bytes:
        """Everything in Prometheus's text format. Asks the database."""
        from prometheus_client.exposition import generate_latest

        return generate_latest(self.registry)

    @staticmethod
    def describe() -> list[Metric]:
        """Nothing: or registering would already ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Each metric, for the registry."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        yield from self._of_process()
        up = GaugeMetricFamily("amanah_trail_up", "1 where the databases of the trail answered this scrape.")
        written = GaugeMetricFamily(
            "amanah_checkpoint_written_timestamp_seconds",
            "When a checkpoint or heartbeat was last written to this place; 0: not by this process.",
            labels=["place"],
        )
        for place, at in sorted(measures.checkpoints_written.items()):
            written.add_metric([place], at)
        try:
            lag, beat = self._asked()
        except SQLAlchemyError:
            up.add_metric([], 0)
        else:
            up.add_metric([], 1)
            written.add_metric(["database"], beat)
            yield GaugeMetricFamily(
                "amanah_trail_lag_seconds", "Age of the oldest entry that waits for its place in the log.", value=lag
            )
        yield up
        yield written
        if self._waiting is not None:
            yield GaugeMetricFamily(
                "amanah_trail_queue_entries", "Entries that wait for this process's writer.", value=self._waiting()
            )
        yield CounterMetricFamily(
            "amanah_trail_committed_entries",
            "Entries that this process made durable.",
            value=measures.committed_entries.value(),
        )

    def _asked(self) -> tuple[float, float]:
        """Seconds for which the oldest entry waits, and when the database got its heartbeat (since the epoch)."""
        oldest = []
        with self._trail.connect() as connection:
            oldest.append(connection.scalar(select(func.min(queued.c.at))))
            beat = connection.scalar(select(heartbeat.c.at).where(heartbeat.c.name == "heads"))
        with self._core.connect() as connection:
            oldest.append(connection.scalar(select(func.min(staged.c.at))))
        waits = [one for one in oldest if one is not None]
        return max(0, now_us() - min(waits)) / _SECOND if waits else 0.0, (beat or 0) / _SECOND

    @staticmethod
    def _of_process() -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        counts, seconds = measures.commit_seconds.value()
        limits = [*(str(one) for one in measures.commit_seconds.limits), "+Inf"]
        commits = HistogramMetricFamily("amanah_trail_commit_seconds", "How long a commit of the trail's writer took.")
        commits.add_metric([], list(zip(limits, counts, strict=True)), seconds)
        yield commits

        def counter(name: str, told: str, labels: list[str], values: dict[tuple[str, ...], int]) -> Any:
            family = CounterMetricFamily(name, told, labels=labels)
            for of, value in sorted(values.items()):
                family.add_metric(list(of), value)
            return family

        yield counter(
            "amanah_trail_sequenced_entries",
            "Entries to which this process gave their place in the log.",
            [],
            {(): measures.sequenced_entries.value()},
        )
        yield counter(
            "amanah_refusals",
            "Requests that were refused, by the error's code.",
            ["code"],
            {(code,): one.value() for code, one in list(measures.refusals.items())},
        )
        yield counter(
            "amanah_decisions",
            "Questions to the policy: answered from memory, or asked of Casbin.",
            ["answer"],
            {
                ("remembered",): measures.decisions_remembered.value(),
                ("asked",): measures.decisions_asked.value(),
            },
        )
        yield counter("amanah_opened_values", "Sealed values opened.", [], {(): measures.values_opened.value()})
        yield counter(
            "amanah_job_runs",
            "Runs of the worker's jobs, by what they met.",
            ["job", "met"],
            {of: one.value() for of, one in list(measures.runs.items())},
        )
        succeeded = GaugeMetricFamily(
            "amanah_job_succeeded_timestamp_seconds",
            "When this process's job last ran to its end; 0: not yet.",
            labels=["job"],
        )
        for job, at in sorted(measures.succeeded.items()):
            succeeded.add_metric([job], at)
        yield succeeded


__all__ = ["Metrics"]
