"""What a statement touches: found once while it is compiled, and kept with SQLAlchemy's cached compiled form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import AmanahError, RawSqlRefused
from .access import current

if TYPE_CHECKING:
    from typing import NoReturn

    from .fields import Field, Protected, Register


class Shape:
    """The analysis of one compiled statement. Compared by identity; never changed after compilation."""

    __slots__ = ("actions", "columns", "named", "presence", "probes", "tables", "undeclared")

    def __init__(self) -> None:
        """Nothing touched yet."""
        self.tables: dict[str, Protected] = {}
        self.actions: dict[tuple[str, str], Protected] = {}
        """(resource, action) → a table of that resource."""
        self.named: set[Field] = set()
        """Personal columns selected by name: withheld ones are refused, not blanked."""
        self.probes: set[Field] = set()
        """Personal columns that rows are chosen or ordered by: only who sees them in clear may."""
        self.presence: set[Field] = set()
        """Personal columns of which only presence is asked."""
        self.undeclared: set[str] = set()
        self.columns: tuple[str, ...] = ()
        """Columns written by an INSERT or UPDATE, in the table's order."""

    def touch(self, table: Protected, action: str) -> None:
        """Note that ``action`` is carried out on ``table``."""
        self.tables[table.name] = table
        self.actions[table.resource, action] = table


def refuse(error: AmanahError) -> NoReturn:
    """Put the refusal on the current access, so that the HTTP gate can answer with it, and raise it."""
    access = current()
    if access is not None and access.refusal is None:
        access.refusal = error
    raise error


_WORD = re.compile(r"[^\W\d][\w$]*")
_HARMLESS = re.compile(r"\s*(?:PRAGMA|SAVEPOINT|RELEASE|ROLLBACK|BEGIN|COMMIT|SHOW)\b", re.IGNORECASE)


def check_raw(register: Register, text: str, *, fragment: bool) -> None:
    """Refuse raw SQL that names, anywhere and in any spelling that SQL folds, something protected.

    A whole statement is checked for tables; a ``fragment`` inside a built statement also for personal columns and for the
    star, which would hand out columns unseen. Raises `RawSqlRefused`.
    """
    if not fragment and _HARMLESS.match(text) and ";" not in text.rstrip().rstrip(";"):
        return
    if "u&" in text.lower():
        refuse(RawSqlRefused(name="U&"))
    for word in _WORD.findall(text):
        folded = word.lower()
        if folded in register.tables or folded in register.undeclared or folded.startswith("amanah_"):
            refuse(RawSqlRefused(name=folded))
        if fragment and folded in register.personal_columns:
            refuse(RawSqlRefused(name=folded))
    if fragment and "*" in text:
        refuse(RawSqlRefused(name="*"))
