"""The search of `encryption.py`: one value among many, by a token and by a plain index, on PostgreSQL."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from alternating import demand
from encryption_rows import TENANT, World, database, guarded, models, row
from sqlalchemy import String, bindparam, create_engine, select, text
from sqlalchemy.orm import Session

from amanah import Personal
from amanah.encryption.netstrings import netstring

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack
    from pathlib import Path

FIELD = "customer.phone"
SEARCHES = 100
COMPARED = {
    "plain, in the database": ["by token, in the database"],
    "plain, ORM": ["sealed, ORM and everything around it"],
}


def fill(url: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> None:
    """By COPY, then an index and fresh statistics."""
    engine = create_engine(url)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(f"COPY customer ({', '.join(columns)}) FROM STDIN") as copy:  # type: ignore[union-attr]
            for one in rows:
                copy.write_row(one)
        connection.execute(text(f"CREATE INDEX searched ON customer ({columns[-1]})"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE customer"))
    engine.dispose()


def plain(url: str, rows: int) -> World:
    """Plain numbers with a plain index."""
    world = World(create_engine(url), models(lambda _: String(120)))
    world.m.Base.metadata.create_all(world.engine)
    fill(url, ("id", "tenant_id", "phone"), ((n, TENANT, row(n)["phone"]) for n in range(1, rows + 1)))
    return world


def sealed(url: str, folder: Path, rows: int) -> World:
    """Sealed numbers with their tokens."""
    world = guarded(url, folder, {"phone": Personal(category="user.contact.phone_number", search="exact")}, None)
    cipher = world.cipher()

    def made() -> Iterator[tuple[Any, ...]]:
        for number in range(1, rows + 1):
            phone = row(number)["phone"].encode()
            place = netstring(FIELD, str(number))
            yield number, TENANT, cipher.seal(FIELD, place, phone), cipher.token(FIELD, phone)

    fill(url, ("id", "tenant_id", "phone", "phone_ix"), made())
    return world


def searching(world: World, rows: int, seed: int) -> Callable[[], None]:
    """Some searches through the ORM, each of which must find its row."""
    chosen = random.Random(seed)
    customer = world.m.Customer
    statement = select(customer.id, customer.phone).where(customer.phone == bindparam("phone"))

    def work() -> None:
        with Session(world.engine) as session:
            for _ in range(SEARCHES):
                number = chosen.randint(1, rows)
                phone = row(number)["phone"]
                found = session.execute(statement, {"phone": phone}).one()
                demand(found=tuple(found), expected=(number, phone))

    return work


def looking_up(world: World, rows: int, seed: int) -> Callable[[], None]:
    """The same in the database alone: an index scan by the token, or by the number."""
    chosen = random.Random(seed)
    column = "phone" if world.guard is None else "phone_ix"
    statement = text(f"SELECT id, phone FROM customer WHERE {column} = :value")  # noqa: S608 - one of two names
    cipher = None if world.guard is None else world.cipher()
    engine = world.engine if world.guard is None else world.guard.engine

    def work() -> None:
        with engine.connect() as connection:
            for _ in range(SEARCHES):
                number = chosen.randint(1, rows)
                phone = row(number)["phone"]
                value = phone if cipher is None else cipher.token(FIELD, phone.encode())
                demand(found=connection.execute(statement, {"value": value}).one().id, expected=number)

    return work


def contenders(stack: ExitStack, folder: Path, rows: int) -> dict[str, Callable[[], None]]:
    """The four ways, over two databases that ``stack`` drops again."""
    bare = plain(stack.enter_context(database("postgresql", folder)), rows)
    stack.callback(bare.close)
    guard = sealed(stack.enter_context(database("postgresql", folder)), folder, rows)
    stack.callback(guard.close)
    stack.enter_context(guard.access())
    return {
        "plain, in the database": looking_up(bare, rows, 1),
        "by token, in the database": looking_up(guard, rows, 1),
        "plain, ORM": searching(bare, rows, 2),
        "sealed, ORM and everything around it": searching(guard, rows, 2),
    }
