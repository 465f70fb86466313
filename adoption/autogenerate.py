"""What an application's own ``alembic revision --autogenerate`` is to leave alone, and how our types are written.

In their env.py: ``context.configure(…, include_object=amanah.include_object, render_item=amanah.render_item)``.

Left alone are Amanah's tables, the indexes of the second wall, and, of a column that is being sealed beside itself, the
column, its siblings and the indexes over them: only the operations of `amanah revision` change these, because the
triggers must change with them.
It makes no difference whether env.py imports the declarations. Where it does, the siblings are in the metadata; where
it does not, they are known by what stands in the database: ``phone_sealed``, bytes, which no model names, beside
``phone``, which one does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary, ref

from sqlalchemy import Column, Index, LargeBinary, Table, UniqueConstraint

from ..encryption.row_seal import SIZE
from ..middleware.column_types import IndexToken, Sibling
from ..middleware.personal import Personal
from ..middleware.row_seals import RowSealed, SealColumn
from ..middleware.siblings import sealed_name, search_names
from ..migrations import OWN_TABLES

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

    from ..guard import Guard

INDEXES: Final = "ix_amanah_"
"""So begin the names of indexes that our operations make, where there is none that begins with the tenant."""

_counterparts: WeakKeyDictionary[Table, ref[Table]] = WeakKeyDictionary()
"""Model and database of a table that is compared: Alembic asks about the table before its columns."""


def include_object(thing: Any, name: str | None, type_: str, reflected: bool, compare_to: Any) -> bool:  # noqa: FBT001
    """For an application's own Alembic: False for what is Amanah's business. The arguments are Alembic's."""
    if type_ == "table":
        if compare_to is not None:
            _counterparts[thing], _counterparts[compare_to] = ref(compare_to), ref(thing)
        return not str(name or "").startswith(OWN_TABLES)
    table = getattr(thing, "table", None)
    if not isinstance(table, Table):
        return True
    if table.name.startswith(OWN_TABLES):
        return False
    other = _counterparts[table]() if table in _counterparts else None
    ours = _sealed_pairs(other, table) if reflected else _sealed_pairs(table, other)
    if isinstance(thing, Column):
        return thing.name not in ours
    if isinstance(thing, Index) and reflected and str(thing.name).startswith(INDEXES):
        return False
    if isinstance(thing, Index | UniqueConstraint):
        return not ours & {one.name for one in thing.columns}
    return True


def render_item(type_: str, thing: Any, context: AutogenContext) -> str | bool:
    """For an application's own Alembic: a type of ours as what the database has. The arguments are Alembic's."""
    if type_ != "type" or not isinstance(thing, Personal | Sibling | IndexToken | RowSealed | SealColumn):
        return False
    from alembic.autogenerate.render import _repr_type  # whoever calls has it; an application does not need it to start

    if isinstance(thing, RowSealed):
        return str(_repr_type(thing.inner, context))
    if isinstance(thing, SealColumn):
        return str(_repr_type(LargeBinary(SIZE), context))
    if isinstance(thing, Personal) and thing.stored_plain and thing.inner is not None:
        return str(_repr_type(thing.inner, context))
    return str(_repr_type(LargeBinary(16) if isinstance(thing, IndexToken) else LargeBinary(), context))


def compare_walls(guard: Guard) -> dict[str, Any]:
    """For an application's own Alembic: ``context.configure(…, **amanah.compare_walls(guard))`` compares row security.

    See `alembic_walls`.
    """
    from . import alembic_steps, alembic_walls  # noqa: F401 - by being imported; an application starts without Alembic

    return {"amanah_walls": guard}


def _sealed_pairs(model: Table | None, database: Table | None) -> set[str]:
    """The names of all columns that take part in a sealing beside: plain, sealed and search columns."""
    plain = [] if model is None else [one.name for one in model.columns if _is_beside(one, model, database)]
    return {name for one in plain for name in (one, sealed_name(one), *search_names(one))}


def _is_beside(column: Column[Any], model: Table, database: Table | None) -> bool:
    if isinstance(column.type, Personal):
        return column.type.sealing is not None
    sibling = sealed_name(column.name)
    return (
        database is not None
        and sibling in database.columns
        and sibling not in model.columns
        and isinstance(database.columns[sibling].type, LargeBinary)
    )
