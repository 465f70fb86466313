"""The populated database that is attacked: which cells there are, what each holds, and what an access is shown of them.

The kit knows what the application wrote, because it reads everything under an access before the first attack. Whatever
comes out of an attacked cell afterwards is compared with it.
"""

from __future__ import annotations

import traceback
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from ..errors import AmanahError, SealError
from ..middleware.access import Sight, require
from ..middleware.erased import is_erased
from .bare import Bare
from .verdicts import Leaked, NotApplicable, TooLittleData

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement

    from ..middleware.fields import Field, Protected
    from .target import AttackTarget

_ROWS: Final = 20
_TELLING: Final = 6
"""Characters from which on a text is looked for in a log: a shorter one stands there by chance."""


class Cell(NamedTuple):
    """One value in the database: ``key`` is its row's, in the order of the table's."""

    field: Field
    tenant: str
    key: tuple[Any, ...]
    value: Any

    @property
    def row(self) -> dict[str, Any]:
        """The key by the names of its columns."""
        return dict(zip(self.field.table.key, self.key, strict=True))

    def __str__(self) -> str:
        """For people: whose row of which table, and which column."""
        return f"{self.field.name} of the row {'/'.join(map(str, self.key))}"


class Stage:
    """`AttackTarget` with its rows written. One for a test run."""

    def __init__(self, target: AttackTarget) -> None:
        """Write the rows. Raises what the application's own models raise."""
        self.target = target
        self.bare = Bare(target.guard)
        self._cells: dict[tuple[Field, str], list[Cell]] = {}
        self._open = ""
        for tenant in target.tenants:
            with target.access(tenant), Session(target.engine) as session:
                target.populate(session, tenant)
                session.commit()

    def close(self) -> None:
        """Let go of the database."""
        self.bare.close()

    # -- what there is --

    def field(self, name: str) -> Field:
        """The sealed field ``table.column``. Raises `TooLittleData` where the guard seals none of that name."""
        table, _, column = name.rpartition(".")
        protected = self.table(table)
        if column not in protected.fields or not protected.fields[column].writes_sealed:
            raise TooLittleData(f"the guard does not seal {name}: was it built from the same declarations?")
        return protected.fields[column]

    def table(self, name: str) -> Protected:
        """The protected table of that name."""
        found = self.target.guard.register.by_name(name)
        if found is None:
            raise TooLittleData(f"the guard does not protect {name}: was it built from the same metadata?")
        return found

    def cells(self, field: Field, tenant: str) -> list[Cell]:
        """The tenant's cells of that column that hold a value, as they were before any attack."""
        if not field.sealed:
            raise NotApplicable(f"{field.name} is still read from its plain column (sealing={field.sealing!r})")
        if (field, tenant) not in self._cells:
            keys = field.table.key_columns()
            with self.open(tenant), self.target.engine.connect() as connection:
                if require(field.table.resource).sight(field) is not Sight.CLEAR:
                    raise TooLittleData(f"access({tenant!r}) does not show {field.name} in clear: give it another role")
                rows = connection.execute(
                    select(*keys, field.table.table.c[field.column]).order_by(*keys).limit(_ROWS)
                ).all()
            self._cells[field, tenant] = [
                Cell(field, tenant, tuple(key), value)
                for *key, value in rows
                if value is not None and not is_erased(value)
            ]
        return self._cells[field, tenant]

    def two(self, field: Field, tenant: str | None = None) -> tuple[Cell, Cell]:
        """Two cells of one tenant, with different values where there are such."""
        for each in self.target.tenants:  # all that there is, before anything is changed
            self.cells(field, each)
        cells = self.cells(field, tenant or self.target.tenants[0])
        if len(cells) < 2:  # noqa: PLR2004 - as the method's name says
            raise TooLittleData(f"populate() must write {field.name} in two rows at least for each tenant")
        return cells[0], next((one for one in cells[1:] if one.value != cells[0].value), cells[1])

    def elsewhere(self, field: Field) -> Cell:
        """A cell of the other tenant."""
        return self.two(field, self.other_tenant)[0]

    @property
    def other_tenant(self) -> str:
        """The second tenant."""
        if len(self.target.tenants) < 2:  # noqa: PLR2004 - the second of them
            raise NotApplicable("there is one tenant only")
        return self.target.tenants[1]

    # -- what is shown --

    @contextmanager
    def open(self, tenant: str) -> Iterator[None]:
        """One access for all that is looked at in the block."""
        with nullcontext() if self._open == tenant else self.target.access(tenant):
            before, self._open = self._open, tenant
            try:
                yield
            finally:
                self._open = before

    def look(self, cell: Cell, tenant: str | None = None, key: Sequence[Any] | None = None) -> list[Any]:
        """What an access of ``tenant`` is shown of the cell: one value, or none where there is no such row.

        ``key``: where its row is now. Raises what the application would get.
        """
        table = cell.field.table
        statement = select(table.table.c[cell.field.column]).where(*is_row(table, key or cell.key))
        with self.open(tenant or cell.tenant), self.target.engine.connect() as connection:
            return list(connection.execute(statement).scalars())

    def must_refuse(
        self, cell: Cell, done: str, remedy: str, *, tenant: str | None = None, key: Sequence[Any] | None = None
    ) -> None:
        """Reading the cell is one of the errors for sealed values, which says nothing. Raises `Leaked`."""
        __tracebackhide__ = True
        try:
            shown = self.look(cell, tenant, key)
        except SealError as error:
            self.must_be_silent(told(error), cell, done)
        except Exception as error:  # noqa: BLE001 - the application would get it, whatever it is
            raise Leaked(f"{cell}, after {done}: {_unfit(error)}. {remedy}") from None
        else:
            raise Leaked(f"{cell}, after {done}, showed {self._whose(cell, shown)}. {remedy}")

    def must_show_own(self, cell: Cell, done: str, remedy: str) -> None:
        """Reading the cell shows what was written there. Raises `Leaked`."""
        __tracebackhide__ = True
        try:
            shown = self.look(cell)
        except AmanahError as error:
            raise Leaked(f"{cell}, after {done}: {_unfit(error)}. {remedy}") from None
        if shown != [cell.value]:
            raise Leaked(f"{cell}, after {done}, showed {self._whose(cell, shown)}. {remedy}")

    def must_be_silent(self, text: str, cell: Cell, done: str) -> None:
        """``text``, of an error or a log, holds no value of the cell's column. Raises `Leaked`."""
        __tracebackhide__ = True
        for tenant in self.target.tenants:
            for one in self.cells(cell.field, tenant):
                if any(part in text for part in telling(one.value)):
                    raise Leaked(f"after {done}, the value of {one} stands in an error or a log. Report it to Amanah.")

    def _whose(self, cell: Cell, shown: list[Any]) -> str:
        if not shown or shown == [None]:
            return "nothing, as if there had never been a value"
        if shown == [cell.value]:
            return "its value, as if nothing had happened"
        for tenant in self.target.tenants:
            for one in self.cells(cell.field, tenant):
                if one.value == shown[0]:
                    return f"the value of {one}, of tenant {tenant}"
        return "a value that was never there"


