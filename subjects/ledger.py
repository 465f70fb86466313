r"""The ledger of erasures, outside the database: what a restored backup has to be told again.

One line per erasure, each a signed note (https://c2sp.org/signed-note) over one line of JSON::

    {"note": "{\"at\":…,\"id\":…,\"kind\":…,\"number\":1,\"subject\":…,\"tenant\":…}\n\n— name signature\n"}

Invariants:

- a line is durable (it survives `kill -9` and power loss) before anything is destroyed in the database;
- lines are only appended, numbered from 1: one that is taken out, changed or moved is found. What an append left that
  broke off is no line, and was never acknowledged;
- a line that this installation did not sign is refused: to repeat an erasure is to destroy.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..errors import LedgerDamaged, LedgerUnwritable, TrailDamaged

if TYPE_CHECKING:
    from pathlib import Path

    from ..audit.checkpoints import SignerKey


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure that was decided. ``at``: microseconds since 1970, UTC."""

    id: str
    at: int
    tenant: str
    kind: str
    subject: str


class Ledger:
    """The file at ``path``, signed and read with the key that signs checkpoints."""

    def __init__(self, path: Path, signer: SignerKey) -> None:
        self.path = path
        self._signer = signer

    def append(self, erasure: Erasure) -> None:
        """Returned: durable, the file's name included. Raises `LedgerUnwritable` and `LedgerDamaged`."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(self.path, "ab+", opener=_private) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                data = file.read()
                body = {"number": len(self._parsed(data)) + 1, **asdict(erasure)}
                note = self._signer.sign(json.dumps(body, sort_keys=True, separators=(",", ":")) + "\n")
                broken = b"\n" if data and not data.endswith(b"\n") else b""
                file.write(broken + json.dumps({"note": note}).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            detail = (error.strerror or type(error).__name__).lower()
            raise LedgerUnwritable(path=self.path, detail=detail) from None

    def read(self) -> list[Erasure]:
        """All erasures, in order. Raises `LedgerDamaged`."""
        try:
            return self._parsed(self.path.read_bytes())
        except FileNotFoundError:
            return []
        except OSError:
            raise LedgerDamaged(path=self.path, line=0) from None

    def _parsed(self, data: bytes) -> list[Erasure]:
        found: list[Erasure] = []
        for number, line in enumerate(data.split(b"\n"), 1):
            try:
                signed = json.loads(line)
            except ValueError:
                continue  # nothing, or an append that broke off; were it more, a number would be missing
            try:
                body = json.loads(self._signer.verifier.open(signed["note"]))
                if body.pop("number") != len(found) + 1:
                    raise LedgerDamaged(path=self.path, line=number)
                found.append(Erasure(**body))
            except (ValueError, KeyError, TypeError, AttributeError, TrailDamaged):
                raise LedgerDamaged(path=self.path, line=number) from None
        return found


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


__all__ = ["Erasure", "Ledger"]
