"""Which columns look personal by their names, in English and Indonesian, and which category they probably have.

A name is taken apart into words (``customerPhone``, ``no_hp``), and read in the context of its table: ``product.name``
is no person's name, ``store.address`` is a shop's, ``customer.city`` is somebody's. It is a guess for `doctor` to
report, never a reason to let somebody see something.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Boolean, Date, DateTime, Integer, Numeric, Text, Time, Uuid

from .personal_words import (
    FREE,
    IN_A_MESSAGE,
    IN_A_PERSON,
    LOGINS,
    MESSAGES,
    NAMES,
    NOT_CONTENT,
    ONLY_PERSONS,
    PARTIES,
    PERSON_PARTS,
    PERSONS,
    PHRASES,
    PLACES,
    REFERENCES,
    SECRET_IS_FINE,
    SECRETS,
    STAFF,
    STRONG,
    TEXT_ONLY,
    THINGS,
    WEAK,
)

_SHORTEST_HASH: Final = 60
"""Characters: bcrypt has 60, scrypt and Argon2 more; a salted digest in hexadecimal at least 64."""

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Column, Table


@dataclass(frozen=True, slots=True)
class Guess:
    """A column that looks personal. ``sure``: a column of that name hardly ever is anything else."""

    column: str
    category: str
    sure: bool = True


_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_A_WORD: Final = re.compile(r"[^a-z]+")


def words(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case and without digits: ``customerPhone2`` gives customer and phone."""
    return tuple(part for part in _NOT_A_WORD.split(_HUMP.sub("_", name).lower()) if part)


def guesses(table: Table, declared: Iterable[str], *, subject: str | None = None) -> list[Guess]:
    """The columns of ``table`` that look personal and are not among ``declared``, in the table's order.

    ``subject``: the table's declared subject; a table that has one is about persons.
    """
    known = set(declared)
    plain = [column for column in table.columns if _can_be_personal(column)]
    own = {column.name: _strong(column) for column in plain}
    about_persons = subject is not None or is_about_persons(table)
    about_persons |= any(category.startswith(ONLY_PERSONS) for category in own.values() if category)
    about_things = not about_persons and bool(_head(table.name) & THINGS)
    a_message = bool(frozenset(words(table.name)) & MESSAGES)
    found = []
    for column in plain:
        if column.name in known:
            continue
        category = own[column.name]
        if category is not None and about_things and category.startswith(PLACES):
            continue
        guess = Guess(column.name, category) if category else _in_context(column, about_persons=about_persons)
        if guess is None and a_message:
            guess = _in_a_message(column)
        if guess is not None:
            found.append(guess)
    return found


def is_about_persons(table: Table) -> bool:
    """Whether the table's name ends in a word for a person: ``customer``, ``tbl_pasien``, ``users``."""
    return bool(_head(table.name) & PERSONS)


def is_about_staff(table: Table) -> bool:
    """Whether those persons work with the application, rather than being whom it is about: ``users``, ``dokter``."""
    return bool(_head(table.name) & STAFF)


def is_reference(table: Table) -> bool:
    """Whether the table's name is that of a list which is the same for everybody: ``provinsi``, ``currency``."""
    return bool(_head(table.name) & REFERENCES)


def is_login(table: Table) -> bool:
    """Whether somebody can sign in by it: it has an e-mail address, user name or telephone, and a password."""
    said = [frozenset(words(column.name)) for column in table.columns if not isinstance(column.type, Date | DateTime)]
    return any(one & SECRETS for one in said) and any(one & LOGINS and not one & NOT_CONTENT for one in said)


def free_texts(table: Table, declared: Iterable[str]) -> list[str]:
    """Undeclared columns into which people write whatever they like."""
    known = set(declared)
    return [
        column.name
        for column in table.columns
        if column.name not in known
        and not column.foreign_keys
        and isinstance(column.type, Text)
        and words(column.name)
        and words(column.name)[-1] in FREE
    ]


