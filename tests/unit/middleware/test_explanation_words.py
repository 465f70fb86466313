"""Explanations of rules with a time or a mask, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.access_policies.snapshot import Snapshot
from amanah.middleware.explain import explanation_words

BILLING = "essential.service.payment_processing"
HOUR = 3_600_000_000
TIMED = Rule(7, "support", "customer.phone", "read", BILLING, starts_at=HOUR, ends_at=2 * HOUR)
MASKED = Rule(8, "support", "customer.phone", "read_masked", BILLING, mask="dots")


def words(*rules, now=0, action="read", language="en", known=True):
    """What is told to somebody of support who wants to read the telephone number."""
    parents = {"support": frozenset()}
    fields = {"customer.phone": "user.contact.phone_number"}
    purposes = [Purpose(BILLING, "", "contract")]
    found = Snapshot("toko", 1, parents, purposes, rules, fields, fits=lambda _field, _mask: known, now=now)
    return list(explanation_words(found.explain(frozenset({"support"}), "customer.phone", action, BILLING), language))


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (HOUR - 1, "Rule r7 will allow it, and is not in force yet: support customer.phone read"),
        (HOUR, "Rule r7 allows it: support customer.phone read"),
        (2 * HOUR, "Rule r7 allowed it, and is in force no longer: support customer.phone read"),
    ],
)
def test_a_rule_that_is_out_of_time_is_named_with_its_times(now, said):
    """Whoever asks why learns from when or until when."""
    [told] = [line for line in words(TIMED, now=now) if line.startswith("Rule r7")]
    assert told.startswith(said)
    assert told.endswith("allow from=1970-01-01T01:00:00Z until=1970-01-01T02:00:00Z.")


def test_the_nearest_of_several_is_told_and_another_roles_is_not():
    """One sentence for each direction; a rule of a role that somebody does not have is no news to them."""
    later = replace(TIMED, number=9, starts_at=5 * HOUR, ends_at=None)
    other = replace(later, number=10, role="owner", starts_at=4 * HOUR)
    told = [line[:7] for line in words(TIMED, later, other, now=3 * HOUR) if line.startswith("Rule")]
    assert told == ["Rule r9", "Rule r7"]


def test_the_mask_by_which_it_may_be_seen_is_named():
    """The rule's, or that of the column."""
    assert "They may see it masked, by the mask dots." in words(MASKED)
    assert "They may see it masked." in words(replace(MASKED, mask=""))
    assert not any("masked, by" in line or "see it masked." in line for line in words(MASKED, known=False))


def test_a_mask_that_cannot_be_used_is_said_to_be_the_reason():
    """And not that a rule denies it."""
    [told] = words(MASKED, action="read_masked", known=False)
    assert told.startswith("Rule r8 asks for a mask that this process cannot use for this column, so it is no:")
    assert words(MASKED, action="read_masked")[0].startswith("Rule r8 allows it:")


def test_it_is_told_in_indonesian_too():
    """Every sentence has its translation."""
    lines = [line for rules in ((TIMED,), (MASKED,)) for line in words(*rules, language="id")]
    assert any("belum berlaku" in line for line in lines)
    assert any("samaran dots" in line for line in lines)
