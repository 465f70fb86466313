"""The text of `protection.py`: read by people, clean for ruff, and nothing in it that is not a guess or explained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from .init_identify import fill, identify_source
from .init_imports import Names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .init import Draft
    from .init_routes import RouteGuess
    from .init_tables import TableGuess

_WIDTH: Final = 120  # as `init_identify.fill`
_WRITTEN: Final = (
    "`amanah init` wrote this on {today} by looking at tables and routes. What it guessed stands in guessed(…): read "
    "it, correct it, and take the guessed() away. `{guard} doctor` lists what is left."
)
_OBSERVING: Final = (
    "Until {until} the guard observes: the application answers as before, and `{guard} observed` tells what would be "
    "refused. Guard.production(…) in place of Guard.observing(…) puts it in force, and starts only when nothing is "
    "guessed any more."
)
_CALLBACK: Final = (
    "Called by another system, which has no login here and signs what it sends. Fill in verify() above. The actor is a "
    "service account: a member of each tenant that is called for (amanah member add), with a role that may do just "
    "this."
)
_VERIFY: Final = (
    "It sees what the handler sees: connection.headers and the body. Check the signature first, with the application's "
    "own function, and answer None where it is wrong. Then answer {answer}."
)
_ANSWER: Final = (
    'the tenant\'s id as text; or, with owner="table.column" in callback(…), the value of that column in the row that '
    "the call is about, such as an invoice's number: the row's tenant is then looked up"
)
_SEALED: Final = (
    "sealed=False: decided, masked and on record, but stored as it is. Sealing rows that are there already is a later "
    "step, with migrations of its own."
)
_LATE: Final = (
    "The application after its guard: importing it may configure its mappers, and then it is too late to declare their "
    "columns."
)
_ENGINES: Final = (
    "The application has engines of another database, too, and what goes through them is not seen: {engines}."
)


def source(draft: Draft) -> str:
    """The whole file."""
    names = Names(draft)
    parts = (_imports(draft, names), [""], _declarations(draft), _verify(draft), _routes(draft), _end(draft, names))
    return "\n".join([_head(draft), *(line for part in parts for line in part)])


def _head(draft: Draft) -> str:
    guard = f"amanah --guard {draft.module}:guard"
    paragraphs = [
        f"What of {draft.app.reference} is personal, what each route is for, and who is asking.",
        _WRITTEN.format(today=draft.today, guard=guard),
        _OBSERVING.format(until=draft.until, guard=guard),
        f"Serve it with `uvicorn {draft.module}:app` in place of {draft.app.reference}.",
    ]
    return '"""' + "\n\n".join(fill(text, indent="") for text in paragraphs) + '\n"""\n'


def _imports(draft: Draft, names: Names) -> list[str]:
    used = ["Guard", "Identity"]
    if draft.tables.personal:
        used.append("Personal")
    used += ["callback"] if draft.routes.of("callback") else []
    used += ["declare"] if draft.tables.named("declare") else []
    used += ["guessed"]
    used += ["public"] if draft.routes.of("public") else []
    used += ["route"] if draft.routes.of("guarded") else []
    used += ["shared"] if draft.tables.named("shared") else []
    used += ["sign_in"] if draft.routes.of("sign_in") else []
    engine = [] if names.engine else ["from sqlalchemy import Engine"]
    third = sorted([f"from amanah import {', '.join(used)}", *engine, "from starlette.requests import HTTPConnection"])
    return ["from datetime import date", "", *third, "", *names.early]


# -- tables ------------------------------------------------------------------------------------------------------------


def _declarations(draft: Draft) -> list[str]:
    lines = [*_comment([_SEALED], ""), "DECLARATIONS = ["]
    for one in draft.tables.named("declare"):
        lines += _comment([f"{one.name}: {note}" for note in one.notes], "    ")
        lines += _guessed(_declare(one))
    alike = [_quoted(one.name) for one in draft.tables.named("shared")]
    if alike:
        lines += _comment(["Reference tables: the same for every tenant, and nothing personal in them."], "    ")
        lines += _guessed(_call("shared", alike))
    open_ones = draft.tables.named("open")
    if open_ones:
        lines += _comment(["Not declared, so every use of them would be refused:"], "    ")
        for one in open_ones:
            lines += _comment([f"{one.name}: {'; '.join(one.notes)}"], "    ")
    return [*lines, "]", ""]


def _declare(one: TableGuess) -> list[str]:
    arguments = [_quoted(one.name)]
    for name in ("resource", "tenant", "via", "subject"):
        value = getattr(one, name)
        if value is not None:
            arguments.append(f"{name}={_quoted(value)}")
    if one.sign_in:
        arguments.append("sign_in=True")
    if not one.columns:
        return _call("declare", arguments)
    columns = [
        f"        {_quoted(name)}: Personal(category={_quoted(category)}, sealed=False),"
        for name, category in one.columns.items()
    ]
    return ["declare(", *(f"    {one}," for one in arguments), "    columns={", *columns, "    },", ")"]


# -- routes ------------------------------------------------------------------------------------------------------------


def _routes(draft: Draft) -> list[str]:
    guesses = draft.routes
    lines = ["ROUTES = ["]
    public, sign_in = guesses.of("public"), guesses.of("sign_in")
    if public:
        lines += _comment(["Nobody has to sign in, and no protected table is touched."], "    ")
        lines += _each(public)
    if sign_in:
        lines += _comment(
            ["Somebody signs in or out: nobody is known yet, and only sign_in tables can be used."], "    "
        )
        lines += _each(sign_in)
    if guesses.of("callback"):
        lines += _comment([_CALLBACK], "    ")
        lines += _each(guesses.of("callback"))
    if guesses.of("guarded"):
        text = "In place of TODO: the purposes that the route serves, by their names in the tenants' registers."
        lines += _comment([text], "    ")
        lines += _each(guesses.of("guarded"))
    if guesses.unknown:
        lines += _comment(["Not understood, so not declared, so refused:", *guesses.unknown], "    ")
    return [*lines, "]", "", ""]


def _verify(draft: Draft) -> list[str]:
    """The skeleton by which the callers of callbacks are recognised: it lets nobody in."""
    if not draft.routes.of("callback"):
        return []
    answer = _ANSWER if draft.tables.tenant_column is not None else _quoted(draft.tenant)
    return [
        "",
        "def verify(connection: HTTPConnection, body: bytes) -> str | int | None:  # noqa: ARG001 - to be filled in",
        '    """Say for whom a callback is; None is nobody, and is refused.',
        "",
        *fill(_VERIFY.format(answer=answer), indent="    ").splitlines(),
        '    """',
        "    return None",
        "",
        "",
    ]


