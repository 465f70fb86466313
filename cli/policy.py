"""``amanah policy``: the policy in files: export and import, plan and apply, history and roll-back, tests."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ..access_policies import casbin_files, categories, content, plan, policy_files, versions
from ..access_policies.declared import Declared
from ..access_policies.policy_tests import run_policy_tests
from ..database import time_of, version_of
from ..errors import InvalidInput, PolicyRoleHeld
from ..i18n import N_
from ..tenants.clock import from_us
from . import policy_questions
from .options import TYPER, WRONG, AsJson, PolicyFolder, Tenant
from .terminal import plain, print_json

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..access_policies.content import Content
    from ..access_policies.plan import Plan
    from ..access_policies.rules import Rule
    from .desk import Desk

commands = typer.Typer(help="The policy: ask it; as files compare, bring in, take back, test.", **TYPER)
commands.command("ask")(policy_questions.ask)
commands.command("what-if")(policy_questions.what_if)

CasbinFolder = Annotated[
    Path | None,
    typer.Option("--casbin", metavar="FOLDER", file_okay=False, help="With Casbin's model.conf, policy.csv."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
ExpectVersion = Annotated[
    int | None, typer.Option(metavar="N", help="Refuse if the tenant is at another version than the plan said.")
]
Reason = Annotated[str, typer.Option(help="Why; it is kept with the version.")]

_ACTS: Final = {"added": N_("added"), "changed": N_("changed"), "ended": N_("ended")}
_KINDS: Final = {"role": N_("role"), "inheritance": N_("inheritance"), "purpose": N_("purpose"), "rule": N_("rule")}
_COLOURS: Final = {"added": "green", "changed": "yellow", "ended": "red"}
_NO_CHANGE: Final = N_("No change: version {version} says the same.")


@commands.command("export")
def _export(
    ctx: typer.Context,
    tenant: Tenant,
    folder: Annotated[Path | None, typer.Argument(metavar="[FOLDER]", file_okay=False)] = None,
    casbin: CasbinFolder = None,
) -> None:
    """Write the policy into a new folder: as TOML files, or with --casbin in Casbin's own formats."""
    desk: Desk = ctx.obj
    if (folder is None) == (casbin is None):
        raise typer.BadParameter(desk.text(N_("name one folder: FOLDER or --casbin FOLDER")))
    present, version = _present(desk, tenant)
    written: tuple[Path, ...] = ()
    if folder is not None:
        written = policy_files.write_folder(folder, present)
    elif casbin is not None:
        with desk.engines[0].connect() as connection:
            now = time_of(connection)
        written = casbin_files.write(casbin, present, desk.guard.policies.fields, now)
        out = sum(not rule.in_force(now) for rule in present.rules)
        if out:
            desk.say(
                N_("Casbin's files have no place for times: {count} rules are not in force now and not in them."),
                count=out,
            )
    for path in written:
        desk.say(N_("Written: {path}"), path=path)
    desk.say(N_("This is the policy of {tenant} at version {version}."), tenant=tenant, version=version)


@commands.command("import")
def _import(
    ctx: typer.Context,
    tenant: Tenant,
    casbin: Annotated[Path, typer.Option(metavar="FOLDER", file_okay=False)],
    yes: Yes = False,
    expect_version: ExpectVersion = None,
    reason: Reason = "",
) -> None:
    """Bring in rules and inheritance from Casbin's model.conf and policy.csv: shows the plan, and asks."""
    desk: Desk = ctx.obj
    present, version = _present(desk, tenant)
    wanted = casbin_files.read(casbin, present, desk.guard.policies.fields)
    _bring_in(desk, tenant, (present, version), wanted, "casbin", reason, yes=yes, expect_version=expect_version)


@commands.command("plan")
def _plan(ctx: typer.Context, tenant: Tenant, folder: PolicyFolder, as_json: AsJson = False) -> None:
    """What apply would add, change and end. Ends with 1 if there is anything, with 0 if the folder says the same."""
    desk: Desk = ctx.obj
    wanted = policy_files.read_folder(folder)
    present, version = _present(desk, tenant)
    made = plan.compare(present, wanted)
    if as_json:
        changes = [asdict(change) for change in made.changes]
        idle = [" ".join(rule.words()) for rule in _idle(desk, wanted)]
        print_json({"tenant": tenant, "version": version, "changes": changes, "idle": idle})
    else:
        _tell(desk, made, version)
        _tell_idle(desk, wanted)
    if made:
        raise typer.Exit(WRONG)


