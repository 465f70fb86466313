"""How an entry's body lies in the database: its canonical bytes, deflated with a dictionary of what is usual.

The leaf hash is taken over the canonical bytes, never over these. The first byte tells the form: ``{`` is the canonical
encoding itself (what deflating does not make shorter), 1 is raw DEFLATE (RFC 1951) with the dictionary below. A form
once written is readable for ever: another dictionary would be a 2.
"""

from __future__ import annotations

import zlib
from typing import Final

from ..errors import TrailDamaged
from .entries import MAXIMUM_BYTES

_WINDOW: Final = -12
_LEVEL: Final = 6
_MEMORY: Final = 5
_FORM_1: Final = b"\x01"
_PLAIN: Final = b"{"
# What is most usual stands last: DEFLATE writes a near place in fewer bits.
_DICTIONARY_1: Final = (
    b'{"access":"admin","actor":"sequencer","actor_kind":"service","at":1,"detail":{"act":"grant.give","member":"'
    b'"role":""resource":"","action":"","field":"count":1},"kind":"sign_in","outcome":"failed","refusal":"forbidden",'
    b'"request":""sealed":{"agent":"","ip":"","reason":""},"sign_in":"","status":403,"strength":"password+totp",'
    b'"tenant":"platform","tokens":{"ip":""},"v":2,"what":[{"action":"delete","changes":[{"column":"","new":"","old":"'
    b'","row":""}],"columns":["address","amount","birth_date","complaint","date_of_birth","diagnosis","status","name",'
    b'"nik","notes","email","phone","customer_name","customer_phone","latitude","longitude"],"count":10,"masked":["'
    b'"],"resource":"order","rows":["1","2"],"subjects":["'
    b'"wrote":["kind":"job","outcome":"rolled_back","kind":"admin","kind":"refusal","outcome":"refused",'
    b'"kind":"write","outcome":"committed","purpose":"essential.service.operations","roles":["owner","admin","cashier"'
    b'"purpose":"essential.service.authentication","inferred":true,"route":"PUT /DELETE /PATCH /POST /'
    b'{"access":"","actor":"","actor_kind":"anonymous","at":17","decision":{"action":"create","allow":true,'
    b'"policy_version":1,"resource":"invoice","rule":null},"id":"","kind":"access","purpose":"essential.service",'
    b'"request":"","roles":["doctor"],"route":"GET /{id}","sign_in":"","status":200,"strength":"password"'
    b',"tenant":"klinik","v":2,'
    b'"what":[{"action":"create","action":"update","columns":["","count":1,"resource":"patient","rows":["","subjects":['
    b'{"access":"","actor":"","at":17","decision":{"action":"read","allow":true,"policy_version":1,"resource":"patient",'
    b""
    b'"rule":"r1"},"id":"","kind":"access","purpose":"","roles":[""],"route":"GET /","sign_in":"","status":200,'
    b'"strength":"password","tenant":"","v":2,"what":[{"action":"read","columns":["",""],"count":1,"resource":"",'
    b'"rows":[""],"subjects":[""]}]}'
)


def pack(body: bytes) -> bytes:
    """What is stored for the canonical ``body``."""
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY_1)
    packed = _FORM_1 + deflate.compress(body) + deflate.flush()
    return packed if len(packed) < len(body) else body


def unpack(stored: bytes) -> bytes:
    """The canonical bytes of what `pack` made. Raises `TrailDamaged` for anything else."""
    form = stored[:1]
    if form == _PLAIN:
        return stored
    if form != _FORM_1:
        raise TrailDamaged(detail="an entry is stored in a form that this library does not know")
    inflate = zlib.decompressobj(_WINDOW, _DICTIONARY_1)
    try:
        body = inflate.decompress(stored[1:], MAXIMUM_BYTES + 1)
    except zlib.error:
        raise TrailDamaged(detail="an entry's stored form is damaged") from None
    if not inflate.eof or inflate.unused_data:
        raise TrailDamaged(detail="an entry's stored form is damaged")
    return body
