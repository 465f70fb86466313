"""Categories and purposes are fideslang's: what we ship is compared with its published taxonomy."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from fideslang.default_taxonomy import DEFAULT_TAXONOMY

from amanah.access_policies import templates
from amanah.access_policies.sensitivity import jurisdictions

ROOT = Path(__file__).parent.parent.parent
CATEGORIES = {one.fides_key for one in DEFAULT_TAXONOMY.data_category or ()}
USES = {one.fides_key for one in DEFAULT_TAXONOMY.data_use or ()}
VERSION_1 = {
    "user.biometric_health",
    "user.credentials.biometric_credentials",
    "user.genetic",
    "user.political_opinion",
    "user.race",
    "user.religious_belief",
    "user.sexual_orientation",
}
"""Keys of fideslang 1.4 that its later versions spell otherwise: only laws know them, so that old ones still count."""
SPELLED = re.compile(r"""["'](?:category:)?((?:x\.)?user(?:\.[a-z][a-z_]*)+)["']""")
SOURCES = [
    *(ROOT / "middleware").glob("masks.py"),
    *(ROOT / "middleware").glob("personal_*.py"),
    *(ROOT / "adoption").glob("*.py"),
    *(ROOT / "examples").glob("*/protection.py"),
    *(ROOT / "examples").glob("*/declarations.py"),
]


def unknown(keys, taxonomy):
    """The keys that are neither in the taxonomy nor an extension, with x., of something that is."""
    return {
        key
        for key in keys
        if key not in taxonomy and not (key.startswith("x.") and key.removeprefix("x.").rpartition(".")[0] in taxonomy)
    }


@pytest.mark.parametrize("law", jurisdictions())
def test_a_law_names_categories_that_there_are(law):
    """Of today's taxonomy, of its first version, or extensions of what is in it."""
    document = tomllib.loads((ROOT / "access_policies" / "jurisdictions" / f"{law}.toml").read_text("utf-8"))
    named = {category for kind in document["kind"] for category in kind["categories"]}
    assert unknown(named - VERSION_1, CATEGORIES) == set()
    assert not VERSION_1 & CATEGORIES


@pytest.mark.parametrize("name", templates.names())
def test_a_template_names_categories_and_purposes_that_there_are(name):
    """In its rules and in its register; a purpose of an industry's own is an extension."""
    content = templates.load(name)
    named = {rule.object.removeprefix("category:") for rule in content.rules if rule.object.startswith("category:")}
    named |= {category for purpose in content.purposes for category in purpose.categories}
    assert unknown(named, CATEGORIES) == set()
    assert {one.key for one in content.purposes if not one.key.startswith("x.")} <= USES


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_what_is_guessed_masked_and_declared_is_in_the_taxonomy(path):
    """Whoever takes a guess of ours over has a category that fideslang's tools know."""
    assert unknown(set(SPELLED.findall(path.read_text("utf-8"))), CATEGORIES) == set()
