"""Everything that is logged for a while, at the lowest level, as a log file would have it."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ALSO = ("sqlalchemy", "sqlalchemy.engine", "sqlalchemy.pool", "sqlalchemy.orm", "amanah")


class _Kept(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@contextmanager
def listening() -> Iterator[list[str]]:
    """The lines that are logged meanwhile, tracebacks included. The levels are put back afterwards."""
    lines: list[str] = []
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in _ALSO)]
    levels = [one.level for one in loggers]
    handler = _Kept(lines)
    root.addHandler(handler)
    for one in loggers:
        one.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)


__all__ = ["listening"]
