import os
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.orm import sessionmaker

DATABASE_URL = os.environ.get("LEGACY_DATABASE_URL", "sqlite:///sinar_abadi.db")

engine = create_engine(DATABASE_URL, connect_args={"timeout": 15} if DATABASE_URL.startswith("sqlite") else {})
SessionLocal = sessionmaker(bind=engine)


@event.listens_for(engine, "connect")
def _foreign_keys(connection: Any, _record: Any) -> None:
    """SQLite checks foreign keys only when it is told to."""
    if engine.dialect.name == "sqlite":
        connection.execute("PRAGMA foreign_keys = ON")
