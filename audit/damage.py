"""Naming what was done to a trail, from what is left of it.

Each row carries its leaf hash and a link, the first bytes of its chain (SHA-256 of the previous chain and the leaf
hash), so a row that was moved or pushed along still says after which entry it stood. At the first wrong row, with the
good chain up to there:

- the entry that belongs here stands further on: *reordered*; or, if only this row has to be left out for all to follow
  again, *inserted*;
- it stands nowhere: *deleted* if entries are missing by count, *inserted* if there are too many, else *edited*.
"""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from ..errors import TrailDamaged
from .append import link_of, next_chain
from .models import entry, head, signed_head, term
from .packing import unpack
from .report import Finding
from .tree import leaf_hash

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Row

    from .report import Kind

_PAGE: Final = 500
_MIX: Final = (1 << 30) - 1  # sums of billions of them are exact in a double

_DETAILS: Final[dict[Kind, str]] = {
    "edited": "the entry is not what was recorded",
    "deleted": "the entry that was recorded here is gone",
    "inserted": "this entry was never recorded here",
    "reordered": "the entry that was recorded here stands somewhere else",
}


def classify(
    connection: Connection, tenant: str, position: int, chains: tuple[bytes, bytes], row: Row[Any], wrong: str
) -> tuple[Kind, int, str]:
    """What was done, at which position, and a sentence.

    ``row`` stands at ``position``; ``chains`` are those of the entries before it, without and with the last of them.
    ``wrong``: what does not fit, as `Walk` says it.
    """
    without_last, chain = chains
    if position and wrong == "chain" and link_of(next_chain(without_last, row.leaf_hash)) == row.link:
        # It followed from the entry before the last one: that one was pushed in between, with a link that fits.
        return "inserted", position - 1, _DETAILS["inserted"]
    kind = _kind(connection, tenant, position, chain, row, wrong)
    return kind, position, _DETAILS[kind]


def _kind(connection: Connection, tenant: str, position: int, chain: bytes, row: Row[Any], wrong: str) -> Kind:
    if wrong == "position" and row.position < position:
        return "inserted"
    if link_of(next_chain(chain, row.leaf_hash)) == row.link and wrong != "position":
        # Place and hashes are right and only the content is not: was it exchanged with another entry's?
        return "reordered" if _stands_elsewhere(connection, tenant, row) else "edited"
    found = _where_it_went(connection, tenant, position, chain, row)
    if found == "next":
        return "inserted"
    if found == "elsewhere":
        return "reordered"
    if wrong == "position":
        return "deleted"
    count = connection.scalar(select(func.count()).select_from(entry).where(entry.c.tenant_id == tenant)) or 0
    expected = max(
        connection.scalar(select(head.c.size).where(head.c.tenant_id == tenant)) or 0,
        connection.scalar(select(func.max(signed_head.c.size)).where(signed_head.c.tenant_id == tenant)) or 0,
    )
    if count == expected:
        return "edited"
    return "deleted" if count < expected else "inserted"


def _stands_elsewhere(connection: Connection, tenant: str, row: Row[Any]) -> bool:
    try:
        leaf = leaf_hash(body_of(row))
    except TrailDamaged:
        return False
    query = select(entry.c.position).where(
        entry.c.tenant_id == tenant, entry.c.leaf_hash == leaf, entry.c.position != row.position
    )
    return connection.execute(query.limit(1)).first() is not None


def _where_it_went(connection: Connection, tenant: str, position: int, chain: bytes, row: Row[Any]) -> str | None:
    """Where the entry of ``position`` stands now: "next" (and all follows again), "elsewhere" or nowhere."""
    following = rows(connection, tenant, row.position)
    if row.position > position and row.link == link_of(next_chain(chain, row.leaf_hash)):
        return "elsewhere"  # a gap, and the row behind it is the one that moved
    for other in following:
        moved = next_chain(chain, other.leaf_hash)
        # Moved with its link, or only its content was moved and the links stayed where they were.
        if link_of(moved) not in (other.link, row.link):
            continue
        if other.position == position + 1 and link_of(moved) == other.link:
            behind = next(following, None)
            if behind is None:
                return "next" if _too_many(connection, tenant, other.position + 1) else "elsewhere"
            if link_of(next_chain(moved, behind.leaf_hash)) == behind.link:
                return "next"
        return "elsewhere"
    return None


def _too_many(connection: Connection, tenant: str, count: int) -> bool:
    return count > (connection.scalar(select(head.c.size).where(head.c.tenant_id == tenant)) or 0)


def body_of(row: Any) -> bytes:
    """The canonical bytes of a row's body, whatever SQLite holds there. Raises `TrailDamaged` where there are none."""
    return unpack(row.body if isinstance(row.body, bytes) else str(row.body).encode("utf-8", "surrogatepass"))


def rows(connection: Connection, tenant: str, after: int | None = None) -> Iterator[Row[Any]]:
    """The rows of ``tenant`` by position, behind ``after``, a page at a time."""
    while True:
        query = select(entry).where(entry.c.tenant_id == tenant)
        if after is not None:
            query = query.where(entry.c.position > after)
        page = connection.execute(query.order_by(entry.c.position).limit(_PAGE)).all()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].position


def terms_hidden(connection: Connection, tenant: str) -> Finding | None:
    """On SQLite, the first entry that the index of terms does not find by what it says, or finds by something else.

    PostgreSQL keeps its index by itself. Sums over a mixture that nobody can foresee tell whether there is any.
    """
    if connection.dialect.name != "sqlite":
        return None
    number = connection.scalar(select(head.c.number).where(head.c.tenant_id == tenant))
    seed = urandom(16)
    connection.connection.driver_connection.create_function(  # type: ignore[union-attr]
        "amanah_mix", 2, lambda position, one: hash((seed, position, one)) & _MIX
    )
    indexed = select(func.count(), func.total(func.amanah_mix(term.c.position, term.c.term))).where(
        term.c.tenant == number
    )
    count, total = connection.execute(indexed).one()
    for position, found in _terms(connection, tenant):
        count -= len(found)
        total -= sum(hash((seed, position, one)) & _MIX for one in found)
    if not count and not total:
        return None
    for position, found in _terms(connection, tenant):
        query = select(term.c.term).where(term.c.tenant == number, term.c.position == position)
        if sorted(connection.scalars(query)) != found:
            return Finding(tenant, "edited", position, position, None, "the entry is not found by what it says")
    return Finding(tenant, "inserted", 0, 0, None, "the index of the entries finds what is not there")


def _terms(connection: Connection, tenant: str) -> Iterator[tuple[int, list[int]]]:
    query = select(entry.c.position, entry.c.terms).where(entry.c.tenant_id == tenant).order_by(entry.c.position)
    # Not Connection.execution_options(): that would change the connection itself.
    found = connection.execute(query, execution_options={"yield_per": _PAGE})
    yield from ((row.position, row.terms) for row in found)
