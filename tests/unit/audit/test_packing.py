"""How an entry's body lies in the database: nothing is lost, and nothing else is taken for one."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah.audit.entries import MAXIMUM_BYTES, Entry, What
from amanah.audit.packing import pack, unpack
from amanah.errors import TrailDamaged

BODY = Entry(
    id="0123456789abcdef" * 2,
    at=1_790_000_000_000_000,
    tenant="klinik-a",
    access="ab" * 16,
    kind="access",
    what=(What("patient", "read", ("name",), (), ("1",), ("1",), 1),),
).encode()


STORED = (
    "01430ae3c424fc9070aeb1344006d0003430343236313533b7b04c4c4a4e494d43e7630960b404a89b485270808b675ce181"
    "99e60cd1c3c5101c3000"
)


@given(text=st.text(), rows=st.lists(st.text(), max_size=20))
def test_whatever_is_packed_comes_back(text: str, rows: list[str]) -> None:
    """To the byte: the leaf hash is over it."""
    body = Entry(id="a" * 32, at=1, tenant="t", access=text, kind="job", what=(What(text, "read", rows=tuple(rows)),))
    assert unpack(pack(body.encode())) == body.encode()


def test_the_stored_form_never_changes() -> None:
    """Old trails must be readable for ever: what the first version stored is read, and is less than half as long."""
    stored = bytes.fromhex(STORED)
    assert unpack(stored) == BODY
    assert 2 * len(stored) < len(BODY)


@pytest.mark.parametrize("cut", [1, 2, 10, -1])
def test_what_is_cut_off_is_damaged(cut: int) -> None:
    """Wherever."""
    with pytest.raises(TrailDamaged):
        unpack(pack(BODY)[:cut])


@pytest.mark.parametrize("stored", [b"", b"x", b"\x02abc", b"\x01rubbish", pack(BODY) + b"x", pack(BODY) + pack(BODY)])
def test_what_was_never_packed_is_damaged(stored: bytes) -> None:
    """Another form, rubbish, or something behind it."""
    with pytest.raises(TrailDamaged):
        unpack(stored)


def test_a_few_bytes_do_not_become_gigabytes() -> None:
    """Whoever writes to the database does not fill the memory of whoever verifies it."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -12)
    bomb = b"\x01" + deflate.compress(bytes(50 * MAXIMUM_BYTES)) + deflate.flush()
    with pytest.raises(TrailDamaged):
        unpack(bomb)
