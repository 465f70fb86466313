"""What the client is told when the answer is no: RFC 9457 problem documents, or a small page for a browser.

The document says what was stopped, why and what to do next, in the client's language, with the decision's id for
``amanah explain``. It quotes nothing that the client sent and nothing that a row holds; only in development it adds the
declaration or the grant that is missing, ready to paste.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from ..errors import (
    AccessRequired,
    AmanahError,
    FieldProbed,
    FieldWithheld,
    Forbidden,
    NotAMember,
    PurposeMissing,
    PurposeNotServed,
    PurposeUnknown,
    RoleMissing,
    RouteUndeclared,
)
from ..i18n import N_, Language, translate
from .second_factor import CHALLENGE

if TYPE_CHECKING:
    from .access import Access

_REFERENCE = N_("Reference: {id}")
_RETRY_SECONDS = b"5"
_CHALLENGES = {"not-identified": b"Bearer", "second-factor-required": CHALLENGE}
_CRUD = {"GET": "read", "HEAD": "read", "POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}

# A page of our own making: nothing is loaded, run, framed or submitted.
_PAGE_POLICY = (
    b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:38rem;margin:4rem auto;padding:0 1rem;color:#1c2733}}
pre{{background:#eef2f5;padding:.75rem;overflow-x:auto}}small{{color:#50606e}}</style></head>
<body><main><h1>{title}</h1>{paragraphs}</main></body></html>
"""


@dataclass(frozen=True, slots=True)
class Problem:
    """A finished answer: status, raw ASGI headers, body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def problem(
    error: AmanahError,
    *,
    language: Language = "en",
    html: bool = False,
    paste: str | None = None,
) -> Problem:
    """Build the answer for ``error``: a problem document, or with ``html`` a page.

    ``paste``: the missing declaration (development only).
    """
    title, why, remedy = (
        translate(text, language, **error.facts) if text else "" for text in (error.what, error.why, error.remedy)
    )
    headers = [(b"content-language", language.encode("ascii")), (b"cache-control", b"no-store")]
    headers.append((b"vary", b"Accept, Accept-Language"))
    if html:
        reference = translate(_REFERENCE, language, id=error.decision_id) if error.decision_id else ""
        body = _page(language, title, [why, remedy], paste, reference)
        headers += [(b"content-type", b"text/html; charset=utf-8"), (b"content-security-policy", _PAGE_POLICY)]
    else:
        members = {
            "type": f"urn:amanah:problem:{error.code}",
            "title": title,
            "status": error.status,
            "detail": why or title,
            "remedy": remedy,
            "code": error.code,
            "decision": error.decision_id,
            "declare": paste,
        }
        body = json.dumps({name: value for name, value in members.items() if value}, ensure_ascii=False).encode()
        headers.append((b"content-type", b"application/problem+json"))
    headers.append((b"content-length", b"%d" % len(body)))
    if error.status == 401:  # noqa: PLR2004 - RFC 9110 section 15.5.2 wants the challenge with it
        headers.append((b"www-authenticate", _CHALLENGES.get(error.code, b'Bearer error="invalid_token"')))
    if error.status == 503:  # noqa: PLR2004
        headers.append((b"retry-after", _RETRY_SECONDS))
    return Problem(error.status, headers, body)


def prefers_html(accept: str | None) -> bool:
    """Whether an ``Accept`` header ranks HTML above JSON (RFC 9110 section 12.5.1). Without one: JSON."""
    if not accept or "text/html" not in accept:
        return False
    ranks = {"text/html": 0.0, "application/json": 0.0, "application/problem+json": 0.0}
    for part in accept.split(",")[:32]:
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name in ranks:
            ranks[name] = max((_quality(text) for text in parameters if text.startswith("q=")), default=1.0)
    return ranks.pop("text/html") > max(ranks.values())


def paste_for(error: AmanahError, access: Access | None) -> str | None:
    """What a developer pastes so that ``error`` goes away: a declaration, a header, a grant or a rule. Else None."""
    if isinstance(error, RouteUndeclared):
        name = str(error.facts.get("route", ""))
        method, _, path = name.partition(" ")
        words = [word for word in path.split("/") if word and not word.startswith("{")]
        resource = words[-1] if words else "…"
        return f'route("{name}", "{resource}", "{_CRUD.get(method, "…")}", ["…"])  # or: public("{name}")'
    if isinstance(error, PurposeMissing | PurposeUnknown | PurposeNotServed):
        purposes = str(error.facts.get("purposes", ""))
        return f"Amanah-Purpose: {purposes.partition(',')[0]}" if purposes else None
    if isinstance(error, Forbidden | FieldWithheld):
        return _grant(error, access)
    if isinstance(error, RoleMissing):
        return _any_role(error, access)
    if access is not None and access.kind == "sign_in" and isinstance(error, FieldProbed):
        return f"Personal(…, platform=True)  # for {error.facts.get('field')}: sign-in searches by it"
    if access is not None and access.kind == "sign_in" and isinstance(error, AccessRequired):
        return f'declare("{error.facts.get("resource")}", …, sign_in=True)'
    if isinstance(error, NotAMember) and error.facts.get("stranger"):
        return _command(access, "member add")
    return None


def _command(access: Access | None, what: str, *more: str) -> str | None:
    """An ``amanah`` command about the actor, for the developer's shell; their id may be any text."""
    if access is None or access.tenant is None or not access.actor.id.isprintable():
        return None
    return " ".join(["amanah", what, *map(shlex.quote, (access.tenant, access.actor.id, *more))])


