"""The example of docs/how-to/test-your-app.md, run by pytest as a developer would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent.parent / "docs" / "how-to" / "test-your-app.md"

MYAPP = """
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah import Personal, declare


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    phone: Mapped[str] = mapped_column(String(20))


metadata = Base.metadata
ROUTES = []
DECLARATIONS = [
    declare(
        "customer",
        subject="id",
        columns={"phone": Personal(category="user.contact.phone_number", search="exact", normalise="phone")},
    )
]


def identify(_):
    return None
"""


def blocks(heading: str) -> list[str]:
    """The programs of that section of the page."""
    section = PAGE.read_text("utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def test_the_pages_attacks_run_as_they_stand(tmp_path: Path) -> None:
    """Guard, target and test module as the page has them: one test for each attack and column, with a column's name."""
    target, tests = blocks("Attack your schema")
    (tmp_path / "myapp.py").write_text(MYAPP, "utf-8")
    (tmp_path / "conftest.py").write_text("\n".join([*blocks("The guard"), target]), "utf-8")
    (tmp_path / "test_attacks.py").write_text(tests, "utf-8")
    # Named because an editable install may be older than the entry point; named twice it would be refused.
    installed = any(point.value == "amanah.testing.plugin" for point in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "amanah.testing.plugin"]
    answer = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-v",
            "-ra",
            "-p",
            "no:cacheprovider",
            "-W",
            "error",
            *plugin,
            "test_attacks.py",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": "", "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"test_exchange_rows\[customer\.phone\] PASSED", answer.stdout)
    assert re.search(r"test_replay\[customer\.phone\] XFAIL", answer.stdout)
    assert "known limit: an older value of customer.phone" in answer.stdout
    assert "customer has no other sealed column" in answer.stdout
    assert re.search(r"13 passed, 3 skipped, 1 xfailed", answer.stdout), answer.stdout