def is_row(table: Protected, key: Sequence[Any]) -> list[ColumnElement[bool]]:
    """The row with that key, in the application's table."""
    return [column == part for column, part in zip(table.key_columns(), key, strict=True)]


def told(error: BaseException) -> str:
    """All that an error says to whoever logs it: its chain with tracebacks, parameters and attributes."""
    parts = traceback.format_exception(error)
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        parts += [str(one), repr(one), repr(getattr(one, "params", "")), repr(vars(one))]
        waiting += [one.__cause__, one.__context__]
    return "\n".join(parts)


def telling(value: Any) -> list[str]:
    """The texts by which a value would be known in a log; none where it is too short to tell."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in telling(part)]
    if isinstance(value, list | tuple):
        return [text for part in value for text in telling(part)]
    if isinstance(value, bytes):
        texts = [repr(value)[2:-1], value.hex()]
    elif isinstance(value, float | bool) or value is None:
        texts = []
    else:
        texts = [str(value)] if isinstance(value, str) else [str(value), repr(value)]
    return [text for text in texts if len(text) >= _TELLING]


def _unfit(error: BaseException) -> str:
    kind = type(error).__name__
    return f"{kind} came out, " + ("the wrong error" if isinstance(error, AmanahError) else "no error of Amanah's")


__all__ = ["Cell", "Stage", "is_row", "telling", "told"]
