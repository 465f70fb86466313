"""The access: one unit of work by one actor, for one purpose, in one tenant. The ticket that everything below consults.

Invariants:

1. Keys, tenant and purpose are taken from here and from nowhere else: never from the row that was read, never from a
   default argument.
2. An access lives in one ContextVar and is reset in ``finally``. When it closes it is marked dead; whoever kept it gets
   `AccessClosed`.
3. What it may not do is decided by the tenant's snapshot; without a snapshot the answer is no.
"""

from __future__ import annotations

import base64
import logging
from typing import TYPE_CHECKING

from ..audit.entries import Entry, new_event_id, now_us
from ..database import PLATFORM
from ..encryption.netstrings import netstring
from ..errors import AmanahError
from .current import current, open_access, require
from .handoff import hand_over
from .seeing import Seeing, Sight
from .ticket import ANONYMOUS, AUTHENTICATION, Actor, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from ..access_policies.snapshot import Decision
    from ..audit.entries import What

_log = logging.getLogger("amanah.gate")


class Access(Seeing):
    """The ticket. Made by the admission (requests, jobs) and by the gate (sign-in, public); never by an application."""

    __slots__ = ()

    # -- the trail --

    def note_admission(self, resource: str, action: str, decision: Decision) -> None:
        """Remember the route's decision for the access's entry."""
        self._decision = {
            "resource": resource,
            "action": action,
            "allow": decision.allow,
            "rule": decision.rule,
            "policy_version": decision.version,
        }

    def entry(
        self,
        kind: str,
        outcome: str,
        *,
        status: int | None = None,
        refusal: AmanahError | None = None,
        what: tuple[What, ...] | None = None,
        reason: str | None = None,
    ) -> Entry:
        """One entry of the trail with all that the notes hold, or with ``what`` instead, which leaves the notes.

        ``reason``: of what the entry is about, where that is not the access's own.
        """
        event = new_event_id()
        told = {"reason": reason or self.reason}
        if self.sign_in is None:
            told |= {"agent": self.agent, "ip": self.ip}
        sealed, tokens = self._sealed(event, told)
        receipts: list[str] = []
        if kind != "write":  # what rides on a change cannot vouch for it
            receipts, self.receipts = self.receipts, receipts
        return Entry(
            id=event,
            at=now_us(),
            tenant=self.tenant or PLATFORM,
            access=self.id,
            kind=kind,
            actor=self.actor.id,
            actor_kind=self.actor.kind,
            roles=tuple(sorted(self.roles)),
            strength=self.actor.strength,
            purpose=self.purpose,
            inferred=self.inferred,
            route=self.route,
            request=self.request,
            status=status,
            outcome=outcome,
            what=self.notes.drain() if what is None else what,
            decision=self._decision,
            refusal=refusal.code if refusal is not None else None,
            detail=self._detail(refusal),
            sealed=sealed,
            tokens=tokens,
            sign_in=None if self.sign_in is None else self.sign_in.id,
            wrote=tuple(receipts),
        )

    def sign_in_entry(self) -> Entry:
        """The entry that holds the actor's address and browser, for all accesses that share them."""
        event = new_event_id()
        sealed, tokens = self._sealed(event, {"agent": self.agent, "ip": self.ip})
        actor = self.actor
        return Entry(
            id=event,
            at=now_us(),
            tenant=self.tenant or PLATFORM,
            access="",
            kind="sign_in",
            actor=actor.id,
            actor_kind=actor.kind,
            strength=actor.strength,
            sealed=sealed,
            tokens=tokens,
        )

    def _sealed(self, event: str, told: Mapping[str, str | None]) -> tuple[dict[str, str], dict[str, str]]:
        """What is personal about the access, sealed for the entry ``event``, and the tokens by which it is found."""
        sealed: dict[str, str] = {}
        tokens: dict[str, str] = {}
        cipher = self._cipher if self.tenant is not None and self._cipher is not None else self._platform
        if cipher is None:
            return sealed, tokens
        for name, value in told.items():
            if value:
                raw = value.encode("utf-8", "surrogateescape")
                place = netstring(f"trail.{name}".encode()) + netstring(event.encode())
                sealed[name] = base64.b64encode(cipher.seal(f"trail.{name}", place, raw)).decode()
                if name == "ip":
                    tokens[name] = cipher.token("trail.ip", raw).hex()
        return sealed, tokens

    def committed(self, receipt: str) -> None:
        """A change of this access was committed. Told with its next entry; after its end, with one of its own."""
        self.receipts.append(receipt)
        if self._closed and self.recorder is not None:
            try:
                self.recorder.submit(self.entry("receipt", "committed", what=()))
            except AmanahError:  # the change is committed and has its entry; a receipt fewer is what a crash leaves
                _log.exception("a receipt could not be recorded")

    def _detail(self, refusal: AmanahError | None) -> dict[str, str]:
        """What a refusal is about, and which of the roles were taken in an emergency."""
        detail = refusal.named() if refusal is not None else {}
        return {**detail, "emergency": ",".join(sorted(self.emergency))} if self.emergency else detail

    # -- its life --

    def handoff(self, *, seconds: int, purpose: str | None = None) -> str:
        """A short text by which work of this access goes on after its end, or in another process: `Guard.resume`.

        For queues: URL-safe, nothing personal in clear, good for one time within ``seconds`` (at most 30 days).
        ``purpose``: a key or alias, where it differs from this access's. Raises `ConfigurationError`, `PurposeUnknown`,
        and `AccessClosed` on a dead ticket.
        """
        return hand_over(self, seconds=seconds, purpose=purpose)

    @property
    def closed(self) -> bool:
        """True once the unit of work has ended."""
        return self._closed

    def adopt(self, session: Session) -> None:
        """Tie a Session to this access; what it holds in memory is dropped when the access closes."""
        self._sessions.add(session)

    def first_check(self, shape: object) -> bool:
        """True until ``shape`` (a statement's analysis) has `passed` under this access."""
        return shape not in self._checked

    def passed(self, shape: object) -> None:
        """The decision on ``shape`` was yes; it need not be asked again under this access."""
        self._checked.add(shape)

    def close(self) -> None:
        """Mark the ticket dead. Calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        self.ways.clear()
        for session in list(self._sessions):
            session.expunge_all()
        self._sessions.clear()

    def __repr__(self) -> str:
        """Kind and id: nothing about the actor."""
        return f"<Access {self.kind} {self.id}{' closed' if self._closed else ''}>"


__all__ = [
    "ANONYMOUS",
    "AUTHENTICATION",
    "Access",
    "Actor",
    "Kind",
    "Sight",
    "current",
    "open_access",
    "require",
]
