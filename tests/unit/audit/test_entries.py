"""The canonical encoding of entries."""

from __future__ import annotations

import dataclasses
import json
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah.audit.entries import Change, Entry, What, decode, new_event_id, now_us
from amanah.errors import InvalidInput, TrailDamaged


def full(**changes: Any) -> Entry:
    """An entry in which every field holds something."""
    values: dict[str, Any] = {
        "id": "0123456789abcdef" * 2,
        "at": 1_790_000_000_000_000,
        "tenant": "klinik-a",
        "access": "ab" * 16,
        "kind": "access",
        "actor": "17",
        "actor_kind": "member",
        "roles": ("doctor", "owner"),
        "strength": "password+totp",
        "purpose": "x.health.care",
        "inferred": True,
        "route": "GET /patients/{id}",
        "request": "r-1",
        "status": 200,
        "what": (
            What("patient", "read", ("name",), ("nik",), ("1", "2"), ("1", "2"), 2),
            What("patient", "update", ("name",), changes=(Change("1", "name", "b2xk", "bmV3"), Change("2", "name"))),
        ),
        "decision": {"resource": "patient", "action": "read", "allow": True, "rule": None, "policy_version": 3},
        "sealed": {"ip": "c2VhbGVk", "agent": "YWdlbnQ="},
        "tokens": {"ip": "00" * 16},
        "detail": {"rows": 3, "exported": False, "format": "csv"},
        "sign_in": "cd" * 16,
        "wrote": ("ef" * 16 + ":" + "00" * 32,),
    }
    return Entry(**(values | changes))


def test_an_encoded_entry_decodes_to_itself() -> None:
    """Nothing is lost or changed between an entry and its bytes."""
    assert decode(full().encode()) == full()


def test_the_encoding_is_sorted_ascii_json_without_spaces() -> None:
    """The bytes that are hashed are those of `json.dumps` with sorted keys and no spaces."""
    body = full(actor="Budi Ü \u2028 \x00").encode()
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode("ascii")


def test_the_encoding_never_changes() -> None:
    """Old trails must verify for ever: these exact texts are the format, version 2 and version 1."""
    entry = Entry(id="a" * 32, at=1, tenant="t", access="x", kind="job")
    assert entry.encode() == (
        b'{"access":"x","actor_kind":"anonymous","at":1,"id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","kind":"job",'
        b'"tenant":"t","v":2}'
    )
    before = dataclasses.replace(entry, v=1)
    assert before.encode() == (
        b'{"access":"x","actor":null,"actor_kind":"anonymous","at":1,"decision":null,"detail":{},'
        b'"id":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","inferred":false,"kind":"job","outcome":"answered","purpose":null,'
        b'"refusal":null,"request":null,"roles":[],"route":null,"sealed":{},"status":null,"strength":"","tenant":"t",'
        b'"tokens":{},"v":1,"what":[]}'
    )
    assert decode(before.encode()) == before


def test_an_entry_of_version_1_has_nothing_that_came_later() -> None:
    """What it could not say is not left out in silence."""
    changed = What("p", "update", changes=(Change("1", "c"),))
    plain: dict[str, Any] = {"v": 1, "sign_in": None, "wrote": (), "what": ()}
    assert full(**plain).encode()
    for later in ({"sign_in": "a" * 32}, {"wrote": ("x",)}, {"what": (changed,)}):
        with pytest.raises(InvalidInput):
            full(**(plain | later)).encode()


def test_an_entry_of_a_future_version_says_so() -> None:
    """The remedy is another library, not a search for damage."""
    with pytest.raises(TrailDamaged, match="version 3"):
        decode(full().encode().replace(b'"v":2', b'"v":3'))


@given(text=st.text(), number=st.integers(), flag=st.booleans(), names=st.lists(st.text(), max_size=3))
def test_any_text_and_number_survives(text: str, number: int, flag: bool, names: list[str]) -> None:
    """Whatever characters a name holds, the strict inverse gives it back."""
    entry = full(
        actor=text,
        purpose=text,
        roles=tuple(names),
        inferred=flag,
        sealed={text: text},
        detail={text: number},
        what=(What(text, "read", tuple(names), (), tuple(names), (), 3),),
    )
    assert decode(entry.encode()) == entry


