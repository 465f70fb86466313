"""The ``amanah`` command: prepare an installation, administer tenants, read and verify the trail, find gaps.

Where the installation is: ``--guard module:attribute`` (or AMANAH_GUARD) names the application's guard, or a function
that makes it. Commands that need no declarations also work with ``--database URL`` (or AMANAH_DATABASE_URL) and the
settings of the environment.

Exit codes: 0 done and nothing wrong; 1 done, and the answer is that something is wrong (a trail that does not verify,
a finding of the doctor's at or above --fail-level); 2 not done: wrong use, or an error that says what, why and the
remedy.

What an operator does to a tenant, and that they looked at its trail, is an entry of that tenant's trail.
"""

from __future__ import annotations

import getpass
import importlib
import json
import os
import sys
import warnings
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import ArgumentError, DatabaseError, DBAPIError, InterfaceError, OperationalError
from typer.core import TyperGroup

from . import migrations
from .access_policies.templates import names as template_names
from .audit.checkpoints import SignerKey, VerifierKey
from .audit.entries import Entry, new_event_id, now_us
from .audit.log import MAXIMUM, Filter, Logged, find, list_entries
from .audit.sequencer import Sequencer
from .audit.staging import stage
from .audit.verify import verify
from .database import PLATFORM, own_engine, own_url, trail_url
from .errors import AmanahError, ConfigurationError, DatabaseMissing, InvalidInput, TrailDamaged, TrailRolledBack
from .guard import Guard, create_keys
from .i18n import N_, Language, negotiate, time_text, translate
from .middleware.doctor import LEVELS, Finding, Installation, findings, protections
from .middleware.explain import discreet, machine_readable, policy_words, refusal_words, summary
from .settings import Settings
from .tenants.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import URL

    from .audit.report import Report
    from .tenants.records import Grant

_PIPE_WIDTH: Final = 250
"""Columns of a table that goes into a file or a pipe: nothing is cut off, and `grep` finds whole lines."""
WRONG: Final = 1
NOT_DONE: Final = 2
_LEVEL_NAMES: Final = {"error": N_("error"), "warning": N_("warning"), "info": N_("remark")}
_STYLES: Final = {"error": "bold red", "warning": "yellow", "info": "cyan"}


