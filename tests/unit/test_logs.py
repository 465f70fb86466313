"""Log lines for machines: one line each, and nothing in it that a log must not hold."""

from __future__ import annotations

import io
import json
import logging

import pytest

from amanah import logs
from amanah.errors import CheckpointsAway

SECRET = "budi@example.com"


@pytest.fixture
def said():
    """What a logger with that formatter writes, line by line."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    loggers = []

    def lines(formatter, name, work):
        logger = logging.getLogger(name)
        handler.setFormatter(formatter)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
        loggers.append(logger)
        work(logger)
        return stream.getvalue().splitlines()

    yield lines
    for logger in loggers:
        logger.handlers, logger.propagate = [], True


def fail(logger):
    try:
        int(SECRET)
    except ValueError:
        logger.exception("it went wrong")


def test_a_line_is_json_with_time_level_event_and_facts(said):
    """In UTC, with the code that the caller gave."""
    (line,) = said(
        logs.JsonLines(),
        "amanah.tested",
        lambda log: log.error("a job cannot %s", "go on", extra={"facts": {"job": "sequencer", "code": "trail-full"}}),
    )
    told = json.loads(line)
    assert told.pop("time").endswith("+00:00")
    assert told == {
        "level": "error",
        "logger": "amanah.tested",
        "event": "a job cannot go on",
        "job": "sequencer",
        "code": "trail-full",
    }


@pytest.mark.parametrize("formatter", [logs.JsonLines(), logs.TextLines()])
def test_an_exceptions_text_is_not_written(said, formatter):
    """Its class and where it was raised are: drivers put values and addresses into the text."""
    (line,) = said(formatter, "amanah.tested", fail)
    assert SECRET not in line
    assert "ValueError" in line
    assert "test_logs:" in line


def test_an_error_of_ours_is_named_by_its_code(said):
    """As the reference of errors names it."""

    def work(logger):
        logger.error("no checkpoint", exc_info=CheckpointsAway(place="a", detail="b"))

    (line,) = said(logs.JsonLines(), "amanah.tested", work)
    assert json.loads(line)["code"] == "checkpoints-away"


@pytest.mark.parametrize("formatter", [logs.JsonLines(), logs.TextLines()])
def test_messages_of_other_libraries_are_withheld(said, formatter):
    """Whatever they, or who calls them, put into the message, its arguments or its facts."""
    lines = said(formatter, "sqlalchemy.tested", lambda log: log.error("%s", SECRET, extra={"facts": {"x": SECRET}}))
    assert SECRET not in lines[0]
    assert logs.WITHHELD in lines[0]


def test_an_application_names_loggers_of_its_own(said):
    """And what only begins alike is not meant."""
    formatter = logs.JsonLines("myapp")
    assert json.loads(said(formatter, "myapp.orders", lambda log: log.info("told"))[-1])["event"] == "told"
    assert json.loads(said(formatter, "myapplication", lambda log: log.info("x"))[-1])["event"] == logs.WITHHELD


@pytest.mark.parametrize("formatter", [logs.JsonLines(), logs.TextLines()])
def test_one_record_is_one_line(said, formatter):
    """Nobody forges a second one, or steers a terminal."""
    lines = said(formatter, "amanah.tested", lambda log: log.info("a\nb\r\x1b[2J\u2028c"))
    assert len(lines) == 1
    assert "\x1b" not in lines[0]


def test_in_its_block_everything_goes_to_stderr_and_afterwards_as_before(capsys):
    """Amanah's from info on, others' from warning, Python's own warnings included."""
    before = logging.getLogger().handlers[:], logging.getLogger("amanah").level
    with logs.told("json"):
        logging.getLogger("amanah.x").info("one")
        logging.getLogger("other").info("two")
        logging.getLogger("other").warning("three")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(one["logger"], one["event"]) for one in lines] == [("amanah.x", "one"), ("other", logs.WITHHELD)]
    assert (logging.getLogger().handlers, logging.getLogger("amanah").level) == before
