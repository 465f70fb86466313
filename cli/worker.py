"""``amanah worker``: the work that goes on beside the requests, in a process of its own."""

from __future__ import annotations

import logging
import os
import re
import signal
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from .. import logs
from ..audit.metrics import Metrics
from ..audit.worker import Job, Worker
from ..errors import InvalidInput
from ..i18n import N_

if TYPE_CHECKING:
    from .desk import Desk

log = logging.getLogger("amanah.worker")

_ADDRESS: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^:\s\[\]]+)):([0-9]{1,5})")
_HIGHEST_PORT: Final = 65_535
_SEQUENCE_SECONDS: Final = 0.5


def worker(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Do each job once and end: for cron.")] = False,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", envvar="AMANAH_METRICS", help="Serve metrics there, for Prometheus (extra metrics)."
        ),
    ] = None,
    log_format: Annotated[
        str, typer.Option(envvar="AMANAH_LOG_FORMAT", help="json or text: lines on stderr.")
    ] = "json",
) -> None:
    """Give entries their place in the trail and sign checkpoints, until SIGTERM or SIGINT.

    Any number of these may run side by side, on one machine or several: one of them works at a time, and another takes
    over within seconds. While the database is away it waits and tries again. The first signal lets it finish what it
    holds (exit code 0); a second one ends it at once, and nothing is lost by that.
    """
    desk: Desk = ctx.obj
    if log_format not in ("json", "text"):
        raise typer.BadParameter("json, text", param_hint="--log-format")
    address = None if metrics is None else _address(metrics)
    with logs.told("json" if log_format == "json" else "text"):
        working = Worker(_jobs(desk))
        if once:
            working.run_once()
            return
        served = None if address is None else _serve(desk, *address)
        stopping = _stop_on_signals(working)
        log.info("the worker has begun", extra={"facts": {"jobs": [job.name for job in working.jobs]}})
        working.start()
        try:
            working.wait()
        finally:
            for number, before in stopping.items():
                signal.signal(number, before)
            if served is not None:
                served.shutdown()
                served.server_close()
        log.info("the worker has ended")


def _jobs(desk: Desk) -> list[Job]:
    """What there is to do. Raises `ConfigurationError` where the installation is not said, or has no signer."""
    sequencer = desk.sequencer()

    def sequence() -> None:
        _ = desk.engines  # there and migrated, or an error that says so
        sequencer.run_once()

    return [Job("sequencer", _SEQUENCE_SECONDS, sequence, sequencer.close)]


def _stop_on_signals(working: Worker) -> dict[int, Any]:
    """Let SIGTERM and SIGINT stop it, and a second one end the process. Returns what they did before."""
    met: list[int] = []

    def on_signal(number: int, _frame: object) -> None:
        if met:
            os._exit(128 + number)  # not by its default action, which a container's first process would ignore
        met.append(number)
        working.stop()

    return {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}


def _serve(desk: Desk, host: str, port: int) -> Any:
    measured = Metrics(*desk.reached)
    from prometheus_client import start_http_server

    try:
        return start_http_server(port, addr=host, registry=measured.registry)[0]
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InvalidInput(detail=desk.text(N_("metrics cannot be served there: {reason}"), reason=reason)) from None


def _address(text: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(text)
    if found is None or not 1 <= int(found[3]) <= _HIGHEST_PORT:
        raise typer.BadParameter("HOST:PORT", param_hint="--metrics")
    return found[1] or found[2], int(found[3])


__all__ = ["worker"]
