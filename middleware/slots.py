"""Which of its two search columns a statement compares: the one that holds the tokens of the index key in use.

An index key is exchanged while requests run: its successor's tokens are written into the other column of the two, and
when none is missing, searches go over to it (``adoption/index_rotation.py``). Which column that is differs from tenant
to tenant, and SQLAlchemy keeps one text for all of them. That text names the first column, with a mark behind it, and
is rewritten right before it goes to the driver where searches go by the second one. Whose searches go by the first one
pays nothing.

The mark is a comment of SQL's. Nobody else's text can bear it but a literal of the application's own SQL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .access import Access
    from .fields import Field

_MARKS: Final = {False: "/*amanah:tenant*/", True: "/*amanah:platform*/"}
_SECOND: Final = {kind: re.compile(f'_ix("?){re.escape(text)}') for kind, text in _MARKS.items()}


def mark(field: Field) -> str:
    """What stands behind the name of the field's first search column."""
    return _MARKS[field.platform]


def by_slot(text: str, access: Access | None) -> str:
    """``text`` with the search columns by which this access's tenant, and the platform, search now.

    Raises what `Access.cipher` raises.
    """
    if access is None:
        return text
    for platform, pattern in _SECOND.items():
        if _MARKS[platform] in text and (access.platform if platform else access.cipher).slot:
            text = pattern.sub(r"_ix2\1", text)
    return text


__all__ = ["by_slot", "mark"]
