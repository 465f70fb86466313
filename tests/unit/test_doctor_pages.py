"""The doctor's registry, its pages and what the checks emit say the same."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from amanah.middleware import checks_of_declarations, checks_of_installation
from amanah.middleware.checks import CHECKS
from amanah.middleware.finding import LEVELS, Check

ROOT = Path(__file__).parent.parent.parent
PAGES = ROOT / "docs" / "reference" / "doctor"
INDEX = (ROOT / "docs" / "reference" / "doctor.md").read_text("utf-8")
MODULES = (checks_of_declarations, checks_of_installation)
SAID = {name: one for module in MODULES for name, one in vars(module).items() if isinstance(one, Check)}
ABOVE = ("adoption/live_tokens", "subjects/live_erasures")
SOURCES = [path for path in (ROOT / "middleware").glob("*.py") if not path.name.startswith("checks")]
SOURCES += [ROOT / f"{name}.py" for name in ABOVE]
TESTS = [
    (ROOT / "tests" / "unit" / name).with_name(f"test_{name.rpartition('/')[2]}.py")
    for name in (
        *(
            f"middleware/{one}"
            for one in (
                "doctor",
                "live_keys",
                "live_places",
                "live_policies",
                "live_row_security",
                "live_tables",
                "silences",
            )
        ),
        *ABOVE,
    )
]

every_check = pytest.mark.parametrize("check", CHECKS.values(), ids=list(CHECKS))


def test_no_id_is_given_twice():
    """Each check of both modules is in the registry under an id of its own."""
    assert len(SAID) == len(CHECKS)
    assert set(SAID.values()) == set(CHECKS.values())
    for id_, check in CHECKS.items():
        assert (check.id, check.level in LEVELS) == (id_, True)
        assert re.fullmatch(r"AMN-D\d{3}", id_)


def test_there_is_one_page_for_each_check_and_no_other():
    """Where `amanah doctor` sends somebody, there is something."""
    assert {path.stem for path in PAGES.iterdir()} == set(CHECKS)


@every_check
def test_a_page_says_what_the_registry_says(check):
    """Id, level, whether it can be silenced, where it is looked for, and the words; then why and what to do."""
    page = (ROOT / check.page).read_text("utf-8")
    remedy = check.remedy.replace("{{", "{").replace("}}", "}")
    assert page.startswith(f"# {check.id}: ")
    assert f"\nLevel: {check.level}. It can{'' if check.silenceable else 'not'} be silenced." in page
    assert ("with `--production` only" in page.partition("```")[0]) == check.production
    assert f"\n```\n{check.message}\n→ {remedy}\n```\n" in page
    wanted = ["What it means", "Why it matters", "How to mend it", "When to silence it"]
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == wanted
    assert len(re.findall(r"^```", page, re.MULTILINE)) >= 4, "it shows how"
    assert page.rpartition("## When to silence it\n\n")[2].startswith("Never") == (not check.silenceable)


@every_check
def test_the_index_says_what_the_registry_says(check):
    """A row with the page's title, level, whether it can be silenced, and whether it is for production only."""
    title = (ROOT / check.page).read_text("utf-8").partition("\n")[0].partition(": ")[2]
    silenceable, production = "yes" if check.silenceable else "no", "yes" if check.production else ""
    name = f"[{check.id}](doctor/{check.id}.md)"
    assert f"\n| {name} | {check.level} | {title} | {silenceable} | {production} |\n" in INDEX


def test_every_check_is_carried_out_and_tested():
    """Each is called somewhere in the code, and its id stands in a test that provokes it."""
    calls = [
        node.func.id
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    chosen = {"PERSONAL", "PERSONAL_IN_SHARED", "PERHAPS_PERSONAL"}  # one of three is picked, then called
    assert set(SAID) - chosen <= set(calls)
    tested = "".join(path.read_text("utf-8") for path in TESTS)
    assert {id_ for id_ in CHECKS if f'"{id_}' not in tested} == set()


def test_no_finding_is_made_but_by_a_check():
    """So that no id, level or sentence is said in a second place."""
    for path in SOURCES:
        source = path.read_text("utf-8")
        assert not re.search(r"AMN-D\d{3}", source) or path.name == "silences.py", path.name
        assert path.name == "finding.py" or not re.search(r"\bFinding\(", source), path.name
