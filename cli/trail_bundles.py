"""``amanah audit bundle`` and ``amanah audit tiles``: the trail for those who have no access to the database."""

from __future__ import annotations

import os
from pathlib import Path  # noqa: TC003 - typer reads annotations when it runs
from typing import TYPE_CHECKING, Annotated

import typer

from ..audit.bundle import write_bundle
from ..audit.proofs import newest
from ..audit.snapshot import snapshot
from ..audit.tiles import export_tiles
from ..errors import ConfigurationError, InvalidInput, NothingSigned
from ..i18n import N_
from .options import Tenant  # noqa: TC001 - typer reads annotations when it runs
from .terminal import complain
from .watching import counting

if TYPE_CHECKING:
    from .desk import Desk


def bundle(
    ctx: typer.Context,
    tenant: Tenant,
    to: Annotated[Path, typer.Option(metavar="FILE", help="A file that is not there yet.")],
    first: Annotated[int | None, typer.Option(min=0, help="Only from this position on.")] = None,
    last: Annotated[int | None, typer.Option(min=0, help="Only up to this position.")] = None,
    position: Annotated[list[int] | None, typer.Option(min=0, help="Only this entry; may be repeated.")] = None,
    heads: Annotated[
        bool, typer.Option("--heads", help="With every signed head: a change is then narrowed down further.")
    ] = False,
) -> None:
    """Write signed entries into one file that proves itself: amanah audit verify --bundle, or audit/offline.py alone.

    It holds what the entries say. That you exported it is an entry too.
    """
    desk: Desk = ctx.obj
    if position and (first is not None or last is not None):
        raise InvalidInput(detail=N_("name either positions, or a range with --first and --last"))
    _announce(desk, tenant, act="audit.bundle", **_range(first, last, position))
    with snapshot(desk.engines[1]) as connection:
        ranges = [(one, one + 1) for one in sorted(set(position))] if position else None
        if first is not None or last is not None:
            ranges = [(first or 0, _signed_size(desk, tenant) if last is None else last + 1)]
        try:
            descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            raise ConfigurationError(detail=f"there is already a file at {to}; it is not overwritten") from None
        except OSError as error:
            raise ConfigurationError(detail=f"{to} cannot be written ({error.strerror})") from None
        try:
            with os.fdopen(descriptor, "wb") as file, counting(desk, N_("Entries")) as progress:
                key = desk.signer.verifier
                done = write_bundle(connection, key, tenant, file, ranges, heads=heads, progress=progress)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            to.unlink(missing_ok=True)
            raise
    desk.say(N_("{entries} of {size} entries, proven by checkpoint {number}: {file}"), file=to, **_facts(done))


def tiles(
    ctx: typer.Context,
    tenant: Tenant,
    to: Annotated[Path, typer.Option(metavar="FOLDER", file_okay=False, help="A folder; an older export goes on.")],
    hashes_only: Annotated[bool, typer.Option("--hashes-only", help="Without the entries themselves.")] = False,
) -> None:
    """Bring a folder up to date that holds the log as c2sp.org/tlog-tiles describes it, for verifiers of such logs.

    That you exported it is an entry too.
    """
    desk: Desk = ctx.obj
    _announce(desk, tenant, act="audit.tiles", hashes_only=hashes_only)
    with snapshot(desk.engines[1]) as connection, counting(desk, N_("Entries")) as progress:
        done = export_tiles(connection, desk.signer, tenant, to, hashes_only=hashes_only, progress=progress)
    desk.say(N_("{size} entries are there; {files} files were written."), size=done.size, files=done.files)


def _range(first: int | None, last: int | None, position: list[int] | None) -> dict[str, int]:
    given = {"first": first, "last": last, "positions": len(position) if position else None}
    return {name: value for name, value in given.items() if value is not None}


def _announce(desk: Desk, tenant: str, **detail: str | int | bool) -> None:
    """That it is exported, into the trail that is exported, before anything leaves."""
    desk.known(tenant, platform=True)
    with desk.transaction() as connection:
        desk.note(connection, tenant, **detail)
    trouble = desk.sequence()
    if trouble is not None:
        complain(trouble, desk.language)


def _signed_size(desk: Desk, tenant: str) -> int:
    with desk.engines[1].connect() as connection:
        found = newest(connection, tenant)
    if found is None:
        raise NothingSigned(tenant=tenant)
    return found.head.size


def _facts(done: object) -> dict[str, int]:
    return {name: getattr(done, name) for name in ("entries", "size", "number")}
