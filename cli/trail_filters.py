"""The filters that commands on the trail share, and what is asked for instead of being typed into a command.

What a shell would keep in its history and a system shows in its list of processes is no place for personal values: an
address, an identity number or a name is read from the terminal or from standard input.
"""

from __future__ import annotations

import functools
import inspect
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ..audit.filters import Filter, sensible
from ..audit.origins import DOMAIN, address, origin
from ..errors import InvalidInput
from ..i18n import N_

if TYPE_CHECKING:
    from collections.abc import Callable

    from .desk import Desk

Since = Annotated[str | None, typer.Option(metavar="TIME", help="From then on: 2026-12-01, 2026-12-01T08:30 (UTC).")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Before then.")]
TenantOption = Annotated[str | None, typer.Option("--tenant", metavar="TENANT", help="Whose trail it is.")]

_TEXTS: Final = {
    "kind": "Kind of entry: access, write, refusal, admin, job, sign_in.",
    "outcome": "answered, committed, rolled_back, refused, failed, would_refuse.",
    "actor": "Account id.",
    "purpose": "Key of the purpose.",
    "resource": "Resource that was touched.",
    "action": "read, create, update, delete, ….",
    "column": "Column that was seen or written: patient.phone.",
    "row": "Row that was touched: patient/17.",
    "subject": "The person's key in the application.",
    "route": "Template of the route: GET /patients/{id}.",
    "rule": "Rule that decided: r12.",
    "refusal": "Code of the refusal: forbidden.",
    "access": "Id of the access.",
    "sign_in": "Id of the sign-in's entry.",
}


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """The command with an option for each filter; it is called with ``given``, what they were."""
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, typer.Option(f"--{name.replace('_', '-')}", help=told)],
        )
        for name, told in _TEXTS.items()
    ]
    added += [
        inspect.Parameter("since", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Since),
        inspect.Parameter("until", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Until),
        inspect.Parameter(
            "ip",
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[bool, typer.Option("--ip", help="Ask for an IP address (or read it from stdin).")],
        ),
    ]
    names = [one.name for one in added]

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        given = {name: values.pop(name) for name in names}
        command(given=given, **values)

    own = inspect.signature(command, eval_str=True)
    kept = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own.parameters.values() if one.name != "given"]
    parameters = [*kept[:1], *added, *kept[1:]]
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapped


def filter_of(given: dict[str, Any]) -> Filter:
    """The filter that was asked for, but for an address. Raises `InvalidInput` for one that makes no sense."""
    facts = {name: given[name] for name in _TEXTS}
    return sensible(Filter(**facts, since=moment(given["since"]), until=moment(given["until"])))


def with_address(desk: Desk, tenant: str, wanted: Filter, value: bytes | None) -> Filter:
    """The filter with the entries that come from the address ``value``, if there is one. Needs the guard's keys."""
    if value is None:
        return wanted
    tokens = tuple(token.hex() for token in desk.guard.keyring.cipher(tenant).tokens(DOMAIN, value))
    with desk.engines[1].connect() as connection:
        found = origin(connection, tenant, tokens)
    facts = {name: getattr(wanted, name) for name in Filter.__dataclass_fields__}
    return Filter(**{**facts, "origin": found})


def asked_address(desk: Desk, given: dict[str, Any]) -> bytes | None:
    """The address that was typed, if one was asked for. Raises `InvalidInput` for what is none."""
    return address(secret(desk, N_("IP address"))) if given["ip"] else None


def secret(desk: Desk, question: str) -> str:
    """What is typed at the terminal, without echo, or stands in the next line of standard input."""
    if sys.stdin.isatty():
        return str(typer.prompt(desk.text(question), hide_input=True))
    return sys.stdin.readline().rstrip("\r\n")


def moment(text: str | None) -> int | None:
    """µs since the epoch of an ISO 8601 date or time, UTC where it says nothing else. Raises `InvalidInput`."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        since = at - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(detail=N_("this is no time; write 2026-12-01 or 2026-12-01T08:30")) from None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def tenant_of(desk: Desk, tenant: str | None) -> str:
    """The tenant that was named, or the only one of the application. Raises `InvalidInput`."""
    whose = tenant or (desk.guard.fixed_tenant if desk.guard_name else None)
    if whose is None:
        raise InvalidInput(detail=N_("name the tenant: --tenant"))
    return desk.known(whose, platform=True)


def noted(desk: Desk, tenant: str, act: str, filters: list[str], **detail: str | int | bool) -> None:
    """Put on record that somebody looks, before they do: by which filters, and not for whom or what."""
    if filters:
        detail["filters"] = ",".join(filters)
    with desk.transaction() as connection:
        desk.note(connection, tenant, act=act, **detail)


__all__ = [
    "Since",
    "TenantOption",
    "Until",
    "asked_address",
    "filter_of",
    "filtered",
    "moment",
    "noted",
    "secret",
    "tenant_of",
    "with_address",
]
