"""The quickstart is as short as it claims, is what the README shows, and does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "quickstart" / "protected.py"
BLOCK = re.compile(r"```python\n# examples/quickstart/protected\.py\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def said() -> str:
    """What trying it prints."""
    path = os.pathsep.join(filter(None, [str(ROOT / "examples"), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "quickstart.try_it"],
        env={**os.environ, "PYTHONPATH": path, "LANGUAGE": "en", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def line(said: str, start: str) -> str:
    [found] = [one for one in said.splitlines() if one.startswith(start)]
    return found


def test_quickstart_has_at_most_thirty_lines():
    """Imports and empty lines included."""
    assert len(FILE.read_text("utf-8").splitlines()) <= 30


def test_readme_shows_the_tested_file():
    """The README's block is the file, to the letter."""
    [block] = BLOCK.findall((ROOT / "README.md").read_text("utf-8"))
    assert block == FILE.read_text("utf-8")


def test_application_of_the_quickstart_knows_nothing_of_amanah():
    """It is somebody's existing application."""
    source = FILE.with_name("app.py").read_text("utf-8")
    assert "import amanah" not in source
    assert "from amanah" not in source


def test_billing_sees_the_phone_number(said):
    """Purpose billing → the phone number."""
    assert '200 {"id":7,"name":"Budi Santoso","phone":"+6281234567890"}' in line(said, "rina, for billing")


def test_support_sees_a_mask_of_the_same_row(said):
    """Support → •••• 7890."""
    assert '200 {"id":7,"name":"B. S.","phone":"•••• 7890"}' in line(said, "sari, for support")


def test_no_purpose_is_refused_with_the_missing_fact(said):
    """No purpose → 403 that names what is missing, what would do, and how to say it."""
    answer = line(said, "hendra, no purpose")
    assert " 403 " in answer
    for part in ("purpose-missing", "This route serves: billing, support.", "Amanah-Purpose"):
        assert part in answer


def test_trail_of_the_quickstart_is_whole(said):
    """`amanah audit list` names the three who asked; `amanah audit verify` finds nothing wrong."""
    for person in ("rina", "sari", "hendra"):
        assert re.search(rf"toko-maju +[0-9]+ .* {person} +(access|refusal)", said), said
    assert "The trail is whole" in said
    assert said.count("Budi Santoso") == 1  # in the one answer that showed it
