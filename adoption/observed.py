"""What an observing guard would have refused: gathered from the trail, grouped, each with what to declare or to grant.

The lines are proposals. Nothing here changes a declaration or a policy.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..audit.log import MAXIMUM, Filter, list_entries
from ..middleware.access import AUTHENTICATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sqlalchemy import Engine

    from ..access_policies.snapshot import Snapshot
    from ..audit.entries import Entry

OUTCOME: Final = "would_refuse"
_ACTIONS: Final = {"GET": "read", "HEAD": "read", "POST": "create", "PUT": "update", "PATCH": "update"}


@dataclass(frozen=True, slots=True)
class Observation:
    """Equal refusals that were not carried out. ``facts``: what the entries' detail names; times in µs, UTC."""

    tenant: str
    code: str
    route: str | None
    purpose: str | None
    roles: tuple[str, ...]
    facts: Mapping[str, str]
    count: int
    first: int
    last: int

    @property
    def about(self) -> str:
        """What it is about, in short."""
        facts = self.facts
        name = facts.get("field") or facts.get("table") or facts.get("resource") or facts.get("name") or ""
        return " ".join(part for part in (facts.get("action"), name) if part)


def gather(engine: Engine, tenants: Iterable[str], since: int | None = None) -> list[Observation]:
    """What the trails of ``tenants`` (the platform among them) say, the most frequent first; ``since`` in µs, UTC."""
    groups: defaultdict[tuple[object, ...], list[Entry]] = defaultdict(list)
    for tenant in tenants:
        for entry in _entries(engine, tenant, since):
            groups[_key(entry)].append(entry)
    found = [_together(entries) for entries in groups.values()]
    return sorted(found, key=lambda one: (-one.count, one.code, one.route or "", one.about, one.tenant))


def _entries(engine: Engine, tenant: str, since: int | None) -> Iterator[Entry]:
    before: int | None = None
    wanted = Filter(outcome=OUTCOME, since=since)
    while page := list_entries(engine, tenant, limit=MAXIMUM, before=before, filters=wanted):
        yield from (one.entry for one in page)
        before = page[-1].position


def _key(entry: Entry) -> tuple[object, ...]:
    facts = tuple(sorted(_facts(entry).items()))
    return entry.tenant, entry.refusal, entry.route, entry.purpose, entry.roles, facts


def _facts(entry: Entry) -> dict[str, str]:
    return {name: str(value) for name, value in entry.detail.items() if name not in {"count", "seen"}}


def _together(entries: list[Entry]) -> Observation:
    one = entries[0]
    return Observation(
        tenant=one.tenant,
        code=one.refusal or "",
        route=one.route,
        purpose=one.purpose,
        roles=one.roles,
        facts=_facts(one),
        count=sum(int(each.detail.get("count", 1)) for each in entries),
        first=min(each.at for each in entries),
        last=max(each.at for each in entries),
    )


# -- what to do about it -----------------------------------------------------------------------------------------------


def line(one: Observation, snapshot: Snapshot | None = None) -> str:
    """The declaration, the grant or the rule to paste; "" where only the application or its callers can change it.

    ``snapshot``: the tenant's policy, for what to grant.
    """
    propose = _LINES.get(one.code)
    if propose is not None:
        return propose(one)
    if one.code == "field-probed" and one.purpose == AUTHENTICATION:
        return f'Personal(…, search="exact", platform=True)  # {one.facts.get("field", "…")}: sign-in searches by it'
    if one.code in {"forbidden", "field-withheld", "field-probed"}:
        return _grant(one, snapshot)
    return ""


def _route(one: Observation) -> str:
    name = one.route or "GET /…"
    method, _, path = name.partition(" ")
    words = [word for word in path.split("/") if word and not word.startswith("{")]
    resource, action = (words[-1] if words else "…"), _ACTIONS.get(method, "delete" if method == "DELETE" else "…")
    if method == "OPTIONS":
        return f'public("{name}")'
    return f'route("{name}", "{resource}", "{action}", ["…"]),  # or: public("{name}")'


def _table(one: Observation) -> str:
    name = one.facts.get("table", "…")
    return f'declare("{name}", via="…"),  # or: shared("{name}"), if it is the same for every tenant'


def _report(one: Observation) -> str:
    return f'guard.declared_sql("…", SQL, columns={{…}})  # {one.facts.get("place", "?")}'


def _script(one: Observation) -> str:
    if one.purpose == AUTHENTICATION:
        return f'declare("{one.facts.get("resource", "…")}", sign_in=True),'
    place = one.facts.get("place", "?")
    return f"with guard.access(tenant=…, actor=…, purpose=…, reason=…):  # {place}"


def _thread(one: Observation) -> str:
    return f"contextvars.copy_context().run(…)  # {one.facts.get('place', '?')}"


def _anybody(one: Observation) -> str:
    # Never the declaration that would open it: who takes lines from here by the dozen must not make a route public.
    return f'identify  # must know who asks "{one.route}"; declare the route otherwise only if nobody has to sign in'


def _member(one: Observation) -> str:
    return f"amanah member add {one.tenant} ACCOUNT"


def _purpose(one: Observation) -> str:
    return f'Amanah-Purpose: …  # sent by the client; or one purpose only in route("{one.route}", …)'


def _fields(one: Observation) -> str:
    table, _, column = one.facts.get("field", "").partition(".")
    return f'declare("{table}", columns={{"{column or "…"}": Personal(category="…", search="exact")}}),'


_LINES: Final[dict[str, Callable[[Observation], str]]] = {
    "route-undeclared": _route,
    "table-undeclared": _table,
    "raw-sql-refused": _report,
    "access-required": _script,
    "access-closed": _script,
    "access-lost": _thread,
    "not-identified": _anybody,
    "not-a-member": _member,
    "purpose-missing": _purpose,
    "purpose-unknown": _purpose,
    "purpose-not-served": _purpose,
    "sealed-use-refused": _fields,
    "role-missing": lambda one: f'amanah grant give {one.tenant} ACCOUNT ROLE --reason "…"',
    "tenant-unknown": lambda _: "amanah tenant create TENANT …",
}


def _grant(one: Observation, snapshot: Snapshot | None) -> str:
    """The role with the fewest rights that may, or the narrowest rule."""
    obj = one.facts.get("field") or one.facts.get("resource")
    if snapshot is None or obj is None or one.purpose is None:
        return ""
    found = snapshot.explain(frozenset(one.roles), obj, one.facts.get("action", "read"), one.purpose)
    if found.missing_grant:
        return f'amanah grant give {one.tenant} ACCOUNT {found.missing_grant} --reason "…"'
    if found.missing_rule:
        rule = ", ".join(f'{name}="{value}"' for name, value in found.missing_rule.items())
        return f'guard.policies.add_rule(connection, "{one.tenant}", {rule})'
    return f"# rule {found.rule.id} denies it" if found.rule is not None else ""


__all__ = ["OUTCOME", "Observation", "gather", "line"]
