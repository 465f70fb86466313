"""A PKCS#11 token that lives as long as the tests: SoftHSM2, with a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

_PLACES = [
    *Path("/usr/lib").glob("softhsm/libsofthsm2.so"),
    *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so"),
    *Path("/usr/lib64").glob("**/libsofthsm2.so"),
    *Path("/usr/local/lib").glob("softhsm/libsofthsm2.so"),
    *Path("/opt/homebrew/lib").glob("softhsm/libsofthsm2.so"),
]


class SoftToken(NamedTuple):
    """Where it is and how to use it."""

    module: str
    label: str = "amanah tests"
    pin: str = "2468-token"


def soft_token(folder: Path) -> SoftToken:
    """A new token. Skips where SoftHSM2 is not installed.

    The module reads its configuration once in a process: call this once.
    """
    if not _PLACES or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 is not installed (Debian: apt-get install softhsm2)")
    (folder / "tokens").mkdir(mode=0o700)
    configuration = folder / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(configuration)
    token = SoftToken(str(_PLACES[0]))
    said = ["--label", token.label, "--pin", token.pin, "--so-pin", token.pin]
    subprocess.run(["softhsm2-util", "--init-token", "--free", *said], check=True, capture_output=True)
    return token
