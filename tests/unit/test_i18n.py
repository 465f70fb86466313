"""Languages, sentences and formats."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah import errors, i18n


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("id", "id"),
        ("ID", "id"),
        ("id-ID", "id"),
        ("in", "id"),
        ("id-ID,id;q=0.9,en-US;q=0.8,en;q=0.7", "id"),
        ("en-US,en;q=0.9,id;q=0.8", "en"),
        ("de, id;q=0.3", "id"),
        ("id;q=0.5, en;q=0.6", "en"),
        ("id;q=0", "en"),
        ("*", "en"),
        ("en;q=0, *", "id"),
        ("fr, ja", "en"),
        ("id;q=high", "en"),
        ("id;q=7", "en"),
        (";;,,;q", "en"),
    ],
)
def test_the_answer_speaks_the_language_that_the_client_prefers(header, language):
    """Accept-Language decides, with weights and regions; English where nothing fits or nothing can be parsed."""
    assert i18n.negotiate(header) == language


@given(st.text(max_size=200))
def test_no_header_can_break_the_choice_of_a_language(header):
    """Whatever a client sends, one of the two languages comes out."""
    assert i18n.negotiate(header) in i18n.LANGUAGES


def test_a_refusal_is_told_in_indonesian():
    """The sentences of an error are translated, and their facts filled in."""
    sentence = i18n.translate(errors.PurposeNotServed.why, "id", purpose="support", purposes="billing, care")
    assert sentence == "Rute ini tidak melayani tujuan support. Rute ini melayani: billing, care."


def test_english_is_the_message_itself():
    """The English catalogue says what the code says."""
    assert i18n.translate(errors.NotIdentified.why, "en") == "Nobody is signed in."


def test_an_unknown_message_or_language_stays_english():
    """What nobody translated is shown as it is written in the code."""
    assert i18n.translate("Nobody wrote this sentence.", "id") == "Nobody wrote this sentence."
    assert i18n.translate("Nobody is signed in.", "tlh") == "Nobody is signed in."
    assert i18n.translate("", "id") == ""


def test_a_missing_fact_shows_as_its_own_name():
    """Telling why somebody was refused never fails for want of a fact."""
    assert i18n.translate("There is no key file at {path}.", "id") == "Tidak ada berkas kunci di {path}."


@given(st.text(max_size=60), st.sampled_from(["en", "id", "xx"]))
def test_translating_never_raises(message, locale):
    """No text, with whatever braces in it, makes the translation fail."""
    assert isinstance(i18n.translate(message, locale, path="x"), str)


def test_a_fact_that_is_a_message_is_translated_too():
    """The reason inside a sentence does not stay English in an Indonesian answer."""
    told = i18n.translate(errors.KeyFileUnreadable.why, "id", path="kunci.json", detail="it is no JSON document")
    assert told == "Berkas kunci di kunci.json tidak dapat digunakan: berkas itu bukan dokumen JSON."


def test_a_name_is_not_translated():
    """A tenant whose id is a word of the catalogue keeps its name."""
    assert i18n.translate("{state}", "id", state="revoked") == "revoked"
    assert i18n.translate("revoked", "id") == "dicabut"


def test_facts_are_not_taken_for_placeholders():
    """Braces inside a fact are shown, not filled: a name from a declaration cannot pull in another fact."""
    assert i18n.translate("{detail}", "en", detail="{secret}", secret="s") == "{secret}"


def test_a_catalogue_that_is_missing_is_told_in_the_log(monkeypatch, tmp_path, caplog):
    """An installation without its catalogues serves English and says so, instead of failing or staying silent."""
    monkeypatch.setattr(i18n, "_CATALOGUES", tmp_path)
    i18n._messages.cache_clear()
    with caplog.at_level(logging.WARNING, "amanah.i18n"):
        assert i18n.translate("Nobody is signed in.", "id") == "Nobody is signed in."
    i18n._messages.cache_clear()
    assert "id is missing" in caplog.text


def test_dates_and_amounts_follow_the_custom_of_the_language():
    """Months have Indonesian names, thousands a dot, and a moment is shown in the reader's zone with its offset."""
    moment = datetime(2026, 8, 17, 3, 0, tzinfo=UTC)
    assert i18n.date_text(date(2026, 8, 17), "id") == "17 Agustus 2026"
    assert i18n.date_text(date(2026, 8, 17), "en") == "17 August 2026"
    assert i18n.time_text(moment, "id", ZoneInfo("Asia/Jakarta")) == "17 Agu 2026 10:00:00 +07:00"
    assert i18n.time_text(moment, "en") == "17 Aug 2026 03:00:00 +00:00"
    assert i18n.number_text(Decimal("1234567.5"), "id") == "1.234.567,5"
    assert i18n.number_text(1234567.5, "en") == "1,234,567.5"
    assert i18n.money_text(Decimal(150_000), "id") == "Rp150.000,00"
