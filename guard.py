"""The composition root: the only place where everything is wired together.

``Guard.development(…)`` keeps its keys in a folder that it creates, lets plain HTTP in and prints in a refusal what to
declare. ``Guard.production(…)`` creates nothing, demands HTTPS and says no more than a stranger may know.
"""

from __future__ import annotations

import threading
import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.exc import SQLAlchemyError

from .access_policies.policies import Policies
from .audit.checkpoints import SignerKey
from .audit.entries import Entry, new_event_id, now_us
from .audit.metrics import Metrics
from .audit.outside import chosen
from .audit.sequencer import Sequencer
from .audit.staging import Staging, stage
from .audit.writer import TrailWriter
from .database import PLATFORM, own_engine, own_url, trail_url
from .encryption.file_provider import FileKeyProvider
from .encryption.keyring import Keyring
from .errors import ConfigurationError, DeclarationError, InvalidInput
from .middleware import break_glass
from .middleware.access import Actor, require
from .middleware.admission import Admission
from .middleware.application import create_keys, deployed, has_keys
from .middleware.asgi import AmanahMiddleware
from .middleware.callbacks import Callers
from .middleware.consents import Consents
from .middleware.declare import build
from .middleware.declared_sql import normal
from .middleware.engines import engines_of
from .middleware.first_sight import FirstSight
from .middleware.fixed_tenant import fixed, only
from .middleware.guessed import confirmed
from .middleware.hooks import Gate
from .middleware.https import Transport
from .middleware.identify import Identity
from .middleware.jobs import JobAccess
from .middleware.metrics import MetricsApp
from .middleware.observing import Observing
from .middleware.observing_gate import ObservingGate
from .middleware.posture import EVERYTHING, Posture, take_up
from .middleware.report_text import read_report
from .middleware.reseal import Resealing
from .middleware.resuming import Resuming
from .middleware.routes import RouteTable
from .middleware.row_filters import build as build_row_filters
from .middleware.running import Running
from .middleware.sightings import Notebook, lost
from .middleware.silences import Silences
from .middleware.transactions import transaction_of
from .settings import Settings
from .tenants.directory import Directory
from .tenants.versions import VersionReader

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from datetime import date
    from typing import Unpack

    from sqlalchemy import Connection, MetaData
    from sqlalchemy.orm import Session
    from starlette.types import ASGIApp

    from .encryption.provider import KeyProvider
    from .middleware.access import Access
    from .middleware.application import Application
    from .middleware.declare import Declaration
    from .middleware.engines import Engines
    from .middleware.first_sight import Policy as FirstSightPolicy
    from .middleware.identify import Identify
    from .middleware.resuming import RolesNow
    from .middleware.routes import Route
    from .middleware.row_filters import RowFilter
    from .tenants.emergencies import Taken


