"""The policy in Casbin's own files: written, read back, and what is refused."""

from __future__ import annotations

import pytest

from amanah.access_policies import casbin_files, templates
from amanah.errors import PolicyFileWrong

FIELDS = {"customer.phone": "user.contact.phone_number", "visit.diagnosis": "x.user.health_and_medical.diagnosis"}
BILLING = "essential.service.payment_processing"


@pytest.fixture
def written(tmp_path):
    """The folder of an exported template."""
    casbin_files.write(tmp_path / "c", templates.load("trading"), FIELDS, 0)
    return tmp_path / "c"


@pytest.mark.parametrize("name", templates.names())
def test_what_is_written_is_read_back(tmp_path, name):
    """Rules and inheritance come back; roles and purposes are the ones that are there."""
    content = templates.load(name)
    casbin_files.write(tmp_path / "c", content, FIELDS, 0)
    assert casbin_files.read(tmp_path / "c", content, FIELDS) == content


def test_links_that_follow_from_elsewhere_may_be_left_out(written):
    """Somebody who writes p and g lines by hand need not work out g2 and g3."""
    path = written / "policy.csv"
    lines = [line for line in path.read_text("utf-8").splitlines() if line.startswith(("p,", "g,"))]
    path.write_text('# by hand, "as it comes\n\n' + "\r\n".join(lines), "utf-8")
    content = templates.load("trading")
    assert casbin_files.read(written, content, FIELDS) == content


def test_a_file_that_is_there_is_not_overwritten(written):
    """An export goes into a new folder."""
    with pytest.raises(PolicyFileWrong, match="already"):
        casbin_files.write(written, templates.load("blank"), FIELDS, 0)


BAD = [
    # line that is added at the end, what is told
    ("p, wizard, invoice, read, *, allow", "there is no role wizard"),
    ("p, cashier, invoice, read, marketing, allow", "marketing is no purpose"),
    ("p, cashier, invoice, read, billing, allow", "billing is no purpose"),
    ("p, cashier, invoice, read, *", "5 columns, here are 4"),
    ("p, cashier, invoice, read, *, allow, 1", "5 columns, here are 6"),
    ("p, cashier, invoice, read, *, perhaps", "no effect"),
    ("p, cashier, invoice, *, *, allow", "no valid name for a action"),
    ('p, "admin, tenantB", invoice, read, *, allow', "no valid name for a role"),
    ("p2, cashier, invoice, read, *, allow", "none of p, g, g2, g3"),
    ("g, siti, cashier", "no role of the tenant"),
    ("g, cashier, siti", "no such role"),
    ("g, staff, owner", "circle"),
    ("g, cashier, staff, klinik", "2 columns, here are 3"),
    ("g2, customer.nik, category:user", "does not agree"),
    ("g3, marketing, *", "does not agree"),
    ('p, "cashier', "no valid CSV"),
    ('p, "cashier\n", invoice, read, *, allow', "no valid name for a role"),
    ('p, "ca\nshier", invoice, read, *, allow', "no valid name for a role"),
    ("# \u2028p, cashier, invoice, delete, *, allow\np, x", "5 columns"),
    ('p, "cash"ier, invoice, read, *, allow', "no valid CSV"),
]


@pytest.mark.parametrize(("line", "told"), BAD)
def test_a_line_that_cannot_be_taken_is_told_with_its_number(written, line, told):
    """File, line and remedy."""
    path = written / "policy.csv"
    before = path.read_text("utf-8")
    path.write_text(f"{before}{line}\n", "utf-8")
    with pytest.raises(PolicyFileWrong) as caught:
        casbin_files.read(written, templates.load("trading"), FIELDS)
    assert told in caught.value.facts["detail"]
    assert caught.value.facts["place"] == f"{path}:{before.count(chr(10)) + 1 + line.startswith('#')}"
    assert "siti" not in caught.value.facts["detail"] or line == "g, cashier, siti"
    assert caught.value.facts["mend"]


@pytest.mark.parametrize("kind", ["g2", "g3"])
def test_links_of_which_some_are_missing_are_refused(written, kind):
    """Casbin's tools would decide by fewer links than we do: all of a kind, or none."""
    path = written / "policy.csv"
    lines = path.read_text("utf-8").splitlines()
    lines.remove(next(line for line in lines if line.startswith(f"{kind},")))
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(PolicyFileWrong, match=f"it lacks: {kind}"):
        casbin_files.read(written, templates.load("trading"), FIELDS)


def test_another_model_is_refused(written):
    """With allow-override the same rules would say something else."""
    path = written / "model.conf"
    path.write_text(path.read_text("utf-8").replace(" && !some(where (p.eft == deny))", ""), "utf-8")
    with pytest.raises(PolicyFileWrong, match="another model"):
        casbin_files.read(written, templates.load("trading"), FIELDS)
    path.unlink()
    with pytest.raises(PolicyFileWrong, match="No such file"):
        casbin_files.read(written, templates.load("trading"), FIELDS)
