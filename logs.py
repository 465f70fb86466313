"""Log lines for machines: one JSON object a line, without what a log must not hold.

    handler.setFormatter(amanah.logs.JsonLines("myapp"))

Each line has ``time`` (UTC), ``level``, ``logger`` and ``event``; where they apply ``code`` (of an Amanah error),
``error`` (an exception's class), ``at`` (module and line that raised it) and what the caller gave as
``extra={"facts": {…}}``.

Invariants:

- an exception's text and its traceback's lines are never written: drivers put values and addresses into them;
- messages are written of the loggers that are named, and of Amanah's own; of any other logger, whose messages may hold
  anything, only name, level and the exception's class;
- one record is one line, whatever is in it.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from .errors import AmanahError

if TYPE_CHECKING:
    from collections.abc import Iterator

Format: TypeAlias = Literal["json", "text"]
WITHHELD: Final = "(a message of another library)"


class JsonLines(logging.Formatter):
    """A formatter; ``loggers``: names whose messages, and those below them, are written besides Amanah's own."""

    def __init__(self, *loggers: str) -> None:
        super().__init__()
        self._told = ("amanah", *loggers)

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return json.dumps(self._facts(record), ensure_ascii=True, default=str)

    def _facts(self, record: logging.LogRecord) -> dict[str, Any]:
        told = any(record.name == one or record.name.startswith(f"{one}.") for one in self._told)
        facts: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if told else WITHHELD,
        }
        if told:
            facts.update(getattr(record, "facts", {}))
        error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
        if error is not None:
            facts["error"] = type(error).__name__
            facts["at"] = _raised_at(error)
            if isinstance(error, AmanahError):
                facts["code"] = error.code
        return facts


class TextLines(JsonLines):
    """The same for people: time, level, event, and what else there is as ``name=value``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        facts = self._facts(record)
        head = f"{facts.pop('time')} {facts.pop('level'):8} {facts.pop('logger')}: {facts.pop('event')}"
        line = " ".join([head, *(f"{name}={value}" for name, value in facts.items())])
        return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in line)


@contextmanager
def told(how: Format) -> Iterator[None]:
    """In this block all logging goes to stderr: Amanah's from level INFO on, others' from WARNING."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if how == "json" else TextLines())
    root, ours = logging.getLogger(), logging.getLogger("amanah")
    before = root.handlers[:], ours.level
    root.handlers[:] = [handler]
    ours.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = before[0]
        ours.setLevel(before[1])


def _raised_at(error: BaseException) -> str | None:
    trace = error.__traceback__
    if trace is None:
        return None
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{PurePath(trace.tb_frame.f_code.co_filename).stem}:{trace.tb_lineno}"


__all__ = ["JsonLines", "TextLines"]
