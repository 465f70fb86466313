"""The one module that listens to SQLAlchemy.

``before_execute`` seals what is written; ``before_cursor_execute`` decides, with the compiled form at hand, before a byte
reaches the database; ``commit`` stages the entries of what was written inside the same transaction; roll-backs turn them
into notes of the access, so that the fact that somebody tried is not undone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Delete, Insert, Select, Update, event
from sqlalchemy.orm import Session
from sqlalchemy.sql.ddl import ExecutableDDLElement

from ..audit.entries import What
from ..audit.staging import stage
from ..errors import (
    AccessClosed,
    AccessRequired,
    AmanahError,
    AutocommitRefused,
    FieldProbed,
    FieldWithheld,
    SessionOfAnotherAccess,
    TableUndeclared,
)
from .access import Access, Sight, current
from .compiler import SIGN_IN, GuardedCompiler, protect_dialect
from .keys import INTERNAL
from .shape import check_raw, refuse
from .writes import key_binds, key_text, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Engine

    from .fields import Protected, Register
    from .shape import Shape

_WRITES = "amanah.writes"


@dataclass(slots=True)
class _Write:
    """A change that is not committed yet, and how many savepoints were open when it was made."""

    access: Access
    what: What
    depth: int


class Gate:
    """The listeners of one guard on one engine."""

    def __init__(self, register: Register) -> None:
        """``register`` says what is protected."""
        self.register = register

    def protect(self, engine: Engine) -> None:
        """Listen to ``engine`` and give its dialect the guarded compiler. Calling it again does nothing."""
        if event.contains(engine, "before_cursor_execute", self.before_cursor_execute):
            return
        protect_dialect(engine.dialect, self.register)
        engine.hide_parameters = True
        event.listen(engine, "before_execute", self.before_execute, retval=True)
        event.listen(engine, "before_cursor_execute", self.before_cursor_execute)
        event.listen(engine, "after_cursor_execute", self.after_cursor_execute)
        event.listen(engine, "commit", self.commit)
        event.listen(engine, "prepare_twophase", self.prepare_twophase)
        event.listen(engine, "rollback", self.rollback)
        event.listen(engine, "savepoint", self.savepoint)
        event.listen(engine, "rollback_savepoint", self.rollback_savepoint)
        event.listen(engine, "release_savepoint", self.release_savepoint)
        _listen_to_sessions()

    # -- before: seal ---------------------------------------------------------------------------------------------------

    def before_execute(
        self, connection: Connection, statement: Any, many: Any, one: Any, options: Any
    ) -> tuple[Any, Any, Any]:
        """Seal the values of an INSERT or UPDATE; keep sign-in's compiled forms apart from everybody else's."""
        if options.get("amanah_internal") is INTERNAL:
            return statement, many, one
        access = current()
        if access is None or access.closed:
            return statement, many, one  # the decision below refuses whatever is protected
        if isinstance(statement, Insert | Update):
            rows = list(many) if many else ([dict(one)] if one else [])
            statement, rows = prepare(connection, self.register, access, statement, rows)
            many, one = (rows, {}) if len(rows) > 1 else ([], rows[0] if rows else {})
        if access.kind == "sign_in":
            if isinstance(statement, Select):
                statement = statement.with_statement_hint(SIGN_IN, "amanah")
            elif isinstance(statement, Insert | Update | Delete):
                statement = statement.with_hint(SIGN_IN, statement.table, "amanah")
        return statement, many, one

    # -- before: decide -------------------------------------------------------------------------------------------------

    def before_cursor_execute(
        self, connection: Connection, cursor: Any, text: str, parameters: Any, context: Any, many: bool  # noqa: FBT001, ARG002
    ) -> None:
        """No decision, no statement."""
        if context is not None and context.execution_options.get("amanah_internal") is INTERNAL:
            return
        compiled = getattr(context, "compiled", None)
        if isinstance(compiled, GuardedCompiler):
            shape = compiled.amanah_shape
            if shape.tables or shape.undeclared:
                self._decide(connection, shape, context)
            return
        if compiled is not None and isinstance(compiled.statement, ExecutableDDLElement):
            if " select " in text.lower().replace("\n", " "):
                check_raw(self.register, text, fragment=False)
            return
        check_raw(self.register, text, fragment=False)

    def _decide(self, connection: Connection, shape: Shape, context: Any) -> None:
        """1. A living access. 2. Its kind. 3. Actions. 4. Columns. 5. A transaction for writes."""
        if shape.undeclared:
            refuse(TableUndeclared(table=sorted(shape.undeclared)[0]))
        access = current()
        first = next(iter(shape.tables.values()))
        if access is None:
            raise AccessRequired(resource=first.resource)
        if access.closed:
            raise AccessClosed
        if access.kind == "sign_in":
            for table in shape.tables.values():
                if not table.sign_in:
                    refuse(AccessRequired(resource=table.resource))
            unseen = [f for f in shape.probes if not f.platform]
            if unseen:
                refuse(FieldProbed(field=unseen[0].name, purpose=access.purpose or "-"))
        elif access.first_check(shape):
            self._decide_once(access, shape)
        for resource, action in shape.actions:
            if action == "read":
                access.notes.touched(resource, action)
            else:
                if _autocommits(connection):
                    refuse(AutocommitRefused())
                self._note_write(connection, access, shape, action, context)

    @staticmethod
    def _decide_once(access: Access, shape: Shape) -> None:
        try:
            for (resource, action), table in shape.actions.items():
                if not (table.sign_in and action == "read"):
                    access.demand(resource, action)
        except AmanahError as error:
            refuse(error)
        purpose = access.purpose or "-"
        for field in shape.named:
            if access.sight(field) is Sight.WITHHELD:
                refuse(FieldWithheld(field=field.name, purpose=purpose))
        for field in shape.probes:
            if access.sight(field) is not Sight.CLEAR:
                refuse(FieldProbed(field=field.name, purpose=purpose))
        for field in shape.presence:
            if access.sight(field) is Sight.WITHHELD:
                refuse(FieldProbed(field=field.name, purpose=purpose))

    # -- what was written -----------------------------------------------------------------------------------------------

    def _note_write(
        self, connection: Connection, access: Access, shape: Shape, action: str, context: Any
    ) -> None:
        table = next(t for (r, a), t in shape.actions.items() if a == action)
        rows, subjects = _rows_of(table, action, context)
        columns = tuple(c for c in shape.columns if c in table.table.c)
        what = What(
            resource=table.resource, action=action, columns=columns, rows=rows, subjects=subjects, count=len(rows)
        )
        writes = connection.info.setdefault(_WRITES, [])
        writes.append(_Write(access, what, connection.info.get(_WRITES + ".depth", 0)))

    def after_cursor_execute(
        self, connection: Connection, cursor: Any, text: str, parameters: Any, context: Any, many: bool  # noqa: FBT001, ARG002
    ) -> None:
        """A change by criteria names no rows; how many it reached is known now."""
        compiled = getattr(context, "compiled", None)
        if isinstance(compiled, GuardedCompiler) and (compiled.isupdate or compiled.isdelete):
            writes = connection.info.get(_WRITES)
            if writes and not writes[-1].what.rows and writes[-1].what.resource in {
                t.resource for t in compiled.amanah_shape.tables.values()
            }:
                writes[-1].what = replace(writes[-1].what, count=max(0, cursor.rowcount))

    def commit(self, connection: Connection) -> None:
        """Stage one entry per access with what it wrote, inside the transaction that is about to be committed."""
        writes: list[_Write] = connection.info.pop(_WRITES, [])
        connection.info.pop(_WRITES + ".depth", None)
        if not writes:
            return
        by_access: dict[str, list[_Write]] = {}
        for write in writes:
            by_access.setdefault(write.access.id, []).append(write)
        entries = [
            group[0].access.entry("write", "committed", what=_together([w.what for w in group]))
            for group in by_access.values()
        ]
        stage(connection.execution_options(amanah_internal=INTERNAL), entries)

    def prepare_twophase(self, connection: Connection, xid: Any) -> None:  # noqa: ARG002
        """With two phases the first one makes the change durable."""
        self.commit(connection)

    def rollback(self, connection: Connection) -> None:
        """Nothing was changed; that it was tried is noted."""
        connection.info.pop(_WRITES + ".depth", None)
        _note_undone(connection.info.pop(_WRITES, []))

    def savepoint(self, connection: Connection, name: str) -> None:  # noqa: ARG002
        """One level deeper."""
        connection.info[_WRITES + ".depth"] = connection.info.get(_WRITES + ".depth", 0) + 1

    def rollback_savepoint(self, connection: Connection, name: str, context: Any) -> None:  # noqa: ARG002
        """What was written since the savepoint was not."""
        depth = connection.info.get(_WRITES + ".depth", 1)
        writes: list[_Write] = connection.info.get(_WRITES, [])
        _note_undone([w for w in writes if w.depth >= depth])
        connection.info[_WRITES] = [w for w in writes if w.depth < depth]
        connection.info[_WRITES + ".depth"] = depth - 1

    def release_savepoint(self, connection: Connection, name: str, context: Any) -> None:  # noqa: ARG002
        """What was written since the savepoint now belongs to the level above."""
        depth = connection.info.get(_WRITES + ".depth", 1) - 1
        connection.info[_WRITES + ".depth"] = depth
        for write in connection.info.get(_WRITES, ()):
            write.depth = min(write.depth, depth)


def _rows_of(table: Protected, action: str, context: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Row keys and subjects that the parameters of a write name; empty where it goes by criteria."""
    parameters: Sequence[dict[str, Any]] = context.compiled_parameters or ()
    columns = table.table.c
    if action == "create":
        names: dict[str, str] = {name: columns[name].key for name in table.key}
    else:
        names = _where_names(table, context)
    wanted = [n for n in table.key if n != table.tenant or len(table.key) == 1]
    if not all(n in names for n in wanted):
        return (), ()
    rows = tuple("/".join(key_text(p.get(names[n])) for n in wanted) for p in parameters)
    subjects: dict[str, None] = {}
    if table.subject is not None:
        name = names.get(table.subject, columns[table.subject].key)
        subjects = dict.fromkeys(key_text(p[name]) for p in parameters if p.get(name) is not None)
    return rows, tuple(subjects)