@commands.command("apply")
def _apply(
    ctx: typer.Context,
    tenant: Tenant,
    folder: PolicyFolder,
    yes: Yes = False,
    expect_version: ExpectVersion = None,
    reason: Reason = "",
) -> None:
    """Make the policy what the folder says, in one transaction: shows the plan, and asks."""
    desk: Desk = ctx.obj
    wanted = policy_files.read_folder(folder)
    now = _present(desk, tenant)
    _bring_in(desk, tenant, now, wanted, "files", reason, yes=yes, expect_version=expect_version)


@commands.command("rollback")
def _rollback(
    ctx: typer.Context,
    tenant: Tenant,
    version: Annotated[int, typer.Argument(metavar="VERSION", help="One that amanah policy history lists as kept.")],
    yes: Yes = False,
    expect_version: ExpectVersion = None,
    reason: Reason = "",
) -> None:
    """Make the policy what it was at a version, as a new version: shows the plan, and asks."""
    desk: Desk = ctx.obj
    now = _present(desk, tenant)
    with desk.engines[0].connect() as connection:
        wanted = versions.content_of(connection, tenant, version)
    _bring_in(desk, tenant, now, wanted, "rollback", reason, yes=yes, expect_version=expect_version)


@commands.command("history")
def _history(ctx: typer.Context, tenant: Tenant, as_json: AsJson = False) -> None:
    """The versions in which the policy changed, the newest first. Those that are kept can be rolled back to."""
    desk: Desk = ctx.obj
    with desk.engines[0].connect() as connection:
        told = _lines_of_history(connection, desk.known(tenant))
    if as_json:
        print_json(told)
        return
    titles = (N_("Version"), N_("Kept"), N_("When"), N_("By"), N_("How"), N_("What changed"), N_("Reason"))
    rows = (
        (
            line["version"],
            desk.text(N_("kept")) if line["kept"] else "",
            "" if line["at"] is None else desk.when(int(line["at"])),
            line["by"],
            line["how"],
            line["what"],
            line["reason"],
        )
        for line in told
    )
    desk.table(titles, rows)


def _lines_of_history(connection: Connection, tenant: str) -> list[dict[str, str | int | bool | None]]:
    """Whole versions with what is new in them against the whole version before; else which rules came and went."""
    lines: dict[int, dict[str, str | int | bool | None]] = {}
    for rules in versions.rule_changes(connection, tenant):
        what = " ".join([*(f"+{one}" for one in rules.added), *(f"-{one}" for one in rules.ended)])
        lines[rules.version] = {
            "version": rules.version, "kept": False, "at": None, "by": "", "how": "", "what": what, "reason": "",
        }  # fmt: skip
    before = None
    for one in versions.kept(connection, tenant):
        try:
            after = versions.content_of(connection, tenant, one.version)
        except InvalidInput as error:  # changed by other hands: no reason to hide the others
            before, what = None, str(error.facts["detail"])
        else:
            what = _summary(plan.compare(before, after)) if before is not None else ""
            before = after
        lines[one.version] = {
            "version": one.version, "kept": True, "at": one.at, "by": one.applied_by, "how": one.source,
            "what": what or lines.get(one.version, {}).get("what", ""), "reason": one.reason,
        }  # fmt: skip
    return [lines[number] for number in sorted(lines, reverse=True)]


def _summary(made: Plan) -> str:
    """``rule +2 -1, role ~1``."""
    signs = {"added": "+", "ended": "-", "changed": "~"}
    parts = []
    for kind in _KINDS:
        counts = {act: sum((one.act, one.kind) == (act, kind) for one in made.changes) for act in signs}
        told = " ".join(f"{signs[act]}{count}" for act, count in counts.items() if count)
        parts += [f"{kind} {told}"] if told else []
    return ", ".join(parts)