# -- the installation --------------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """What one command works with: where the installation is, who operates it, and how answers are shown."""

    guard_name: str | None
    database: str | None
    operator: str
    language: Language
    _opened: list[Guard | Engine] = field(default_factory=list)

    # -- saying things --

    @cached_property
    def out(self) -> Console:
        """Answers. Where they do not go to a terminal, lines are as long as they need to be."""
        return _console(stderr=False)

    def text(self, message: str, **facts: object) -> str:
        """A message in the operator's language."""
        return translate(message, self.language, **facts)

    def say(self, message: str, **facts: object) -> None:
        """One line."""
        self.out.print(_plain(self.text(message, **facts)), soft_wrap=True)

    def table(self, titles: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """A table; nothing in a cell is taken for markup or for a terminal's control sequence."""
        shown = Table(header_style="bold", box=None, pad_edge=False)
        for title in titles:
            shown.add_column(self.text(title), overflow="fold")
        for row in rows:
            shown.add_row(
                *(cell if isinstance(cell, Text) else _plain("" if cell is None else str(cell)) for cell in row)
            )
        self.out.print(shown)

    def when(self, moment: datetime | int | None) -> str:
        """A moment (µs since the epoch, or aware) in UTC, or nothing."""
        if moment is None:
            return ""
        return time_text(moment if isinstance(moment, datetime) else _moment(moment), self.language)

    # -- the parts of the installation --

    @cached_property
    def guard(self) -> Guard:
        """The application's guard. Raises `ConfigurationError` and what building it raises."""
        if not self.guard_name:
            raise ConfigurationError(
                detail=N_("this command needs the application's guard: --guard module:attribute, or AMANAH_GUARD")
            )
        guard = _load_guard(self.guard_name)
        self._opened.append(guard)
        return guard

    @property
    def url(self) -> URL:
        """The application's database. Raises `ConfigurationError`."""
        if self.guard_name:
            return self.guard.engine.url
        if not self.database:
            raise ConfigurationError(
                detail=N_("say where: --guard module:attribute or --database URL (AMANAH_GUARD, AMANAH_DATABASE_URL)")
            )
        return _usable(self.database)

    @cached_property
    def settings(self) -> Settings:
        """The guard's settings, or the environment's."""
        return self.guard.settings if self.guard_name else Settings.from_environment()

    @cached_property
    def signer(self) -> SignerKey:
        """The key that signs checkpoints."""
        return self.guard.signer if self.guard_name else SignerKey.load(self.settings.signer_file)

    @cached_property
    def engines(self) -> tuple[Engine, Engine]:
        """Application database and trail, there and migrated. Raises `DatabaseMissing` and `DatabaseNotMigrated`."""
        url = self.url
        if self.guard_name:
            engines = self.guard.engine, self.guard.trail_engine
        else:
            core = own_engine(url)
            same = trail_url(url) == url
            engines = core, core if same else own_engine(trail_url(url))
            self._opened += {id(one): one for one in engines}.values()
        branches: tuple[migrations.Branch, ...] = ("core", "trail")
        for engine, branch in zip(engines, branches, strict=True):
            with _reaching(engine.url):
                migrations.check(engine, branch)
        return engines

    @cached_property
    def directory(self) -> Directory:
        """Who is who."""
        return self.guard.directory if self.guard_name else Directory(self.engines[0])

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction in the application's database."""
        with self.engines[0].begin() as connection:
            yield connection

    def tenant_ids(self) -> list[str]:
        """All tenants."""
        with self.engines[0].connect() as connection:
            return [one.id for one in self.directory.tenants(connection)]

    def known(self, tenant_id: str, *, platform: bool = False) -> str:
        """``tenant_id`` if there is one. Raises `InvalidInput`."""
        if tenant_id in self.tenant_ids() or (platform and tenant_id == PLATFORM):
            return tenant_id
        raise InvalidInput(detail=self.text(N_("there is no tenant {tenant}"), tenant=repr(tenant_id)[1:-1][:80]))

    def note(self, connection: Connection, tenant_id: str, **detail: str | int | bool) -> None:
        """Stage the entry of what is done in this transaction."""
        entry = Entry(
            id=new_event_id(),
            at=now_us(),
            tenant=tenant_id,
            access=new_event_id(),
            kind="admin",
            actor=self.operator,
            actor_kind="operator",
            outcome="committed",
            detail=detail,
        )
        stage(connection, [entry])

    def sequence(self) -> AmanahError | None:
        """Give what waits its place in the log; what stops that is for the caller to tell."""
        if self.guard_name:
            sequencer = self.guard.sequencer
        else:
            try:
                signer, checkpoints = self.signer, self.settings.checkpoints
            except ConfigurationError:
                return None  # only who holds the signer's key can sequence; reading does not need it
            sequencer = Sequencer(*self.engines, signer, checkpoints=checkpoints)
        try:
            sequencer.run_once()
        except (TrailRolledBack, TrailDamaged) as error:
            return error
        finally:
            sequencer.close()
        return None

    def close(self) -> None:
        """Give everything back."""
        for one in self._opened:
            one.dispose() if isinstance(one, Engine) else one.close()
        self._opened.clear()


def _usable(database: str) -> URL:
    """The URL by which Amanah itself reaches ``database``. Raises `ConfigurationError`; the URL may hold a password."""
    try:
        url = own_url(database)
        if url.get_backend_name() not in {"sqlite", "postgresql"}:
            raise ConfigurationError(detail=N_("Amanah's own tables live in PostgreSQL or SQLite"))
        url.get_dialect().import_dbapi()
    except ArgumentError:
        raise ConfigurationError(detail=N_("the database URL cannot be read")) from None
    except ImportError:
        raise ConfigurationError(detail=N_("the driver is missing: pip install amanah[postgresql]")) from None
    return url


def _load_guard(name: str) -> Guard:
    """The guard at ``module:attribute``, with the current folder on sys.path, as servers do it."""
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise ConfigurationError(detail=N_("a guard is named like iconix.protection:guard"))
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    # A development guard warns of plain HTTP whenever it is built; here nothing is served, and the doctor says it.
    warnings.filterwarnings("ignore", message="Amanah lets plain HTTP", category=RuntimeWarning)
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # a module that the application itself imports
        raise ConfigurationError(detail=f"there is no module {error.name} (looked in {here} and PYTHONPATH)") from None
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigurationError(detail=f"{module_name} has no {part}") from None
    guard = found() if callable(found) and not isinstance(found, Guard) else found
    if not isinstance(guard, Guard):
        raise ConfigurationError(detail=f"{name} is a {type(guard).__name__} and no guard")
    return guard


@contextmanager
def _reaching(url: URL) -> Iterator[None]:
    """Turn "there is no such database" into an error of ours; SQLite would make an empty file instead."""
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise DatabaseMissing(place=url.render_as_string())
    try:
        yield
    except DBAPIError:
        raise DatabaseMissing(place=url.render_as_string()) from None


# -- showing -----------------------------------------------------------------------------------------------------------


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() else _PIPE_WIDTH
    return Console(stderr=stderr, width=wide, highlight=False)


def _plain(text: str, style: str = "") -> Text:
    return Text("".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text), style=style)


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)


