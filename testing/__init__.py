"""What application developers use in their own tests.

The fixtures of `amanah.testing.plugin` (``amanah_folder``, ``amanah_settings``, ``amanah_trail``) come by themselves.

::

    guard = Guard.production(…, settings=settings_in(tmp_path))
    with as_member(guard, tenant="clinic", role="nurse", purpose="registration"):
        …
    assert trail_of(guard, "clinic")[0].what[0].columns == ("name", "phone")

    assert all(outcome.passed for outcome in run_policy_tests(Path("policy"), guard.policies.fields))

The attacks of `amanah.testing.attacks` are tests of your schema: give them an `AttackTarget`.
"""

from __future__ import annotations

from ..access_policies.policy_tests import run_policy_tests
from .apps import kept_open
from .keys import MemoryKeys
from .members import as_member
from .places import fast_folder, settings_in
from .target import AttackTarget
from .trail import trail_of

__all__ = [
    "AttackTarget",
    "MemoryKeys",
    "as_member",
    "fast_folder",
    "kept_open",
    "run_policy_tests",
    "settings_in",
    "trail_of",
]
