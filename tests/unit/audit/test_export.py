"""Exports: canonical lines, cells that no spreadsheet runs, events as the schema has them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from amanah.audit.entries import Entry, What, decode
from amanah.audit.export import COLUMNS, csv_lines, harmless, json_lines, lines
from amanah.audit.search import Found, read
from amanah.audit.tree import leaf_hash


def found(position: int = 3, **changes: Any) -> Found:
    """One entry as a search finds it."""
    what = (
        What("patient", "read", ("nik", "name"), ("phone",), rows=("7",), subjects=("7",), count=1),
        What("invoice", "update", ("total",), rows=("9",), count=1),
    )
    values: dict[str, Any] = {
        "actor": "ana",
        "actor_kind": "member",
        "roles": ("doctor",),
        "purpose": "care",
        "route": "GET /patients/{id}",
        "status": 200,
        "request": "r-1",
        "what": what,
        "decision": {"resource": "patient", "action": "read", "allow": True, "rule": "r3", "policy_version": 5},
        "sign_in": "c" * 32,
    } | changes
    body = Entry(id="a" * 32, at=1_790_000_000_123_456, tenant="klinik", access="b" * 32, **{"kind": "access"} | values)
    encoded = body.encode()
    return Found(position, encoded, read(encoded), leaf_hash(encoded))


def test_json_lines_hold_the_canonical_entries() -> None:
    """The bytes over which the leaf hash is taken stand in the line as they are, with a proof where asked for."""
    one = found(actor='q"\n\ud800')
    (line,) = json_lines([one])
    parsed = json.loads(line)
    assert parsed["position"] == 3
    assert one.body.decode() in line
    assert decode(json.dumps(parsed["entry"], separators=(",", ":"), sort_keys=True).encode()).id == "a" * 32
    (proven,) = json_lines([one], lambda each: {"leaf_hash": each.leaf_hash.hex()})
    assert json.loads(proven)["proof"] == {"leaf_hash": one.leaf_hash.hex()}


def test_csv_has_a_line_for_each_thing_that_was_touched() -> None:
    """What the entry says is repeated; an entry that touched nothing has a line too."""
    rows = list(csv.reader(io.StringIO("".join(csv_lines([found(), found(4, what=())])), newline="")))
    assert rows[0] == list(COLUMNS)
    told = [dict(zip(COLUMNS, row, strict=True)) for row in rows[1:]]
    assert [(one["position"], one["resource"], one["columns"], one["count"]) for one in told] == [
        ("3", "patient", "nik name", "1"),
        ("3", "invoice", "total", "1"),
        ("4", "", "", ""),
    ]
    assert (told[0]["time"], told[0]["rule"], told[0]["outcome"]) == (
        "2026-09-21T14:13:20.123456+00:00",
        "r3",
        "answered",
    )


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "  =", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_no_cell_begins_a_formula(begin: str) -> None:
    """Whatever an identifier begins with; and nothing else is changed."""
    evil = f"{begin}HYPERLINK(1)"
    assert harmless(evil) == f"'{evil}"
    line = list(csv_lines([found(actor=evil, what=(What(evil, "read", rows=(evil,)),))]))[1]
    (row,) = csv.reader(io.StringIO(line, newline=""))
    cells = dict(zip(COLUMNS, row, strict=True))
    assert {cells[name] for name in ("actor", "resource", "rows")} == {f"'{evil}"}


def test_harmless_cells_stay_what_they_are() -> None:
    """Numbers, texts, nothing."""
    assert [harmless(cell) for cell in (3, "a=b", None, "", "62-1")] == ["3", "a=b", "", "", "62-1"]


def test_ocsf_events_are_datastore_activities() -> None:
    """One for each thing touched: class, type and activity fit together, times are in ms, what is required is there."""
    first, second = (json.loads(line) for line in lines("ocsf", [found()]))
    assert (first["class_uid"], first["category_uid"], first["activity_id"], first["type_uid"]) == (6005, 6, 1, 600501)
    assert (second["activity_name"], second["type_uid"], second["table"]) == ("Update", 600502, {"name": "invoice"})
    assert first["time"] == 1_790_000_000_123
    assert first["metadata"]["version"] == "1.3.0"
    assert first["metadata"]["product"]["vendor_name"] == "Amanah"
    assert (first["metadata"]["uid"], first["metadata"]["sequence"]) == ("a" * 32, 3)
    assert first["actor"]["user"] == {"uid": "ana", "type_id": 1, "type": "User", "groups": [{"name": "doctor"}]}
    assert first["src_endpoint"] == {"uid": "c" * 32}
    assert (first["status_id"], first["severity_id"]) == (1, 1)
    assert first["http_request"] == {"http_method": "GET", "uid": "r-1"}
    assert first["http_response"] == {"code": 200}
    assert first["unmapped"]["route"] == "GET /patients/{id}"
    assert first["unmapped"]["masked"] == ["phone"]


def test_ocsf_events_of_what_touched_nothing() -> None:
    """A refusal is a failure with its code, about the resource of the decision; an act of administration is Other."""
    denied = found(kind="refusal", outcome="refused", refusal="forbidden", what=(), actor=None)
    (event,) = (json.loads(line) for line in lines("ocsf", [denied]))
    assert (event["status_id"], event["status_code"], event["activity_id"]) == (2, "forbidden", 1)
    assert event["table"] == {"name": "patient"}
    assert event["actor"]["user"]["uid"] == "anonymous"
    act = found(kind="admin", actor_kind="operator", what=(), decision=None, route=None, detail={"act": "grant.give"})
    (event,) = (json.loads(line) for line in lines("ocsf", [act]))
    assert (event["activity_id"], event["type_uid"], event["type_name"]) == (99, 600599, "Datastore Activity: Other")
    assert (event["database"], event["type_id"]) == ({"name": "klinik"}, 1)
    assert "http_request" not in event
