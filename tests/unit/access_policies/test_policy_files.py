"""A policy in a folder of TOML files: what is read, what is refused and where, and that writing and reading agree."""

from __future__ import annotations

import pytest

from amanah.access_policies import templates
from amanah.access_policies.content import Content
from amanah.access_policies.plan import compare
from amanah.access_policies.policy_files import read_folder, write_folder
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.errors import PolicyFileWrong

GOOD = """\
[purpose."essential.service.payment_processing"]
alias = "billing"
legal_basis = "contract"
en = "Invoices are written."

[role.staff]
en = "Everybody."

[role.cashier]
parents = ["staff"]

[[rule]]
role = "cashier"
objects = ["invoice", "customer"]
actions = ["read"]
purposes = ["billing"]
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with a good policy in one file."""
    (tmp_path / "policy.toml").write_text(GOOD, "utf-8")
    return tmp_path


def refusal(folder):
    """The facts of the refusal."""
    with pytest.raises(PolicyFileWrong) as caught:
        read_folder(folder)
    return caught.value.facts


def test_a_folder_says_what_its_files_say_together(folder):
    """Files are merged; a rule stands for every combination; an alias stands for its key; subfolders are not read."""
    (folder / "more.toml").write_text('[role.courier]\nparents = ["staff"]\nid = "Kurir."\n', "utf-8")
    (folder / "tests").mkdir()
    (folder / "tests" / "t.toml").write_text("[[case]]\n", "utf-8")
    content = read_folder(folder)
    assert dict(content.roles) == {"staff": (), "cashier": ("staff",), "courier": ("staff",)}
    assert content.descriptions["courier"] == {"id": "Kurir."}
    assert [rule.row() for rule in content.rules] == [
        ("cashier", obj, "read", "essential.service.payment_processing", "allow") for obj in ("invoice", "customer")
    ]


@pytest.mark.parametrize("name", templates.names())
def test_a_template_that_is_written_as_files_is_read_as_the_same(tmp_path, name):
    """Every rule, role and purpose comes back."""
    content = templates.load(name)
    write_folder(tmp_path / "new", content)
    assert read_folder(tmp_path / "new") == content


def test_whatever_a_description_says_comes_back(tmp_path):
    """Quotes, backslashes, newlines, control characters, brackets: all are text."""
    said = 'a "b" \\ \n[[rule]]\t\x7f\x01 é 𝄞 \'\'\' """'
    content = Content(
        {"r": ()},
        {"r": {"en": said}},
        (
            Purpose(
                "a.b", "", "consent", {"en": said, "pt-BR": ""}, "q.main", ("user.name", "x.y"), ("a, [b]",), "3650"
            ),
            Purpose("a.c", "", "consent", retention='"ten" years', owner="\\ office", review_at="2027-01-31"),
        ),
        (Rule(0, "r", "customer.*", "read", "*", "deny"), Rule(0, "r", "*", "read", "a")),
    )
    write_folder(tmp_path / "new", content)
    assert read_folder(tmp_path / "new") == content


def test_what_files_cannot_say_is_not_written(tmp_path):
    """A description in something that is no language would be lost: told, and no file is there."""
    content = Content({"r": ()}, {"r": {"indonesia": "x"}}, (), ())
    with pytest.raises(PolicyFileWrong, match="files cannot say it"):
        write_folder(tmp_path / "new", content)
    assert not (tmp_path / "new").exists()


def test_files_that_are_there_are_not_overwritten(folder):
    """Whoever exports names a new folder."""
    with pytest.raises(PolicyFileWrong, match="already"):
        write_folder(folder, templates.load("blank"))
    assert [path.name for path in folder.iterdir()] == ["policy.toml"]


