"""Where checkpoints are kept outside the database: what a restored backup of it does not bring back.

A *record* is text (UTF-8): a C2SP signed note and lines about the heads that changed. Its number is 1, 2, 3 … in the
order of signing. What a place holds is a claim until its signature was verified: whoever can write there can add
records, and the greatest number counts all the same, since a claim to more than the database has must stop the
sequencer. Whoever cannot write to one of the places cannot hide a roll-back of the database from it.

Places are named by a folder's path or ``s3://bucket/prefix?region=…`` (`chosen`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from .places import Places

LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a record, UTF-8. A place that claims to hold a larger one is damaged."""
HIGHEST: Final = 999_999_999_999
"""The greatest number of a record: one each second for 31,000 years."""


class Outside(Protocol):
    """Records of checkpoints that a restored backup of the database does not bring back.

    Every method raises `CheckpointsAway` where the place does not answer, and `TrailDamaged` where it holds what
    cannot have been written there.
    """

    def write(self, number: int, record: str) -> None:
        """Keep ``record`` under ``number``. Returned: durable, it survives ``kill -9`` and power loss.

        Numbers grow, and some may be left out. The same record under the same number again is fine; another one raises
        `TrailDamaged`.
        """

    def newest(self) -> int:
        """The greatest number of a record, 0 where there is none."""

    def read(self, first: int = 1) -> Iterator[tuple[int, str]]:
        """Number and record from ``first`` on, ascending, one in memory at a time."""

    def beat(self, note: str) -> None:
        """Replace the heartbeat; durable when it returns."""

    def heartbeat(self) -> str | None:
        """The newest heartbeat, None where there was none yet."""


def chosen(places: Sequence[Path | str], *, partly: bool = False) -> Places | None:
    """All of ``places`` as one, None where there are none; nobody is asked anything yet. ``partly``: see `Places`.

    Raises `ConfigurationError` for a place that cannot be meant.
    """
    from .places import Place, Places

    if not places:
        return None
    kinds: dict[str, int] = {}
    found = []
    for one in places:
        kind, outside, name = _opened(one)
        kinds[kind] = kinds.get(kind, 0) + 1
        found.append(Place(kind if kinds[kind] == 1 else f"{kind}-{kinds[kind]}", name, outside))
    return Places(found, partly=partly)


def _opened(place: Path | str) -> tuple[str, Outside, str]:
    """Kind, place and the name by which an operator knows it."""
    if isinstance(place, str) and place.startswith("s3://"):
        from .outside_s3 import Bucket, S3Outside

        bucket = Bucket.parse(place)
        return "s3", S3Outside(bucket), bucket.name
    from .outside_folder import FolderOutside

    return "folder", FolderOutside(place), str(place)


def checked(number: int, record: str) -> bytes:
    """``record`` in bytes. Raises `ValueError` for a number or a size that no place takes."""
    data = record.encode()
    if not 1 <= number <= HIGHEST or len(data) > LARGEST or b"\0" in data:
        message = f"a record's number is 1 to {HIGHEST}, and it has at most {LARGEST} bytes, none of them zero"
        raise ValueError(message)
    return data
