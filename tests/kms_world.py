"""What boto3 needs to speak to a server of the tests' own, and nothing of this machine's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import botocore.loaders
import botocore.session

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

REGION: Final = "ap-southeast-3"
PATIENT: Final = {"connect_timeout": 30.0, "read_timeout": 30.0}
"""Limits for a server that answers, on a machine that is busy."""
IMPATIENT: Final = {"connect_timeout": 0.2, "read_timeout": 0.2}
"""Limits for one that never will."""
_LOADER: Final[Any] = botocore.loaders.create_loader()


def surround(monkeypatch: pytest.MonkeyPatch, folder: Path, port: int) -> None:
    """Credentials, region and the port at which KMS is; service descriptions are read once for all tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{port}",
        "AWS_REGION": REGION,
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(botocore.session, "create_loader", lambda *_: _LOADER)
