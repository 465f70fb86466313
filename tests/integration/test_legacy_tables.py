"""An application as one finds it: children without a company column, the company itself, a number for a tenant."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "examples"


def test_the_legacy_example_stays_inside_its_company(database_url: str, tmp_path: Path) -> None:
    """Declared beside its models, its own queries give company 1 what is its own, and reach nothing of company 2."""
    _run(database_url, "-m", "legacy.migrate", database_url)
    _run(database_url, "-m", "legacy.seed", "--rows", "30", database_url)
    output = _run(database_url, HERE / "legacy_tables.py", tmp_path / "state")
    found = json.loads(output.splitlines()[-1])
    assert found.pop("lines of all") > found["lines of ours"] > 0
    assert found.pop("lines") == found.pop("lines of invoices") == found.pop("lines of ours")
    assert found == {
        "companies": ["PT Sinar Abadi"],
        "provinces": 8,
        "company of the cashier": "PT Sinar Abadi",
        "search": 15,
        "search for another company": 0,
        "e-mail of another company is taken": False,
        "stock": 6,
        "services": 4,
        "their faktur": 404,
        "their pelanggan": 404,
        "their line": True,
        "new lines": True,
        "paid": True,
        "receipts": 1,
        "attack by line": "TenantCrossed",
        "attack by payment": "TenantCrossed",
        "attack by move": "TenantCrossed",
        "attack by company": "TenantCrossed",
        "attack by receipt": "NoResultFound",
        "reached": 0,
        "jobs": 1,
    }


def _run(url: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(EXAMPLES), "LEGACY_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