@commands.command("test")
def _test(ctx: typer.Context, folder: PolicyFolder, as_json: AsJson = False) -> None:
    """Run the folder's tests/*.toml and *.yaml against its own files, without a database. Ends with 1 if one fails.

    With a guard, its declared fields are known; without one, the tests name them.
    """
    desk: Desk = ctx.obj
    declared = desk.guard.policies.declared if desk.guard_name else None
    outcomes = run_policy_tests(folder, declared.fields, declared.fits) if declared else run_policy_tests(folder)
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        print_json([asdict(outcome) for outcome in outcomes])
    elif failed:
        titles = (
            N_("Test"), N_("Roles"), N_("Action"), N_("Object"), N_("Purpose"), N_("Expected"), N_("Got"), N_("Rule"),
        )  # fmt: skip
        rows = (
            (c.place, ", ".join(c.roles), c.action, c.object, c.purpose, wanted, plain(got, "red"), one.rule)
            for one in failed
            for c in [one.case]
            for wanted, got in [(f"{c.expect} {c.mask or ''}".strip(), f"{one.got} {one.mask}".strip())]
        )
        desk.table(titles, rows)
    if not as_json:
        desk.say(N_("{count} tests, {failed} failed."), count=len(outcomes), failed=len(failed))
    if failed:
        raise typer.Exit(WRONG)


# -- what the commands share ------------------------------------------------------------------------------------------


def _present(desk: Desk, tenant: str) -> tuple[Content, int]:
    """What is in force, and a version at which it was: the plan is compared again when it is applied."""
    with desk.engines[0].connect() as connection:
        desk.known(tenant)
        version = version_of(connection, tenant)
        return content.read(connection, tenant), version


def _tell(desk: Desk, made: Plan, version: int) -> None:
    if not made:
        desk.say(_NO_CHANGE, version=version)
        return
    titles = (N_("Change"), N_("What"), N_("Name"), N_("Detail"))
    rows = (
        (plain(desk.text(_ACTS[one.act]), _COLOURS[one.act]), desk.text(_KINDS[one.kind]), one.name, one.detail)
        for one in made.changes
    )
    desk.table(titles, rows)
    counts = {act: made.count(act) for act in ("added", "changed", "ended")}
    desk.say(
        N_("{added} added, {changed} changed, {ended} ended, against version {version}."), version=version, **counts
    )


def _idle(desk: Desk, wanted: Content) -> list[Rule]:
    """The rules that open nothing, because their purpose is not registered for the category."""
    fields = desk.guard.policies.fields if desk.guard_name else {}
    return categories.idle(wanted.rules, {one.key: one for one in wanted.purposes}, fields)


def _tell_idle(desk: Desk, wanted: Content) -> None:
    for rule in _idle(desk, wanted):
        told = N_("This rule opens nothing, its purpose is not registered for the category: {rule}")
        desk.say(told, rule=" ".join(rule.words()))


def _bring_in(
    desk: Desk,
    tenant: str,
    now: tuple[Content, int],
    wanted: Content,
    source: str,
    reason: str,
    *,
    yes: bool,
    expect_version: int | None,
) -> None:
    present, version = now
    made = plan.compare(present, wanted)
    _tell(desk, made, version)
    _tell_idle(desk, wanted)
    if not made:
        return
    if not yes and not typer.confirm(desk.text(N_("Bring this into force?"))):
        raise typer.Abort
    order = plan.Order(
        content=wanted,
        shown=made,
        version=version if expect_version is None else expect_version,
        exactly=expect_version is not None,
        by=desk.operator,
        source=source,
        reason=reason,
        declared=desk.guard.policies.declared if desk.guard_name else Declared(),
    )
    with desk.transaction() as connection:
        new = plan.apply(connection, tenant, order)
        _refuse_held(desk, connection, tenant, made)
        desk.note(
            connection,
            tenant,
            act="policy.rollback" if source == "rollback" else "policy.apply",
            source=source,
            version=new,
            **{act: made.count(act) for act in ("added", "changed", "ended")},
        )
    desk.say(N_("In force: the policy of {tenant} is at version {version}."), tenant=tenant, version=new)


def _refuse_held(desk: Desk, connection: Connection, tenant: str, made: Plan) -> None:
    """Raise ``PolicyRoleHeld``: with the role gone its grants would sleep, and come back with a role of that name."""
    at = from_us(time_of(connection))
    held = {
        grant.role
        for grant in desk.directory.grants(connection, tenant)
        if grant.revoked_at is None and (grant.ends_at is None or grant.ends_at > at)
    }
    for role in made.ended_roles():
        if role in held:
            raise PolicyRoleHeld(role=role)
