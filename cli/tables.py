"""``amanah db``: Amanah's own tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .. import migrations
from ..errors import DatabaseMissing
from ..i18n import N_
from .options import TYPER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL

    from .desk import Desk

commands = typer.Typer(help="Amanah's own tables.", **TYPER)


@commands.command("upgrade")
def _upgrade(ctx: typer.Context) -> None:
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
