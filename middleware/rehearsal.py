"""What a statement would meet if everything were enforced: the same compiler and the same questions, on the side.

A statement on something that is only observed runs as the application wrote it. Beside it the very code that will
enforce compiles it once more, under the whole register, and the decisions are computed and not carried out. One
rehearsal per compiled form, kept with it; one look per access at what it found.

Not foreseen: rows of other tenants that a SELECT would no longer find (that shows in the rows alone), whether the
parent of a new row is the tenant's own, and whether a form writes back exactly what a mask showed (both would ask the
database on the application's connection).
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import CompoundSelect, Insert, Update

from ..errors import (
    AccessRequired,
    AmanahError,
    AutocommitRefused,
    FieldProbed,
    Forbidden,
    StatementRefused,
    TableUndeclared,
    Unavailable,
)
from .access import Sight, current, require
from .declared_sql import normal
from .raw import check_raw
from .shape import rehearsing
from .sightings import lost
from .source import calling_place
from .writes import foresee, target_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

    from .access import Access
    from .compiler import GuardedCompiler
    from .fields import Field, Register
    from .observing import Observing
    from .shape import Shape
    from .sightings import Notebook


class Rehearsal:
    """Looks at statements for one guard and notes what would be refused. Nothing here raises."""

    def __init__(self, register: Register, observing: Observing, notebook: Notebook) -> None:
        """``register``: all that is declared, enforced or not."""
        self._register = register
        self._observing = observing
        self._notebook = notebook

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """What is refused inside is noted; what fails inside is logged: the application's statement goes on."""
        try:
            with rehearsing():
                yield
        except Unavailable as error:
            lost("a decision", error)
        except AmanahError as error:
            self._note(error)
        except Exception as error:  # noqa: BLE001 - a rehearsal never stops the play
            lost("a decision", error)

    # -- what SQLAlchemy built ---------------------------------------------------------------------------------------

    def write(self, connection: Connection, statement: Insert | Update, rows: list[dict[str, Any]]) -> None:
        """An INSERT or UPDATE before it is compiled: the values tell whose row it would become."""
        with self._aside():
            table = target_of(self._register, statement)
            access = current()
            known = access is not None and not access.closed and access.tenant is not None
            if table is not None and access is not None and known and not self._observing.enforces(table.resource):
                foresee(connection, table, access, statement, rows)

    def compiled(self, compiled: GuardedCompiler, *, autocommits: bool) -> None:
        """A statement that is about to be sent. ``autocommits``: the change could not be one with its record."""
        with self._aside():
            found = compiled.__dict__.get("amanah_rehearsed")
            if found is None:
                found = compiled.amanah_rehearsed = self._compile_again(compiled)
            if isinstance(found, AmanahError):
                raise found
            self._judge(found, compiled.statement, autocommits=autocommits)

    @staticmethod
    def _compile_again(compiled: GuardedCompiler) -> Shape | AmanahError:
        try:
            again = compiled.rehearsal(
                compiled.dialect,
                compiled.statement,
                column_keys=compiled.column_keys,
                for_executemany=compiled.for_executemany,
            )
        except AmanahError as error:
            return error
        shape: Shape = again.amanah_shape
        return shape

    def _judge(self, shape: Shape, statement: Any, *, autocommits: bool) -> None:
        """Note every no, where the enforcing gate would stop at the first."""
        access = current()
        if access is not None and not access.closed:
            if not access.first_check(shape):
                return
            access.passed(shape)
        for name in sorted(shape.undeclared):
            self._note(TableUndeclared(table=name))
        for error in self._refusals(shape, statement, autocommits=autocommits):
            self._note(error)

    def _refusals(self, shape: Shape, statement: Any, *, autocommits: bool) -> Iterator[AmanahError]:
        actions = [pair for pair in shape.actions if not self._observing.enforces(pair[0])]
        if not actions:
            return
        try:
            access = require(actions[0][0])
        except AmanahError as error:
            for resource, action in actions:
                yield type(error)(resource=resource, action=action)
            return
        if access.kind == "sign_in":
            yield from self._at_sign_in(shape, statement, access)
            return
        if access.would_be_refused is not None and (access.snapshot is None or access.purpose is None):
            return  # it would never have come so far, and that is on record
        for resource, action in actions:
            if not access.may(resource, action).allow:
                yield Forbidden(action=action, resource=resource, purpose=access.purpose or "-")
        yield from self._of_fields(shape, access)
        if shape.target is not None and autocommits and not self._observing.enforces(shape.target.resource):
            yield AutocommitRefused(resource=shape.target.resource)

    def _at_sign_in(self, shape: Shape, statement: Any, access: Access) -> Iterator[AmanahError]:
        for table in shape.tables.values():
            if not table.sign_in and not self._observing.enforces(table.resource):
                yield AccessRequired(resource=table.resource)
        if isinstance(statement, CompoundSelect):
            yield AccessRequired(resource=next(iter(shape.tables.values())).resource)
        for field in self._observed(shape.probes):
            if not field.platform:
                yield FieldProbed(field=field.name, purpose=access.purpose or "-")

    def _of_fields(self, shape: Shape, access: Access) -> Iterator[AmanahError]:
        purpose = access.purpose or "-"
        for field in self._observed(shape.named):
            if access.sight(field) is Sight.WITHHELD:
                yield access.withheld(field)
        for field in self._observed(shape.probes):
            if access.sight(field) is not Sight.CLEAR:
                yield FieldProbed(field=field.name, purpose=purpose)
        for field in self._observed(shape.presence):
            if access.sight(field) is Sight.WITHHELD:
                yield FieldProbed(field=field.name, purpose=purpose)

    def _observed(self, fields: set[Field]) -> list[Field]:
        return sorted(
            (one for one in fields if not self._observing.enforces(one.table.resource)), key=lambda one: one.name
        )

    # -- what the application wrote itself ----------------------------------------------------------------------------

    def raw(self, text: str, dialect: str) -> None:
        """Raw SQL, or DDL: what it names. A declared report is judged by the tables that it reads."""
        with self._aside():
            report = self._register.reports.get(normal(text)) if self._register.reports else None
            if report is None:
                check_raw(self._register, text, dialect, fragment=False)
                return
            access = require(report.resource)
            for table in report.tables:
                if not self._observing.enforces(table.resource):
                    access.demand(table.resource, "read")

    # -- noting -----------------------------------------------------------------------------------------------------

    def _note(self, error: AmanahError) -> None:
        facts: dict[str, str] = {}
        resource = self._resource_of(error.facts)
        if resource is not None:
            facts["resource"] = resource
        if isinstance(error, StatementRefused):
            facts["place"] = calling_place()
        self._notebook.note(error, current(), "statement", facts)

    def _resource_of(self, facts: Mapping[str, object]) -> str | None:
        """The resource that an error is about, where it names only a table or field."""
        if facts.get("resource"):
            return str(facts["resource"])
        name = str(facts.get("field") or facts.get("table") or facts.get("name") or "")
        table = self._register.by_name(name.partition(".")[0])
        return None if table is None else table.resource


__all__ = ["Rehearsal"]
