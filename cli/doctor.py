"""``amanah doctor``: what is protected, and where the gaps are."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from itertools import groupby
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..adoption.live_tokens import live_tokens
from ..errors import ConfigurationError
from ..i18n import N_
from ..middleware.doctor import CHECKS, LEVELS, Installation, diagnose, protections
from ..middleware.live_places import live_places
from ..subjects.live_erasures import live_epochs, live_ledger
from .options import WRONG, AsJson
from .terminal import plain, print_json

if TYPE_CHECKING:
    from ..guard import Guard
    from ..middleware.doctor import Column, Diagnosis, Finding
    from .desk import Desk

_LEVEL_NAMES: Final = {"error": N_("error"), "warning": N_("warning"), "info": N_("remark")}
_STYLES: Final = {"error": "bold red", "warning": "yellow", "info": "cyan"}


def doctor(
    ctx: typer.Context,
    as_json: AsJson = False,
    fail_level: Annotated[str, typer.Option(help="info, warning or error: exit with 1 from this level on.")] = "error",
    production: Annotated[
        bool, typer.Option("--production", help="Look at a development guard as if real data came tomorrow.")
    ] = False,
) -> None:
    """What is protected, and where the gaps are.

    Exit codes: 0 no finding at or above --fail-level; 1 there is one; 2 not done. What the guard silences does not
    count, and stands in --json with its reason.
    """
    desk: Desk = ctx.obj
    if fail_level not in LEVELS:
        raise typer.BadParameter(", ".join(LEVELS), param_hint="--fail-level")
    guard = desk.guard
    diagnosis = diagnose(
        guard.register,
        guard.metadata,
        guard.routes.routes,
        declarations=guard.declarations,
        purposes=_registers(desk),
        place=Installation(guard.engine, guard.trail_engine, guard.settings, guard.provider, guard.is_development),
        looks=[
            *(partial(look, guard) for look in (live_tokens, live_epochs, live_ledger)),
            partial(live_places, guard.settings, guard.signer.verifier),
        ],
        silences=guard.silences,
        production=production,
    )
    if as_json:
        print_json(_report(desk, guard, diagnosis))
    else:
        _tell_protection(desk, guard)
        _tell_findings(desk, diagnosis)
        if guard.is_development and not production:
            left_out = ", ".join(one.id for one in CHECKS.values() if one.production)
            said = N_("Not looked for, since this guard is for development: {ids} (--production).")
            _wrapped(desk, desk.text(said, ids=left_out))
    if any(LEVELS.index(one.level) >= LEVELS.index(fail_level) for one in diagnosis.loud):
        raise typer.Exit(WRONG)


def _registers(desk: Desk) -> dict[str, Any]:
    """Each tenant's purposes; none where the database is not ready, which is a finding of its own."""
    guard = desk.guard
    try:
        _ = desk.engines
        versions = {one: guard.versions.current_now(one).version for one in desk.tenant_ids()}
        return {one: list(guard.policies.snapshot(one, v).purposes.values()) for one, v in versions.items()}
    except ConfigurationError:
        return {}


def _report(desk: Desk, guard: Guard, diagnosis: Diagnosis) -> dict[str, Any]:
    return {
        "protected": [asdict(one) for one in protections(guard.register)],
        "findings": [
            {
                "id": one.id,
                "level": one.level,
                "subject": one.subject,
                "message": one.told(desk.language),
                "remedy": one.advice(desk.language),
                "facts": dict(one.facts),
                "page": one.check.page,
                "silenced": one.silenced,
            }
            for one in diagnosis.findings
        ],
        "left_out": sorted(diagnosis.left_out),
    }


def _wrapped(desk: Desk, text: str, indent: str = "", first: str = "", style: str = "") -> None:
    """``text`` in lines of the terminal's width, so that the indent stays; in a pipe, in one line if it can be."""
    wide = TextWrapper(desk.out.width, first or indent, indent, break_long_words=False, break_on_hyphens=False)
    desk.out.print(plain(wide.fill(text), style), soft_wrap=True)


def _tell_protection(desk: Desk, guard: Guard) -> None:
    protected = protections(guard.register)
    kept = {id(column): _how(desk, column) for one in protected for column in one.columns}
    names = max((len(column.name) for one in protected for column in one.columns), default=0)
    hows = max(map(len, kept.values()), default=0)
    for one in protected:
        facts = {"resource": one.resource, "tenant": one.tenant, "subject": one.subject}
        about = N_("resource {resource}, tenant {tenant}, subject {subject}")
        line = desk.text(about if one.subject else N_("resource {resource}, tenant {tenant}"), **facts)
        desk.out.print(plain(one.table, "bold").append_text(plain(f"  {line}", "not bold")), soft_wrap=True)
        for column in one.columns:
            line = f"  {column.name:{names}}  {kept[id(column)]:{hows}}  {column.category}"
            desk.out.print(plain(line), soft_wrap=True)
    desk.out.print()


def _how(desk: Desk, column: Column) -> str:
    """How a column is kept and masked: "sealed, searchable, last4"."""
    words = [N_("sealed") if column.sealed else N_("plain")] + [N_("searchable")] * column.search
    return ", ".join([*(desk.text(word) for word in words), column.mask or "-"])


def _tell_findings(desk: Desk, diagnosis: Diagnosis) -> None:
    """Each finding; of several that say the same, the words once below their heads."""

    def words(one: Finding) -> tuple[str, str, str]:
        return one.id, one.told(desk.language), one.advice(desk.language)

    for (_, told, advice), alike in groupby(diagnosis.loud, words):
        for one in alike:
            head = plain(f"{one.id} {desk.text(_LEVEL_NAMES[one.level])}", _STYLES[one.level])
            desk.out.print(head.append_text(plain(f"  {one.subject}", "bold not dim")), soft_wrap=True)
        _wrapped(desk, told, "  ")
        _wrapped(desk, advice, "    ", "  → ", "green")
        _wrapped(desk, desk.text(N_("see {page}"), page=one.check.page), "  ")
        desk.out.print()
    counts = {level: sum(one.level == level for one in diagnosis.loud) for level in LEVELS}
    desk.say(N_("Findings: {error} errors, {warning} warnings, {info} remarks."), **counts)
    silenced = len(diagnosis.findings) - len(diagnosis.loud)
    if silenced:
        desk.say(N_("{count} silenced by the guard; --json lists them with their reasons."), count=silenced)