def _any_role(error: AmanahError, access: Access | None) -> str | None:
    """The least role that would do for each purpose that the route serves."""
    if access is None or access.snapshot is None:
        return None
    lines = []
    for name in str(error.facts.get("purposes", "")).split(", "):
        purpose = access.snapshot.purpose(name)
        if purpose is not None:
            obj, action = str(error.facts.get("resource")), str(error.facts.get("action"))
            found = access.snapshot.explain(frozenset(), obj, action, purpose.key)
            lines += [f"{line}  # {name}" for line in _role(error, access, found.missing_grant)]
    return "\n".join(lines) or None


def _role(error: AmanahError, access: Access, role: str | None) -> list[str]:
    """How the actor comes by ``role``: by a grant, or from the application where it maps its own."""
    if role is not None and error.facts.get("mapped"):
        return [f'# RoleMap: give their role in the application the role "{role}"']
    line = None if role is None else _command(access, "grant give", role, "--reason", "…")
    return [line] if line else []


def _grant(error: AmanahError, access: Access | None) -> str | None:
    """The role to grant, or the rule to add, from the policy's own explanation."""
    purpose = error.facts.get("purpose")
    if access is None or access.snapshot is None or not isinstance(purpose, str):
        return None
    registered = access.snapshot.purpose(purpose)
    if registered is None:
        return None
    obj = str(error.facts.get("resource") or error.facts.get("field"))
    found = access.snapshot.explain(access.roles, obj, str(error.facts.get("action", "read")), registered.key)
    lines: list[str] = []
    lines += _role(error, access, found.missing_grant)
    if found.missing_rule:
        rule = ", ".join(f'{name}="{value}"' for name, value in found.missing_rule.items())
        lines.append(f'policies.add_rule(connection, "{access.tenant}", {rule})')
    if found.rule is not None:
        lines.append(f"# rule {found.rule.id} denies it")
    return "\n".join(lines) or None


def _page(language: str, title: str, texts: list[str], paste: str | None, reference: str) -> bytes:
    paragraphs = "".join(f"<p>{escape(text)}</p>" for text in texts if text)
    if paste:
        paragraphs += f"<pre>{escape(paste)}</pre>"
    if reference:
        paragraphs += f"<p><small>{escape(reference)}</small></p>"
    return _PAGE.format(language=escape(language), title=escape(title), paragraphs=paragraphs).encode()


def _quality(text: str) -> float:
    try:
        return min(max(float(text[2:]), 0.0), 1.0)
    except ValueError:
        return 0.0