def _json(value: object) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _complain(error: AmanahError, language: Language) -> None:
    """What, why and remedy, to stderr."""
    console = _console(stderr=True)
    what, why, remedy = (
        translate(part, language, **error.facts) if part else "" for part in (error.what, error.why, error.remedy)
    )
    console.print(_plain(what, "bold red"), soft_wrap=True)
    if why:
        console.print(_plain(why), soft_wrap=True)
    if remedy:
        console.print(_plain(f"→ {remedy}", "green"), soft_wrap=True)


class _Commands(TyperGroup):
    """Expected errors are told, not thrown at the operator; anything else is a defect and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except AmanahError as error:
            _complain(error, _language_of(ctx))
            raise typer.Exit(NOT_DONE) from None
        except DBAPIError as error:
            # Away, or no database at all; the subclasses not named here are defects of a statement.
            if type(error) not in {OperationalError, InterfaceError, DatabaseError}:
                raise
            desk = ctx.obj
            place = desk.url.render_as_string() if isinstance(desk, Desk) else "-"
            _complain(DatabaseMissing(place=place), _language_of(ctx))
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


# -- commands ----------------------------------------------------------------------------------------------------------

_options: Final[dict[str, Any]] = {"no_args_is_help": True, "pretty_exceptions_enable": False, "add_completion": False}
app = typer.Typer(cls=_Commands, name="amanah", help=(__doc__ or "").replace("``", ""), **_options)
db = typer.Typer(help="Amanah's own tables.", **_options)
keys = typer.Typer(help="Key files.", **_options)
tenant = typer.Typer(help="Tenants.", **_options)
member = typer.Typer(help="A tenant's members.", **_options)
grant = typer.Typer(help="Roles granted to members.", **_options)
audit = typer.Typer(help="The trail.", **_options)
for _name, _group in (("db", db), ("keys", keys), ("tenant", tenant), ("member", member), ("grant", grant)):
    app.add_typer(_group, name=_name)
app.add_typer(audit, name="audit")

TenantId = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")]
MemberId = Annotated[str, typer.Argument(metavar="MEMBER", help="The application's account id.")]
ConsoleAddress = Annotated[
    str, typer.Option(envvar="AMANAH_CONSOLE", help="Address of the console, put before the link that is printed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


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


@db.command("upgrade")
def _db_upgrade(ctx: typer.Context) -> None:
    """Create Amanah's own tables, or bring them to this version. Harmless to repeat."""
    desk: Desk = ctx.obj
    url = desk.url
    folder = Path(url.database or "").absolute().parent
    if url.get_backend_name() == "sqlite" and not folder.is_dir():
        raise DatabaseMissing(place=url.render_as_string())
    migrations.upgrade(url)
    desk.say(N_("Amanah's tables in {place} are of version {core} and {trail}."), **_heads(url))


