"""The doctor's look at the tenants' rules: are they what their versions say, and can this guard keep them?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..access_policies.declared import Declared
from ..access_policies.register import rules_with_names
from ..access_policies.versions import altered
from ..errors import InvalidInput
from .checks_of_installation import RULE_NOT_KEPT, RULES_ALTERED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Engine

    from .fields import Register
    from .finding import Finding

_TOLD: Final = 10
"""Rules that one finding names."""


def live_policies(register: Register, engine: Engine) -> Iterator[Finding]:
    """Each tenant whose rules were changed past its policy, and each rule with a name that says nothing here."""
    declared = Declared(register.categories(), register.row_filters.resources, register.mask_fits)
    with engine.connect() as connection:
        for tenant, rules in altered(connection).items():
            more = [f"… ({len(rules)})"] if len(rules) > _TOLD else []
            yield RULES_ALTERED(tenant, rules=", ".join([*rules[:_TOLD], *more]))
        for tenant, rule in rules_with_names(connection):
            try:
                declared.check(rule)
            except InvalidInput:
                yield RULE_NOT_KEPT(tenant, rule=rule.id, name=rule.mask or rule.row_filter)
