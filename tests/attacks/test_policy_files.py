"""Somebody brings in a policy that says more than its reviewers saw."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import select

from amanah.access_policies import casbin_files, models, plan, policy_files, templates, versions
from amanah.access_policies.content import read
from amanah.access_policies.policies import Policies
from amanah.access_policies.rules import Rule
from amanah.database import bump, version_of
from amanah.errors import AmanahError, InvalidInput, PolicyFileWrong, PolicyPlanStale

FIELDS = {"customer.phone": "user.contact.phone_number"}


@pytest.fixture
def engine(own_database):
    """Two tenants with the same policy."""
    policies = Policies(own_database, FIELDS)
    with own_database.begin() as connection:
        for tenant in ("toko", "klinik"):
            bump(connection, tenant)
            policies.install(connection, tenant, "trading")
    return own_database


def present(engine, tenant="toko"):
    """What is in force."""
    with engine.connect() as connection:
        return read(connection, tenant)


def everything(engine):
    """Every row of the policy's tables, and both versions."""
    tables = (models.role, models.role_parent, models.purpose, models.rule, models.policy_version)
    with engine.connect() as connection:
        rows = [[repr(row) for row in connection.execute(select(table))] for table in tables]
        return [sorted(found) for found in rows], [version_of(connection, one) for one in ("toko", "klinik")]


def order(engine, content, **other):
    """An order whose plan was shown just now."""
    with engine.connect() as connection:
        version = version_of(connection, "toko")
    shown = plan.compare(present(engine), content)
    return plan.Order(**{"content": content, "shown": shown, "version": version, "by": "x", "source": "files", **other})


def apply(engine, made):
    """Carry an order out."""
    with engine.begin() as connection:
        return plan.apply(connection, "toko", made)


CSV = [
    'p, "admin, klinik", invoice, read, *, allow',
    "p, admin, klinik, invoice, read, *, allow",
    "p, klinik:cashier, invoice, read, *, allow",
    "g, admin, owner, klinik",
    "g, courier, set:0123456789abcdef0123456789abcdef",
    "g2, customer.phone, category:user.name",
    "g3, *, essential.service.security",
    'p, cashier, invoice, read, *, allow\n# "\np, wizard, *, read, *, allow',
    "p, cashier, invoice, read, *, allow\x00",
]


@pytest.mark.parametrize("lines", CSV)
def test_an_import_with_a_line_that_cannot_be_taken_writes_nothing(engine, tmp_path, lines):
    """Names with commas, other tenants, links that nobody declared: the file is refused as a whole."""
    folder = tmp_path / "c"
    _, path = casbin_files.write(folder, present(engine), FIELDS, 0)
    before = everything(engine)
    path.write_text(path.read_text("utf-8") + lines + "\n", "utf-8")
    with pytest.raises(PolicyFileWrong):
        casbin_files.read(folder, present(engine), FIELDS)
    assert everything(engine) == before


@pytest.mark.parametrize(
    "text",
    [
        'tenant = "klinik"\n',
        '[role.courier2]\ntenant = "klinik"\n',
        '[role."klinik/courier"]\n',
        '[role."courier, klinik"]\n',
        '[role."set:0123"]\n',
        '[role."*"]\n',
        '[[rule]]\nrole = "courier"\nobjects = ["*"]\nactions = ["*"]\npurposes = ["*"]\n',
        '[[rule]]\nrole = "courier"\nobjects = ["*"]\nactions = ["read"]\npurposes = ["*"]\neffect = "Allow"\n',
        '[[rule]]\nrole = "*"\nobjects = ["*"]\nactions = ["read"]\npurposes = ["*"]\n',
    ],
)
def test_a_file_that_names_another_tenant_or_a_name_with_separators_is_refused(engine, tmp_path, text):
    """Files say nothing of tenants, and names are checked as when they are written by hand."""
    policy_files.write_folder(tmp_path / "f", present(engine))
    (tmp_path / "f" / "more.toml").write_text(text, "utf-8")
    with pytest.raises(PolicyFileWrong) as caught:
        policy_files.read_folder(tmp_path / "f")
    assert str(caught.value.facts["place"]).startswith(str(tmp_path / "f" / "more.toml"))


def test_a_plan_that_is_stale_changes_nothing(engine, tmp_path):
    """While the plan was read, somebody took a rule away: applying it would bring that rule back, unseen."""
    content = present(engine)
    made = order(engine, policy_content(engine, tmp_path))
    with engine.begin() as connection:
        Policies(engine, FIELDS).remove_rule(connection, "toko", content.rules[0].id)
    before = everything(engine)
    with pytest.raises(PolicyPlanStale):
        apply(engine, made)
    assert everything(engine) == before


