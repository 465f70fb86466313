"""Guessing passwords is slowed down, and nobody can be locked out by somebody else.

Wrong passwords are counted

- per name **and** address: after five, each further attempt from there has to wait, 1 s, 2 s, 4 s … 60 s;
- per address alone: after thirty, the same (an office behind one address makes a few mistakes a day, not thirty);
- per name alone: after twenty the answers to that name become slower, up to 3 s, and are never refused: whoever owns
  the name gets in, from any address that is not itself guessing.

The counts are this process's own, in bounded memory, and forgotten after an hour.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_PAIR: Final = 5
_ADDRESS: Final = 30
_NAME: Final = 20
_LONGEST_WAIT: Final = 60.0
_LONGEST_DELAY: Final = 3.0
_DOUBLINGS: Final = 6
FORGOTTEN: Final = 3600.0
"""Seconds after which a wrong password counts no more."""
_REMEMBERED: Final = 20_000


class _Count(NamedTuple):
    wrong: int
    last: float


class Throttle:
    """Safe for threads. Names are handed over as tokens, not as they were typed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` in seconds."""
        self._clock = clock
        self._counts: OrderedDict[tuple[str, object], _Count] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, name: bytes, address: str) -> float:
        """Seconds until this address may try this name again; 0 for now."""
        with self._lock:
            return max(
                self._wait(("pair", (name, address)), _PAIR),
                self._wait(("address", address), _ADDRESS),
            )

    def delay(self, name: bytes) -> float:
        """Seconds by which the answer to an attempt at this name is to be held back."""
        with self._lock:
            over = self._wrong(("name", name)) - _NAME
        return min(max(over, 0) * 0.1, _LONGEST_DELAY)

    def wrong(self, name: bytes, address: str) -> None:
        """Count a wrong password."""
        with self._lock:
            for key in (("pair", (name, address)), ("address", address), ("name", name)):
                self._counts[key] = _Count(self._wrong(key) + 1, self._clock())
                self._counts.move_to_end(key)
            while len(self._counts) > _REMEMBERED:
                self._counts.popitem(last=False)

    def right(self, name: bytes, address: str) -> None:
        """Forget what this address got wrong at this name. Its other mistakes, and those of others, still count."""
        with self._lock:
            self._counts.pop(("pair", (name, address)), None)

    def _wrong(self, key: tuple[str, object]) -> int:
        count = self._counts.get(key)
        return 0 if count is None or self._clock() - count.last > FORGOTTEN else count.wrong

    def _wait(self, key: tuple[str, object], allowed: int) -> float:
        over = self._wrong(key) - allowed
        if over < 0:
            return 0.0
        return max(self._counts[key].last + _pause(over) - self._clock(), 0.0)


def pause(wrong: int) -> float:
    """Seconds that must lie between the last of ``wrong`` passwords for one name from one place and the next."""
    return 0.0 if wrong < _PAIR else _pause(wrong - _PAIR)


def _pause(over: int) -> float:
    return min(2.0 ** min(over, _DOUBLINGS), _LONGEST_WAIT)
