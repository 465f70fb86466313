"""What people and programs send: read field by field, each mistake remembered under the field's name."""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

PHONE = re.compile(r"\+62[2-9]\d{7,11}|\+(?!62)[1-9]\d{7,14}")
DATE = re.compile(r"(19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}")
EMAIL = re.compile(r"[^\s@<>,;]{1,64}@[^\s@<>,;]+\.[^\s@<>,;.]{2,}")

Problem = tuple[str, dict[str, object]]  # a sentence with {placeholders}, and what stands in them


class Invalid(Exception):
    """The input cannot be used; `problems` says why, by field. In a list of things the field is `lines.0.quantity`."""

    def __init__(self, problems: dict[str, Problem]) -> None:
        super().__init__(", ".join(problems))
        self.problems = problems

    def sentences(self, translate: Callable[[str], str] = str) -> dict[str, str]:
        """Return the sentence for each field."""
        return {field: translate(text).format(**values) for field, (text, values) in self.problems.items()}


def invalid(field: str, text: str, **values: object) -> NoReturn:
    """Refuse the input for one reason."""
    raise Invalid({field: (text, values)})


def international(number: str) -> str:
    """Return a phone number in the form +62812…, without spaces; numbers that begin with 0 are Indonesian."""
    digits = re.sub(r"[\s().-]", "", number)
    if digits.startswith("0"):
        return f"+62{digits[1:]}"
    return digits if digits.startswith("+") else f"+{digits}"


class Fields:
    """The fields of a JSON object or a form. Every reader returns a usable value; `check` raises what was wrong."""

    def __init__(self, data: Mapping[str, Any], prefix: str = "", problems: dict[str, Problem] | None = None) -> None:
        self.data = data
        self.prefix = prefix
        self.problems: dict[str, Problem] = {} if problems is None else problems

    def check(self) -> None:
        """Raise Invalid if any field was wrong."""
        if self.problems:
            raise Invalid(self.problems)

    def wrong(self, name: str, text: str, **values: object) -> None:
        """Remember a mistake; the first one of a field counts."""
        self.problems.setdefault(f"{self.prefix}{name}", (text, values))

    def given(self, name: str) -> bool:
        """Tell whether the field was sent at all."""
        return name in self.data

    def unchanged(self, name: str, current: object) -> bool:
        """Tell whether the field holds just what was shown before."""
        shown = current.isoformat() if isinstance(current, dt.date) else current
        return self.data.get(name) == shown or (shown is None and self.data.get(name) == "")

    def text(self, name: str, limit: int) -> str:
        """Read a text that must be there."""
        value = self.maybe_text(name, limit)
        if value is None:
            self.wrong(name, "This is required.")
        return value or ""

    def maybe_text(self, name: str, limit: int) -> str | None:
        """Read a text; nothing but blanks counts as none."""
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, str):
            self.wrong(name, "This must be text.")
            return None
        value = value.strip()
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            self.wrong(name, "This holds signs that cannot be kept.")
            return None
        if len(value) > limit:
            self.wrong(name, "At most {limit} characters.", limit=limit)
            return None
        return value or None

    def choice(self, name: str, allowed: Iterable[str], default: str | None = None) -> str:
        """Read one of several words."""
        value = self.data.get(name)
        if value in (None, "") and default is not None:
            return default
        choices = tuple(allowed)
        if not isinstance(value, str) or value not in choices:
            self.wrong(name, "One of: {choices}.", choices=", ".join(choices))
            return choices[0]
        return value

    def phone(self, name: str) -> str | None:
        """Read a phone number in any usual way of writing; returns +62812…."""
        value = self.maybe_text(name, 40)
        if value is None:
            return None
        number = international(value)
        if not PHONE.fullmatch(number):
            self.wrong(name, "This is no phone number; write it like 0812 3456 7890.")
            return None
        return number

    def email(self, name: str) -> str | None:
        """Read an e-mail address; returns it in lower case."""
        value = self.maybe_text(name, 254)
        if value is not None and not EMAIL.fullmatch(value):
            self.wrong(name, "This is no e-mail address.")
            return None
        return value.lower() if value else None

    def digits(self, name: str, length: int) -> str | None:
        """Read a number of fixed length that is an identity, not a quantity; dots and dashes may be in it."""
        value = self.maybe_text(name, 40)
        if value is None:
            return None
        plain = re.sub(r"[\s.-]", "", value)
        if len(plain) != length or not (plain.isascii() and plain.isdigit()):
            self.wrong(name, "This must have {length} digits.", length=length)
            return None
        return plain

    def whole(self, name: str, low: int, high: int, default: int | None = None) -> int:
        """Read a whole number from `low` to `high`."""
        value = self.data.get(name)
        if value in (None, "") and default is not None:
            return default
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,15}", value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.wrong(name, "A whole number from {low} to {high}.", low=low, high=high)
            return low
        return value

    def number(self, name: str, low: float, high: float) -> float:
        """Read a number from `low` to `high`."""
        value = self.data.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            self.wrong(name, "A number from {low} to {high}.", low=low, high=high)
            return low
        return float(value)

    def date(self, name: str, default: dt.date | None = None) -> dt.date:
        """Read a date, written 2026-10-31."""
        value = self.data.get(name)
        if value in (None, "") and default is not None:
            return default
        if isinstance(value, str) and DATE.fullmatch(value):
            with suppress(ValueError):  # the 31st of February
                return dt.date.fromisoformat(value)
        self.wrong(name, "A date, written like 2026-10-31.")
        return dt.date(2000, 1, 1)

    def items(self, name: str, most: int = 200) -> list["Fields"]:
        """Read a list of objects, at least one."""
        value = self.data.get(name)
        if (
            not isinstance(value, list)
            or not 1 <= len(value) <= most
            or not all(isinstance(one, dict) for one in value)
        ):
            self.wrong(name, "A list of 1 to {most} things.", most=most)
            return []
        return [Fields(one, f"{self.prefix}{name}.{place}.", self.problems) for place, one in enumerate(value)]


def changed(fields: Fields, readers: Mapping[str, Callable[[Fields], Any]], current: object) -> dict[str, Any]:
    """Read the fields that were sent and differ from what the row showed; the others stay as they are."""
    return {
        name: read(fields)
        for name, read in readers.items()
        if fields.given(name) and not fields.unchanged(name, getattr(current, name))
    }