def _each(routes: Iterable[RouteGuess]) -> list[str]:
    lines = []
    for one in routes:
        lines += _comment([one.note] if one.note else [], "    ")
        if one.kind in {"public", "sign_in"}:
            lines += _guessed(_call(one.kind, [_quoted(one.pattern)]))
        else:
            said = [_quoted(one.pattern), _quoted(one.resource), _quoted(one.action), '["TODO"]']
            more = ["verify=verify", 'actor="gateway"'] if one.kind == "callback" else []
            lines += _guessed(_call("callback" if more else "route", [*said, *more]))
    return lines


# -- who is asking, and the guard --------------------------------------------------------------------------------------


def _end(draft: Draft, names: Names) -> list[str]:
    lines = [*identify_source(draft), "", ""]
    if not names.engine:
        lines += [
            "def their_engine() -> Engine:",
            '    """Return the engine by which the application reaches its database: that object, not one like it."""',
            f"    raise NotImplementedError({_quoted(f'name the engine in {draft.module}.their_engine')})",
            "",
            "",
        ]
    if not names.late and draft.app.called:
        lines.append(f"unprotected = {names.app}")
    if draft.other_engines:
        lines += _comment([_ENGINES.format(engines=", ".join(draft.other_engines))], "")
    tenant = (
        f"tenant_column={_quoted(draft.tables.tenant_column)},"
        if draft.tables.tenant_column is not None
        else f"fixed_tenant={_quoted(draft.tenant)},  # no column says whose row it is: all rows are one tenant's"
    )
    until = draft.until
    lines += [
        "guard = Guard.observing(",
        f"    until=date({until.year}, {until.month}, {until.day}),",
        f"    metadata={names.metadata},",
        f"    engine={names.engine or 'their_engine()'},",
        "    identify=identify,",
        "    routes=ROUTES,",
        "    declarations=DECLARATIONS,",
        f"    {tenant}",
        ")",
    ]
    if not names.late:
        return [*lines, f"app = guard.wrap({'unprotected' if draft.app.called else names.app})", ""]
    late = (f"{one}  # noqa: E402" for one in names.late)
    return [*lines, "", *_comment([_LATE], ""), *late, "", f"app = guard.wrap({names.app})", ""]


# -- writing Python ----------------------------------------------------------------------------------------------------


def _quoted(text: str) -> str:
    """A string of Python with double quotes."""
    return json.dumps(text, ensure_ascii=False)


def _call(name: str, arguments: list[str]) -> list[str]:
    """The call on one line; `_guessed` breaks what is too long, as ruff's formatter would."""
    line = f"{name}({', '.join(arguments)})"
    if len(line) + len("        ") <= _WIDTH:
        return [line]
    return [f"{name}(", *(f"    {one}," for one in arguments), ")"]


def _guessed(call: list[str]) -> list[str]:
    if len(call) == 1 and len(call[0]) + len("    guessed(),") <= _WIDTH:
        return [f"    guessed({call[0]}),"]
    return ["    guessed(", *(f"        {line}" for line in call), "    ),"]


def _comment(sentences: Iterable[str], indent: str) -> list[str]:
    """Comment lines, broken at words."""
    return [line for sentence in sentences for line in fill(sentence, indent=f"{indent}# ").splitlines()]
