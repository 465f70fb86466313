"""Which grant is nearest to turning a no into a yes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from amanah.access_policies.content import Content
from amanah.access_policies.draft import snapshot_of
from amanah.access_policies.purposes import Purpose
from amanah.access_policies.rules import Rule
from amanah.middleware.explain import grant_words
from amanah.tenants.records import Grant

NOW = datetime(2026, 12, 1, 8, tzinfo=UTC)
DAY = timedelta(days=1)
BILLING = "essential.service.payment_processing"
POLICY = snapshot_of(
    Content(
        {"cashier": (), "guest": ()}, {}, (Purpose(BILLING, "billing", "contract"),),
        (Rule(0, "cashier", "invoice", "read", BILLING), Rule(0, "guest", "patient", "read", BILLING, "deny")),
    ),
    {},
)  # fmt: skip
GRANT = Grant("g1", "sari", "cashier", "till", "budi", NOW - 9 * DAY, None, None, None)
ENDED = replace(GRANT, id="ended", ends_at=NOW - DAY)
LONG_ENDED = replace(GRANT, id="long-ended", ends_at=NOW - 5 * DAY)
REVOKED = replace(GRANT, id="revoked", revoked_at=NOW - 2 * DAY)
LATER = replace(GRANT, id="later", starts_at=NOW + DAY)
WAITS = replace(GRANT, id="waits", waits=True)


def told(*grants, roles=(), obj="invoice"):
    """The sentences."""
    found = POLICY.explain(frozenset(roles), obj, "read", BILLING)
    return list(grant_words(found, grants, NOW, "en"))


def test_the_nearest_grant_is_the_one_that_waits_then_the_one_to_come_then_the_last_that_ended():
    """One sentence, of the one with which least has to happen."""
    assert told(LONG_ENDED, REVOKED, ENDED) == [
        "The grant ended of the role cashier ended on 30 Nov 2026 08:00:00 +00:00."
    ]
    assert "The grant revoked of the role cashier was revoked" in told(LONG_ENDED, REVOKED)[0]
    assert "The grant later of the role cashier begins on 2 Dec 2026" in told(ENDED, LATER)[0]
    assert "The grant waits of the role cashier waits for a second person" in told(ENDED, LATER, WAITS)[0]


def test_where_no_grant_would_help_none_is_named():
    """A yes, a rule that denies, a role that brings nothing."""
    assert told(ENDED, roles=["cashier"]) == []
    assert told(ENDED, roles=["guest"], obj="patient") == []
    assert told(replace(ENDED, role="guest")) == []
