"""What an attack may end with, besides passing: a leak, a limit that is documented, or that it does not apply."""

from __future__ import annotations


class Leaked(AssertionError):
    """An attack succeeded. The message says what was shown and what to do; it never quotes a value."""


class TooLittleData(AssertionError):
    """`AttackTarget.populate` did not write what the attack needs; the message says what."""


class KnownLimit(Exception):
    """The attack succeeded, as the reference of the attack kit says it does."""


class NotApplicable(Exception):
    """The column has nothing that this attack could be aimed at."""


__all__ = ["KnownLimit", "Leaked", "NotApplicable", "TooLittleData"]
