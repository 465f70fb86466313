"""Every tenant's policy: loads snapshots, keeps the ones in use, and writes changes.

A snapshot is consistent: all of its rows are read between two readings of the tenant's version that agree, and every
change of a row raises that version in its own transaction.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from .. import database
from ..errors import DeclarationError, InvalidInput, PolicyUnavailable, TenantUnknown
from . import register, templates
from .declared import Declared, fits_nowhere
from .hierarchy import check_links, closure, object_links
from .instants import instant
from .names import askable, check_object
from .purposes import Purpose
from .rules import Rule
from .snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Engine

    from .declared import Fits

_TRIES: Final = 20
"""How often a snapshot is read again because the policy changed meanwhile."""

_STRIPES: Final = 64


class Policies:
    """The policies of all tenants of one database; safe for threads. At most ``capacity`` snapshots are in memory."""

    def __init__(
        self,
        engine: Engine,
        fields: Mapping[str, str],
        *,
        row_filters: Mapping[str, frozenset[str]] | None = None,
        fits: Fits = fits_nowhere,
        capacity: int = 500,
    ) -> None:
        """``fields``: every declared personal field → its category key.

        ``row_filters``: each declared row filter → the resources of which it tells rows apart. ``fits``: which masks
        of rules can be kept, and for which field. Raises ``DeclarationError``.
        """
        self._engine = engine
        self._capacity = capacity
        self._snapshots: OrderedDict[str, Snapshot] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = tuple(threading.Lock() for _ in range(_STRIPES))
        self._row_filters = MappingProxyType(dict(row_filters or {}))
        self._fits = fits
        self.fields = fields

    # -- reading ---------------------------------------------------------------------------------------------------

    @property
    def declared(self) -> Declared:
        """What of the rules' names this process knows."""
        return Declared(self._fields, self._row_filters, self._fits)

    @property
    def fields(self) -> Mapping[str, str]:
        """Declared field → category. Setting it forgets all snapshots, whose decisions were made without it."""
        return self._fields

    @fields.setter
    def fields(self, fields: Mapping[str, str]) -> None:
        for field, category in fields.items():
            try:
                check_object(f"category:{category}")
                check_links(object_links(field, fields), "category")
            except InvalidInput as error:
                raise DeclarationError(detail=f"{field}: {error.facts['detail']}") from None
            if not askable(field) or "." not in field:
                raise DeclarationError(detail=f"{field!r:.80} is no field; a field is resource.column")
        with self._lock:
            self._fields: Mapping[str, str] = MappingProxyType(dict(fields))
            self._snapshots.clear()

    def cached(self, tenant_id: str, version: int, now: int | None = None) -> Snapshot | None:
        """The snapshot of exactly this version, for this moment, if it is in memory; no I/O.

        ``now``: µs since the epoch by the database's clock. Without it only a snapshot whose rules have no time is
        given: no process judges by its own clock.
        """
        with self._lock:
            snapshot = self._snapshots.get(tenant_id)
            if snapshot is None or snapshot.version != version:
                return None
            if not snapshot.holds(now):
                if now is None:
                    return None
                snapshot = self._snapshots[tenant_id] = snapshot.at(now)
            self._snapshots.move_to_end(tenant_id)
            return snapshot

    def snapshot(self, tenant_id: str, version: int, now: int | None = None) -> Snapshot:
        """The tenant's policy at ``version`` or, where it has moved on, at a later one.

        ``now``: as `cached` takes it; without it the database is asked, where a rule has a time. Raises
        ``PolicyUnavailable`` (the database cannot be read, does not have the version yet, or holds what does not load)
        and ``TenantUnknown`` (there is no version of such a tenant).
        """
        known = self.cached(tenant_id, version, now)
        if known is not None:
            return known
        with self._loading[hash(tenant_id) % _STRIPES]:
            known = self.cached(tenant_id, version, now)
            if known is not None:
                return known
            fields = self._fields
            snapshot = self._load(tenant_id, fields, now)
            if snapshot.version < version:
                raise PolicyUnavailable
            with self._lock:
                if fields is self._fields:
                    self._snapshots[tenant_id] = snapshot
                    self._snapshots.move_to_end(tenant_id)
                    if len(self._snapshots) > self._capacity:
                        self._snapshots.popitem(last=False)
            return snapshot

    def _load(self, tenant_id: str, fields: Mapping[str, str], now: int | None) -> Snapshot:
        try:
            with self._engine.connect() as connection:
                for _ in range(_TRIES):
                    version = _version(connection, tenant_id)
                    parents = register.read_parents(connection, tenant_id)
                    purposes = register.read_purposes(connection, tenant_id)
                    rules = register.read_rules(connection, tenant_id)
                    if _version(connection, tenant_id) == version:
                        rows = (parents, purposes.values(), rules)
                        at = database.time_of(connection) if now is None else now
                        known = (fields, self._row_filters)
                        return Snapshot(tenant_id, version, *rows, *known, fits=self._fits, now=at)
        except (SQLAlchemyError, KeyError, TypeError, ValueError) as error:
            raise PolicyUnavailable from error
        raise PolicyUnavailable

    # -- writing: in the caller's transaction, with the tenant's version ---------------------------------------------

    def install(self, connection: Connection, tenant_id: str, template: str) -> None:
        """Give a new tenant the roles, purposes and rules of a template. Raises ``InvalidInput`` if it has some."""
        content = templates.load(template)
        if register.read_parents(connection, tenant_id) or register.read_purposes(connection, tenant_id):
            raise InvalidInput(detail=f"the tenant {tenant_id} has a policy already")
        register.write_roles(connection, tenant_id, content.roles, content.descriptions)
        register.write_purposes(connection, tenant_id, content.purposes)
        register.write_rules(connection, tenant_id, content.rules, self.declared)

    def add_role(
        self,
        connection: Connection,
        tenant_id: str,
        name: str,
        *,
        parents: Iterable[str] = (),
        description: Mapping[str, str] | None = None,
    ) -> None:
        """Add a role that has all rules of ``parents`` too. Raises ``InvalidInput``."""
        register.write_roles(connection, tenant_id, {name: tuple(parents)}, {name: description or {}})

    def inherit(self, connection: Connection, tenant_id: str, role: str, parent: str) -> None:
        """Let an existing role have all rules of another too. Raises ``InvalidInput``: circles, chains over eight."""
        register.write_inheritance(connection, tenant_id, role, parent)

    def closure(self, connection: Connection, tenant_id: str, name: str) -> frozenset[str]:
        """The role with all roles whose rules it has, too; empty where the tenant's policy knows none such."""
        parents = register.read_parents(connection, tenant_id)
        return closure({name}, parents) if name in parents else frozenset()

    def add_purpose(
        self,
        connection: Connection,
        tenant_id: str,
        key: str,
        *,
        legal_basis: str,
        alias: str = "",
        description: Mapping[str, str] | None = None,
        parent: str = "",
        categories: Iterable[str] = (),
        recipients: Iterable[str] = (),
        retention: str = "",
        owner: str = "",
        review_at: str = "",
    ) -> None:
        """Add a purpose to the tenant's register, with what `Purpose` says of each part. Raises ``InvalidInput``."""
        parts = (tuple(categories), tuple(recipients), retention, owner, review_at)
        new = Purpose(key, alias, legal_basis, description or {}, parent, *parts)
        register.write_purposes(connection, tenant_id, [new])

    def add_rule(
        self,
        connection: Connection,
        tenant_id: str,
        *,
        role: str,
        object: str,  # noqa: A002 - the word of the design
        action: str,
        purpose: str,
        effect: str = "allow",
        row_filter: str = "",
        mask: str = "",
        starts_at: datetime | None = None,
        ends_at: datetime | None = None,
    ) -> str:
        """Add a rule and return its id ("r12"). ``purpose``: key, alias or ``*``. Raises ``InvalidInput``.

        ``row_filter``: it speaks only of the rows that this declared filter lets through. ``mask``: what who may
        ``read_masked`` by it is shown. It is in force from ``starts_at``, and no longer at ``ends_at``; both need their
        zone.
        """
        times = (None if at is None else instant(at) for at in (starts_at, ends_at))
        rule = Rule(0, role, object, action, purpose, effect, row_filter, mask, *times)
        return self._add(connection, tenant_id, [rule])[0]

    def add_rules(
        self,
        connection: Connection,
        tenant_id: str,
        rules: Iterable[tuple[str, str, str, str, str] | tuple[str, str, str, str, str, str]],
    ) -> list[str]:
        """Add many at once, each as (role, object, action, purpose, effect), all or none. Returns their ids.

        A row filter may be the sixth part. Raises ``InvalidInput``.
        """
        return self._add(connection, tenant_id, [Rule(0, *parts) for parts in rules])

    def _add(self, connection: Connection, tenant_id: str, rules: list[Rule]) -> list[str]:
        purposes = register.read_purposes(connection, tenant_id).values()
        keys = {known.alias: known.key for known in purposes if known.alias}
        new = [replace(rule, purpose=keys.get(rule.purpose, rule.purpose)) for rule in rules]
        return [rule.id for rule in register.write_rules(connection, tenant_id, new, self.declared)]

    def remove_rule(self, connection: Connection, tenant_id: str, rule_id: str) -> None:
        """End a rule. Its row stays for the trail. Raises ``InvalidInput`` if it is not in force."""
        register.end_rule(connection, tenant_id, rule_id)


def _version(connection: Connection, tenant_id: str) -> int:
    table = database.version
    found = connection.execute(select(table.c.version).where(table.c.tenant_id == tenant_id)).scalar()
    if found is None:
        raise TenantUnknown
    return int(found)
