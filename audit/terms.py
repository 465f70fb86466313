"""What an entry can be found by: each fact as a number of 32 bits, which an index of the database keeps small.

A term is the CRC-32 of tenant, facet and value. Different facts may share one: whoever searches by terms compares the
entry itself. Common facts (a purpose, a resource) and rare ones (a person, an access) are found the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias
from zlib import crc32

from sqlalchemy import Integer, LargeBinary
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

Facet: TypeAlias = Literal[
    "kind",
    "outcome",
    "actor",
    "access",
    "purpose",
    "refusal",
    "route",
    "rule",
    "sign_in",
    "token",
    "resource",
    "action",
    "column",
    "subject",
    "row",
]

_BYTES: Final = 4
_SIGN: Final = 1 << 31
COUNTED: Final[frozenset[Facet]] = frozenset(
    {"kind", "outcome", "actor", "purpose", "refusal", "route", "rule", "resource", "action", "column"}
)
"""Facets of few values: how often each occurs is counted by day."""
_SINGLE: Final[tuple[Facet, ...]] = ("actor", "access", "purpose", "refusal", "route", "sign_in")


def term(tenant: str, facet: Facet, value: str) -> int:
    """The number of one fact, signed."""
    number = crc32(f"{tenant}\0{facet}\0{value}".encode("utf-8", "surrogatepass"))
    return number - (1 << 32) if number & _SIGN else number


def facts(values: Mapping[str, Any]) -> Iterator[tuple[Facet, str]]:
    """What the decoded JSON of an entry says that it can be found by; some of it perhaps more than once."""
    yield "kind", values["kind"]
    yield "outcome", values.get("outcome", "answered")
    for facet in _SINGLE:
        value = values.get(facet)
        if value:
            yield facet, value
    rule = (values.get("decision") or {}).get("rule")
    if rule:
        yield "rule", str(rule)
    for token in (values.get("tokens") or {}).values():
        yield "token", token
    for what in values.get("what", ()):
        resource = what["resource"]
        yield "resource", resource
        yield "action", what["action"]
        for name in (*what.get("columns", ()), *what.get("masked", ())):
            yield "column", f"{resource}.{name}"
        for subject in what.get("subjects", ()):
            yield "subject", subject
        for row in what.get("rows", ()):
            yield "row", f"{resource}/{row}"


def terms(values: Mapping[str, Any]) -> list[int]:
    """The terms of an entry's decoded JSON, each once, in ascending order."""
    return terms_of(values["tenant"], set(facts(values)))


def terms_of(tenant: str, found: set[tuple[Facet, str]]) -> list[int]:
    """The terms of such facts, each once, in ascending order."""
    return sorted({term(tenant, facet, value) for facet, value in found})


class Terms(TypeDecorator[list[int]]):
    """A list of terms: an array on PostgreSQL (under a GIN index), four bytes each elsewhere."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """``INTEGER[]`` or a blob."""
        return dialect.type_descriptor(ARRAY(Integer) if dialect.name == "postgresql" else LargeBinary())

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> Any:
        """The list as the database takes it."""
        if value is None or dialect.name == "postgresql":
            return value
        return b"".join(number.to_bytes(_BYTES, "big", signed=True) for number in value)

    def process_result_value(self, value: Any, dialect: Dialect) -> list[int]:
        """The list; of what somebody else put there, something that equals no list of terms."""
        if dialect.name == "postgresql" or not isinstance(value, bytes):
            return value if isinstance(value, list) else []
        return [int.from_bytes(value[at : at + _BYTES], "big", signed=True) for at in range(0, len(value), _BYTES)]
