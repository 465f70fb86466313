"""What the SQL gate decides about one statement, once it is known what it touches, and which rows a write names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CompoundSelect, Delete, Insert, Select, Update
from sqlalchemy.engine.interfaces import Compiled

from ..errors import (
    AccessClosed,
    AccessRequired,
    AmanahError,
    FieldProbed,
)
from .access import Access, Sight
from .compiler import SIGN_IN
from .fields import key_text
from .shape import refuse
from .writes import key_binds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .fields import Protected
    from .shape import Shape


def for_sign_in(statement: Any, access: Access) -> Any:
    """Sign-in meets rows of every tenant, so its compiled forms carry a mark; other kinds stay inside the wall."""
    if access.kind != "sign_in":
        return statement
    if isinstance(statement, Select):
        return statement.with_statement_hint(SIGN_IN, "amanah")
    if isinstance(statement, Insert | Update | Delete):
        return statement.with_hint(SIGN_IN, statement.table, "amanah")
    if isinstance(statement, CompoundSelect | Compiled):
        refuse(AccessRequired(resource="a UNION at sign-in"))
    return statement


def decide_sign_in(access: Access, shape: Shape) -> None:
    """Sign-in meets the tables named for it, and chooses rows by platform-wide columns. Raises refusals."""
    for table in shape.tables.values():
        if not table.sign_in:
            refuse(AccessRequired(resource=table.resource))
    unseen = [f for f in shape.probes if not f.platform]
    if unseen:
        refuse(FieldProbed(field=unseen[0].name, purpose=access.purpose or "-"))


def decide_once(access: Access, shape: Shape) -> None:
    """Every action and every column of a statement, for the whole of an access. Raises refusals."""
    if shape.unwalled:
        refuse(AccessClosed())  # compiled for a sign-in, which has ended
    try:
        for resource, action in shape.actions:
            access.demand(resource, action)
    except AmanahError as error:
        refuse(error)
    purpose = access.purpose or "-"
    for field in shape.named:
        if access.sight(field) is Sight.WITHHELD:
            refuse(access.withheld(field))
    for field in shape.probes:
        if access.sight(field) is not Sight.CLEAR:
            refuse(FieldProbed(field=field.name, purpose=purpose))
    for field in shape.presence:
        if access.sight(field) is Sight.WITHHELD:
            refuse(FieldProbed(field=field.name, purpose=purpose))


def rows_of(table: Protected, context: Any) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Row keys and subjects that the parameters of a write name, and how many; no keys where it goes by criteria."""
    parameters: Sequence[dict[str, Any]] = context.compiled_parameters or ()
    columns = table.table.c
    creates = context.compiled.isinsert
    names = {name: columns[name].key for name in table.key} if creates else _where_names(table, context)
    count = len(parameters) if creates else 0
    wanted = [n for n in table.key if n != table.tenant or len(table.key) == 1]
    subjects: dict[str, None] = {}
    if table.subject is not None:
        name = names.get(table.subject, columns[table.subject].key)
        column = columns[table.subject]
        subjects = dict.fromkeys(key_text(column, p[name]) for p in parameters if p.get(name) is not None)
    if any(n not in names or p.get(names[n]) is None for n in wanted for p in parameters):
        return (), tuple(subjects), count
    rows = tuple("/".join(key_text(columns[n], p[names[n]]) for n in wanted) for p in parameters)
    return rows, tuple(subjects), len(rows)


def row_text(table: Protected, key: Sequence[Any]) -> str:
    """A primary key as the trail writes it."""
    pairs = zip(table.key_columns(), key, strict=True)
    return "/".join(key_text(c, v) for c, v in pairs if c.name != table.tenant or len(table.key) == 1)


def _where_names(table: Protected, context: Any) -> dict[str, str]:
    """Key column → the name under which the compiled form's parameters hold its value."""
    compiled = context.compiled
    names = {}
    for column, bind in key_binds(compiled.statement, table).items():
        known = compiled.binds.get(bind.key)
        if known is not None and known in compiled.bind_names:
            names[column] = compiled.bind_names[known]
    return names
