"""What application developers use in their own tests: fresh keys, and the trail as it stands.

guard = Guard.production(…, settings=settings_in(tmp_path))
with guard.access(tenant="clinic", actor="nurse", purpose="registration", reason="a test"):
    …
assert trail_of(guard, "clinic")[0].what[0].columns == ("name", "phone")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..audit.log import list_entries
from ..guard import Guard, create_keys
from ..settings import Settings

if TYPE_CHECKING:
    import os

    from ..audit.entries import Entry

__all__ = ["settings_in", "trail_of"]


def settings_in(folder: str | os.PathLike[str]) -> Settings:
    """Settings whose key file, signer and checkpoints lie in ``folder``, made there unless they are there already."""
    settings = Settings.in_folder(folder)
    if not settings.key_file.exists():
        create_keys(settings)
    return settings


def trail_of(guard: Guard, tenant: str, *, limit: int = 100) -> list[Entry]:
    """The tenant's newest entries, the newest first; whatever is durable by now is given its place in the log first."""
    guard.sequencer.run_once()
    return [logged.entry for logged in list_entries(guard.trail_engine, tenant, limit=limit)]
