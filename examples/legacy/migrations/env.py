import os

from alembic import context
from sqlalchemy import create_engine, pool

from legacy.models import Base

url = context.config.get_main_option("sqlalchemy.url") or os.environ["LEGACY_DATABASE_URL"]
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
