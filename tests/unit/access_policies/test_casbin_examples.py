"""The policy examples that Casbin publishes give their documented answers here.

A domain or organisation is a tenant of ours, a user's ``g`` line a grant of a role, a rule a rule for any purpose. What
Casbin calls a view is a category of columns here, and an activity stands for the actions that it consists of, as in a
policy's files. So each example goes in by `amanah policy import`'s own reader, one folder for each tenant, and its
answers come from a snapshot of the database; beside it Casbin itself answers by the model as it was published.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import casbin
import pytest

from amanah.access_policies import casbin_files, content, plan
from amanah.access_policies.policies import Policies
from amanah.database import version_of
from amanah.errors import PolicyFileWrong
from amanah.tenants.directory import Directory

PURPOSE = "x.any"

WITH_DOMAINS = """
[request_definition]
r = sub, dom, obj, act
[policy_definition]
p = sub, dom, obj, act
[role_definition]
g = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
"""

ORBAC = """
[request_definition]
r = sub, org, obj, act
[policy_definition]
p = role, activity, view, org
[role_definition]
g = _, _, _
g2 = _, _, _
g3 = _, _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.role, r.org) && g2(r.act, p.activity, r.org) && g3(r.obj, p.view, r.org) && r.org == p.org
"""

ADMINS = {("admin", domain, f"data{domain[-1]}", act) for domain in ("domain1", "domain2") for act in ("read", "write")}
DOMAINS = {
    "RBAC with domains": (ADMINS, {("alice", "admin", "domain1"), ("bob", "admin", "domain2")}, set()),
    "RBAC with domains, several each": (
        ADMINS | {("user", "domain3", "data2", "read")},
        {
            ("alice", "admin", "domain1"),
            ("alice", "admin", "domain2"),
            ("bob", "admin", "domain2"),
            ("bob", "user", "domain3"),
        },
        set(),
    ),
    "RBAC with a hierarchy and domains": (
        {("reader", "domain1", "data1", "read"), ("writer", "domain1", "data1", "write")},
        {("alice", "global_admin", "domain1")},
        {("global_admin", "reader", "domain1"), ("global_admin", "writer", "domain1")},
    ),
}
"""By name: rules, who has which role, and which role inherits. (One line of the third names a user in a rule: here
only roles have rules.)"""

YES = {
    "RBAC with domains": {
        ("alice", "domain1", "data1", "read"), ("alice", "domain1", "data1", "write"),
        ("bob", "domain2", "data2", "read"), ("bob", "domain2", "data2", "write"),
    },
    "RBAC with domains, several each": {
        ("alice", "domain1", "data1", "read"), ("alice", "domain1", "data1", "write"),
        ("alice", "domain2", "data2", "read"), ("alice", "domain2", "data2", "write"),
        ("bob", "domain2", "data2", "read"), ("bob", "domain2", "data2", "write"),
        ("bob", "domain3", "data2", "read"),
    },
    "RBAC with a hierarchy and domains": {
        ("alice", "domain1", "data1", "read"), ("alice", "domain1", "data1", "write"),
    },
}  # fmt: skip
"""What is documented as true; everything else is false."""

PEOPLE = {("alice", "manager", "org1"), ("bob", "employee", "org1")}
PEOPLE |= {("charlie", "manager", "org2"), ("david", "employee", "org2")}
VIEWS = {"org1": "document", "org2": "report"}
PERMITTED = {("manager", "modify"), ("manager", "consult"), ("employee", "consult")}
ACTIVITIES = {"modify": ("write",), "consult": ("read",)}
OBJECTS = {"data1": "document", "data2": "document", "report1": "report", "report2": "report"}


@pytest.fixture
def company(own_database, tmp_path):
    """Brings an example in; gives a function that answers its requests."""
    directory = Directory(own_database)

    def bring_in(rules, people, inherits=(), fields=None):
        fields = fields or {}
        policies = Policies(own_database, fields)
        for tenant in sorted({row[1] for row in rules} | {row[2] for row in people}):
            links = {(low, high) for low, high, where in inherits if where == tenant}
            roles = {name for name, where, *_ in rules if where == tenant} | {name for link in links for name in link}
            roles |= {role for _, role, where in people if where == tenant}
            with own_database.begin() as connection:
                directory.create_tenant(connection, tenant, tenant)
                for role in sorted(roles):
                    policies.add_role(connection, tenant, role)
                policies.add_purpose(connection, tenant, PURPOSE, legal_basis="contract")
                present, version = content.read(connection, tenant), version_of(connection, tenant)
            folder = tmp_path / tenant
            _, path = casbin_files.write(folder, present, fields, 0)
            lines = [f"p, {role}, {obj}, {act}, *, allow" for role, where, obj, act in rules if where == tenant]
            lines += [f"g, {low}, {high}" for low, high in links]
            path.write_text(path.read_text("utf-8") + "\n".join(sorted(lines)), "utf-8")
            wanted = casbin_files.read(folder, present, fields)
            shown = plan.compare(present, wanted)
            order = plan.Order(content=wanted, shown=shown, version=version, by="operator:ops", source="casbin")
            with own_database.begin() as connection:
                plan.apply(connection, tenant, order)
                for user in sorted({user for user, _, where in people if where == tenant}):
                    directory.add_member(connection, tenant, user)
                for user, role, where in sorted(people):
                    if where == tenant:
                        directory.grant(connection, tenant, user, role, reason="example", granted_by="platform")

        def enforce(user, tenant, obj, act):
            roster = directory.load(tenant)
            snapshot = policies.snapshot(tenant, roster.version)
            standing = roster.standing(user, datetime.now(UTC) + timedelta(minutes=1))
            return snapshot.decide(standing.roles, obj, act, PURPOSE).allow

        return enforce

    return bring_in


def plain(model, *policy):
    """Casbin itself, with the published model and these lines."""
    made = casbin.Model()
    made.load_model_from_text(model)
    enforcer = casbin.Enforcer(made)
    for kind, rows in policy:
        for row in sorted(rows):
            enforcer.add_named_policy(kind, *row) if kind == "p" else enforcer.add_named_grouping_policy(kind, *row)
    return enforcer


@pytest.mark.parametrize("name", DOMAINS)
def test_the_examples_with_domains_give_their_documented_answers(company, name):
    """Every user in every domain, each object and action; by our snapshots, and by Casbin itself."""
    rules, people, inherits = DOMAINS[name]
    enforce = company(rules, people, inherits)
    casbins = plain(WITH_DOMAINS, ("p", rules), ("g", people | inherits))
    domains = sorted({row[1] for row in rules})
    for request in product(("alice", "bob", "admin", "nobody"), domains, ("data1", "data2"), ("read", "write")):
        assert enforce(*request) == (request in YES[name]), request
        if request[0] != "admin":  # in Casbin's model somebody who is called like a role has its rules
            assert casbins.enforce(*request) == (request in YES[name]), request


def test_the_organisation_based_example_gives_its_documented_answers(company):
    """Managers consult and modify, employees consult, each in their own organisation and its own view."""
    fields = {f"object.{name}": view for name, view in OBJECTS.items()}
    rules = {
        (role, org, f"category:{VIEWS[org]}", act)
        for (role, activity), org in product(PERMITTED, VIEWS)
        for act in ACTIVITIES[activity]
    }
    enforce = company(rules, PEOPLE, fields=fields)
    casbins = plain(
        ORBAC,
        ("p", {(role, activity, VIEWS[org], org) for (role, activity), org in product(PERMITTED, VIEWS)}),
        ("g", PEOPLE),
        ("g2", {(act, activity, org) for activity, acts in ACTIVITIES.items() for act in acts for org in VIEWS}),
        ("g3", {(name, view, org) for name, view in OBJECTS.items() for org in VIEWS if VIEWS[org] == view}),
    )
    documented = {("alice", "org1"): {"read", "write"}, ("bob", "org1"): {"read"}}
    documented |= {("charlie", "org2"): {"read", "write"}, ("david", "org2"): {"read"}}
    for user, org, obj, act in product(("alice", "bob", "charlie", "david"), VIEWS, OBJECTS, ("read", "write")):
        expected = act in documented.get((user, org), ()) and OBJECTS[obj] == VIEWS[org]
        assert casbins.enforce(user, org, obj, act) == expected
        assert enforce(user, org, f"object.{obj}", act) == expected


def test_another_model_than_ours_is_not_taken_for_it(tmp_path):
    """A published model.conf itself is refused: its rules would say something else under our matcher."""
    present = content.Content({"admin": ()}, {}, (), ())
    casbin_files.write(tmp_path, present, {}, 0)
    for model in (WITH_DOMAINS, ORBAC):
        (tmp_path / "model.conf").write_text(model, "utf-8")
        with pytest.raises(PolicyFileWrong, match="another model"):
            casbin_files.read(tmp_path, present, {})