BAD = [
    # what stands in policy.toml, line that is named, what is told
    (GOOD + '[[rule]]\nrole = "cashier"\n', 17, "lacks: actions, objects, purposes"),
    (GOOD.replace('role = "cashier"', 'roles = "cashier"'), 12, "unknown: 'roles'"),
    (GOOD.replace('role = "cashier"', 'role = "wizard"'), 12, "there is no role wizard"),
    (GOOD.replace('["billing"]', '["marketing"]'), 12, "marketing is no purpose"),
    (GOOD.replace('["billing"]', '"billing"'), 12, "purposes is a list"),
    (GOOD.replace('["billing"]', "[]"), 12, "purposes lists nothing"),
    (GOOD.replace('["read"]', '["read, delete"]'), 12, "no valid name for a action"),
    (GOOD.replace('"invoice"', '"a\\nb"'), 12, "no valid name for a object"),
    (GOOD + 'effect = "maybe"\n', 12, "is no effect"),
    (GOOD.replace("[role.cashier]", '[role."admin, tenantB"]'), 9, "no valid name for a role"),
    (GOOD.replace('parents = ["staff"]', 'parents = ["boss"]'), 9, "there is no such role"),
    (GOOD.replace('en = "Everybody."', 'parents = ["cashier"]'), 9, "circle"),
    (GOOD.replace('en = "Everybody."', 'tenant = "klinik"'), 6, "unknown: 'tenant'"),
    (GOOD.replace('"contract"', '"whim"'), 1, "no legal basis"),
    (GOOD.replace('legal_basis = "contract"', ""), 1, "lacks: legal_basis"),
    (GOOD.replace('en = "Invoices', 'english = "Invoices'), 1, "unknown: 'english'"),
    (GOOD.replace('"Invoices are written."', "7"), 1, "en is a text"),
    (GOOD.replace('alias = "billing"', "review_at = 3"), 1, "without quotes"),
    (GOOD.replace('alias = "billing"', 'review_at = "2027-01-31"'), 1, "without quotes"),
    (GOOD.replace('alias = "billing"', "retention = -1"), 1, "number of days"),
    (GOOD.replace('alias = "billing"', "retention = true"), 1, "number of days"),
    (GOOD.replace('alias = "billing"', 'owner = "a\\nb"'), 1, "one line"),
    (GOOD.replace('alias = "billing"', 'recipients = [" "]'), 1, "no name"),
    (GOOD.replace('alias = "billing"', 'categories = ["no category"]'), 1, "no valid name"),
    (GOOD + '[purpose."a.b"]\nalias = "billing"\nlegal_basis = "contract"\n', 17, "billing is a purpose"),
    (GOOD.replace("[[rule]]", "[[rule]"), 12, "no valid TOML"),
    ('tenant = "klinik"\n' + GOOD, None, "unknown: 'tenant'"),
    ("rule = 3\n", None, "written as [[rule]]"),
    ("[rule]\nrole = 3\n", None, "written as [[rule]]"),
    ('role = ["a"]\n', None, "written as [role.NAME]"),
    ("rule = [3]\n", None, "written as [[rule]]"),
    ("a = " + "[" * 100_000, None, ""),
    (
        "".join(f'[role.r{n}]\nparents = ["r{n + 1}"]\n' for n in range(9)) + "[role.r9]\n",
        17,
        "chain of more than 8",
    ),
]


@pytest.mark.parametrize(("text", "line", "told"), BAD)
def test_what_cannot_be_taken_is_told_with_file_line_and_remedy(tmp_path, text, line, told):
    """One sentence each; nothing is guessed and nothing is left out silently."""
    path = tmp_path / "policy.toml"
    path.write_text(text, "utf-8")
    facts = refusal(tmp_path)
    assert told in facts["detail"]
    assert str(facts["place"]) == (str(path) if line is None else f"{path}:{line}")
    assert facts["mend"]


def test_bytes_that_are_no_text_are_told(tmp_path):
    """No traceback of a codec."""
    (tmp_path / "p.toml").write_bytes(b'[role.a]\nen = "\xff"\n')
    assert "UTF-8" in refusal(tmp_path)["detail"]


def test_a_folder_without_files_is_no_policy(tmp_path):
    """An empty folder would end every rule: it is refused, and so is one that is not there."""
    assert "no *.toml" in refusal(tmp_path)["detail"]
    assert "no *.toml" in refusal(tmp_path / "missing")["detail"]


def test_the_same_role_in_two_files_is_told(folder):
    """Which of them would count nobody could say."""
    (folder / "zz.toml").write_text("\n[role.cashier]\n", "utf-8")
    facts = refusal(folder)
    assert facts["place"] == f"{folder / 'zz.toml'}:2"
    assert f"{folder / 'policy.toml'}:9" in facts["detail"]


def test_a_plan_names_every_kind_of_change():
    """Roles, inheritance, purposes and rules; what ends has its rule's id; the same contents have no plan."""
    old = Content(
        {"a": (), "b": ("a",), "gone": ()},
        {"a": {"en": "x"}},
        (Purpose("p.a", "one", "contract"), Purpose("p.b", "", "consent")),
        (Rule(7, "a", "x", "read", "*"), Rule(8, "b", "x", "read", "*")),
    )
    new = Content(
        {"a": ("b",), "b": (), "fresh": ()},
        {"a": {"en": "y"}},
        (Purpose("p.a", "two", "consent"), Purpose("p.c", "", "consent")),
        (Rule(0, "b", "x", "read", "*"), Rule(0, "a", "x", "read", "*", "deny")),
    )
    assert [(one.act, one.kind, one.name, one.detail) for one in compare(old, new).changes] == [
        ("changed", "role", "a", "description"),
        ("added", "role", "fresh", ""),
        ("ended", "role", "gone", ""),
        ("added", "inheritance", "a → b", ""),
        ("ended", "inheritance", "b → a", ""),
        ("changed", "purpose", "p.a", "alias: one → two; legal_basis: contract → consent"),
        ("ended", "purpose", "p.b", ""),
        ("added", "purpose", "p.c", "consent"),
        ("ended", "rule", "a x read * allow", "r7"),
        ("added", "rule", "a x read * deny", ""),
    ]
    assert not compare(old, old)
