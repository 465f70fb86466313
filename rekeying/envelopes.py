"""A table of sealed values, by the key under which each of them is: an envelope says so in its first five bytes."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import LargeBinary, and_, case, func, literal, null, or_, select, type_coerce
from sqlalchemy import cast as sql_cast

from ..adoption.sealing_tables import Raw, Stored, owner_text
from ..encryption.envelope import OVERWRITTEN, VERSION_END

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Dialect, Engine

    from ..middleware.fields import Field, Protected


class Envelopes(Stored):
    """What is worked on is the envelopes themselves: seen as they are, swapped for others of the same values."""

    def __init__(
        self, protected: Protected, fields: Sequence[Field], dialect: Dialect, newest: Mapping[str, bytes] | None = None
    ) -> None:
        """``newest``: for each field, by its name, how an envelope begins that is to stay as it is."""
        super().__init__(protected, fields, dialect)
        self._newest = newest or {}

    def seen(self, field: Field) -> ColumnElement[Any]:
        """The envelope."""
        return type_coerce(self.envelope(field), Raw())

    def unchanged(self, field: Field, seen: ColumnElement[Any]) -> ColumnElement[bool]:
        """The envelope is the very same; sealing one value twice never gives the same."""
        return self.seen(field) == seen

    def wanting(self, field: Field) -> ColumnElement[bool]:
        """There is an envelope, and it is under another key, or in another format, than a new one would be."""
        newest = type_coerce(self._newest[field.name], Raw())
        return and_(self.sealed(field), self.begin(field) != newest)

    def begin(self, field: Field) -> ColumnElement[Any]:
        """The first five bytes; NULL where there is no envelope (any more).

        In a row that is about nobody a value has the other format, and is told by its key version alone.
        """
        seen = self.seen(field)
        begin: ColumnElement[Any] = func.substr(seen, 1, VERSION_END, type_=Raw())
        if field.by_subject:
            version = func.substr(seen, 2, VERSION_END - 1, type_=Raw())
            about_nobody = sql_cast(literal(OVERWRITTEN, Raw()).op("||")(version), LargeBinary)
            begin = case((self.subject().is_(None), type_coerce(about_nobody, Raw())), else_=begin)
        return case((self.sealed(field), begin), else_=null())


class Census:
    """How many rows hold which beginnings of envelopes, by tenant ("" for rows that belong to none) and table."""

    def __init__(self, engine: Engine, tables: Iterable[Envelopes], tenant: str | None) -> None:
        """Count once. ``tenant``: only its rows."""
        self._found: dict[str, list[tuple[Envelopes, Counter[tuple[bytes | None, ...]]]]] = defaultdict(list)
        for stored in tables:
            begins = [stored.begin(one).label(f"b{number}") for number, one in enumerate(stored.fields)]
            rows = select(stored.owner().label("owner"), *begins).where(
                or_(*(stored.sealed(one) for one in stored.fields))
            )
            if tenant is not None:
                rows = rows.where(stored.owned(tenant))
            each = rows.subquery()
            query = select(*each.c, func.count()).group_by(*each.c)
            by_owner: dict[str, Counter[tuple[bytes | None, ...]]] = defaultdict(Counter)
            with engine.connect() as connection:
                for owner, *found, count in connection.execute(query):
                    by_owner[owner_text(owner, stored)][tuple(map(_begin, found))] += count
            for owner, counted in by_owner.items():
                self._found[owner].append((stored, counted))

    @property
    def owners(self) -> list[str]:
        """Whose rows there are."""
        return sorted(self._found)

    def cells(self, owner: str, wanted: Callable[[Field, bytes], bool]) -> Counter[str]:
        """How many of the owner's values begin as ``wanted``, by the names of their fields."""
        counted: Counter[str] = Counter()
        for stored, rows in self._found.get(owner, ()):
            for begins, count in rows.items():
                for one, begin in zip(stored.fields, begins, strict=True):
                    if begin is not None and wanted(one, begin):
                        counted[one.name] += count
        return counted

    def tables(self, owner: str, wanted: Callable[[Field, bytes], bool]) -> list[tuple[Envelopes, int]]:
        """The tables in which the owner has such values, and in how many rows."""
        found = []
        for stored, rows in self._found.get(owner, ()):
            hits = sum(
                count
                for begins, count in rows.items()
                if any(b is not None and wanted(one, b) for one, b in zip(stored.fields, begins, strict=True))
            )
            if hits:
                found.append((stored, hits))
        return found


def version_in(begin: bytes) -> int:
    """The version of the key that the first five bytes of an envelope name; 0 for what is none."""
    return int.from_bytes(begin[1:], "big") if len(begin) == VERSION_END else 0


def _begin(found: Any) -> bytes | None:
    if found is None:
        return None
    return bytes(found) if isinstance(found, bytes | memoryview) else b""  # SQLite keeps what it is given


__all__ = ["Census", "Envelopes", "version_in"]
