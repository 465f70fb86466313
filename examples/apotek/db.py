"""The engines and the session of a request."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import sessionmaker

from . import config

SYNC_DRIVERS = {"sqlite+aiosqlite": "sqlite+pysqlite", "postgresql+asyncpg": "postgresql+psycopg"}


def sync_url(url: URL) -> URL:
    """Return the URL of the same database for code that runs in a thread."""
    return url.set(drivername=SYNC_DRIVERS.get(url.drivername, url.drivername))


def _foreign_keys_on(engine: Engine) -> None:
    """Make SQLite check foreign keys; it does not by default."""

    def on_connect(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", on_connect)


url = make_url(config.DATABASE_URL)
engine = create_async_engine(url)
sync_engine = create_engine(sync_url(url))
_foreign_keys_on(engine.sync_engine)
_foreign_keys_on(sync_engine)

Session = async_sessionmaker(engine, expire_on_commit=False)
SyncSession = sessionmaker(sync_engine)


async def get_session() -> AsyncIterator[AsyncSession]:
    """Give the request a session and commit what it did; an exception leaves it undone."""
    async with Session() as session:
        yield session
        await session.commit()


Db = Annotated[AsyncSession, Depends(get_session)]
