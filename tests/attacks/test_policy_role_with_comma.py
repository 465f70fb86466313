"""A role named ``admin, tenantb``: published adapters write it into a line and read the role ``admin`` out again."""

from __future__ import annotations

import csv

import casbin
import pytest

from amanah.access_policies import casbin_files, templates
from amanah.access_policies.judge import MODEL_PATH
from amanah.access_policies.policies import Policies
from amanah.access_policies.policy_files import read_folder, write_folder
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.errors import InvalidInput, PolicyFileWrong
from amanah.tenants.directory import Directory

BILLING = "essential.service.payment_processing"
NAME = "admin, tenantb"


def test_joined_and_split_again_it_would_be_another_role(tmp_path):
    """What the defect is: in a line of text the role of this name and what it may become something else."""
    path = tmp_path / "policy.csv"
    path.write_text(f"p, {NAME}, invoice, read, *, allow\n", "utf-8")
    enforcer = casbin.Enforcer(str(MODEL_PATH), str(path))
    assert enforcer.get_policy()[0][:2] == ["admin", "tenantb"]


def test_a_role_with_a_comma_stays_one_name_even_if_it_got_into_the_rows():
    """Our adapter hands lists to Casbin: `admin, tenantb` is never read as `admin`, nor does it disturb other rules."""
    rules = [Rule(1, "admin, tenantb", "invoice", "read", "*"), Rule(2, "clerk", "store", "read", "*")]
    parents = {"admin": frozenset(), "clerk": frozenset(), "admin, tenantb": frozenset()}
    snapshot = Snapshot("toko", 1, parents, [Purpose(BILLING, "", "contract")], rules, {})
    assert not snapshot.decide(frozenset({"admin"}), "invoice", "read", BILLING).allow
    assert snapshot.decide(frozenset({"admin, tenantb"}), "invoice", "read", BILLING).allow
    assert snapshot.decide(frozenset({"clerk"}), "store", "read", BILLING).allow


@pytest.mark.parametrize("name", [NAME, "admin,tenantb", "admin,"])
def test_it_is_refused_wherever_a_role_can_come_from(own_database, tmp_path, name):
    """By the register, as a parent, in a grant, in a rule, in a policy's files and in Casbin's; nothing is written."""
    policies, directory = Policies(own_database, {}), Directory(own_database)
    with own_database.begin() as connection:
        directory.create_tenant(connection, "toko", "Toko")
        directory.add_member(connection, "toko", "1")
        policies.add_role(connection, "toko", "admin")
        for write in (
            lambda: policies.add_role(connection, "toko", name),
            lambda: policies.add_role(connection, "toko", "clerk", parents=[name]),
            lambda: policies.add_rule(connection, "toko", role=name, object="a", action="read", purpose="*"),
            lambda: directory.grant(connection, "toko", "1", name, reason="x", granted_by="platform"),
        ):
            with pytest.raises(InvalidInput):
                write()
        assert directory.grants(connection, "toko") == []
    assert policies.snapshot("toko", 1).roles == {"admin"}
    write_folder(tmp_path / "f", templates.load("blank"))
    (tmp_path / "f" / "more.toml").write_text(f'[role."{name}"]\n', "utf-8")
    with pytest.raises(PolicyFileWrong, match="no valid name for a role"):
        read_folder(tmp_path / "f")
    _, path = casbin_files.write(tmp_path / "c", templates.load("blank"), {}, 0)
    with path.open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerow(["p", name, "invoice", "read", "*", "allow"])
    with pytest.raises(PolicyFileWrong, match="no valid name for a role"):
        casbin_files.read(tmp_path / "c", templates.load("blank"), {})


def test_an_application_that_maps_somebody_to_it_gives_them_nothing():
    """Roles that come from the application's own table are looked up whole, never split."""
    rules = [Rule(1, "admin", "invoice", "read", "*")]
    snapshot = Snapshot("toko", 1, {"admin": frozenset()}, [Purpose(BILLING, "", "contract")], rules, {})
    assert not snapshot.decide(frozenset({NAME}), "invoice", "read", BILLING).allow
