"""Alembic's entry: amanah.migrations hands over a connection; at the command line the URL comes from the environment.

AMANAH_DATABASE_URL is the application's database. ``-x branch=trail`` works on the trail's tables (and, on SQLite, in
the trail's file) instead of the core's.
"""

import importlib
import importlib.util
import os

from alembic import context

from amanah import database
from amanah.migrations import VERSION_TABLE, comparable

MODELS = (
    "access_policies.models",
    "adoption.models",
    "audit.models",
    "audit.staging",
    "console.models",
    "encryption.models",
    "middleware.models",
    "tenants.models",
)


def run(connection, metadata=None):
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        include_name=lambda name, kind, _parents: kind != "table" or name.startswith("amanah_"),  # not the app's
        include_object=comparable(connection.dialect.name),
    )
    with context.begin_transaction():
        context.run_migrations()


def run_from_the_command_line():
    branch = context.get_x_argument(as_dictionary=True).get("branch", "core")
    url = os.environ["AMANAH_DATABASE_URL"]
    for module in [m for m in MODELS if importlib.util.find_spec("amanah." + m)]:
        importlib.import_module(f"amanah.{module}")
    engine = database.own_engine(database.trail_url(url) if branch == "trail" else url)
    with engine.begin() as connection:
        run(connection, getattr(database, branch))


given = context.config.attributes.get("connection")
if given is None:
    run_from_the_command_line()
else:
    run(given)
