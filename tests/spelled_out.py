"""An entry as a dictionary in which every field stands, also those that its encoding leaves out."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from amanah.audit.entries import decode
from amanah.audit.packing import unpack


def spelled_out(body: str | bytes) -> dict[str, Any]:
    """Of a body as any of the tables holds it."""
    stored = body.encode() if isinstance(body, str) else bytes(body)
    whole: dict[str, Any] = json.loads(json.dumps(asdict(decode(unpack(stored)))))
    for what in whole["what"]:  # where values are kept, which few columns ask for
        if not what["changes"]:
            del what["changes"]
    return whole
