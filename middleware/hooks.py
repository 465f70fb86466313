"""The one module that listens to SQLAlchemy.

``before_execute`` seals what is written; ``before_cursor_execute`` decides, with the compiled form at hand, before a
byte reaches the database. What becomes of a change with its transaction is in `gate_transactions`.
"""

# ruff: noqa: ARG001, ARG002 - the listeners' signatures are SQLAlchemy's

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from sqlalchemy import Insert, Update, event
from sqlalchemy.orm import Session
from sqlalchemy.sql.ddl import DDL, ExecutableDDLElement
from sqlalchemy.sql.elements import TextClause

from ..audit.entries import What
from ..errors import (
    AmanahError,
    AutocommitRefused,
    SealedWriteRefused,
    TableUndeclared,
)
from .access import Access, current, require
from .binding import bind_dialect, demand_transaction, follow
from .compiler import GuardedCompiler, protect_dialect
from .confirmed import confirm_commits
from .deciding import decide_once, decide_sign_in, for_sign_in, row_text, rows_of
from .declared_sql import DeclaredSql, OpeningCursor, check_made_for, check_names, normal, report_of
from .foreign_tables import by_declared_table
from .gate_transactions import Transactions
from .keys import INTERNAL
from .limited import check, limited
from .raw import check_new_table, check_raw
from .raw_driver import DriverGuard, clear, cleared_no_more
from .sessions import OWNER, expect, let_go, own
from .shape import demand_tenant, refuse
from .slots import by_slot
from .transactions import autocommits
from .writes import delicate, prepare, target_of

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect, Engine, ExceptionContext

    from ..audit.staging import Staging
    from .fields import Protected, Register
    from .shape import Shape


