"""Attacks on rows: given to another tenant, asked for with another tenant's ticket, edited behind their seal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from ..errors import AccessRequired, AmanahError, RowTampered, SealError
from ..middleware.row_seals import SEAL_COLUMN
from .stage import is_row
from .verdicts import Leaked, NotApplicable, TooLittleData

if TYPE_CHECKING:
    from ..middleware.fields import Field, Protected
    from .stage import Cell, Stage

_REPORT: Final = "Report it to Amanah: a tenant's values open under its own keys only."
_WALL: Final = "Give the guard every engine of the application; where it has them all, report it to Amanah."
_SEAL: Final = "Report it to Amanah: an edit of a sealed row must be found when it is loaded."


def move_row(stage: Stage, field: Field) -> None:
    """A whole row is given to another tenant, who then reads it."""
    table = field.table
    cells = stage.two(field)
    if table.owner_column is None:
        raise NotApplicable(f"all rows of {table.name} are of one tenant")
    there = _owner_there(stage, table)
    for cell in cells:
        key = tuple(there if name == table.owner_column else part for name, part in cell.row.items())
        before = stage.bare.read(table, cell.key, [table.owner_column])[0]
        try:
            stage.bare.write(table, cell.key, {table.owner_column: there})
        except DBAPIError:
            continue  # a constraint of the database stands in the way of this one
        try:
            done = "its row was given to another tenant, who reads it"
            stage.must_refuse(cell, done, _REPORT, tenant=stage.other_tenant, key=key)
        finally:
            stage.bare.write(table, key, {table.owner_column: before})
        return
    raise NotApplicable(
        f"constraints keep rows of {table.name} from another tenant: populate() could write unique ones differently"
    )


def use_another_ticket(stage: Stage, field: Field) -> None:
    """Another tenant asks for the rows: by key, all of them, by their value; somebody without access; by raw SQL."""
    cell = stage.two(field)[0]
    other = stage.other_tenant
    table = field.table.table
    statements = [select(*field.table.key_columns(), table.c[field.column])]
    if field.search:
        statements.append(statements[0].where(table.c[field.column] == cell.value))
    own = {one.key for one in stage.cells(field, cell.tenant)}
    try:
        with stage.open(other), stage.target.engine.connect() as connection:
            named = stage.look(cell, other)
            found = {tuple(key) for statement in statements for *key, _ in connection.execute(statement)}
    except Exception as error:  # noqa: BLE001 - the application would get it, whatever it is
        raise Leaked(f"another tenant asked for {field.name}, and {type(error).__name__} came out. {_WALL}") from None
    if named:
        raise Leaked(f"{cell} was shown to another tenant who named its key. {_WALL}")
    if own & found:
        raise Leaked(f"another tenant was shown rows of {table.name}. {_WALL}")
    _must_ask(stage, cell)


def _must_ask(stage: Stage, cell: Cell) -> None:
    """Without an access nothing is shown, nor by SQL that is a text."""
    column = cell.field.table.table.c[cell.field.column]
    with stage.target.engine.connect() as connection:
        try:
            connection.execute(select(column)).all()
        except AccessRequired:
            pass
        else:
            raise Leaked(f"{cell.field.name} was shown without an access. Give the guard every engine of the app.")
    quote = stage.target.engine.dialect.identifier_preparer.quote
    raw = text(f"SELECT {quote(cell.field.sealed_column)} FROM {quote(cell.field.table.name)}")  # noqa: S608 - names
    with stage.open(cell.tenant), stage.target.engine.connect() as connection:
        try:
            connection.execute(raw).all()
        except AmanahError:
            return
    raise Leaked(f"raw SQL on {cell.field.table.name} was executed. {_WALL}")


def edit_row(stage: Stage, table: Protected) -> None:
    """A column under the row's seal gets another row's value; then the seal is another row's; then none."""
    seal = table.sealed_rows
    if seal is None:
        raise NotApplicable(f"the rows of {table.name} have no seal")
    rows = _sealed_rows(stage, table)
    _must_load(stage, table, rows[0])
    changes = [(SEAL_COLUMN, _bare(stage, table, rows[1], SEAL_COLUMN)), (SEAL_COLUMN, None)]
    for name in seal.columns:
        now = _bare(stage, table, rows[0], name)
        others = [value for row in rows[1:] if (value := _bare(stage, table, row, name)) != now]
        changes += [(name, value) for value in others[:1]]
    for name, value in changes:
        try:
            with stage.bare.planted(table, rows[0], {name: value}):
                must_be_found(stage, table, rows[0], f"{table.name}.{name} was edited behind the application")
        except DBAPIError:
            continue  # a constraint of the database stands in the way of this one


def _sealed_rows(stage: Stage, table: Protected) -> list[tuple[Any, ...]]:
    keys = table.key_columns()
    with stage.open(stage.target.tenants[0]), stage.target.engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(select(*keys).order_by(*keys).limit(5))]
    if len(rows) < 2:  # noqa: PLR2004 - the row and another one
        raise TooLittleData(f"populate() must write two rows at least into {table.name} for each tenant")
    return rows


def _load(stage: Stage, table: Protected, key: tuple[Any, ...]) -> None:
    """The plain columns under the seal: a personal one that was edited may be refused by itself first."""
    seal = table.sealed_rows
    assert seal is not None  # noqa: S101 - the caller's
    columns = [table.table.c[name] for name in seal.bearers]
    with stage.open(stage.target.tenants[0]), stage.target.engine.connect() as connection:
        connection.execute(select(*columns).where(*is_row(table, key))).all()


def _must_load(stage: Stage, table: Protected, key: tuple[Any, ...]) -> None:
    try:
        _load(stage, table, key)
    except SealError as error:
        raise Leaked(f"a row of {table.name} is refused although nobody edited it: {error}") from None


def must_be_found(stage: Stage, table: Protected, key: tuple[Any, ...], done: str) -> None:
    """Loading the first tenant's row is refused for its seal, after it was ``done``. Raises `Leaked`."""
    try:
        _load(stage, table, key)
    except RowTampered:
        return
    except SealError as error:
        raise Leaked(f"{done}, and {type(error).__name__} came out. {_SEAL}") from None
    raise Leaked(f"{done}, and the row was loaded. {_SEAL}")


def _owner_there(stage: Stage, table: Protected) -> Any:
    """What stands in the owner column of the other tenant's rows."""
    if table.via is None:
        return table.tenant_value(stage.other_tenant)
    parent = table.via.parent
    targets = [key.column.name for key in table.table.c[table.via.column].foreign_keys]
    column = parent.table.c[targets[0] if targets else parent.key[-1]]
    with stage.open(stage.other_tenant), stage.target.engine.connect() as connection:
        return connection.execute(select(column).limit(1)).scalar_one()


def _bare(stage: Stage, table: Protected, key: tuple[Any, ...], name: str) -> Any:
    return stage.bare.read(table, key, [name])[0]


__all__ = ["edit_row", "move_row", "must_be_found", "use_another_ticket"]