def _heads(url: URL) -> Mapping[str, str]:
    return {"place": url.render_as_string(), "core": migrations.head("core"), "trail": migrations.head("trail")}


@keys.command("init")
def _keys_init(ctx: typer.Context) -> None:
    """Make a key file and a signer where the settings (AMANAH_STATE, AMANAH_KEY_FILE …) say. Never overwrites."""
    desk: Desk = ctx.obj
    # Not the guard's: it cannot be built before there are keys.
    settings = Settings.from_environment()
    create_keys(settings)
    desk.say(
        N_("The keys are in {path}. Keep a copy in a safe place: without it no sealed value can be read."),
        path=settings.key_file,
    )
    desk.say(
        N_("The trail is signed with {path}. To verify it others need: {key}"),
        path=settings.signer_file,
        key=SignerKey.load(settings.signer_file).verifier,
    )


@tenant.command("create")
def _tenant_create(
    ctx: typer.Context,
    tenant_id: TenantId,
    name: Annotated[str, typer.Option(help="What people call it.")],
    admin: Annotated[str, typer.Option(metavar="MEMBER", help="Account id of its first owner.")],
    template: Annotated[str, typer.Option(help=f"One of: {', '.join(template_names())}.")] = "blank",
    console: ConsoleAddress = "",
) -> None:
    """Make a tenant with its keys, roles, purposes and rules, and its first owner."""
    desk: Desk = ctx.obj
    guard = desk.guard
    _ = desk.engines
    guard.create_tenant(tenant_id, name, template=template, admin=admin, operator=desk.operator)
    desk.say(N_("The tenant {tenant} is ready. Its owner is the account {member}."), tenant=tenant_id, member=admin)
    _invite(desk, tenant_id, admin, console)


def _invite(desk: Desk, tenant_id: str, member_id: str, console: str) -> None:
    """Print the link by which a member sets a password for the console. It is shown once and kept nowhere."""
    from .console import invite

    with desk.transaction() as connection:
        path = invite(desk.guard, connection, desk.known(tenant_id), member_id)
        desk.note(connection, tenant_id, act="member.invite", member=member_id)
    desk.say(N_("To set a password for the console they open this link, once and within 72 hours:"))
    typer.echo(f"{console.rstrip('/')}{path}")


@tenant.command("list")
def _tenant_list(ctx: typer.Context, as_json: AsJson = False) -> None:
    """All tenants."""
    desk: Desk = ctx.obj
    with desk.engines[0].connect() as connection:
        found = desk.directory.tenants(connection)
    if as_json:
        _json([asdict(one) for one in found])
        return
    titles = (N_("Tenant"), N_("Name"), N_("Status"), N_("Template"), N_("Since"))
    desk.table(titles, ((t.id, t.name, t.status, t.template, desk.when(t.created_at)) for t in found))


@tenant.command("suspend")
def _tenant_suspend(ctx: typer.Context, tenant_id: TenantId) -> None:
    """Stop every access of a tenant, from the next request on."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.suspend(connection, desk.known(tenant_id))
        desk.note(connection, tenant_id, act="tenant.suspend")
    desk.say(N_("The tenant {tenant} is suspended."), tenant=tenant_id)


@tenant.command("resume")
def _tenant_resume(ctx: typer.Context, tenant_id: TenantId) -> None:
    """Let a suspended tenant work again."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.resume(connection, desk.known(tenant_id))
        desk.note(connection, tenant_id, act="tenant.resume")
    desk.say(N_("The tenant {tenant} works again."), tenant=tenant_id)


