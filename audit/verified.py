"""The state of a verification, in a file: the next one goes on from there.

What it proves: that somebody who could write this file verified the entries up to there, with this key. They are not
looked at again, so whoever can write the file can have them left out: it is refused where others may. Checkpoints that
are read later, and that speak of those entries, are still compared with what is stored (`walk`).
"""

from __future__ import annotations

import base64
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

from ..errors import VerificationStateUnusable
from ..i18n import N_
from .tree import SIZE, Frontier
from .walk import Reached

if TYPE_CHECKING:
    from pathlib import Path

    from .checkpoints import VerifierKey
    from .report import Report

_FORMAT: Final = 1
_OFTEN: Final = 1.0
"""Seconds between two writes while verification goes on."""
_LONGEST: Final = 64 * 1024 * 1024


class Verified:
    """How far trails were verified with ``verifier``: of one ``tenant``, or of all.

    ``after``: up to which number checkpoints were.
    """

    def __init__(self, path: Path, verifier: VerifierKey, tenant: str | None) -> None:
        """Read ``path``, where it is there. Raises `VerificationStateUnusable`."""
        self._path = path
        self._of = {"key": str(verifier), "tenant": tenant}
        self.after = 0
        self.reached: dict[str, Reached] = {}
        self._written = time.monotonic()
        self._read()

    def keep(self, tenant: str, reached: Reached) -> None:
        """So far by now; written now and then, with the checkpoints of before: killed, the next one goes on from it."""
        now = time.monotonic()
        if now - self._written >= _OFTEN:
            self.reached[tenant] = reached.copy()
            self._written = now
            self._write()

    def done(self, report: Report) -> None:
        """All of it. What was found wrong is found again: then the checkpoints are read again, too."""
        for one in report.tenants:
            if one.finding is None and one.reached is not None:
                self.reached[one.tenant] = one.reached
        if report.whole:
            self.after = report.newest
        self._write()

    def _read(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable(str(error.strerror)) from None
        with os.fdopen(descriptor, encoding="utf-8") as file:
            state = os.fstat(file.fileno())
            if state.st_mode & 0o022 or state.st_uid != os.geteuid():
                raise self._unusable(N_("others may write it"))
            try:
                values = json.loads(file.read(_LONGEST))
                if values["format"] != _FORMAT:
                    raise ValueError  # noqa: TRY301 - told like the others
                of = values["of"]
                self.after = int(values["after"])
                self.reached = {name: _reached(one) for name, one in values["trails"].items()}
            except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
                raise self._unusable(N_("it is no state of a verification")) from None
        if of != self._of:
            raise self._unusable(N_("it is of another key or of other trails"))

    def _write(self) -> None:
        trails = {
            name: {
                "size": one.frontier.size,
                "hashes": base64.b64encode(one.frontier.encode()).decode("ascii"),
                "chain": base64.b64encode(one.chain).decode("ascii"),
                "signed": one.signed,
            }
            for name, one in sorted(self.reached.items())
        }
        text = json.dumps({"format": _FORMAT, "of": self._of, "after": self.after, "trails": trails}, indent=1)
        beside = self._path.with_name(f"{self._path.name}.new")
        try:
            beside.unlink(missing_ok=True)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise self._unusable(str(error.strerror)) from None

    def _unusable(self, detail: str) -> VerificationStateUnusable:
        return VerificationStateUnusable(path=self._path, detail=detail)


def _reached(values: dict[str, Any]) -> Reached:
    chain = base64.b64decode(values["chain"], validate=True)
    if len(chain) != SIZE:
        raise ValueError
    frontier = Frontier.decode(int(values["size"]), base64.b64decode(values["hashes"], validate=True))
    return Reached(frontier, chain, int(values["signed"]))
