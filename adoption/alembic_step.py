"""What the steps of sealing have in common as operations of Alembic's: a table, columns, a way back, a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation

from .alembic_rendering import IMPORT, call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alembic.autogenerate.api import AutogenContext


class SealingStep(MigrateOperation):
    """One step for some columns of one table, or the way back from it."""

    names: ClassVar[tuple[str, str]]
    """What ``op`` calls the step and its way back."""

    def __init__(self, table: str, columns: Sequence[str], *, row: Sequence[str], back: bool = False) -> None:
        self.table = table
        self.columns = tuple(columns)
        self.row = tuple(row)
        self.back = back

    def facts(self) -> dict[str, Any]:
        """The arguments that stand in the migration, without table and columns."""
        return {"row": list(self.row)}

    def said(self) -> Any:
        """The columns as they stand in the migration."""
        return list(self.columns)

    def reverse(self) -> SealingStep:
        """The way back from it."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__, back=not self.back)
        return twin

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """What Alembic shows of it."""
        return (self.names[self.back], self.table, self.columns)


def lists(named: Mapping[str, Sequence[str] | str]) -> dict[str, Any]:
    """Facts by name, as a migration writes them."""
    return {name: over if isinstance(over, str) else list(over) for name, over in named.items()}


@renderers.dispatch_for(SealingStep)
def _render(context: AutogenContext, step: SealingStep) -> str:
    context.imports.add(IMPORT)
    return call(context, step.names[step.back], step.table, step.said(), step.facts())