def _where_names(table: Protected, context: Any) -> dict[str, str]:
    """Key column → the name under which the compiled form's parameters hold its value."""
    compiled = context.compiled
    names = {}
    for column, bind in key_binds(compiled.statement, table).items():
        known = compiled.binds.get(bind.key)
        if known is not None and known in compiled.bind_names:
            names[column] = compiled.bind_names[known]
    return names


def _together(parts: list[What]) -> tuple[What, ...]:
    """Join what says the same of different rows: a flush of a hundred rows is one line of the entry."""
    joined: dict[tuple[Any, ...], What] = {}
    for part in parts:
        key = (part.resource, part.action, part.columns)
        known = joined.get(key)
        joined[key] = (
            part
            if known is None
            else replace(
                known,
                rows=known.rows + part.rows,
                subjects=tuple(dict.fromkeys(known.subjects + part.subjects)),
                count=known.count + part.count,
            )
        )
    return tuple(joined.values())


def _note_undone(writes: list[_Write]) -> None:
    for write in writes:
        if not write.access.closed:
            write.access.notes.add(replace(write.what, action=f"{write.what.action}_undone"))


def _autocommits(connection: Connection) -> bool:
    level = connection.get_execution_options().get("isolation_level")
    if level is None:
        level = connection.engine.get_execution_options().get("isolation_level", connection.dialect._on_connect_isolation_level)  # noqa: E501, SLF001
    return str(level or "").upper() == "AUTOCOMMIT"


# -- sessions ------------------------------------------------------------------------------------------------------------

_OWNER = "amanah.access"
_listening = False


def _listen_to_sessions() -> None:
    global _listening  # noqa: PLW0603 - once per process, whatever the number of guards
    if not _listening:
        _listening = True
        event.listen(Session, "after_begin", _after_begin)
        event.listen(Session, "do_orm_execute", _do_orm_execute)


def _after_begin(session: Session, transaction: Any, connection: Connection) -> None:  # noqa: ARG001
    if issubclass(connection.dialect.statement_compiler, GuardedCompiler):
        _own(session)


def _do_orm_execute(state: Any) -> None:
    if state.session.info.get(_OWNER) is not None:
        _own(state.session)


def _own(session: Session) -> None:
    """A Session belongs to one access: what it holds in memory was shown to that one only."""
    access = current()
    owner = session.info.get(_OWNER)
    if access is None or access.closed:
        if owner is not None:
            raise SessionOfAnotherAccess
        return
    if owner is None:
        if len(session.identity_map):
            refuse(SessionOfAnotherAccess())
        session.info[_OWNER] = access.id
        access.adopt(session)
    elif owner != access.id:
        refuse(SessionOfAnotherAccess())


__all__ = ["Gate"]
