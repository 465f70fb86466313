"""All that the doctor looks for. Id, level, message and remedy of each check are said once, in the two modules below.

Ids stay for ever; one that goes out of use is not given again. Each has its page, docs/reference/doctor/<id>.md.

A check may be silenced where the doctor can be wrong (it read a name) or the risk can be borne. Not so where Amanah
itself does not work, where the keys or the trail are in danger, and where somebody has yet to decide.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from . import checks_of_declarations, checks_of_installation
from .finding import Check

if TYPE_CHECKING:
    from collections.abc import Mapping

_ALL: Final = (
    one
    for module in (checks_of_declarations, checks_of_installation)
    for one in vars(module).values()
    if isinstance(one, Check)
)

CHECKS: Final[Mapping[str, Check]] = MappingProxyType({one.id: one for one in sorted(_ALL, key=lambda one: one.id)})
"""Every check by its id, in the order of ids."""
