"""Databases that were filled once and are handed to each test as if they were new.

To make Amanah's tables, two tenants and their keys takes most of a second; to put back what a test changed takes some
milliseconds. SQLite's files are copied. A database of PostgreSQL is kept by who has given it back, with what it held at
first: the rows are put in anew, unless the test changed more than rows (tables, roles' rights, policies), when the
database is dropped. Nothing of the first rows lies in the database beside them.
"""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import URL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Fill = Callable[[str, Path], None]
    """Fills the empty database at a URL, puts what belongs to it into a folder, and lets go of both."""

CATALOGUE = """
SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
  SELECT concat_ws('|', 'class', n.nspname, c.relname, c.relkind, c.relpersistence, c.relacl, c.relrowsecurity,
    c.relforcerowsecurity, c.reloptions, pg_get_userbyid(c.relowner)) AS line
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_|^information_schema$'
  UNION ALL SELECT concat_ws('|', 'column', a.attrelid::regclass, a.attnum, a.attname, a.atttypid::regtype,
    a.atttypmod, a.attnotnull, a.attacl, a.attidentity, a.attgenerated, a.attisdropped,
    (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum))
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname !~ '^pg_|^information_schema$'
  UNION ALL SELECT concat_ws('|', 'constraint', oid, conname, convalidated, pg_get_constraintdef(oid))
  FROM pg_constraint WHERE connamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$')
  UNION ALL SELECT concat_ws('|', 'index', indexrelid::regclass, indisvalid, pg_get_indexdef(indexrelid))
  FROM pg_index WHERE indexrelid::regclass::text !~ '^pg_'
  UNION ALL SELECT concat_ws('|', 'trigger', oid, tgenabled, pg_get_triggerdef(oid)) FROM pg_trigger
  UNION ALL SELECT concat_ws('|', 'policy', oid, polname, pg_get_expr(polqual, polrelid)) FROM pg_policy
  UNION ALL SELECT concat_ws('|', 'function', oid, proacl, prosrc) FROM pg_proc
  WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$')
  UNION ALL SELECT concat_ws('|', 'type', oid, typname) FROM pg_type WHERE typtype IN ('e', 'd')
  UNION ALL SELECT concat_ws('|', 'schema', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
  UNION ALL SELECT concat_ws('|', 'more', extname, extversion) FROM pg_extension
  UNION ALL SELECT concat_ws('|', 'more', pubname) FROM pg_publication
  UNION ALL SELECT concat_ws('|', 'more', evtname) FROM pg_event_trigger
  UNION ALL SELECT concat_ws('|', 'more', oid::text) FROM pg_largeobject_metadata
  UNION ALL SELECT concat_ws('|', 'rights', defaclrole, defaclnamespace, defaclacl) FROM pg_default_acl
) AS catalogue
"""
"""Everything about a database but its rows, as one number."""

TABLES = """
SELECT n.nspname, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname !~ '^pg_|^information_schema$' AND c.relkind IN ('r', 'S') ORDER BY 1, 2
"""

SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$'"


@dataclass
class First:
    """The database of PostgreSQL that was filled, which no test gets, and what it holds."""

    name: str
    catalogue: str
    tables: list[Identifier]
    rows: list[tuple[Identifier, bytes]]
    sequences: list[tuple[Identifier, int, bool]]
    folder: Path


