"""``amanah audit list``, ``search`` and ``facets``: read the trail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..audit.facets import CAP, FACETS, facets
from ..audit.filters import LARGEST
from ..audit.log import MAXIMUM, list_entries, page
from ..database import PLATFORM
from ..errors import InvalidInput
from ..i18n import N_
from ..middleware.explain import discreet, machine_readable, summary
from .options import AsJson  # noqa: TC001 - Typer reads the annotations
from .terminal import complain, plain, print_json
from .trail_filters import TenantOption, asked_address, filter_of, filtered, noted, tenant_of, with_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..audit.log import Logged
    from .desk import Desk

Limit = Annotated[int, typer.Option(min=1, max=MAXIMUM)]
Position = Annotated[int | None, typer.Option(metavar="POSITION", min=0, max=LARGEST)]


@filtered
def _list(
    ctx: typer.Context,
    given: dict[str, Any],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Default: all tenants and the platform.")] = None,
    limit: Limit = 20,
    before: Annotated[int | None, typer.Option(help="Position to go on from; with --tenant.")] = None,
    as_json: AsJson = False,
) -> None:
    """The newest entries, the newest first. That you looked becomes an entry too."""
    desk: Desk = ctx.obj
    if before is not None and tenant is None:
        raise InvalidInput(detail=N_("--before is a position in one tenant's trail: name the tenant"))
    wanted, value = filter_of(given), asked_address(desk, given)
    _, trail = desk.engines
    tenants = [desk.known(tenant, platform=True)] if tenant else [*desk.tenant_ids(), PLATFORM]
    trouble = desk.sequence()
    names = [*wanted.names(), *(["ip"] if value is not None else [])]
    for one in tenants:
        noted(desk, one, "audit.list", names)
    found: list[Logged] = []
    for one in tenants:
        mine = with_address(desk, one, wanted, value)
        found += list_entries(trail, one, limit=limit, before=before, filters=mine)
    found = sorted(found, key=lambda one: one.entry.at, reverse=True)[:limit]
    if as_json:
        print_json([machine_readable(one) for one in found])
    else:
        show(desk, found)
    if trouble is not None:
        complain(trouble, desk.language)


@filtered
def _search(
    ctx: typer.Context,
    given: dict[str, Any],
    tenant: TenantOption = None,
    limit: Limit = 50,
    before: Position = None,
    after: Position = None,
    as_json: AsJson = False,
) -> None:
    """The entries that match all filters, a page at a time, the newest first. That you looked becomes an entry too.

    --before and --after go on from a position that the page before has named: to older entries, or to newer ones.
    """
    desk: Desk = ctx.obj
    wanted, value = filter_of(given), asked_address(desk, given)
    whose = tenant_of(desk, tenant)
    trouble = desk.sequence()
    noted(desk, whose, "audit.search", [*wanted.names(), *(["ip"] if value is not None else [])])
    wanted = with_address(desk, whose, wanted, value)
    found = page(desk.engines[1], whose, wanted, limit=limit, before=before, after=after)
    if as_json:
        entries = [machine_readable(one) for one in found.entries]
        print_json({"entries": entries, "older": found.older, "newer": found.newer})
    else:
        show(desk, found.entries)
        if found.older is not None:
            desk.say(N_("Older ones: --before {position}"), position=found.older)
        if found.newer is not None:
            desk.say(N_("Newer ones: --after {position}"), position=found.newer)
    if trouble is not None:
        complain(trouble, desk.language)


@filtered
def _facets(
    ctx: typer.Context,
    given: dict[str, Any],
    tenant: TenantOption = None,
    facet: Annotated[
        list[str] | None, typer.Option(metavar="FACET", help=f"Only these: {', '.join(FACETS)}; may be repeated.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How often each actor, resource, purpose, … occurs in what the filters find. Beyond 10,000 the newest count."""
    desk: Desk = ctx.obj
    wanted, value = filter_of(given), asked_address(desk, given)
    names = [one for one in FACETS if not facet or one in facet]
    if facet and set(facet) - set(FACETS):
        raise InvalidInput(detail=N_("there is no such facet"))
    whose = tenant_of(desk, tenant)
    desk.sequence()
    noted(desk, whose, "audit.facets", [*wanted.names(), *(["ip"] if value is not None else [])])
    wanted = with_address(desk, whose, wanted, value)
    with desk.engines[1].connect() as connection:
        found = facets(connection, whose, wanted, names)
    if as_json:
        values = {name: [{"value": v, "entries": n} for v, n in of] for name, of in found.values.items()}
        print_json({"total": found.total, "capped": found.capped, "facets": values})
        return
    rows = ((name, discreet(value), f"{n:,}") for name, of in found.values.items() for value, n in of)
    desk.table((N_("Facet"), N_("Value"), N_("Entries")), rows)
    desk.say(N_("{count} entries."), count=f"{CAP:,}+" if found.capped else f"{found.total:,}")


def show(desk: Desk, found: Iterable[Logged]) -> None:
    """A table of entries."""
    titles = (
        *(N_("Tenant"), N_("No."), N_("Time"), N_("Actor")),
        *(N_("Kind"), N_("Purpose"), N_("What"), N_("Outcome")),
    )
    desk.table(titles, (_row(desk, one) for one in found))


def _row(desk: Desk, one: Logged) -> Iterator[object]:
    entry = one.entry
    outcome = f"{entry.outcome} {entry.refusal or ''}".strip()
    yield from (entry.tenant, one.position, desk.when(entry.at), discreet(entry.actor or "-"), entry.kind)
    yield from (entry.purpose, summary(entry), plain(outcome, "red" if entry.refusal else ""))


COMMANDS: Final[dict[str, Callable[..., None]]] = {"list": _list, "search": _search, "facets": _facets}
