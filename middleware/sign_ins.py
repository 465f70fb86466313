"""What many accesses have in common: an actor's address and browser, on record once and not with each access.

An entry of the kind ``sign_in`` holds both, sealed, with the token by which an address is found; the entries of the
accesses name it. It is written together with the first entry that names it, anew each day and by each process, so that
no part of a trail that is archived by itself lacks it for long.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ..audit.entries import now_us

if TYPE_CHECKING:
    from ..audit.entries import Entry
    from .access import Access

_DAY_US: Final = 86_400_000_000
_Key: TypeAlias = "tuple[str | None, str, str, str, str | None, str | None, int]"


@dataclass(slots=True)
class SignIn:
    """``id``: of the entry; ``untold``: the entry, until it is durable."""

    id: str
    untold: Entry | None


class SignIns:
    """The sign-ins that this process knows of, the ``size`` that were used last."""

    def __init__(self, size: int = 10_000) -> None:
        self._size = size
        self._known: OrderedDict[_Key, SignIn] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, access: Access) -> SignIn | None:
        """What ``access`` shares with others; None where nothing is known of it, or nobody has signed in."""
        if access.tenant is None or not (access.ip or access.agent):
            return None
        actor = access.actor
        day = now_us() // _DAY_US
        key = (access.tenant, actor.id, actor.kind, actor.strength, access.ip, access.agent, day)
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found
        entry = access.sign_in_entry()
        made = SignIn(entry.id, entry)
        with self._lock:
            found = self._known.setdefault(key, made)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return found