@pytest.mark.parametrize(
    "change",
    [
        {"at": 1.5},
        {"at": -1},
        {"at": 1 << 63},
        {"status": 200.0},
        {"detail": {"n": 1.0}},
        {"detail": {"n": None}},
        {"actor": 17},
        {"roles": "doctor"},
        {"roles": (1,)},
        {"inferred": 1},
        {"kind": "other"},
        {"kind": []},
        {"outcome": "fine"},
        {"id": "A" * 32},
        {"id": "a" * 31},
        {"id": 5},
        {"tenant": "Tenant A"},
        {"tenant": ""},
        {"v": 3},
        {"v": "2"},
        {"wrote": "x"},
        {"what": (What("p", "update", changes=("x",)),)},  # type: ignore[arg-type]
        {"sealed": {"ip": b"bytes"}},
        {"what": (What("patient", "read", count=1.0),)},  # type: ignore[arg-type]
        {"what": ("patient",)},
        {"decision": {"allow": object()}},
        {"actor": "x" * 1_000_001},
    ],
)
def test_an_entry_of_the_wrong_shape_is_not_encoded(change: dict[str, Any]) -> None:
    """A mistake of the caller is told at once, before anything is queued, and without repeating the value."""
    with pytest.raises(InvalidInput) as caught:
        full(**change).encode()
    assert "doctor" not in str(caught.value)


def test_a_status_of_the_standard_library_is_a_number() -> None:
    """`HTTPStatus.OK` encodes as 200."""
    assert decode(full(status=HTTPStatus.OK).encode()).status == 200


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body.replace(b'"v":2', b'"v":1'),
        lambda body: body.replace(b'"v":2', b'"v":3'),
        lambda body: body.replace(b'"v":2', b'"v":true'),
        lambda body: body.replace(b'"v":2', b'"v":[]'),
        lambda body: body.replace(b'"status":200', b'"sign_in":null,"status":200'),
        lambda body: body.replace(b'"actor":"17"', b'"actor":"17","actor_kind":"member"'),
        lambda body: body.replace(b'"count":2', b'"changes":[],"count":2'),
        lambda body: body.replace(b":", b": ", 1),
        lambda body: body + b"\n",
        lambda body: body.replace(b'"status":200', b'"status":200.0'),
        lambda body: body.replace(b'"status":200', b'"status":NaN'),
        lambda body: body.replace(b'"kind":"access",', b""),
        lambda body: body.replace(b'"status":200', b'"status":200,"status":200'),
        lambda body: body.replace(b'"status":200', b'"status":200,"extra":1'),
        lambda body: body.replace(
            b'"access":"' + b"ab" * 16 + b'","actor":"17"', b'"actor":"17","access":"' + b"ab" * 16 + b'"'
        ),
        lambda body: body.replace(b'"columns":["name"]', b'"columns":"name"'),
        lambda body: body.replace(b'"count":2', b'"count":2,"more":1'),
        lambda body: body.replace(b"doctor", "döctor".encode()),
        lambda body: body.replace(b"doctor", b"d\\u006fctor"),
        lambda body: body.decode().encode("utf-16"),
        lambda _: b"",
        lambda _: b"[]",
        lambda _: b"null",
        lambda _: b"[" * 100_000,
        lambda _: b"\xff\xfe",
    ],
)
def test_bytes_that_were_not_written_by_encode_are_refused(damage: Any) -> None:
    """The decoder takes the canonical encoding of a known version and nothing else."""
    with pytest.raises(TrailDamaged):
        decode(damage(full().encode()))


def test_entries_do_not_change() -> None:
    """An entry is frozen once made."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        full().actor = "18"  # type: ignore[misc]


def test_event_ids_are_new_and_times_are_microseconds() -> None:
    """128 random bits each; a time after the year 2020 in microseconds."""
    assert len({new_event_id() for _ in range(1000)}) == 1000
    assert 1_577_836_800_000_000 < now_us() < 1 << 62
