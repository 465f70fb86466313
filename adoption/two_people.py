"""Two people decide that sealed columns are stored in plain again: one asks, another one approves.

1. A member asks, with a reason. What is named is fixed as a list of columns.
2. Another member of the same tenant approves it, once, within 24 hours. Either may stop it until it is carried out.
3. It is carried out within 24 hours of the approval, while both may still do it: the policy is asked again before
   anything is opened, and again after each batch. A run that was killed is begun again and goes on where it was.

Invariants:

- A request is about one tenant, and only its members decide about it. For all tenants there are as many requests: a
  person of one organisation has no say in another's data, and an operator of the platform only claims to be somebody.
- Who takes part is proven (`console.proof`), and may do it by the tenant's policy (`RESOURCE`, `ACTION`, `PURPOSE`), by
  roles granted in Amanah. Roles of the application's own table do not count here: nobody asked the application.
- Each step is an entry of the tenant's trail in the same transaction; so is each refusal, before it is raised.
- Nothing of this stops somebody who holds the key file and the database: they need no command of ours to decrypt.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ..audit.entries import now_us
from ..audit.staging import stage
from ..errors import (
    Forbidden,
    InvalidInput,
    Refusal,
    RequestDecided,
    RequestEnded,
    RequestExpired,
    RequestUnapproved,
    SamePerson,
    TenantForeign,
)
from ..i18n import N_
from ..middleware.access import Access, Actor
from ..middleware.identify import Identity
from ..tenants.names import check_text
from .requests import End, Kept, Request, change, entry_id, keep, look_up, tenant_of
from .sealing_restore import restore
from .sealing_targets import chosen
from .sealing_work import QUIET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..audit.entries import Entry
    from ..console.proof import Proven
    from ..guard import Guard
    from ..middleware.siblings import Step
    from .sealing_work import Result, Watcher

RESOURCE: Final = "amanah.sealing"
ACTION: Final = "decrypt"
PURPOSE: Final = "essential.service.security"
STEPS: Final[tuple[Step, ...]] = ("read_sealed",)
"""The step of sealing in which plain values are kept as a copy that does not go stale."""
LIFETIME: Final = 24 * 3600 * 1_000_000
"""µs for which a request waits for its approval, and an approval for the run."""


class TwoPeople:
    """The steps of a request. ``operator``: who works at the terminal, as they claim; the trail keeps it."""

    def __init__(self, guard: Guard, *, operator: str, clock: Callable[[], int] = now_us) -> None:
        """``clock``: µs since the epoch, UTC."""
        self._guard = guard
        self._operator = operator
        self._clock = clock

    # 1.
    def ask(self, person: Proven, names: Sequence[str], reason: str) -> Request:
        """Ask for the columns that are named as ``table`` or ``table.column``.

        Raises `InvalidInput`, `SealingStepWrong`, and the refusals of admission and policy.
        """
        if not names:
            raise InvalidInput(detail=N_("a request names its columns"))
        reason = check_text(reason, "the reason", reason=True)
        member = Actor(person.member, strength="password")
        with self._on_record("decrypt.request", person.tenant, member):
            columns = tuple(field.name for field in chosen(self._guard, names, STEPS))
            access = self._judged(person.tenant, member, reason)
            now = self._clock()
            entry = access.entry("admin", "committed")
            request = Request(
                id=entry.id,
                tenant=person.tenant,
                columns=columns,
                reason=reason,
                asked_by=person.member,
                asked_at=now,
                expires_at=now + LIFETIME,
            )
            with self._guard.engine.begin() as connection:
                keep(connection, access.cipher, request)
                stage(connection, [self._told(entry, "decrypt.request", request)])
        return request

    # 2.
    def approve(self, request_id: str, person: Proven) -> Request:
        """Let the request be carried out, within 24 hours from now.

        Raises `SamePerson`, `RequestDecided`, `RequestEnded`, `RequestExpired`, `RequestForged`, `RequestUnknown`, and
        the refusals of admission and policy.
        """
        member = Actor(person.member, strength="password")
        with self._on_record("decrypt.approve", person.tenant, member, request_id):
            kept = look_up(self._guard, person.tenant, request_id)
            self._check_open(kept.request)
            if kept.request.approved_by:
                raise RequestDecided
            if kept.request.asked_by == person.member:
                raise SamePerson
            access = self._judged(person.tenant, member)
            now = self._clock()
            approved = replace(kept.request, approved_by=person.member, approved_at=now, expires_at=now + LIFETIME)
            entry = replace(access.entry("admin", "committed"), id=entry_id(access.cipher, request_id, "approved"))
            with self._guard.engine.begin() as connection:
                change(connection, access.cipher, kept, approved)
                stage(connection, [self._told(entry, "decrypt.approve", approved)])
        return approved

    def stop(self, request_id: str, person: Proven) -> Request:
        """Refuse the request, or withdraw one's own, for which no right is needed: also after its approval.

        Raises `RequestEnded`, `RequestForged`, `RequestUnknown`, and the refusals of admission and policy.
        """
        member = Actor(person.member, strength="password")
        with self._on_record("decrypt.refuse", person.tenant, member, request_id):
            kept = look_up(self._guard, person.tenant, request_id)
            if kept.request.ended:
                raise RequestEnded
            own = kept.request.asked_by == person.member
            access = self._outside(person.tenant, member) if own else self._judged(person.tenant, member)
            return self._end(kept, access, "withdrawn" if own else "refused")

    # 3.
    def run(self, request_id: str, progress: Watcher = QUIET) -> list[Result]:
        """Carry the request out, or go on with it. It is done, and over, when nothing is left of any column.

        Raises `RequestUnapproved`, `RequestEnded`, `RequestExpired`, `RequestForged`, `RequestUnknown`,
        `SealingStepWrong`, the refusals of admission and policy, and what `restore` raises.
        """
        tenant = tenant_of(self._guard, request_id)
        operator = Actor(self._operator, kind="operator")
        with self._on_record("decrypt.run", tenant, operator, request_id):
            request = self._runnable(tenant, request_id).request
            begun = self._told(self._outside(tenant, operator).entry("admin", "committed"), "decrypt.run", request)
            with self._guard.engine.begin() as connection:
                stage(connection, [begun])
            watcher = _Asking(lambda: self._runnable(tenant, request_id), progress)
            results = restore(self._guard, request.columns, operator=self._operator, tenant=tenant, progress=watcher)
            if all(one.whole for one in results):
                self._end(self._runnable(tenant, request_id), self._outside(tenant, operator), "done")
        return results

    def _runnable(self, tenant: str, request_id: str) -> Kept:
        kept = look_up(self._guard, tenant, request_id)
        request = kept.request
        self._check_open(request)
        if not request.approved_by:
            raise RequestUnapproved(request=request_id)
        if request.approved_by == request.asked_by:
            raise SamePerson
        for member in (request.asked_by, request.approved_by):
            self._judged(tenant, Actor(member))
        return kept

    # -- what they share ---------------------------------------------------------------------------------------------

    def _check_open(self, request: Request) -> None:
        if request.ended:
            raise RequestEnded
        if self._clock() >= request.expires_at:
            raise RequestExpired

    def _judged(self, tenant: str, actor: Actor, reason: str = "") -> Access:
        """The access of somebody who may decrypt, by the policy of this moment."""
        if self._guard.fixed_tenant not in (None, tenant):
            raise TenantForeign
        access = self._guard.admission.admit_now(Identity(tenant, actor), purpose=PURPOSE, reason=reason)
        decision = access.may(RESOURCE, ACTION)
        access.note_admission(RESOURCE, ACTION, decision)
        if not decision.allow:
            raise Forbidden(action=ACTION, resource=RESOURCE, purpose=PURPOSE)
        return access

    def _outside(self, tenant: str, actor: Actor) -> Access:
        """An access for entries only: nobody asked the policy."""
        return Access(
            kind="job", tenant=tenant, actor=actor, purpose=PURPOSE, cipher=self._guard.keyring.cipher(tenant)
        )

    def _end(self, kept: Kept, access: Access, end: End) -> Request:
        request = kept.request
        ended = replace(request, ended=end, ended_by=access.actor.id, ended_at=self._clock())
        entry = replace(access.entry("admin", "committed"), id=entry_id(access.cipher, request.id, "ended"))
        act = {"refused": "decrypt.refuse", "withdrawn": "decrypt.withdraw"}.get(end, "decrypt.done")
        with self._guard.engine.begin() as connection:
            change(connection, access.cipher, kept, ended)
            stage(connection, [self._told(entry, act, ended)])
        return ended

    def _told(self, entry: Entry, act: str, request: Request) -> Entry:
        detail = {
            "act": act,
            "request": request.id,
            "columns": ", ".join(request.columns),
            "asked_by": request.asked_by,
            "approved_by": request.approved_by,
            "operator": self._operator,
        }
        return replace(entry, detail={name: value for name, value in detail.items() if value})

    @contextmanager
    def _on_record(self, act: str, tenant: str, actor: Actor, request_id: str = "") -> Iterator[None]:
        """Put a refusal into the trail before it is raised."""
        try:
            yield
        except Refusal as refusal:
            entry = self._outside(tenant, actor).entry("refusal", "refused", status=refusal.status, refusal=refusal)
            detail = {**entry.detail, "act": act, "request": request_id, "operator": self._operator}
            self._guard.writer.record(replace(entry, detail=detail))
            refusal.decision_id = entry.id
            raise


class _Asking:
    """After each batch: is it still approved, may both still do it?"""

    def __init__(self, ask: Callable[[], object], progress: Watcher) -> None:
        self._ask = ask
        self._progress = progress

    def expect(self, rows: int) -> None:
        """So many rows are to be done."""
        self._progress.expect(rows)

    def advance(self, rows: int) -> None:
        """So many more are done; raises what `TwoPeople.run` raises."""
        self._progress.advance(rows)
        self._ask()
