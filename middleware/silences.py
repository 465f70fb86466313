"""What a guard does not want to be told: ``silenced={"AMN-D003": "reason", "AMN-D001 pelanggan.catatan": "reason"}``.

A key is a check's id, or an id and the subject of one finding. Nothing is silenced without a reason, and what a guard
silences is still listed with it (`amanah doctor --json`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .checks import CHECKS
from .checks_of_declarations import SILENCE_UNUSED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from .finding import Finding


class Silences:
    """The silences of one guard."""

    def __init__(self, said: Mapping[str, str]) -> None:
        """Take them in. Raises `ConfigurationError` for an id that is unknown or must be told, or without a reason."""
        self._reasons: dict[tuple[str, str], str] = {}
        for key, reason in said.items():
            id_, _, subject = key.strip().partition(" ")
            check = CHECKS.get(id_)
            if check is None:
                raise ConfigurationError(detail=f"silenced={{{key!r}: …}}: the doctor has no finding of that id")
            if not check.silenceable:
                raise ConfigurationError(
                    detail=f"silenced={{{key!r}: …}}: {id_} cannot be silenced, only mended; see {check.page}"
                )
            if not isinstance(reason, str) or not reason.strip():
                raise ConfigurationError(detail=f"silenced={{{key!r}: …}}: say why, in words")
            self._reasons[id_, subject.strip()] = reason.strip()

    def over(self, found: Iterable[Finding], *, left_out: Collection[str] = ()) -> list[Finding]:
        """``found``, each with its reason if it is silenced, and a finding of its own for each silence without any.

        ``left_out``: ids that were not looked for this time, whose silences therefore may have their use.
        """
        told, used = [], set()
        for one in found:
            key = next((key for key in ((one.id, one.subject), (one.id, "")) if key in self._reasons), None)
            used.add(key)
            told.append(one if key is None else replace(one, silenced=self._reasons[key]))
        unused = [key for key in self._reasons if key not in used and key[0] not in left_out]
        return [*told, *(SILENCE_UNUSED(" ".join(key).strip()) for key in unused)]
