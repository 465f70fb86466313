"""``amanah init``: the first `protection.py` of an application that exists already."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..adoption.init import look, write
from ..i18n import N_

if TYPE_CHECKING:
    from ..adoption.init import Draft
    from .desk import Desk


def init(
    ctx: typer.Context,
    app: Annotated[str, typer.Option(help="The ASGI application, or the function that makes it: module:attribute.")],
    metadata: Annotated[str, typer.Option(help="The tables: module:attribute, as in myshop.models:Base.metadata.")],
    output: Annotated[Path, typer.Option(help="The file to write. One that exists is never overwritten.")] = Path(
        "protection.py"
    ),
    engine: Annotated[
        str | None, typer.Option(help="The application's engine: module:attribute. Its database is compared, too.")
    ] = None,
    tenant_column: Annotated[
        str | None, typer.Option(help="The column that says whose row it is; default: guessed.")
    ] = None,
) -> None:
    """Look at an application's tables and routes, and write a first protection.py to read and correct."""
    desk: Desk = ctx.obj
    draft = look(app=app, metadata=metadata, engine=engine, tenant_column=tenant_column, output=output)
    write(draft)
    _tell(desk, draft)


def _tell(desk: Desk, draft: Draft) -> None:
    tables, routes = draft.tables, draft.routes
    desk.say(N_("Written: {path}. {app} itself was not touched."), path=draft.path, app=draft.app.reference)
    desk.say(
        N_("Tables: {declared} declared with {columns} personal columns, {shared} shared, {open} not declared."),
        declared=len(tables.named("declare")),
        columns=tables.personal,
        shared=len(tables.named("shared")),
        open=len(tables.named("open")),
    )
    if tables.tenant_column is None:
        desk.say(N_("No column says whose row it is: all rows are of the one tenant {tenant}."), tenant=draft.tenant)
    else:
        desk.say(N_("A row's tenant is in the column {column}."), column=tables.tenant_column)
    desk.say(
        N_(
            "Routes: {guarded} guarded, {public} public, {sign_in} for signing in, {callbacks} called by other systems."
        ),
        guarded=len(routes.of("guarded")),
        public=len(routes.of("public")),
        sign_in=len(routes.of("sign_in")),
        callbacks=len(routes.of("callback")),
    )
    if routes.unknown:
        desk.say(N_("Not understood and not declared: {routes}."), routes=", ".join(routes.unknown))
    if draft.engine is None:
        desk.say(N_("No engine was found: fill in their_engine() in the file."))
    if draft.other_engines:
        said = N_("These engines reach another database, and the guard does not listen to them: {engines}.")
        desk.say(said, engines=", ".join(draft.other_engines))
    if draft.unmapped is None:
        desk.say(N_("The database was not looked at; with --engine module:attribute it is compared with the models."))
    elif draft.unmapped:
        desk.say(N_("In the database and not in the models: {tables}."), tables=", ".join(draft.unmapped))
    desk.out.print()
    desk.say(N_("All of it is guessed. Next:"))
    steps = (
        N_("1. Fill in identify() in {path}; until then nobody is known."),
        N_("2. Once, with AMANAH_STATE=.amanah set: amanah keys init; amanah --guard {module}:guard db upgrade"),
        N_("3. See what is left to confirm: amanah --guard {module}:guard doctor"),
        N_("4. Serve {module}:app in place of {app}; until {until} it only observes."),
    )
    for step in steps:
        desk.say(step, path=draft.path, module=draft.module, app=draft.app.reference, until=draft.until.isoformat())