@dataclass
class Prepared:
    """The prepared databases of one process of the run. ``folder``: where it keeps the filled ones' files."""

    folder: Path
    _first: dict[str, First] = field(default_factory=dict)
    _free: dict[str, list[str]] = field(default_factory=dict)

    def sqlite(self, name: str, fill: Fill, folder: Path) -> str:
        """The URL of ``app.db`` in ``folder``, and beside it what ``fill`` once put beside its own."""
        first = self.folder / f"{name}-sqlite"
        if not first.exists():
            half = self.folder / uuid.uuid4().hex
            half.mkdir()
            fill(f"sqlite:///{half / 'app.db'}", half)
            half.rename(first)
        shutil.copytree(first, folder, dirs_exist_ok=True)
        return f"sqlite:///{folder / 'app.db'}"

    def postgresql(self, name: str, fill: Fill, folder: Path, maintenance: psycopg.Connection) -> str:
        """The name of a database, until it is given back."""
        if name not in self._first:
            self._first[name] = self._filled(name, fill, maintenance)
        first, own = self._first[name], f"amanah_{uuid.uuid4().hex}"  # a name that nobody had before
        free = self._free.setdefault(name, [])
        if free:
            execute(maintenance, "ALTER DATABASE {} RENAME TO {}", free.pop(), own)
        else:
            execute(maintenance, "CREATE DATABASE {} TEMPLATE {}", own, first.name)
        shutil.copytree(first.folder, folder, dirs_exist_ok=True)
        return own

    def give_back(self, name: str, own: str, maintenance: psycopg.Connection) -> None:
        """Put the first rows back, or drop the database where it has become another one."""
        first = self._first[name]
        try:
            kept = withdraw(maintenance, own)
            with connect(maintenance, kept) as connection:
                if not first.tables:
                    clear(connection)
                same = catalogue(connection) == first.catalogue
                if same:
                    put_back(connection, first)
        except psycopg.Error:
            same, kept = False, own
        if same:
            self._free[name].append(kept)
        else:
            for one in {own, kept}:
                execute(maintenance, "DROP DATABASE IF EXISTS {} WITH (FORCE)", one)

    def _filled(self, name: str, fill: Fill, maintenance: psycopg.Connection) -> First:
        own = f"amanah_first_{uuid.uuid4().hex}"
        folder = self.folder / f"{name}-postgresql"
        folder.mkdir()
        execute(maintenance, "CREATE DATABASE {} TEMPLATE template0", own)
        info = maintenance.info
        url = URL.create(
            "postgresql+psycopg", info.user, info.password, host=info.host, port=info.port, database=own
        ).render_as_string(hide_password=False)
        fill(url, folder)
        with connect(maintenance, own) as connection:
            found = connection.execute(TABLES).fetchall()
            tables = [Identifier(schema, table) for schema, table, kind in found if kind == "r"]
            rows = []
            for table in tables:
                with connection.cursor().copy(SQL("COPY {} TO STDOUT").format(table)) as copy:
                    rows.append((table, b"".join(bytes(part) for part in copy)))
            sequences = []
            for schema, sequence, kind in found:
                if kind == "S":
                    of = Identifier(schema, sequence)
                    row = connection.execute(SQL("SELECT last_value, is_called FROM {}").format(of)).fetchone()
                    assert row is not None
                    sequences.append((of, *row))
            return First(own, catalogue(connection), tables, [row for row in rows if row[1]], sequences, folder)


def execute(connection: psycopg.Connection, statement: LiteralString, *names: str) -> None:
    """A statement about databases."""
    connection.execute(SQL(statement).format(*map(Identifier, names)))


def connect(maintenance: psycopg.Connection, name: str) -> psycopg.Connection:
    """To another database of the same server."""
    facts = {**maintenance.info.get_parameters(), "dbname": name, "password": maintenance.info.password}
    return psycopg.connect(**facts, autocommit=True)


def withdraw(maintenance: psycopg.Connection, name: str) -> str:
    """End every session of the database and its own settings; returns the name under which nobody knows it."""
    kept = f"{name}_kept"
    execute(maintenance, "ALTER DATABASE {} ALLOW_CONNECTIONS false", name)
    maintenance.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name])
    execute(maintenance, "ALTER DATABASE {} RESET ALL", name)
    execute(maintenance, "ALTER DATABASE {} RENAME TO {}", name, kept)
    execute(maintenance, "ALTER DATABASE {} ALLOW_CONNECTIONS true", kept)
    return kept


def catalogue(connection: psycopg.Connection) -> str:
    """`CATALOGUE` of this database."""
    row = connection.execute(CATALOGUE).fetchone()
    assert row is not None
    return str(row[0])


def put_back(connection: psycopg.Connection, first: First) -> None:
    """All rows as they were at first; no trigger and no foreign key has a say in it."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in first.tables:
            cursor.execute(SQL("DELETE FROM {}").format(table))
        for table, rows in first.rows:
            with cursor.copy(SQL("COPY {} FROM STDIN").format(table)) as copy:
                copy.write(rows)
        for sequence, value, called in first.sequences:
            cursor.execute("SELECT setval(%s::regclass, %s, %s)", [sequence.as_string(), value, called])


def clear(connection: psycopg.Connection) -> None:
    """Drop everything in the database, which takes a tenth of the time of making one."""
    for (schema,) in connection.execute(SCHEMAS).fetchall():
        connection.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))
    connection.execute("CREATE SCHEMA public AUTHORIZATION pg_database_owner")
    connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