@member.command("add")
def _member_add(
    ctx: typer.Context,
    tenant_id: TenantId,
    member_id: MemberId,
    label: Annotated[str, typer.Option(help="How to show them in lists.")] = "",
) -> None:
    """Make an account a member, without any role; a suspended or removed one becomes active again."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.add_member(connection, desk.known(tenant_id), member_id, label)
        desk.note(connection, tenant_id, act="member.add", member=member_id)
    desk.say(N_("{member} is a member of {tenant}."), member=member_id, tenant=tenant_id)


@member.command("invite")
def _member_invite(ctx: typer.Context, tenant_id: TenantId, member_id: MemberId, console: ConsoleAddress = "") -> None:
    """Print a link by which a member sets a password for the console; an older link ends."""
    _invite(ctx.obj, tenant_id, member_id, console)


@member.command("list")
def _member_list(ctx: typer.Context, tenant_id: TenantId, as_json: AsJson = False) -> None:
    """A tenant's members, with the roles that they hold now."""
    desk: Desk = ctx.obj
    roster = desk.directory.load(desk.known(tenant_id))
    with desk.engines[0].connect() as connection:
        found = desk.directory.members(connection, tenant_id)
    now = datetime.now(UTC)
    roles = {one.id: sorted(roster.standing(one.id, now).roles) for one in found}
    if as_json:
        _json([{**asdict(one), "roles": roles[one.id]} for one in found])
        return
    titles = (N_("Member"), N_("Label"), N_("Status"), N_("Roles"), N_("Since"))
    desk.table(titles, ((m.id, m.display, m.status, ", ".join(roles[m.id]), desk.when(m.added_at)) for m in found))


@member.command("suspend")
def _member_suspend(ctx: typer.Context, tenant_id: TenantId, member_id: MemberId) -> None:
    """Take all roles away until the member is added again."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.suspend_member(connection, desk.known(tenant_id), member_id)
        desk.note(connection, tenant_id, act="member.suspend", member=member_id)
    desk.say(N_("{member} is suspended in {tenant}."), member=member_id, tenant=tenant_id)


@member.command("remove")
def _member_remove(ctx: typer.Context, tenant_id: TenantId, member_id: MemberId) -> None:
    """End a membership and revoke its grants."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.remove_member(connection, desk.known(tenant_id), member_id)
        desk.note(connection, tenant_id, act="member.remove", member=member_id)
    desk.say(N_("{member} is no member of {tenant} any more."), member=member_id, tenant=tenant_id)


@grant.command("give")
def _grant_give(
    ctx: typer.Context,
    tenant_id: TenantId,
    member_id: MemberId,
    role: Annotated[str, typer.Argument(metavar="ROLE")],
    reason: Annotated[str, typer.Option(help="Why; reviewers read it.")],
    starts: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601 with its zone.")] = None,
    ends: Annotated[str | None, typer.Option(metavar="TIME", help="ISO 8601 with its zone.")] = None,
) -> None:
    """Grant a role to a member."""
    desk: Desk = ctx.obj
    directory = desk.guard.directory  # a guard's refuses roles that the tenant's policy does not know
    with desk.transaction() as connection:
        grant_id = directory.grant(
            connection,
            desk.known(tenant_id),
            member_id,
            role,
            reason=reason,
            granted_by=desk.operator,
            starts_at=_instant(starts),
            ends_at=_instant(ends),
        )
        desk.note(connection, tenant_id, act="grant.give", member=member_id, role=role, grant=grant_id)
    desk.say(
        N_("{member} has the role {role} in {tenant}: grant {grant}."),
        member=member_id,
        role=role,
        tenant=tenant_id,
        grant=grant_id,
    )


def _instant(said: str | None) -> datetime | None:
    try:
        return None if said is None else datetime.fromisoformat(said)
    except ValueError:
        raise InvalidInput(detail=N_("a point in time is written like 2026-12-31T17:00+07:00")) from None


@grant.command("list")
def _grant_list(ctx: typer.Context, tenant_id: TenantId, as_json: AsJson = False) -> None:
    """A tenant's grants, the ended ones too."""
    desk: Desk = ctx.obj
    with desk.engines[0].connect() as connection:
        found = desk.directory.grants(connection, desk.known(tenant_id))
    if as_json:
        _json([{**asdict(one), "state": _state(one)} for one in found])
        return
    titles = (N_("Grant"), N_("Member"), N_("Role"), N_("State"), N_("Until"), N_("Granted by"), N_("Reason"))
    rows = (
        (g.id, g.member_id, g.role, desk.text(_state(g)), desk.when(g.ends_at), g.granted_by, g.reason) for g in found
    )
    desk.table(titles, rows)


