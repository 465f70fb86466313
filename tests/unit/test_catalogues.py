"""The catalogues are complete and in step with the code."""

from __future__ import annotations

import catalogues
import pytest


def test_every_message_of_the_code_is_in_both_catalogues():
    """Nothing missing, left over, fuzzy or empty; the placeholders agree. `make catalogues` takes up what is new."""
    assert list(catalogues.problems()) == []


def test_extraction_finds_the_messages_of_the_package():
    """The check above is not empty: the refusals' sentences are found, and nothing of the tests or examples is."""
    messages = {message.id: message for message in catalogues.extract() if message.id}
    assert "Nobody is signed in." in messages
    folders = {path.split("/")[0] for message in messages.values() for path, _line in message.locations}
    assert folders.isdisjoint({"tests", "examples", "tools", "benchmarks", "docs", ".venv"})


@pytest.mark.parametrize("language", catalogues.LANGUAGES)
def test_a_catalogue_is_written_as_the_tool_writes_it(language):
    """`make catalogues` on a clean tree changes no byte, so a change of a catalogue is always a change of a message."""
    assert catalogues.update(language, catalogues.extract()) == catalogues.path_of(language).read_bytes()


def test_indonesian_has_one_plural_form():
    """Babel's default of two forms would ask translators for a sentence that Indonesian does not have."""
    assert catalogues.read("id").num_plurals == 1
