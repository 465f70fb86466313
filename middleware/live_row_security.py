"""The doctor's look at the second wall: is it there, is it the one of the declarations, and whom does it hold?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import inspect, text

from .checks_of_installation import COMMANDS_HELD, POLICY_DIFFERS, ROWS_UNWALLED, TENANT_UNINDEXED
from .live_keys import is_indexed
from .row_security import RowSecurity, row_security

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Dialect, Engine

    from .fields import Protected, Register
    from .finding import Finding

_TABLE: Final = text(
    "SELECT relrowsecurity AND relforcerowsecurity, row_security_active(oid) FROM pg_catalog.pg_class "
    "WHERE oid = to_regclass(:name)"
)
_POLICIES: Final = text(
    "SELECT polname, polpermissive AND polcmd = '*' AND polroles = '{0}', pg_get_expr(polqual, polrelid), "
    "pg_get_expr(polwithcheck, polrelid) FROM pg_catalog.pg_policy WHERE polrelid = to_regclass(:name)"
)
_CAST: Final = re.compile(r"::[a-z_][a-z_ ]*(?:\(\d+(?:,\s*\d+)?\))?|\bCAST\((.*?) AS [A-Z ]+(?:\(\d+\))?\)")
_ALIAS: Final = re.compile(r"\s*\bAS \w+(?=\s*\))|\bAS\b")


class Policy(NamedTuple):
    """One policy of a table, as PostgreSQL spells it."""

    name: str
    whole: bool
    """For every command and role, and permissive."""
    using: str | None
    check: str | None


def live_row_security(register: Register, engine: Engine, *, commands_pass: bool) -> Iterator[Finding]:
    """Each table without its wall, with another one, or with one that makes every query a scan.

    ``commands_pass``: there is a URL by which commands reach all tenants' rows.
    """
    if engine.dialect.name != "postgresql":
        return
    inspector = inspect(engine)
    held = False
    with engine.connect() as connection:
        for table in register.tables.values():
            if not inspector.has_table(table.name, schema=table.table.schema):
                continue
            name = row_security(table).name(engine.dialect)
            forced, active = connection.execute(_TABLE, {"name": name}).one()
            if not forced:
                yield ROWS_UNWALLED(table.name)
                continue
            held = held or active
            if wrong := _wrong(connection, table, name):
                yield POLICY_DIFFERS(table.name, policies=", ".join(wrong))
            if table.tenant is not None and not is_indexed(inspector, table, table.tenant):
                yield TENANT_UNINDEXED(table.name, column=table.tenant)
    if held and not commands_pass:
        yield COMMANDS_HELD(engine.url.username or "postgresql")


def unwalled(register: Register, engine: Engine) -> list[str]:
    """The names of tables without their wall or with another one; all of them where the database knows no such wall."""
    if engine.dialect.name != "postgresql":
        return [table.name for table in register.tables.values()]
    findings = live_row_security(register, engine, commands_pass=True)
    return [one.subject for one in findings if one.check in (ROWS_UNWALLED, POLICY_DIFFERS)]


def found_policies(connection: Connection, name: str) -> tuple[bool, list[Policy]]:
    """Whether row-level security is on and forced for the table ``name`` (quoted), and its policies."""
    found = connection.execute(_TABLE, {"name": name}).one_or_none()
    policies = [Policy(*row) for row in connection.execute(_POLICIES, {"name": name})]
    return bool(found is not None and found[0]), policies


def said_alike(wall: RowSecurity, dialect: Dialect, policies: list[Policy]) -> bool:
    """Whether ``policies`` are those of ``wall`` and no others."""
    return not _differing(wall, dialect, policies)


def _wrong(connection: Connection, table: Protected, name: str) -> list[str]:
    """The names of policies that are missing, say something else, or that nobody asked for."""
    return _differing(row_security(table), connection.dialect, found_policies(connection, name)[1])


def _differing(wall: RowSecurity, dialect: Dialect, policies: list[Policy]) -> list[str]:
    wanted = wall.policies(dialect)
    there = {one.name: one for one in policies}
    wrong = wanted.keys() ^ there.keys()
    for policy, condition in wanted.items():
        found = there.get(policy)
        said = _bare(condition, wall)
        if found is not None and not (
            found.whole and said == _bare(found.using or "", wall) == _bare(found.check or "", wall)
        ):
            wrong.add(policy)
    return sorted(wrong)


def _bare(condition: str, wall: RowSecurity) -> str:
    """A condition without what PostgreSQL adds or drops when it spells it: casts, parentheses, aliases, the table."""
    bare = _CAST.sub(lambda cast: cast.group(1) or "", condition.replace('"', ""))
    for prefix in filter(None, [wall.table, wall.schema]):
        bare = re.sub(rf"\b{re.escape(prefix)}\.", "", bare)
    return re.sub(r"[()\s]", "", _ALIAS.sub("", bare))


__all__ = ["Policy", "found_policies", "live_row_security", "said_alike", "unwalled"]
