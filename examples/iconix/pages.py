"""Rendering: templates, languages, and how money and dates are written."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from iconix.texts import LANGUAGES, translator

FOLDER = Path(__file__).parent
CONTENT_SECURITY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

_templates = Environment(
    loader=FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)

MEMO = "iconix.signed_in"  # where a request remembers who is signed in

# What a person can say to be working on, in the menu at the top of every page.
TASKS = (
    "billing",
    "support",
    "fulfilment",
    "registration",
    "care",
    "reporting",
    "compliance",
)

# The menu: path, title, who sees it.
MENU = (
    ("/customers", "Customers", {"owner", "cashier", "accountant", "support"}),
    ("/invoices", "Invoices", {"owner", "cashier", "accountant"}),
    ("/orders", "Orders", {"owner", "cashier", "courier", "support"}),
    ("/reports", "Monthly report", {"owner", "accountant"}),
    ("/clinic/register", "Registration", {"owner", "receptionist"}),
    ("/clinic/queue", "Waiting queue", {"owner", "receptionist", "doctor"}),
    ("/clinic/patients", "Patients", {"owner", "receptionist", "doctor", "support"}),
)


def rupiah(amount: int | None) -> str:
    """Write an amount as in Indonesia: Rp 1.250.000."""
    return "" if amount is None else f"Rp {amount:,}".replace(",", ".")


def day(value: object) -> str:
    """Write a date 31/10/2026; whatever is no date stays as it is."""
    if isinstance(value, dt.date):
        return value.strftime("%d/%m/%Y")
    return "" if value is None else str(value)


_templates.filters["rupiah"] = rupiah
_templates.filters["day"] = day
_templates.filters["blank"] = lambda value: "" if value is None else value


def language(request: Request) -> str:
    """Choose the language: `?lang=`, the cookie it leaves, the browser's list, the account's, Indonesian."""
    for wish in (request.query_params.get("lang"), request.cookies.get("lang")):
        if wish in LANGUAGES:
            return str(wish)
    for wish in _accepted(request.headers.get("accept-language", "")):
        if wish in LANGUAGES:
            return wish
    me = request.scope.get(MEMO)
    return me.locale if me is not None and me.locale in LANGUAGES else "id"


def _accepted(header: str) -> list[str]:
    """Return the languages of an Accept-Language header, the most wanted first; `in` is Indonesian's old code."""
    wishes = []
    for place, part in enumerate(header.split(",")[:20]):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.partition("q=")[2]) if weight else 1.0
        except ValueError:
            continue
        name = tag.strip().lower().split("-")[0]
        if name and quality > 0:
            wishes.append((-quality, place, "id" if name == "in" else name))
    return [name for _, _, name in sorted(wishes)]


def render(
    request: Request,
    template: str,
    values: Mapping[str, Any],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Render a page in the reader's language, with the menu of the reader's role."""
    lang = language(request)
    me = request.scope.get(MEMO)
    context = {
        "_": translator(lang),
        "lang": lang,
        "languages": LANGUAGES,
        "me": me,
        "path": request.url.path,
        "menu": [] if me is None else [(path, title) for path, title, roles in MENU if me.role in roles],
        "tasks": TASKS,
        **values,
    }
    html = _templates.get_template(template).render(context)
    response = HTMLResponse(html, status, headers)
    response.headers["Content-Language"] = lang
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "Accept-Language, Cookie"
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie("lang", lang, max_age=365 * 86400, samesite="lax", httponly=True)
    return response
