"""``amanah keys``: the keys above all others and the signer, which keys there are, and what becomes of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from ..audit.checkpoints import SignerKey
from ..audit.entries import now_us
from ..errors import InvalidInput
from ..guard import create_keys
from ..i18n import N_
from ..rekeying.keys import destroy
from ..rekeying.listing import STATES, keys_of, provider_keys
from ..rekeying.retirement import retire
from ..settings import Settings
from . import rotate
from .options import TYPER, AsJson
from .terminal import print_json

if TYPE_CHECKING:
    from .desk import Desk

_DAY = 24 * 3600 * 1_000_000

commands = typer.Typer(help="Keys: make, list, replace, retire, destroy.", **TYPER)
commands.add_typer(rotate.commands, name="rotate")


@commands.command("init")
def _init(ctx: typer.Context) -> None:
    """Make the key provider's first key (AMANAH_KEY_PROVIDER …) and a signer (AMANAH_STATE …). Never overwrites."""
    desk: Desk = ctx.obj
    # Not the guard's: it cannot be built before there are keys.
    settings = Settings.from_environment()
    current = create_keys(settings)
    if settings.key_provider == "file":
        desk.say(
            N_("The keys are in {path}. Keep a copy in a safe place: without it no sealed value can be read."),
            path=settings.key_file,
        )
    else:
        desk.say(
            N_("Tenants' keys are wrapped with the key {key_id} of the provider {provider}. Never delete it there."),
            key_id=current,
            provider=settings.key_provider,
        )
    desk.say(
        N_("The trail is signed with {path}. To verify it others need: {key}"),
        path=settings.signer_file,
        key=SignerKey.load(settings.signer_file).verifier,
    )


@commands.command("list")
def _list(ctx: typer.Context, tenants: rotate.Tenants = None, as_json: AsJson = False) -> None:
    """The keys of tenants and of the provider: age, version, what each is good for now. Nothing is unwrapped."""
    desk: Desk = ctx.obj
    keys = keys_of(desk.guard, rotate.chosen(desk, tenants))
    providers = provider_keys(desk.guard, keys)
    if as_json:
        named = [{name.rstrip("_"): value for name, value in one._asdict().items()} for one in keys]
        print_json({"provider_keys": [one._asdict() for one in providers], "keys": named})
        return
    now = now_us()
    desk.table(
        (N_("Provider key"), N_("Current"), N_("Tenants"), N_("Epoch keys")),
        ((one.key_id, "•" if one.current else "", one.tenants, one.epochs) for one in providers),
    )
    desk.say("")
    desk.table(
        (N_("Tenant"), N_("Kind"), N_("Version"), N_("State"), N_("Days old"), N_("Under")),
        (
            (
                one.tenant,
                one.kind,
                one.version,
                desk.text(STATES[one.state], when=desk.when(one.from_)),
                (now - one.created_at) // _DAY,
                one.under,
            )
            for one in keys
        ),
    )


@commands.command("retire")
def _retire(
    ctx: typer.Context,
    tenant: Annotated[str, typer.Option(metavar="TENANT", help="Whose keys.")],
    min_version: Annotated[int, typer.Option(min=1, help="The oldest version of the data key that still opens.")],
    force: Annotated[
        bool, typer.Option("--force", help="Although values are left under an older version; or lower the minimum.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why it is forced; the trail keeps it.")] = "",
) -> None:
    """Refuse a tenant's data keys below a version. Refused itself while a value is sealed under one of them."""
    desk: Desk = ctx.obj
    if force and not reason.strip():
        raise InvalidInput(detail=N_("--force needs a --reason"))
    done = retire(
        desk.guard,
        desk.known(tenant, platform=True),
        min_version,
        operator=desk.operator,
        force=reason.strip() if force else "",
    )
    if done.lowered:
        desk.say(N_("Data keys of {tenant} from version {version} on open again."), tenant=tenant, version=min_version)
    else:
        desk.say(
            N_("Data keys of {tenant} below version {version} are retired. The last process refuses them from {when}."),
            tenant=tenant,
            version=min_version,
            when=desk.when(desk.guard.keyring.forgotten_at(now_us())),
        )
    for column, count in sorted(done.lost.items()):
        desk.say(N_("  {column}: {count} do not open any more."), column=column, count=count)


@commands.command("destroy")
def _destroy(
    ctx: typer.Context,
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="The id of a key of the provider's.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Destroy a key of the provider's that nothing in the database names: for ever, and for every backup."""
    desk: Desk = ctx.obj
    desk.tenant_ids()  # the database is there, and migrated

    def pause(seconds: float) -> None:
        if not yes:
            typer.confirm(
                desk.text(N_("Backups that were made under {key} are unreadable then. Destroy it?"), key=key_id),
                abort=True,
            )
        desk.say(N_("Waiting {seconds} s, until no process takes it for the current one."), seconds=int(seconds))
        time.sleep(seconds)

    destroy(desk.guard, key_id, operator=desk.operator, pause=pause)
    desk.say(N_("{key} is destroyed."), key=key_id)