class Guard:
    """What stands between an application, its users and its database. One per application; safe for threads.

    What each of the constructors takes about the application is said in `Application`.
    """

    def __init__(
        self,
        *,
        metadata: MetaData,
        engine: Engines,
        identify: Identify,
        routes: Iterable[Route],
        declarations: Iterable[Declaration | list[Declaration]],
        tenant_column: str = "tenant_id",
        first_sight: FirstSightPolicy = "refuse",
        provider: KeyProvider,
        signer: SignerKey,
        settings: Settings,
        transport: Transport,
        development: bool,
        fixed_tenant: str | None = None,
        row_filters: Iterable[RowFilter] = (),
        silenced: Mapping[str, str] | None = None,
        observing: Observing | None = None,
    ) -> None:
        """Use one of the named constructors. Raises `DeclarationError` and `ConfigurationError`."""
        app_engines = engines_of(engine)
        url = app_engines[0].url
        self.metadata = metadata
        self.silences = Silences(silenced or {})
        self.declarations = _each(declarations)
        self.fixed_tenant = fixed(fixed_tenant)
        self.register = build(metadata, self.declarations, tenant_column, fixed_tenant=fixed_tenant)
        self.routes = RouteTable(routes)
        self.posture = observing
        build_row_filters(self.register, row_filters, app_engines[0].dialect)
        if observing is not None:
            observing.take_in(self.register, self.routes.routes)
        self.settings = settings
        self.is_development = development
        self.engine = own_engine(url)
        self.trail_engine = self.engine if trail_url(url) == own_url(url) else own_engine(trail_url(url))
        self.signer = signer
        self.provider = provider
        self.keyring = Keyring(self.engine, provider)
        self.policies = Policies(
            self.engine,
            self.register.categories(),
            row_filters=self.register.row_filters.resources,
            fits=self.register.mask_fits,
        )
        self.directory = Directory(self.engine, closure=self.policies.closure)
        self.versions = VersionReader(self.engine)
        self.admission = Admission(
            keyring=self.keyring,
            directory=self.directory,
            policies=self.policies,
            versions=self.versions,
            first_sight=FirstSight(self.engine, first_sight),
        )
        self.writer = TrailWriter(self.trail_engine, signer.stream_key, capacity=settings.trail_queue)
        self.notebook = None if observing is None else Notebook(self.writer)
        self.outside = chosen(settings.checkpoint_places, partly=True)
        self.sequencer = Sequencer(self.engine, self.trail_engine, signer, outside=self.outside)
        self._identify = identify
        self._callers = Callers(self.routes.routes, self.register, self.engine, fixed_tenant=fixed_tenant)
        self._transport = transport
        self._lock = threading.Lock()
        self._started = False
        staging = Staging(self.trail_engine)
        self.resuming = Resuming(
            engine=self.engine, keyring=self.keyring, admission=self.admission, writer=self.writer, staging=staging
        )
        gate = (
            Gate(self.register, staging)
            if observing is None or self.notebook is None
            else ObservingGate(self.register, staging, observing, self.notebook)
        )
        self._gate = gate
        self.consents = Consents(self.register, gate)
        for one in app_engines:
            gate.protect(one)

    @classmethod
    def development(
        cls,
        *,
        routes: Iterable[Route],
        declarations: Iterable[Declaration | list[Declaration]] = (),
        state: str | os.PathLike[str] = ".amanah",
        **application: Unpack[Application],
    ) -> Self:
        """For one's own machine: keys in the folder ``state``, made on first use; plain HTTP; refusals that teach.

        The same gates as in production. A key file that is missing although the database already holds keys is never
        replaced by a new one.
        """
        declarations, routes = confirmed(declarations, routes)
        settings = Settings.in_folder(state)
        if not settings.key_file.exists() and not has_keys(application["engine"]):
            create_keys(settings)
            warnings.warn(f"Amanah made development keys in {settings.key_file.parent}.", RuntimeWarning, stacklevel=2)
        return cls(
            routes=routes,
            declarations=declarations,
            provider=FileKeyProvider(settings.key_file),
            signer=SignerKey.load(settings.signer_file),
            settings=settings,
            transport=Transport.development(),
            development=True,
            **application,
        )

    @classmethod
    def production(
        cls,
        *,
        routes: Iterable[Route],
        declarations: Iterable[Declaration | list[Declaration]] = (),
        settings: Settings | None = None,
        provider: KeyProvider | None = None,
        **application: Unpack[Application],
    ) -> Self:
        """For real data. ``settings`` default to the environment's; ``provider`` to the one that they name.

        Nothing is created: a missing key file, signer or migration is an error.
        """
        declarations, routes = confirmed(declarations, routes)
        return cls(routes=routes, declarations=declarations, **deployed(settings, provider), **application)

    @classmethod
    def observing(
        cls,
        *,
        until: date | None = None,
        enforce: Iterable[str] = (),
        routes: Iterable[Route],
        declarations: Iterable[Declaration | list[Declaration]] = (),
        settings: Settings | None = None,
        provider: KeyProvider | None = None,
        **application: Unpack[Application],
    ) -> Self:
        """The road to `production`, with its other arguments: what would be refused is recorded and let pass.

        ``until``: the last day (UTC), at most 92 days from now; afterwards everything is enforced. ``enforce``: the
        resources that are enforced already. Those with a sealed column always are. Guesses of `amanah init` are taken,
        except about what is enforced. Raises `ConfigurationError` for a last day that is missing or too far and for a
        resource that nobody declared.
        """
        posture = Observing(until, enforce)
        declared, routes = _each(declarations), tuple(routes)
        named = posture.enforced
        confirmed([d for d in declared if (d.resource or d.table) in named], [r for r in routes if r.resource in named])
        place = deployed(settings, provider)
        return cls(routes=routes, declarations=declared, observing=posture, **place, **application)

    # -- requests ----------------------------------------------------------------------------------------------------

    def wrap(self, app: ASGIApp, *, console: str | None = None, answers_strangers: bool = False) -> ASGIApp:
        """``app`` behind the gates. ``console``: the path under which the web pages are served beside it, if any.

        ``answers_strangers``: the application itself tells who is not signed in, by its redirect to the login or its
        own 401. It then runs for them under an access that opens nothing; instead of an answer that is no redirect and
        no error of the client's (300 to 499) they get the guard's.
        """
        guarded: ASGIApp = self.guarded(
            app, self.routes, self._identify, observing=self.posture, answers_strangers=answers_strangers
        )
        if console is not None:
            from .console import mount

            guarded = mount(self, guarded, console)
        return Running(guarded, self)

    def guarded(
        self,
        app: ASGIApp,
        routes: RouteTable,
        identify: Identify,
        *,
        observing: Observing | None = None,
        answers_strangers: bool = False,
    ) -> AmanahMiddleware:
        """``app`` behind the HTTP gate with its own routes and its own answer to who is asking.

        ``observing``: what is not enforced of it is only observed. Amanah's own pages never are.
        """
        return AmanahMiddleware(
            app,
            routes=routes,
            identify=only(self.fixed_tenant, identify),
            admission=self.admission,
            recorder=self.writer,
            transport=self._transport,
            development=self.is_development,
            observing=observing,
            notebook=self.notebook if observing is not None else None,
            answers_strangers=answers_strangers,
            callers=self._callers,
        )

    def declared_sql(self, name: str, sql: str, columns: Mapping[str, str] | None = None) -> None:
        """Let the application execute ``sql``, a report that it keeps as text, inside the walls.

        ``columns``: result column → ``table.column`` for each personal column that the report shows. All other raw SQL
        on a protected table stays refused. Raises `DeclarationError` for a text that cannot be walled.
        """
        report = read_report(self.register, name, sql, columns or {}, self.engine.dialect.name)
        if self.register.reports.setdefault(normal(sql), report) is not report:
            raise DeclarationError(detail=f"the report {name} is declared twice")

    @cached_property
    def metrics(self) -> MetricsApp:
        """What Prometheus is told about this process and the trail, as an ASGI application (extra ``metrics``).

        Mounted nowhere by default: put it on a route of the application's that only Prometheus reaches, and declare
        that route `public`. Raises `ConfigurationError` where prometheus-client is missing.
        """
        return MetricsApp(Metrics(self.engine, self.trail_engine, lambda: self.writer.waiting))

    # -- work outside a request --------------------------------------------------------------------------------------

    def access(self, *, tenant: str, actor: str, purpose: str, reason: str, kind: str = "member") -> JobAccess:
        """An access for a job or script: ``with guard.access(…):`` or ``async with``. Recorded before it opens.

        The actor is a member of the tenant with grants of their own; ``kind="service"`` says that it is no person.
        ``purpose`` is a key or alias of the tenant's register. Raises the refusals of admission and `TrailUnavailable`.
        """
        if not reason.strip():
            raise ConfigurationError(detail="an access outside a request needs a reason")
        identity = Identity(tenant=tenant, actor=Actor(id=actor, kind=kind))

        def admit() -> Access:
            access = self.admission.admit_now(identity, purpose=purpose, reason=reason)
            self.writer.record(access.entry("job", "answered"))
            return access

        return JobAccess(admit, self.writer)

    def break_glass(self, role: str, reason: str) -> Taken:
        """Whoever asks takes ``role``, as their tenant allows in an emergency: it counts from the next request on.

        For a route of the application's own. Tenant and actor come from the access; it ends by itself, and somebody
        else reviews it. Blocks for a transaction of its own: in an async handler call it in a thread, and on SQLite
        before the application writes. Raises `EmergencyNotAllowed`, `EmergencyTaken`, `DutyBroken`, `InvalidInput`
        (no reason) and `AccessRequired`.
        """
        return break_glass.take(self.engine, self.directory, role, reason)

    def resume(self, text: str, *, roles: RolesNow | None = None) -> JobAccess:
        """The access of work that was handed over by `Access.handoff`: ``with guard.resume(text):`` or ``async with``.

        At most once, and only if the actor may now: tenant, membership and roles are judged when the block is entered.
        ``roles(tenant, actor)``: the actor's roles now, where they come from the application's own table; None where
        there is no such account any more. Raises `HandoffForged`, `HandoffExpired`, `HandoffUsed`, the refusals of
        admission, and `Unavailable`.
        """
        return JobAccess(lambda: self.resuming.take(text, roles), self.writer)

    def reseal(self, place: Session | Connection, table: str, *, key: Mapping[str, Any], to: Mapping[str, Any]) -> None:
        """Move the row of ``table`` with that ``key`` to another subject or another key: set ``to``, sealing it anew.

        In the transaction of ``place``, under the current access, which must be allowed to update the resource, and to
        read and update this row: row filters count, and consents. To whom it is moved is not asked, as in an INSERT.
        What the Session holds of the row is out of date then: refresh it. From an AsyncSession: ``run_sync``.

        Raises `Forbidden`, `AutocommitRefused`, `RowNotThere`, `SubjectErased`, `InvalidInput` for columns that are
        neither, and what opening raises.
        """
        protected = self.register.by_name(table)
        if protected is None:
            raise InvalidInput(detail=f"there is no protected table {table!r:.80}")
        access = require(protected.resource)
        access.demand(protected.resource, "update")
        connection = transaction_of(place)
        resealing = Resealing(connection, protected, access.cipher, access)
        self._gate.changed(connection, access, resealing.move(key, to))

    # -- administration ----------------------------------------------------------------------------------------------

    def provision_platform(self, connection: Connection) -> None:
        """Create the platform's own keys, under which what happens before a tenant is known is sealed. Idempotent."""
        self.keyring.provision(connection, PLATFORM)

    def create_tenant(
        self, tenant_id: str, name: str, *, template: str, admin: str | None, operator: str = "operator"
    ) -> None:
        """A tenant with its roles, purposes and rules, its keys and its first owner, in one transaction with its entry.

        ``admin`` is the application's account id of the first owner; None leaves the tenant without one for now. Raises
        `InvalidInput`.
        """
        with self.engine.begin() as connection:
            self.provision_platform(connection)
            self.directory.create_tenant(connection, tenant_id, name, template)
            self.policies.install(connection, tenant_id, template)
            self.keyring.provision(connection, tenant_id)
            detail = {"act": "tenant.create", "template": template}
            if admin is not None:
                reason = "first owner of the tenant"
                self.directory.add_member(connection, tenant_id, admin)
                self.directory.grant(connection, tenant_id, admin, "owner", reason=reason, granted_by=operator)
                detail["member"] = admin
            self.note_act(connection, tenant_id, operator, detail)

    def note_act(
        self, connection: Connection, tenant_id: str, operator: str, detail: Mapping[str, str | int | bool]
    ) -> None:
        """Stage the entry of an act of administration in the transaction that carries it out."""
        entry = Entry(
            id=new_event_id(),
            at=now_us(),
            tenant=tenant_id,
            access=new_event_id(),
            kind="admin",
            actor=operator,
            actor_kind="operator",
            outcome="committed",
            detail=detail,
        )
        stage(connection, [entry])

    # -- its life ----------------------------------------------------------------------------------------------------

    @property
    def started(self) -> bool:
        """Whether the background work runs."""
        return self._started

    def start(self) -> None:
        """Begin to sequence the trail in the background, unless `Settings.worker` leaves that to ``amanah worker``.

        Called by the wrapped app; harmless to repeat.
        Not on an event loop's thread: what is enforced is written down, and less than before is recorded.
        """
        with self._lock:
            if self._started:
                return
            self._started = True
            if self.settings.worker == "inside":
                self.sequencer.start()
        if not self.is_development:
            self._take_up()

    def _take_up(self) -> None:
        """Write down what is enforced from now on."""
        now = self.posture
        new = Posture(frozenset({EVERYTHING}), None) if now is None else Posture(now.enforced, now.until)
        resources = {t.resource for t in self.register.tables.values()}
        resources |= {route.resource for route in self.routes.routes if route.resource}
        try:
            take_up(self.engine, new, resources)
        except SQLAlchemyError as error:
            lost("the record of what is enforced", error)

    def close(self) -> None:
        """Write out what waits, stop the background threads, close the connections. What comes later is refused."""
        with self._lock:
            self._started = False
        if self.notebook is not None:
            self.notebook.flush()
        self.writer.close()
        self.sequencer.close()  # also one that only ran once holds the lease, for which a server would wait
        self.versions.close()
        self.engine.dispose()
        self.trail_engine.dispose()


def _each(declarations: Iterable[Declaration | list[Declaration]]) -> tuple[Declaration, ...]:
    """Each declaration; `shared` gives several at once."""
    return tuple(one for said in declarations for one in (said if isinstance(said, list) else [said]))


__all__ = ["Guard", "create_keys"]
