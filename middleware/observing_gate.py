"""The SQL gate of a guard that observes: what is enforced already meets the gate, the rest is rehearsed beside it.

Invariants:

1. A statement that touches something enforced is decided as ever. Nothing here softens that.
2. A statement that touches nothing enforced is sent as the application wrote it, and its result is left alone, whatever
   becomes of its rehearsal.
3. From the moment when observing is over no compiled form is used that was made before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CompoundSelect, Insert, Update
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.orm.mapper import _all_registries
from sqlalchemy.sql.ddl import DDL, ExecutableDDLElement
from sqlalchemy.sql.elements import TextClause

from ..errors import AccessRequired, ObservingEnded
from .access import current
from .compiler import GuardedCompiler, protect_dialect
from .foreign_tables import by_declared_table
from .hooks import Gate
from .keys import INTERNAL
from .observing import enforced_part
from .rehearsal import Rehearsal
from .sessions import own_of
from .shape import refuse
from .transactions import autocommits
from .writes import target_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Engine, ExceptionContext

    from ..audit.staging import Staging
    from .fields import Register
    from .observing import Observing
    from .shape import Shape
    from .sightings import Notebook


class ObservingGate(Gate):
    """The listeners of one observing guard on the engines of its database."""

    def __init__(self, register: Register, staging: Staging, observing: Observing, notebook: Notebook) -> None:
        """``notebook`` takes what would be refused."""
        super().__init__(register, staging)
        self._observing = observing
        self._part = enforced_part(register, observing.enforced)
        self._rehearsal = Rehearsal(register, observing, notebook)
        self._engines: list[Engine] = []
        self._forgotten = False

    def protect(self, engine: Engine) -> None:
        """As ever, and know whose compiled forms are to be forgotten one day."""
        super().protect(engine)
        self._engines.append(engine)

    @property
    def register(self) -> Register:
        """What is enforced now: all of it, once observing is over."""
        return self._declared if self._observing.over else self._part

    def _protect_dialect(self, dialect: Dialect) -> None:
        protect_dialect(dialect, self._declared, lambda: self.register)

    def _enforcing(self, connection: Connection) -> bool:
        """Whether observing is over. The first to notice forgets the compiled forms that were made before."""
        if not self._observing.over:
            return False
        if not self._forgotten:
            self._forget(connection)
            self._forgotten = True
        return True

    def _forget(self, connection: Connection) -> None:
        for engine in (connection.engine, *self._engines):
            engine.clear_compiled_cache()
        for registry in _all_registries():
            for mapper in registry.mappers:
                mapper.__dict__.pop("_compiled_cache", None)

    # -- before -------------------------------------------------------------------------------------------------------

    def before_execute(
        self, connection: Connection, statement: Any, many: Any, one: Any, options: Any
    ) -> tuple[Any, Any, Any]:
        """As ever for what is enforced; the values of other INSERTs and UPDATEs are looked at and left alone."""
        if self._enforcing(connection) or options.get("amanah_internal") is INTERNAL:
            return super().before_execute(connection, statement, many, one, options)
        access = current()
        statement = by_declared_table(self._part, statement, many, one)
        if isinstance(statement, Insert | Update):
            self._rehearsal.write(connection, statement, list(many) if many else [dict(one)] if one else [])
            if target_of(self._part, statement) is not None:
                self._refuse_stranger()
        elif access is not None and access.kind == "sign_in" and isinstance(statement, CompoundSelect | Compiled):
            return statement, many, one  # it cannot carry sign-in's mark; see before_cursor_execute
        return super().before_execute(connection, statement, many, one, options)

    def before_cursor_execute(
        self,
        connection: Connection,
        cursor: Any,
        text: str,
        parameters: Any,
        context: Any,
        many: bool,  # noqa: FBT001
    ) -> None:
        """No decision, no statement, where something enforced is touched; then the rehearsal."""
        if context is not None and context.execution_options.get("amanah_internal") is INTERNAL:
            super().before_cursor_execute(connection, cursor, text, parameters, context, many)
            return
        compiled = getattr(context, "compiled", None)
        if isinstance(compiled, GuardedCompiler):
            if self._enforcing(connection):
                if compiled.register.lenient:  # made by another thread in the last moment
                    self._forget(connection)
                    refuse(ObservingEnded())
            elif compiled.amanah_shape.tables:
                own_of(connection)
        super().before_cursor_execute(connection, cursor, text, parameters, context, many)
        if self._enforcing(connection):
            return
        if not isinstance(compiled, GuardedCompiler):
            statement = getattr(compiled, "statement", None)
            plain = isinstance(statement, ExecutableDDLElement) and not isinstance(statement, DDL)
            if not plain or " select " in text.lower().replace("\n", " "):
                self._rehearsal.raw(text, connection.dialect.name)
        elif type(compiled.statement) is TextClause:
            self._rehearsal.raw(compiled.statement.text, connection.dialect.name)
        else:
            writes = compiled.isinsert or compiled.isupdate or compiled.isdelete
            self._rehearsal.compiled(compiled, autocommits=writes and autocommits(connection))

    def _decide(self, connection: Connection, shape: Shape, context: Any) -> None:
        """Something enforced is touched: by a request that would not have been let in, for the reason of that."""
        if not self._enforcing(connection):
            self._refuse_stranger()
            access = current()
            marked = not isinstance(context.compiled.statement, CompoundSelect | Compiled)
            if access is not None and access.kind == "sign_in" and not marked:
                refuse(AccessRequired(resource="a UNION at sign-in"))
        super()._decide(connection, shape, context)

    @staticmethod
    def _refuse_stranger() -> None:
        access = current()
        if access is not None and access.would_be_refused is not None and access.purpose is None:
            refuse(access.would_be_refused)

    # -- what is left alone where nothing is enforced ------------------------------------------------------------------

    def handle_error(self, context: ExceptionContext) -> None:
        """An exception about something that is only observed stays as the application knows it."""
        compiled = getattr(context.execution_context, "compiled", None)
        touched = isinstance(compiled, GuardedCompiler) and compiled.amanah_shape.tables
        if touched or self._observing.over or context.execution_context is None:
            super().handle_error(context)

    def savepoint(self, connection: Connection, name: str | None) -> None:
        """SQLite begins no transaction that the application did not begin, as long as no write has to be recorded."""
        if not self.register.empty:
            super().savepoint(connection, name)


__all__ = ["ObservingGate"]
