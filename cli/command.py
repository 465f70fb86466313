"""The ``amanah`` command: prepare an installation, administer tenants, read and verify the trail, find gaps.

Where the installation is: ``--guard module:attribute`` (or AMANAH_GUARD) names the application's guard, or a function
that makes it. Commands that need no declarations also work with ``--database URL`` (or AMANAH_DATABASE_URL) and the
settings of the environment.

Exit codes: 0 done and nothing wrong; 1 done, and the answer is that something is wrong or differs (a trail that does
not verify, a finding of the doctor's at or above --fail-level, a plan with changes, a policy's test that fails); 2 not
done: wrong use, or an error that says what, why and the remedy.

What an operator does to a tenant, and that they looked at its trail, is an entry of that tenant's trail.
"""

from __future__ import annotations

import getpass
import os
from importlib.metadata import version as installed_version
from typing import Annotated, Any

import typer
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from typer.core import TyperGroup

from ..errors import AmanahError, DatabaseMissing
from ..i18n import Language, negotiate
from . import (
    consent,
    decrypt,
    doctor,
    duties,
    emergencies,
    encrypt,
    epochs,
    explain,
    grants,
    grants_unused,
    init,
    keys,
    members,
    observed,
    policy,
    processing_record,
    reencrypt,
    report_copy,
    revision,
    seal_rows,
    search,
    subjects,
    tables,
    tenants,
    trail,
    trail_export,
    trail_reports,
    trail_search,
    worker,
)
from .desk import Desk
from .options import NOT_DONE, TYPER
from .terminal import complain


class _Commands(TyperGroup):
    """Expected errors are told, not thrown at the operator; anything else is a defect and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except AmanahError as error:
            complain(error, _language_of(ctx))
            raise typer.Exit(NOT_DONE) from None
        except DBAPIError as error:
            # Away, or no database at all; the subclasses not named here are defects of a statement.
            if type(error) not in {OperationalError, InterfaceError, DatabaseError}:
                raise
            desk = ctx.obj
            place = desk.url.render_as_string() if isinstance(desk, Desk) else "-"
            complain(DatabaseMissing(place=place), _language_of(ctx))
            raise typer.Exit(NOT_DONE) from None


def _language_of(ctx: Any) -> Language:
    return ctx.obj.language if isinstance(ctx.obj, Desk) else "en"


def _default_language() -> Language:
    given = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := os.environ.get(name))), "")
    return negotiate(given.partition(".")[0].replace("_", "-"))


def _operator() -> str:
    """Who runs this, for the trail. The prefix keeps an operator from passing for a member."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):
        return "operator"


app = typer.Typer(cls=_Commands, name="amanah", help=(__doc__ or "").replace("``", ""), **TYPER)
for _name, _group in (
    ("db", tables.commands),
    ("keys", keys.commands),
    ("tenant", tenants.commands),
    ("member", members.commands),
    ("grant", grants.commands),
    ("duty", duties.commands),
    ("emergency", emergencies.commands),
    ("policy", policy.commands),
    ("consent", consent.commands),
    ("audit", trail.commands),
    ("decrypt", decrypt.commands),
    ("search", search.commands),
    ("subjects", subjects.commands),
):
    app.add_typer(_group, name=_name)
keys.commands.command("epochs")(epochs.epochs)
for _name, _command in {**trail_search.COMMANDS, **trail_reports.COMMANDS, **trail_export.COMMANDS}.items():
    trail.commands.command(_name)(_command)
grants.commands.command("unused")(grants_unused.unused)
grants.commands.command("lapse")(grants_unused.lapse)
grants.commands.command("lapse-after")(grants_unused.lapse_after)
app.command("init")(init.init)
app.command("revision")(revision.revision)
app.command("doctor")(doctor.doctor)
app.command("explain")(explain.explain)
app.command("encrypt")(encrypt.encrypt)
app.command("seal-rows")(seal_rows.seal_rows)
app.command("reencrypt")(reencrypt.reencrypt)
app.command("processing-record")(processing_record.processing_record)
app.command("observed")(observed.observed)
app.command("worker")(worker.worker)
app.command("report-copy")(report_copy.copy_for_reports)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"amanah {installed_version('amanah')}")
        raise typer.Exit


@app.callback()
def _everything(
    ctx: typer.Context,
    guard: Annotated[str | None, typer.Option(envvar="AMANAH_GUARD", help="The guard: module:attribute.")] = None,
    database: Annotated[
        str | None, typer.Option(envvar="AMANAH_DATABASE_URL", help="The application's database, without a guard.")
    ] = None,
    lang: Annotated[str | None, typer.Option(envvar="AMANAH_LANG", help="en or id; default: the locale's.")] = None,
    operator: Annotated[
        str | None, typer.Option(envvar="AMANAH_OPERATOR", help="Who works here, for the trail; default: the user.")
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does it
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if lang not in (None, "en", "id"):
        raise typer.BadParameter("en or id", param_hint="--lang")
    language = _default_language() if lang is None else negotiate(lang)
    who = f"operator:{operator.removeprefix('operator:')}" if operator else _operator()
    ctx.obj = Desk(guard, database, who, language)
    ctx.call_on_close(ctx.obj.close)


def main() -> None:
    """The console script."""
    app()
