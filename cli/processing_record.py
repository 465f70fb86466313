"""``amanah processing-record``: the record of processing activities, as a page, a table or JSON."""

from __future__ import annotations

import csv
import html
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from ..access_policies.processing_record import record
from ..access_policies.sensitivity import jurisdictions
from ..database import version_of
from ..i18n import N_
from .terminal import print_json

if TYPE_CHECKING:
    from ..access_policies.processing_record import Activity
    from .desk import Desk

_BASES: Final = {
    "consent": N_("consent"),
    "contract": N_("contract"),
    "legal_obligation": N_("legal obligation"),
    "vital_interest": N_("vital interest"),
    "public_interest": N_("public interest"),
    "legitimate_interest": N_("legitimate interest"),
}
_TITLES: Final = {
    "purpose": N_("Purpose"),
    "description": N_("Description"),
    "legal_basis": N_("Legal basis"),
    "subjects": N_("Whose data"),
    "categories": N_("Categories of data"),
    "special": N_("Specially protected"),
    "unread": N_("In the register, and read by nobody"),
    "roles": N_("Roles"),
    "recipients": N_("Recipients"),
    "retention": N_("Retention"),
    "owner": N_("Answers for it"),
    "review": N_("Next review"),
}
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would take for a formula."""


def processing_record(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose processing it is.")],
    shape: Annotated[
        Literal["html", "csv", "json"], typer.Option("--format", help="A page, a table, or JSON.")
    ] = "html",
    law: Annotated[
        list[str] | None, typer.Option("--law", help=f"What is specially protected by: {', '.join(jurisdictions())}.")
    ] = None,
) -> None:
    """The record of processing activities: what the policy lets whom read, why, on which basis and how long."""
    desk: Desk = ctx.obj
    with desk.engines[0].connect() as connection:
        version = version_of(connection, desk.known(tenant))
    snapshot = desk.guard.policies.snapshot(tenant, version)
    whose = {field.name: (field.category, field.table.subject_kind) for field in desk.guard.register.fields.values()}
    activities = record(snapshot, whose, law or jurisdictions())
    lines = [_line(desk, activity) for activity in activities]
    if shape == "json":
        print_json({"tenant": tenant, "version": snapshot.version, "activities": lines})
    elif shape == "csv":
        typer.echo(_csv(desk, lines), nl=False)
    else:
        typer.echo(_page(desk, tenant, snapshot.version, lines))


def _line(desk: Desk, activity: Activity) -> dict[str, str | list[str]]:
    purpose = activity.purpose
    told = purpose.description
    days = purpose.retention.isascii() and purpose.retention.isdigit()
    overdue = purpose.review_at and purpose.review_at < datetime.now(UTC).date().isoformat()
    review = desk.text(N_("overdue since {day}"), day=purpose.review_at) if overdue else purpose.review_at
    return {
        "purpose": purpose.alias or purpose.key,
        "description": told.get(desk.language) or told.get("en") or next(iter(told.values()), ""),
        "legal_basis": desk.text(_BASES[purpose.legal_basis]),
        "subjects": list(activity.subjects),
        "categories": list(activity.categories),
        "special": [f"{kind.told[desk.language]} ({kind.law})" for kind in activity.special],
        "unread": list(activity.unread),
        "roles": list(activity.roles),
        "recipients": list(purpose.recipients),
        "retention": desk.text(N_("{days} days"), days=purpose.retention) if days else purpose.retention,
        "owner": purpose.owner,
        "review": review,
    }


def _cell(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "; ".join(value)


def _csv(desk: Desk, lines: list[dict[str, str | list[str]]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([desk.text(title) for title in _TITLES.values()])
    for line in lines:
        cells = [_cell(value) for value in line.values()]
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return out.getvalue()


def _page(desk: Desk, tenant: str, version: int, lines: list[dict[str, str | list[str]]]) -> str:
    """One page that needs nothing else, and prints."""
    title = html.escape(desk.text(N_("Record of processing activities: {tenant}"), tenant=tenant))
    when = desk.when(datetime.now(UTC))
    said = html.escape(desk.text(N_("Version {version} of the policy, {when}."), version=version, when=when))
    style = (
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto}th{text-align:left;vertical-align:top;"
        "width:14em}td,th{padding:.2em .5em}table{page-break-inside:avoid}</style>"
    )
    parts = [
        f'<!doctype html>\n<html lang="{desk.language}"><meta charset="utf-8"><title>{title}</title>',
        style,
        f"<h1>{title}</h1><p>{said}</p>",
    ]
    for line in lines:
        parts.append(f"<h2>{html.escape(_cell(line['purpose']))}</h2><table>")
        for name, heading in _TITLES.items():
            if name != "purpose" and line[name]:
                parts.append(
                    f"<tr><th>{html.escape(desk.text(heading))}</th><td>{html.escape(_cell(line[name]))}</td></tr>"
                )
        parts.append("</table>")
    return "\n".join([*parts, "</html>"])
