"""Keep the catalogues in step with the messages in the code.

    python tools/catalogues.py            take up new and changed messages, drop those that are gone
    python tools/catalogues.py --check    change nothing; say what is missing and exit non-zero

A message's id is its English sentence, so the English catalogue fills itself in; a new message waits with an empty
Indonesian sentence until somebody writes it. No places and no dates: a catalogue changes when a message does.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po, write_po

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("en", "id")
KEYWORDS = {**DEFAULT_KEYWORDS, "N_": None, "translate": None}
NOT_OURS = {"alembic", "benchmarks", "build", "dist", "docs", "examples", "locale", "tests", "tools"}
FIXED_DATE = datetime(2026, 1, 1, tzinfo=UTC)
PLACEHOLDER = re.compile(r"\{(\w+)\}|%\((\w+)\)")


def extract() -> Catalog:
    """Every message of the package, from Python code and the console's templates."""
    with (ROOT / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call] # Babel's
    template = Catalog(domain="amanah", project="Amanah", version="", charset="utf-8")
    found = extract_from_dir(
        ROOT,
        method_map=methods,
        options_map=options,
        keywords=KEYWORDS,
        comment_tags=("Translators:",),
        directory_filter=_is_ours,
    )
    for path, _line, message, comments, context in found:
        template.add(message, None, [(Path(path).as_posix(), 0)], auto_comments=comments, context=context)
    return template


def _is_ours(folder: str) -> bool:
    name = Path(folder).name
    return not (name.startswith((".", "_")) or name in NOT_OURS or name.endswith(".egg-info"))


def path_of(language: str) -> Path:
    """The catalogue's file."""
    return ROOT / "locale" / language / "LC_MESSAGES" / "amanah.po"


def read(language: str) -> Catalog:
    """The catalogue as it is; an empty one where there is no file yet."""
    path = path_of(language)
    if not path.exists():
        return Catalog(locale=language, domain="amanah")
    with path.open("rb") as file:
        return read_po(file, locale=language, domain="amanah")


def update(language: str, template: Catalog) -> bytes:
    """The text that the catalogue should have now."""
    catalogue = read(language)
    if language == "id":  # Indonesian has one form for any number; Babel's default has two
        catalogue.mime_headers = [("Plural-Forms", "nplurals=1; plural=0")]
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    for message in catalogue:
        message.locations = sorted(set(message.locations))
        if message.id and language == "en":
            message.string = message.id
    catalogue.project, catalogue.version, catalogue.charset = "Amanah", "", "utf-8"
    catalogue.header_comment = "# Amanah's messages; the id is the English sentence. Kept in step by `make catalogues`."
    catalogue.last_translator, catalogue.language_team = "The Amanah maintainers", language
    catalogue.creation_date = catalogue.revision_date = FIXED_DATE
    catalogue.msgid_bugs_address, catalogue.fuzzy = "", False
    text = io.BytesIO()
    write_po(text, catalogue, width=120, sort_output=True, no_location=True, ignore_obsolete=True)
    return re.sub(rb'"Generated-By:.*\n', b"", text.getvalue())


def sentences(message: Message) -> tuple[str, ...]:
    """What stands in a message: one sentence, or one per plural form."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))


def ids(message: Message) -> tuple[str, ...]:
    """A message's English sentence, or its singular and plural."""
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def placeholders(text: str) -> set[str]:
    """The names of the facts in a sentence."""
    return {braced or percent for braced, percent in PLACEHOLDER.findall(text)}


def problems() -> Iterator[str]:
    """Whatever stands between the catalogues and completeness, one line each."""
    wanted = {ids(message) for message in extract() if message.id}
    for language in LANGUAGES:
        catalogue = read(language)
        known = {ids(message) for message in catalogue if message.id}
        yield from (f"{language}: not in the catalogue: {message!r}" for message in wanted - known)
        yield from (f"{language}: no longer in the code: {message!r}" for message in known - wanted)
        for message in catalogue:
            if not message.id:
                continue
            if message.fuzzy:
                yield f"{language}: fuzzy: {message.id!r}"
            if not all(sentences(message)):
                yield f"{language}: not translated: {message.id!r}"
                continue
            names = set().union(*map(placeholders, ids(message)))
            if any(placeholders(sentence) - names for sentence in sentences(message)) or (
                isinstance(message.id, str) and names != placeholders(str(message.string))
            ):
                yield f"{language}: other placeholders than the English sentence: {message.id!r}"


def main() -> int:
    """The command line described above."""
    parser = argparse.ArgumentParser(description="Keep the catalogues in step with the code.")
    parser.add_argument("--check", action="store_true", help="change nothing, exit non-zero if anything is missing")
    if not parser.parse_args().check:
        for language in LANGUAGES:
            path_of(language).parent.mkdir(parents=True, exist_ok=True)
            path_of(language).write_bytes(update(language, extract()))
    missing = list(problems())
    print("\n".join(missing) if missing else "The catalogues are complete.")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
