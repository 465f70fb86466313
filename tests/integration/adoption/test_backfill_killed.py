"""`amanah encrypt` is killed with SIGKILL wherever it happens to be, and run again."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import ready, sealing_world
from tests.sealing_world import patient
from tests.spelled_out import spelled_out

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
ROWS, BATCH = 20, 3

CHILD = '''"""A run that ends by SIGKILL."""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
import pytest
from sqlalchemy import Engine, event
from tests.sealing_world import SealingWorld

url, folder, (what, moment, number) = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split()
seen = 0

def die():
    global seen
    seen += 1
    if seen == int(number):
        os.kill(os.getpid(), signal.SIGKILL)

def executed(connection, cursor, sql, *_):
    if what in sql:
        die()

event.listen(Engine, f"{moment}_cursor_execute" if moment != "commit" else "commit",
             executed if moment != "commit" else lambda _: die())
clinic = SealingWorld(url, folder, existing=True)
seen = 0
clinic.encrypt(batch=int(sys.argv[5]))
'''

MOMENTS = {
    "before the first entry": "amanah_staged before 1",
    "before the first batch is stored": "UPDATE before 1",
    "in the midst of a batch": "UPDATE after 2",
    "after some batches": "UPDATE before 5",
    "between two pages": "SELECT before 12",
    "before the last entry is committed": "amanah_staged after 4",
    "at a commit": "- commit 6",
}


@pytest.fixture
def clinic(database_url: str, tmp_path: Path) -> Iterator[sealing_world.SealingWorld]:
    """Plain rows of two tenants, more than a few batches."""
    made = sealing_world.SealingWorld(database_url, tmp_path).fill()
    made.insert("Patient", *(patient(100 + number, "ab"[number % 2]) for number in range(ROWS)))
    yield made
    made.close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_that_was_killed_is_run_again(clinic: sealing_world.SealingWorld, tmp_path: Path, moment: str) -> None:
    """Nothing is half done, the second run does the rest and no more, and everything opens."""
    child = ready.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, clinic.url, tmp_path, MOMENTS[moment], ROOT, str(BATCH)],
        timeout=120,
        env={**os.environ, "PYTEST_CURRENT_TEST": ""},
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    half = clinic.sql("SELECT id, phone_sealed FROM patient WHERE phone_sealed IS NOT NULL")
    found = clinic.verify()
    assert not any(one.differing for one in found.values())
    wanting = len(found["patient.phone"].missing)
    assert wanting == ROWS + 3 - len(half)

    results = clinic.encrypt(batch=BATCH)
    assert results["patient.phone"].done == wanting
    assert all(one.whole for one in [*results.values(), *clinic.verify().values()])
    assert set(half) <= set(clinic.sql("SELECT id, phone_sealed FROM patient"))


def test_the_trail_shows_that_a_run_did_not_end(clinic: sealing_world.SealingWorld, tmp_path: Path) -> None:
    """Its first entry was durable before the first row was sealed; the second run has both."""
    ready.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, clinic.url, tmp_path, "UPDATE before 2", ROOT, str(BATCH)],
        timeout=120,
    )
    clinic.encrypt(batch=BATCH)
    bodies = clinic.sql("SELECT body FROM amanah_staged ORDER BY at, event_id")
    entries = [spelled_out(body) for (body,) in bodies]
    acts = [e["detail"]["act"] for e in entries if e["tenant"] == "a"]
    assert acts == ["tenant.create", "encrypt.begin", "encrypt.begin", "encrypt.end"]