def _state(one: Grant) -> str:
    now = datetime.now(UTC)
    if one.revoked_at is not None:
        return N_("revoked")
    if one.starts_at is not None and now < one.starts_at:
        return N_("not yet")
    return N_("ended") if one.ends_at is not None and one.ends_at <= now else N_("in force")


@grant.command("revoke")
def _grant_revoke(
    ctx: typer.Context, tenant_id: TenantId, grant_id: Annotated[str, typer.Argument(metavar="GRANT")]
) -> None:
    """End a grant now."""
    desk: Desk = ctx.obj
    with desk.transaction() as connection:
        desk.directory.revoke(connection, desk.known(tenant_id), grant_id)
        desk.note(connection, tenant_id, act="grant.revoke", grant=grant_id)
    desk.say(N_("The grant {grant} is revoked."), grant=grant_id)


@audit.command("list")
def _audit_list(
    ctx: typer.Context,
    tenant_id: Annotated[str | None, typer.Option("--tenant", help="Default: all tenants and the platform.")] = None,
    actor: Annotated[str | None, typer.Option(help="Account id.")] = None,
    resource: Annotated[str | None, typer.Option(help="Resource that was touched.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MAXIMUM)] = 20,
    before: Annotated[int | None, typer.Option(help="Position to go on from; with --tenant.")] = None,
    as_json: AsJson = False,
) -> None:
    """The newest entries, the newest first. That you looked becomes an entry too."""
    desk: Desk = ctx.obj
    if before is not None and tenant_id is None:
        raise InvalidInput(detail=N_("--before is a position in one tenant's trail: name the tenant"))
    _, trail = desk.engines
    tenants = [desk.known(tenant_id, platform=True)] if tenant_id else [*desk.tenant_ids(), PLATFORM]
    trouble = desk.sequence()
    with desk.transaction() as connection:
        for one in tenants:
            desk.note(connection, one, act="audit.list")
    wanted = Filter(actor=actor, resource=resource)
    found = [one for t in tenants for one in list_entries(trail, t, limit=limit, before=before, filters=wanted)]
    found = sorted(found, key=lambda one: one.entry.at, reverse=True)[:limit]
    if as_json:
        _json([machine_readable(one) for one in found])
    else:
        titles = (
            N_("Tenant"),
            N_("No."),
            N_("Time"),
            N_("Actor"),
            N_("Kind"),
            N_("Purpose"),
            N_("What"),
            N_("Outcome"),
        )
        desk.table(titles, (_row(desk, one) for one in found))
    if trouble is not None:
        _complain(trouble, desk.language)


def _row(desk: Desk, one: Logged) -> Iterator[object]:
    entry = one.entry
    outcome = f"{entry.outcome} {entry.refusal or ''}".strip()
    yield from (entry.tenant, one.position, desk.when(entry.at), discreet(entry.actor or "-"), entry.kind)
    yield from (entry.purpose, summary(entry), _plain(outcome, "red" if entry.refusal else ""))


@audit.command("verify")
def _audit_verify(
    ctx: typer.Context,
    tenant_id: Annotated[str | None, typer.Option("--tenant", help="Default: all.")] = None,
    key: Annotated[str | None, typer.Option(help="The verifier key (amanah audit key); default: the signer's.")] = None,
    checkpoints: Annotated[Path | None, typer.Option(help="Folder of checkpoints; default: the settings'.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that the trail is what was recorded and signed, or name the first entry that is not (exit code 1)."""
    desk: Desk = ctx.obj
    core, trail = desk.engines
    if key is None:
        verifier = desk.signer.verifier
        folder: Path | None = checkpoints or desk.settings.checkpoints
        desk.sequence()  # what stops it is what verification finds
    else:  # an auditor's: with somebody else's key and copies of the checkpoints nothing is written
        verifier, folder = VerifierKey.parse(key), checkpoints
    report = verify(core, trail, verifier, tenant_id, checkpoints=folder)
    if tenant_id and not any(one.entries or one.checkpoints or one.finding for one in report.tenants):
        desk.known(tenant_id, platform=True)
    if as_json:
        _json({"whole": report.whole, "entries": report.entries, **asdict(report)})
    else:
        _tell(desk, report)
    if not report.whole:
        raise typer.Exit(WRONG)


def _tell(desk: Desk, report: Report) -> None:
    titles = (N_("Tenant"), N_("Entries"), N_("Checkpoints"), N_("Signed up to"), N_("Result"))
    bad, good = _plain(desk.text(N_("not whole")), "bold red"), _plain(desk.text(N_("whole")), "green")
    rows = ((t.tenant, t.entries, t.checkpoints, t.signed, bad if t.finding else good) for t in report.tenants)
    desk.table(titles, rows)
    for finding in report.findings:
        desk.out.print(_plain(str(finding), "bold red"), soft_wrap=True)
        if finding.event_id:
            desk.say(N_("The entry that stands there now: {id}"), id=finding.event_id)
    if report.pending:
        desk.say(N_("{count} entries wait for their place in the log."), count=report.pending)
    if report.heartbeat_at:
        desk.say(N_("Last signed: {time}"), time=desk.when(report.heartbeat_at))
    done = N_("The trail is whole: {entries} entries verified.") if report.whole else N_("The trail does not verify.")
    desk.out.print(_plain(desk.text(done, entries=report.entries), "green" if report.whole else "bold red"))


@audit.command("key")
def _audit_key(ctx: typer.Context) -> None:
    """The public key with which anybody can verify the trail. Publish it."""
    typer.echo(str(ctx.obj.signer.verifier))


@app.command("doctor")
def _doctor(
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
        _json({"protected": [asdict(one) for one in protections(guard.register)], "findings": listed})
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
        head = _plain(f"{one.id} {desk.text(_LEVEL_NAMES[one.level])}", _STYLES[one.level])
        desk.out.print(head.append_text(_plain(f"  {one.subject}", "bold not dim")), soft_wrap=True)
        desk.out.print(_plain(f"  {one.told(desk.language)}"), soft_wrap=True)
        desk.out.print(_plain(f"  → {one.advice(desk.language)}", "green"), soft_wrap=True)
    counts = {level: sum(one.level == level for one in found) for level in LEVELS}
    desk.say(N_("Findings: {error} errors, {warning} warnings, {info} remarks."), **counts)


@app.command("explain")
def _explain(ctx: typer.Context, entry_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """What a refusal (or any other entry of the trail) was about, and which rule or grant decides it."""
    desk: Desk = ctx.obj
    guard = desk.guard
    core, trail = desk.engines
    found = find(trail, entry_id.strip().lower(), core_engine=core)
    if found is None:
        raise InvalidInput(detail=N_("there is no entry with this id"))
    entry = found.entry
    with desk.transaction() as connection:
        desk.note(connection, entry.tenant, act="explain", entry=entry.id)
    for line in refusal_words(entry, guard.routes.routes, desk.language) or ():
        desk.say(line) if line else None
    facts = (
        (N_("Time"), desk.when(entry.at)),
        (N_("Tenant"), entry.tenant),
        (N_("Actor"), f"{discreet(entry.actor or '-')} ({entry.actor_kind})"),
        (N_("Roles"), ", ".join(entry.roles)),
        (N_("Purpose"), entry.purpose and entry.purpose + (desk.text(N_(" (inferred)")) if entry.inferred else "")),
        (N_("Route"), entry.route),
        (N_("What"), summary(entry) if entry.what or entry.detail else ""),
        (N_("Outcome"), " ".join(filter(None, (entry.outcome, entry.refusal, str(entry.status or ""))))),
    )
    desk.table((N_("Fact"), ""), ((_plain(desk.text(name), "bold"), value) for name, value in facts if value))
    if entry.tenant in desk.tenant_ids():
        snapshot = guard.policies.snapshot(entry.tenant, guard.versions.current_now(entry.tenant))
        for line in policy_words(entry, snapshot, guard.register, desk.language):
            desk.out.print(_plain(line), soft_wrap=True)


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
