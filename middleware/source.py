"""Where in the application's own source a statement comes from: for the developer who has to change it."""

from __future__ import annotations

import sys
import sysconfig
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from greenlet import getcurrent  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FrameType

_OURSELVES: Final = __name__.partition(".")[0]
_INSTALLED: Final = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_LONGEST: Final = 120


def calling_place() -> str:
    """``folder/module.py:42 function`` of the innermost frame that is the application's own; "?" where none is."""
    for frame in _frames():
        if not _foreign(frame.f_globals.get("__name__") or "", frame.f_code.co_filename):
            return _spelled(frame.f_code, frame.f_lineno)
    return "?"


def _frames() -> Iterator[FrameType]:
    """The frames above, innermost first; where asynchronous SQLAlchemy has changed stacks, on into the one it left."""
    current = getcurrent()
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the documented way without building a traceback
    while frame is not None:
        yield frame
        frame = frame.f_back
        while frame is None and current.parent is not None:
            current = current.parent
            frame = current.gr_frame


@lru_cache(maxsize=4096)
def _foreign(module: str, filename: str) -> bool:
    """Whether the code is Amanah's, Python's or an installed library's."""
    if module == _OURSELVES or module.startswith(f"{_OURSELVES}."):
        return True
    return filename.startswith(("<", *(path for path in _INSTALLED if path)))


@lru_cache(maxsize=4096)
def _spelled(code: CodeType, line: int) -> str:
    path = Path(code.co_filename)
    return f"{path.parent.name}/{path.name}:{line} {code.co_qualname}"[:_LONGEST]


__all__ = ["calling_place"]