def clear_passwords(table: Table) -> list[str]:
    """Columns that seem to hold passwords and not their hashes: no hash that is made for passwords fits into them."""
    return [one.name for one in _secrets(table) if not set(words(one.name)) & SECRET_IS_FINE and not _fits_a_hash(one)]


def secrets(table: Table, declared: Iterable[str]) -> list[str]:
    """Undeclared columns that seem to hold what people sign in with, and have room for its hash."""
    known = set(declared)
    return [
        one.name
        for one in _secrets(table)
        if one.name not in known
        and _fits_a_hash(one)
        and not set(words(one.name)) & (SECRET_IS_FINE - {"hash", "hashed", "digest"})
    ]


def is_login_name(name: str) -> bool:
    """Whether people may sign in by a column of that name."""
    said = set(words(name))
    return bool(said & LOGINS) and not said & NOT_CONTENT


def _secrets(table: Table) -> list[Column[object]]:
    return [
        column
        for column in table.columns
        if not isinstance(column.type, Boolean | Date | DateTime | Integer)
        and not column.foreign_keys
        and set(words(column.name)) & SECRETS
    ]


def _fits_a_hash(column: Column[object]) -> bool:
    length = getattr(column.type, "length", None)
    return length is None or length >= _SHORTEST_HASH


def _can_be_personal(column: Column[object]) -> bool:
    return not column.foreign_keys and not isinstance(column.type, Boolean | Time)


def _strong(column: Column[object]) -> str | None:
    """The category that the name alone says, whatever the table."""
    said = words(column.name)
    found = frozenset(said)
    for category, together in PHRASES:
        if together <= found and not found & (NOT_CONTENT - together):
            return category
    if found & NOT_CONTENT or ("mail" in found and found & {"server", "subject", "queue"}):
        return None
    for category, any_of in STRONG:
        if not found & any_of:
            continue
        if isinstance(column.type, Date | DateTime) and category != "user.demographic.date_of_birth":
            return None  # phone_changed_at
        if category in TEXT_ONLY and isinstance(column.type, Integer | Numeric | Uuid):
            continue  # alamat as a number leads to a row of another table
        if category == "user.contact.address" and found & {"ip", "email"}:
            continue
        if category == "user.contact.phone_number" and "mobile" in found and found - {"mobile", "number", "no"}:
            continue  # mobile_app
        return "user.device.ip_address" if "ip" in found else category
    return None


def _in_context(column: Column[object], *, about_persons: bool) -> Guess | None:
    """What the name says in a table about persons, or beside a word for a person."""
    said = words(column.name)
    found = frozenset(said)
    if isinstance(column.type, Date | DateTime):
        return None
    is_number = isinstance(column.type, Integer | Numeric | Uuid)
    if found & NAMES and not is_number and not found & NOT_CONTENT and not found & THINGS:
        rest = found - NAMES
        if rest & (PERSON_PARTS | PERSONS) or (about_persons and not rest - {"display", "legal", "sort", "print"}):
            return Guess(column.name, "user.name")
    if said and found <= PARTIES and not is_number:
        return Guess(column.name, "user.name", sure=False)
    if not about_persons:
        return None
    for category, together in IN_A_PERSON:
        if together <= found:
            return Guess(column.name, category)
    if found & NOT_CONTENT:
        return None
    for category, any_of in WEAK:
        if found & any_of:
            return Guess(column.name, category, sure=False)
    return None


def _in_a_message(column: Column[object]) -> Guess | None:
    """To whom a message goes, and what it says."""
    if isinstance(column.type, Date | DateTime | Integer | Uuid):
        return None
    for category, any_of in IN_A_MESSAGE:
        if set(words(column.name)) <= any_of:
            return Guess(column.name, category, sure=False)
    return None


def _head(name: str) -> frozenset[str]:
    """The last word of a table's name as it is and in the singular: what a row of it is."""
    said = words(name)
    if not said:
        return frozenset()
    last = said[-1]
    forms = {last, last.removesuffix("s"), last.removesuffix("es")}
    if last.endswith("ies"):
        forms.add(f"{last[:-3]}y")
    return frozenset(forms)
