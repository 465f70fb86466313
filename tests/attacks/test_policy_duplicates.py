"""An import with rules that stand there twice: which of them is it that somebody takes out later?"""

from __future__ import annotations

import json

import pytest
from sqlalchemy import select

from amanah.access_policies import casbin_files, content, models, plan, templates
from amanah.access_policies.policies import Policies
from amanah.access_policies.policy_files import read_folder, write_folder
from amanah.access_policies.rules import Rule
from amanah.database import bump, version_of
from amanah.errors import InvalidInput, PolicyFileWrong

ROW = "p, cashier, invoice, delete, *, allow"
TWICE = [
    f"{ROW}\n{ROW}",
    f"{ROW}\np,cashier,invoice,delete,*,allow ",
    f'{ROW}\n"p", "cashier","invoice", delete , "*",  allow',
    f"{ROW}\n# between\n\n{ROW}",
    "g, cashier, courier\ng, cashier, courier",
]


@pytest.fixture
def engine(own_database):
    """A tenant with the template's policy."""
    policies = Policies(own_database, {})
    with own_database.begin() as connection:
        bump(connection, "toko")
        policies.install(connection, "toko", "trading")
    return own_database


def everything(engine):
    """Every row of the policy's tables, and the version."""
    tables = (models.role, models.role_parent, models.purpose, models.rule, models.policy_version)
    with engine.connect() as connection:
        rows = [sorted(repr(row) for row in connection.execute(select(table))) for table in tables]
        return json.dumps(rows), version_of(connection, "toko")


@pytest.mark.parametrize("lines", TWICE)
def test_an_import_with_a_line_twice_is_refused_as_a_whole(engine, tmp_path, lines):
    """However the second one is spelled; the error names both lines, and nothing is applied."""
    with engine.connect() as connection:
        present = content.read(connection, "toko")
    _, path = casbin_files.write(tmp_path / "c", present, {}, 0)
    last = path.read_text("utf-8").count("\n")
    before = everything(engine)
    path.write_text(f"{path.read_text('utf-8')}{lines}\n", "utf-8")
    with pytest.raises(PolicyFileWrong, match=f"the same as line {last + 1}") as caught:
        casbin_files.read(tmp_path / "c", present, {})
    assert caught.value.facts["place"] == f"{path}:{last + 1 + lines.count(chr(10))}"
    assert everything(engine) == before


def test_the_same_rule_in_two_files_is_one_rule(tmp_path):
    """Entries stand for combinations, which may overlap: what is in force is a set, and it is ended as one."""
    write_folder(tmp_path, templates.load("blank"))
    rule = '[[rule]]\nrole = "admin"\nobjects = ["x.y", "z"]\nactions = ["read"]\npurposes = ["*"]\n'
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text(rule, "utf-8")
    found = read_folder(tmp_path).rules
    assert len({one.words() for one in found}) == len(found)
    assert len(found) == len(templates.load("blank").rules) + 2


def test_neither_the_register_nor_a_plan_takes_a_rule_twice(engine):
    """Two rows of the same words cannot come into force: taking one away would leave the other."""
    before = everything(engine)
    twice = ("cashier", "invoice", "delete", "*", "allow")
    with pytest.raises(InvalidInput, match="such a rule already"), engine.begin() as connection:
        Policies(engine, {}).add_rules(connection, "toko", [twice, twice])
    with engine.connect() as connection:  # nothing is committed
        old = content.read(connection, "toko")
        new = content.Content(old.roles, old.descriptions, old.purposes, (*old.rules, *[Rule(0, *twice)] * 2))
        order = plan.Order(content=new, shown=plan.compare(old, new), version=1, by="x", source="files")
        with pytest.raises(InvalidInput, match="such a rule already"):
            plan.apply(connection, "toko", order)
    assert everything(engine) == before


def test_a_denial_beside_its_permission_is_no_repetition_and_wins(engine):
    """The same words with the other effect: both are in force, and the answer is no."""
    policies = Policies(engine, {})
    with engine.begin() as connection:
        for effect in ("allow", "deny"):
            policies.add_rules(connection, "toko", [("cashier", "invoice", "delete", "*", effect)])
        version = version_of(connection, "toko")
    purpose = "essential.service.payment_processing"
    assert not policies.snapshot("toko", version).decide(frozenset({"cashier"}), "invoice", "delete", purpose).allow
