"""``amanah doctor``: what is protected, and where the gaps are."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..errors import ConfigurationError
from ..i18n import N_
from ..middleware.doctor import LEVELS, Installation, findings, protections
from .options import WRONG, AsJson
from .terminal import plain, print_json

if TYPE_CHECKING:
    from ..guard import Guard
    from ..middleware.doctor import Finding
    from .desk import Desk

_LEVEL_NAMES: Final = {"error": N_("error"), "warning": N_("warning"), "info": N_("remark")}
_STYLES: Final = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def doctor(
    ctx: typer.Context,
    as_json: AsJson = False,
    fail_level: Annotated[str, typer.Option(help="info, warning or error: exit with 1 from this level on.")] = "error",
) -> None:
    """What is protected, and where the gaps are."""
    desk: Desk = ctx.obj
    if fail_level not in LEVELS:
        raise typer.BadParameter(", ".join(LEVELS), param_hint="--fail-level")
    guard = desk.guard
    place = Installation(guard.engine, guard.trail_engine, guard.settings, guard.provider, guard.is_development)
    found = findings(guard.register, guard.metadata, guard.routes.routes, purposes=_registers(desk), place=place)
    if as_json:
        listed = [{**asdict(f), "message": f.told(desk.language), "remedy": f.advice(desk.language)} for f in found]
        print_json({"protected": [asdict(one) for one in protections(guard.register)], "findings": listed})
    else:
        _tell_protection(desk, guard)
        _tell_findings(desk, found)
    if any(LEVELS.index(one.level) >= LEVELS.index(fail_level) for one in found):
        raise typer.Exit(WRONG)


def _registers(desk: Desk) -> dict[str, Any]:
    """Each tenant's purposes; none where the database is not ready, which is a finding of its own."""
    guard = desk.guard
    try:
        _ = desk.engines
        versions = {one: guard.versions.current_now(one) for one in desk.tenant_ids()}
        return {one: list(guard.policies.snapshot(one, v).purposes.values()) for one, v in versions.items()}
    except ConfigurationError:
        return {}


def _tell_protection(desk: Desk, guard: Guard) -> None:
    rows = []
    for one in protections(guard.register):
        rows.append((one.table, one.resource, one.tenant, one.subject, "", "", ""))
        for column in one.columns:
            how = ", ".join(
                desk.text(word)
                for word, so in (
                    (N_("sealed"), column.sealed),
                    (N_("plain"), not column.sealed),
                    (N_("searchable"), column.search),
                )
                if so
            )
            rows.append(("", "", "", "", f"{column.name}", column.category, f"{how}, {column.mask or '-'}"))
    titles = (N_("Table"), N_("Resource"), N_("Tenant column"), N_("Subject"), N_("Column"), N_("Category"), N_("How"))
    desk.table(titles, rows)
    desk.out.print()


def _tell_findings(desk: Desk, found: list[Finding]) -> None:
    for one in found:
        head = plain(f"{one.id} {desk.text(_LEVEL_NAMES[one.level])}", _STYLES[one.level])
        desk.out.print(head.append_text(plain(f"  {one.subject}", "bold not dim")), soft_wrap=True)
        desk.out.print(plain(f"  {one.told(desk.language)}"), soft_wrap=True)
        desk.out.print(plain(f"  → {one.advice(desk.language)}", "green"), soft_wrap=True)
    counts = {level: sum(one.level == level for one in found) for level in LEVELS}
    desk.say(N_("Findings: {error} errors, {warning} warnings, {info} remarks."), **counts)