def test_a_plan_of_another_version_changes_nothing_where_the_version_is_named(engine, tmp_path):
    """With --expect-version any change of the tenant makes the plan stale, whatever it would do."""
    made = order(engine, policy_content(engine, tmp_path), exactly=True)
    with engine.begin() as connection:
        bump(connection, "toko")
    before = everything(engine)
    with pytest.raises(PolicyPlanStale):
        apply(engine, made)
    assert everything(engine) == before


def test_of_two_who_apply_the_same_plan_at_once_one_is_told(engine, tmp_path):
    """The version's row is locked first: the second one sees what the first did, and adds nothing twice."""
    made = order(engine, policy_content(engine, tmp_path))

    def attempt(_number):
        try:
            return apply(engine, made)
        except PolicyPlanStale:
            return None

    with ThreadPoolExecutor(4) as pool:
        done = [version for version in pool.map(attempt, range(4)) if version is not None]
    assert done == [made.version + 1]
    assert present(engine) == made.content


def test_a_plan_that_shows_less_than_the_content_does_changes_nothing(engine, tmp_path):
    """What is done is what was shown, not what somebody hands over beside it."""
    content = policy_content(engine, tmp_path)
    honest = order(engine, content)
    before = everything(engine)
    with pytest.raises(PolicyPlanStale):
        apply(engine, order(engine, content, shown=plan.Plan(honest.shown.changes[:-1])))
    assert everything(engine) == before


def test_an_apply_touches_no_other_tenant(engine, tmp_path):
    """The same names in another tenant stay as they are."""
    before = present(engine, "klinik")
    with engine.connect() as connection:
        version = version_of(connection, "klinik")
    apply(engine, order(engine, policy_content(engine, tmp_path, "blank")))
    assert present(engine, "klinik") == before
    with engine.connect() as connection:
        assert version_of(connection, "klinik") == version
        assert versions.kept(connection, "klinik") == []
        mine = versions.kept(connection, "toko")[-1].version
        assert versions.content_of(connection, "toko", mine) == present(engine)
        with pytest.raises(InvalidInput):
            versions.content_of(connection, "klinik", mine)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rules": (Rule(0, "wizard", "invoice", "read", "*"),)},
        {"rules": (Rule(0, "courier", "invoice", "read", "*"), Rule(9, "courier", "invoice", "read", "*"))},
        {"rules": (Rule(0, "courier", "invoice", "read", "marketing"),)},
        {"roles": {"admin, klinik": ()}, "rules": ()},
        {"roles": {"owner": ("admin",), "admin": ("owner",)}, "rules": ()},
        {"purposes": (), "rules": (Rule(0, "courier", "invoice", "read", "essential"),)},
    ],
)
def test_a_content_that_no_file_was_read_into_is_checked_all_the_same(engine, wrong):
    """Whoever builds a content in Python gets no further than with files; nothing is written."""
    before = everything(engine)
    with pytest.raises(InvalidInput):
        apply(engine, order(engine, replace(present(engine), **wrong)))
    assert everything(engine) == before


def test_a_kept_version_that_was_rewritten_by_sql_is_checked_like_a_file(engine, tmp_path):
    """What is rolled back to passes the same checks, and what it widens is in the plan."""
    apply(engine, order(engine, policy_content(engine, tmp_path)))
    table = models.policy_version
    with engine.begin() as connection:
        kept = versions.kept(connection, "toko")[0].version
        content = connection.execute(select(table.c.content).where(table.c.version == kept)).scalar_one()
        rule = {"role": "admin, klinik", "object": "*", "action": "read", "purpose": "*", "effect": "allow"}
        for wrong in ({**content, "rules": [rule]}, {**content, "rules": [{**rule, "tenant_id": "klinik"}]}, {}, []):
            connection.execute(table.update().where(table.c.version == kept).values(content=wrong))
            with pytest.raises(AmanahError):
                versions.content_of(connection, "toko", kept)


def policy_content(engine, tmp_path, template=None):
    """The tenant's policy with one more rule, or a template, read from files."""
    content = templates.load(template) if template else present(engine)
    policy_files.write_folder(tmp_path / "policy", content)
    if template is None:
        more = '[[rule]]\nrole = "courier"\nobjects = ["report"]\nactions = ["read"]\npurposes = ["reporting"]\n'
        (tmp_path / "policy" / "more.toml").write_text(more, "utf-8")
    return policy_files.read_folder(tmp_path / "policy")
