"""The policy's answer to one question."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """``rule``: id of the rule that decided, ``None`` if no rule is about the question. ``version``: of the policy."""

    allow: bool
    rule: str | None
    version: int
