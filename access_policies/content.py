"""All that a tenant's policy says, as one value: what files are read into and what the database is compared with.

Whatever becomes a policy as a whole passes `check`, which asks the same questions as the register asks of single rows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from ..errors import InvalidInput
from . import categories, models, purposes, register, rules
from .hierarchy import check_links, purpose_links
from .names import ANY, check_role
from .rules import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from .purposes import Purpose


@dataclass(frozen=True, slots=True)
class Content:
    """``roles``: name → parents; ``descriptions``: role → language code → sentence.

    The numbers of ``rules`` are those of the database, or 0 for rules that are not in it.
    """

    roles: Mapping[str, tuple[str, ...]]
    descriptions: Mapping[str, Mapping[str, str]]
    purposes: tuple[Purpose, ...]
    rules: tuple[Rule, ...]

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, in whatever order and under whatever numbers."""
        return isinstance(other, Content) and self.stored() == other.stored()

    def __hash__(self) -> int:
        """Equal contents have equal names."""
        return hash(frozenset(self.roles))

    def stored(self) -> dict[str, Any]:
        """JSON in which equal contents are equal; `restored` reads it."""
        return {
            "roles": [
                {"name": name, "parents": sorted(set(parents)), "description": dict(self.descriptions.get(name, {}))}
                for name, parents in sorted(self.roles.items())
            ],
            "purposes": [one.stored() for one in sorted(self.purposes, key=lambda one: one.key)],
            "rules": [_without_number(rule) for rule in sorted(self.rules, key=lambda rule: rule.words())],
        }


def _without_number(rule: Rule) -> dict[str, Any]:
    """Its columns; those that older versions did not have only where they say something."""
    columns = asdict(rule)
    del columns["number"]
    return {name: value for name, value in columns.items() if value not in _UNSAID.get(name, ())}


_UNSAID: Final = {"mask": ("",), "starts_at": (None,), "ends_at": (None,)}


def restored(stored: Mapping[str, Any]) -> Content:
    """The content that `Content.stored` gave. Raises ``InvalidInput`` if it is none, or none that may be in force."""
    try:
        content = Content(
            roles={role["name"]: tuple(role["parents"]) for role in stored["roles"]},
            descriptions={role["name"]: role["description"] for role in stored["roles"]},
            purposes=tuple(purposes.of_row(purpose) for purpose in stored["purposes"]),
            rules=tuple(Rule(0, **rule) for rule in stored["rules"]),
        )
    except (KeyError, TypeError, AttributeError):
        raise InvalidInput(detail="what is stored of this version cannot be read") from None
    check(content)
    return content


def read(connection: Connection, tenant_id: str) -> Content:
    """What is in force in the tenant."""
    table = models.role
    rows = connection.execute(select(table.c.name, table.c.description).where(table.c.tenant_id == tenant_id))
    told = {name: dict(description) for name, description in rows}
    parents = register.read_parents(connection, tenant_id)
    return Content(
        roles={name: tuple(sorted(above)) for name, above in parents.items()},
        descriptions={name: told[name] for name in parents},
        purposes=tuple(register.read_purposes(connection, tenant_id).values()),
        rules=tuple(register.read_rules(connection, tenant_id)),
    )


def check(content: Content) -> None:
    """Raise ``InvalidInput`` unless this could be in force: names, what they refer to, circles, chains over eight."""
    for name, parents in content.roles.items():
        check_role(name)
        for parent in parents:
            if parent not in content.roles:
                raise InvalidInput(detail=f"the role {name} cannot inherit from {parent!r:.80}: there is no such role")
    check_links([(name, parent) for name, parents in content.roles.items() for parent in parents], "role")
    keys = _check_purposes(content.purposes)
    seen = set()
    for rule in content.rules:
        rules.check(rule)
        if rule.role not in content.roles:
            raise InvalidInput(detail=f"there is no role {rule.role}")
        if rule.purpose != ANY and not purposes.known(rule.purpose, keys):
            raise InvalidInput(detail=f"{rule.purpose} is no purpose of this register and none above one")
        if rule.words() in seen:
            raise InvalidInput(detail=f"there is such a rule already: {' '.join(rule.words())}")
        seen.add(rule.words())


def _check_purposes(register_: tuple[Purpose, ...]) -> dict[str, Purpose]:
    keys: dict[str, Purpose] = {}
    taken: set[str] = set()
    for purpose in register_:
        purposes.check(purpose)
        for name in {purpose.key, purpose.alias} - {""}:
            if name in taken:
                raise InvalidInput(detail=f"{name} is a purpose of this register already")
            taken.add(name)
        keys[purpose.key] = purpose
    check_links(purpose_links(keys), "purpose")
    categories.check(keys)
    return keys