class Gate(Transactions):
    """The listeners of one guard on the engines of its database."""

    def __init__(self, register: Register, staging: Staging) -> None:
        """``register`` says what is protected, ``staging`` takes the entries of what was written."""
        super().__init__(staging)
        self._declared = register
        self._drivers = DriverGuard(lambda: self.register)
        self._reports: WeakKeyDictionary[Any, DeclaredSql] = WeakKeyDictionary()
        """Reports that run as the driver's own SQL, by their execution context."""

    def protect(self, engine: Engine) -> None:
        """Listen to ``engine`` and give its dialect the guarded compiler. Calling it again does nothing."""
        if event.contains(engine, "before_cursor_execute", self.before_cursor_execute):
            return
        self._protect_dialect(engine.dialect)
        bind_dialect(engine.dialect)
        confirm_commits(engine.dialect)
        engine.hide_parameters = True
        if engine.dialect.name == "postgresql":
            event.listen(engine, "checkout", self._drivers.checkout)
        event.listen(engine, "before_execute", self.before_execute, retval=True)
        event.listen(engine, "before_cursor_execute", self.wall_report, retval=True)
        for name in (
            "engine_connect",
            "before_cursor_execute",
            "after_cursor_execute",
            "after_execute",
            "handle_error",
            "commit",
            "prepare_twophase",
            "commit_twophase",
            "rollback",
            "rollback_twophase",
            "savepoint",
            "rollback_savepoint",
            "release_savepoint",
        ):
            event.listen(engine, name, getattr(self, name))
        _listen_to_sessions()

    @property
    def register(self) -> Register:
        """What is enforced now."""
        return self._declared

    def _protect_dialect(self, dialect: Dialect) -> None:
        protect_dialect(dialect, self._declared)

    # -- what must not be told -------------------------------------------------------------------------------

    def engine_connect(self, connection: Connection) -> None:
        """Whatever the logging: parameters and rows are not logged.

        An engine with options of its own is another object.
        """
        engine = connection.engine
        if not engine.hide_parameters or engine._should_log_debug is not _never:  # noqa: SLF001
            engine.hide_parameters = True
            engine._should_log_debug = _never  # type: ignore[method-assign]  # noqa: SLF001

    def handle_error(self, context: ExceptionContext) -> None:
        """An exception carries no parameters, and a refusal from inside SQLAlchemy is raised as itself."""
        cleared_no_more(context.connection)
        wrapped = context.sqlalchemy_exception
        if wrapped is not None and hasattr(wrapped, "params"):
            wrapped.params = None
        if isinstance(context.original_exception, AmanahError):
            raise context.original_exception

    # -- before: seal ----------------------------------------------------------------------------------------

    def before_execute(
        self, connection: Connection, statement: Any, many: Any, one: Any, options: Any
    ) -> tuple[Any, Any, Any]:
        """Seal the values of an INSERT or UPDATE; keep sign-in's compiled forms apart from everybody else's."""
        if options.get("amanah_internal") is INTERNAL:
            return statement, many, one
        if self.register.reports and type(statement) is TextClause:
            report = self.register.reports.get(normal(statement.text))
            return (report.statement(statement, connection.dialect) if report else statement), many, one
        access_now = current()
        if access_now is not None:
            access_now.renew()
        statement = by_declared_table(self.register, statement, many, one)
        if isinstance(statement, Insert | Update) and (table := target_of(self.register, statement)) is not None:
            access = require(table.resource)
            rows = list(many) if many else ([dict(one)] if one else [])
            statement, rows, looked_at = prepare(connection, table, access, statement, rows)
            many, one = (rows, {}) if len(rows) > 1 else ([], rows[0] if rows else {})
            statement = limited(for_sign_in(statement, access), access)
            pending = self._of(connection)
            pending.prepared, pending.looked_at = statement, looked_at
            return statement, many, one
        if access_now is not None:
            statement = limited(for_sign_in(statement, access_now), access_now)
        return statement, many, one

    def wall_report(
        self,
        connection: Connection,
        cursor: Any,
        text: str,
        parameters: Any,
        context: Any,
        many: bool,  # noqa: FBT001
    ) -> tuple[str, Any]:
        """A declared report that is executed as the driver's own SQL gets its walls here; searches their columns."""
        compiled = getattr(context, "compiled", None)
        if isinstance(compiled, GuardedCompiler):
            return (by_slot(text, current()) if compiled.amanah_shape.searches else text), parameters
        if self.register.reports and context is not None and compiled is None:
            report = self.register.reports.get(normal(text))
            if report is not None:
                report.decide(require(report.resource))
                self._reports[context] = report
                return report.walled(connection.dialect, said=text), parameters
        return text, parameters

    # -- before: decide --------------------------------------------------------------------------------------

    def before_cursor_execute(
        self,
        connection: Connection,
        cursor: Any,
        text: str,
        parameters: Any,
        context: Any,
        many: bool,  # noqa: FBT001
    ) -> None:
        """No decision, no statement. The transaction is the access's, whose statement it is."""
        follow(connection, context)
        self._look(connection, text, context)
        clear(connection, cursor)

    def _look(self, connection: Connection, text: str, context: Any) -> None:
        if context is not None and context.execution_options.get("amanah_internal") is INTERNAL:
            return
        if self._reports and context in self._reports:
            return
        compiled = getattr(context, "compiled", None)
        if (report := report_of(compiled)) is not None:
            report.decide(access := require(report.resource))
            check_made_for(compiled, report, access)
            return
        if isinstance(compiled, GuardedCompiler):
            shape = compiled.amanah_shape
            if shape.tables or shape.undeclared:
                self._decide(connection, shape, context)
            return
        statement = getattr(compiled, "statement", None)
        if isinstance(statement, ExecutableDDLElement):
            check_new_table(self.register, statement, text)
            if isinstance(statement, DDL) or " select " in text.lower().replace("\n", " "):
                check_raw(self.register, text, connection.dialect.name, fragment=False)
            return
        check_raw(self.register, text, connection.dialect.name, fragment=False)

    def _decide(self, connection: Connection, shape: Shape, context: Any) -> None:
        """1. A living access. 2. Its kind. 3. Actions. 4. Columns. 5. A transaction for writes."""
        if shape.undeclared:
            refuse(TableUndeclared(table=min(shape.undeclared)))
        access = require(next(iter(shape.tables.values())).resource)
        demand_tenant(access, shape.tables.values())
        check(shape, access)
        demand_transaction(connection, shape.tables.values())
        if access.kind == "sign_in":
            decide_sign_in(access, shape)
        elif access.first_check(shape):
            decide_once(access, shape)
            access.passed(shape)
        for resource, action in shape.actions:
            if action == "read":
                access.notes.touched(resource, action)
        if shape.target is not None:
            self._decide_write(connection, access, shape, shape.target, context)

    def _decide_write(
        self, connection: Connection, access: Access, shape: Shape, table: Protected, context: Any
    ) -> None:
        pending = self._of(connection)
        if pending.context is context:
            return  # a further batch of the same INSERT
        compiled = context.compiled
        if not compiled.isdelete:
            # However SQLAlchemy resolved it: what is carried out is what was prepared, and sets what was looked at.
            if pending.prepared is None or context.invoked_statement is not pending.prepared:
                refuse(SealedWriteRefused(field=table.name, detail="a statement that was compiled beforehand"))
            if set(shape.columns) & delicate(table) - pending.looked_at:
                refuse(SealedWriteRefused(field=table.name, detail="it sets more columns than it names"))
            pending.prepared = None
        if autocommits(connection):
            refuse(AutocommitRefused())
        pending.context = context
        rows, subjects, count = rows_of(table, context)
        for resource, action in shape.actions:
            if action != "read" and resource == table.resource:
                columns = shape.columns
                pending.add(access, What(resource, action, columns, rows=rows, subjects=subjects, count=count))

    # -- what was written ------------------------------------------------------------------------------------

    def after_cursor_execute(
        self,
        connection: Connection,
        cursor: Any,
        text: str,
        parameters: Any,
        context: Any,
        many: bool,  # noqa: FBT001
    ) -> None:
        """How many rows a change by criteria reached is known now, and whether one by key reached any."""
        cleared_no_more(connection)
        if self._reports and (driver_report := self._reports.pop(context, None)) is not None:
            context.cursor = OpeningCursor(cursor, driver_report, connection.dialect)
            return
        compiled = getattr(context, "compiled", None)
        if (report := report_of(compiled)) is not None:
            check_names(report, [str(described[0]) for described in cursor.description or ()])
            return
        if isinstance(compiled, GuardedCompiler) and (compiled.isupdate or compiled.isdelete):
            pending = self._pending.get(connection)
            last = pending.last() if pending is not None and pending.context is context else None
            if last is not None and not last.what.rows:
                last.what = replace(last.what, count=max(0, cursor.rowcount))
            elif last is not None and cursor.rowcount == 0:
                last.what = replace(last.what, rows=(), subjects=(), count=0)

    def after_execute(
        self,
        connection: Connection,
        statement: Any,
        many: Any,
        one: Any,
        options: Any,
        result: Any,
    ) -> None:
        """Keys that the database gave to new rows are known now, and so is what an UPDATE … RETURNING reached."""
        context: Any = getattr(result, "context", None)  # the next number of a Sequence has none
        compiled = getattr(context, "compiled", None)
        if not isinstance(compiled, GuardedCompiler) or compiled.amanah_shape.target is None:
            return
        pending = self._pending.get(connection)
        last = pending.last() if pending is not None and pending.context is context else None
        if last is None or last.what.rows:
            return
        table = compiled.amanah_shape.target
        if compiled.isinsert:
            rows = tuple(
                row_text(table, key) for key in context.inserted_primary_key_rows if None not in (key or (None,))
            )
            if len(rows) == last.what.count:
                last.what = replace(last.what, rows=rows)
        elif compiled.effective_returning and context._rowcount is not None:  # noqa: SLF001
            last.what = replace(last.what, count=max(last.what.count, context._rowcount))  # noqa: SLF001


def _never() -> bool:
    return False


# -- sessions --------------------------------------------------------------------------------------------------------

_listening = False


def _listen_to_sessions() -> None:
    global _listening  # noqa: PLW0603 - once per process, whatever the number of guards
    if not _listening:
        _listening = True
        event.listen(Session, "after_begin", _after_begin)
        event.listen(Session, "do_orm_execute", _do_orm_execute)


def _after_begin(session: Session, transaction: Any, connection: Connection) -> None:
    compiler = connection.dialect.statement_compiler
    if not issubclass(compiler, GuardedCompiler):
        return
    if compiler.enforced is not None and compiler.enforced().lenient:
        expect(session, connection)
    else:
        own(session)


def _do_orm_execute(state: Any) -> None:
    if state.session.info.get(OWNER) is not None and not let_go(state.session):
        own(state.session)


__all__ = ["Gate"]
