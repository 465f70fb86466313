"""The console's pages. Each guarded one runs under an access that the tenant's policy let in; looking leaves a note.

Database work happens in threads, on Amanah's own engines.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread
from starlette.responses import HTMLResponse

from ..audit.entries import What
from ..errors import AccessRequired
from ..i18n import negotiate
from ..middleware.access import current
from . import reading

if TYPE_CHECKING:
    from starlette.requests import Request

    from ..middleware.access import Access
    from .host import Host
    from .rendering import Rendering
    from .sessions import Session

RESOURCE: Final = "amanah.trail"
ACTION: Final = "read"
PURPOSE: Final = "essential.legal_obligation"
SESSION: Final = "amanah.console.session"
"""Where the console's ``identify`` leaves the session that it found in the scope."""


class Pages:
    """What every page needs: the guard and the templates."""

    def __init__(self, guard: Host, rendering: Rendering) -> None:
        self.guard = guard
        self.rendering = rendering

    def show(self, request: Request, template: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
        """A page in the language that `browser` settled on."""
        text = self.rendering.page(
            template, request.scope["root_path"], negotiate(request.headers.get("accept-language")), **facts
        )
        return HTMLResponse(text, status)


class TrailPages(Pages):
    """The trail of the signed-in member's own organisation."""

    async def trail(self, request: Request) -> HTMLResponse:
        """The newest entries, filtered and page by page, and the state of the log."""
        access, tenant = _access()
        wanted = reading.Wanted.of(request.query_params)
        page = await to_thread.run_sync(reading.read_page, self.guard, tenant, wanted)
        access.notes.add(What(resource=RESOURCE, action=ACTION, count=len(page.entries)))
        return self.show(
            request, "trail.html", **self._who(request, access), page=page, wanted=wanted, query=wanted.query()
        )

    async def entry(self, request: Request) -> HTMLResponse:
        """One entry with all that it says. An id of another organisation is an id that does not exist."""
        access, tenant = _access()
        event_id: str = request.path_params["id"]
        found = await to_thread.run_sync(reading.read_entry, self.guard, tenant, event_id)
        if found is None:
            access.notes.touched(RESOURCE, ACTION)
            return self.show(request, "missing.html", status=404, **self._who(request, access))
        logged, labels, organisation = found
        access.notes.add(What(resource=RESOURCE, action=ACTION, rows=(event_id,), count=1))
        facts = {**self._who(request, access), "organisation": organisation, "here": f"/entries/{event_id}"}
        return self.show(request, "entry.html", **facts, logged=logged, labels=labels, intact=reading.intact(logged))

    def _who(self, request: Request, access: Access) -> dict[str, Any]:
        """What the page's frame shows of the person who looks."""
        session: Session = request.scope[SESSION]
        purpose = partial(_purpose, access, negotiate(request.headers.get("accept-language")))
        return {"signed_in": session, "access": access, "purpose": purpose}


def _access() -> tuple[Access, str]:
    """The access under which this page runs, and its tenant; the gate opened it."""
    access = current()
    if access is None or access.tenant is None:
        raise AccessRequired(resource=RESOURCE)
    return access, access.tenant


def _purpose(access: Access, language: str, key: str) -> tuple[str, str]:
    """A purpose's short name and its sentence from the tenant's register; the key itself where it is not there."""
    found = None if access.snapshot is None else access.snapshot.purpose(key)
    if found is None:
        return key, ""
    return found.alias or found.key, found.description.get(language) or found.description.get("en", "")
