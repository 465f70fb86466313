"""What one command works with: the parts of the installation, and how answers are told."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text
from sqlalchemy import Engine

from .. import migrations
from ..audit.checkpoints import SignerKey
from ..audit.entries import Entry, new_event_id, now_us
from ..audit.outside import chosen
from ..audit.sequencer import Sequencer
from ..audit.staging import stage
from ..database import PLATFORM, own_engine, trail_url, version_of
from ..errors import CheckpointsAway, ConfigurationError, InvalidInput, TrailDamaged, TrailRolledBack
from ..i18n import N_, time_text, translate
from ..settings import Settings
from ..tenants.directory import Directory
from .places import load_guard, reaching, usable
from .terminal import console, moment, plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console
    from sqlalchemy import URL, Connection

    from ..errors import AmanahError
    from ..guard import Guard
    from ..i18n import Language


@dataclass
class Desk:
    """What one command works with: where the installation is, who operates it, and how answers are shown."""

    guard_name: str | None
    database: str | None
    operator: str
    language: Language
    _opened: list[Guard | Engine] = field(default_factory=list)

    # -- saying things --

    @cached_property
    def out(self) -> Console:
        """Answers. Where they do not go to a terminal, lines are as long as they need to be."""
        return console(stderr=False)

    def text(self, message: str, **facts: object) -> str:
        """A message in the operator's language."""
        return translate(message, self.language, **facts)

    def say(self, message: str, **facts: object) -> None:
        """One line."""
        self.out.print(plain(self.text(message, **facts)), soft_wrap=True)

    def say_version(self, tenant_id: str) -> None:
        """What a request may name to be answered by a process that has seen the change that was just committed."""
        with self.engines[0].connect() as connection:
            version = version_of(connection, tenant_id)
        told = N_("{tenant} is at version {version}. A request that must see it sends Amanah-Policy-Version: {version}")
        self.say(told, tenant=tenant_id, version=version)

    def table(self, titles: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
        """A table; nothing in a cell is taken for markup or for a terminal's control sequence."""
        shown = Table(header_style="bold", box=None, pad_edge=False)
        for title in titles:
            shown.add_column(self.text(title), overflow="fold")
        for row in rows:
            shown.add_row(
                *(cell if isinstance(cell, Text) else plain("" if cell is None else str(cell)) for cell in row)
            )
        self.out.print(shown)

    def when(self, at: datetime | int | None) -> str:
        """A moment (µs since the epoch, or aware) in UTC, or nothing."""
        if at is None:
            return ""
        return time_text(at if isinstance(at, datetime) else moment(at), self.language)

    # -- the parts of the installation --

    @cached_property
    def guard(self) -> Guard:
        """The application's guard. Raises `ConfigurationError` and what building it raises."""
        if not self.guard_name:
            raise ConfigurationError(
                detail=N_("this command needs the application's guard: --guard module:attribute, or AMANAH_GUARD")
            )
        guard = load_guard(self.guard_name)
        self._opened.append(guard)
        return guard

    @property
    def url(self) -> URL:
        """The application's database. Raises `ConfigurationError`."""
        if self.guard_name:
            return self.guard.engine.url
        if not self.database:
            raise ConfigurationError(
                detail=N_("say where: --guard module:attribute or --database URL (AMANAH_GUARD, AMANAH_DATABASE_URL)")
            )
        return usable(self.database)

    @cached_property
    def settings(self) -> Settings:
        """The guard's settings, or the environment's."""
        return self.guard.settings if self.guard_name else Settings.from_environment()

    @cached_property
    def signer(self) -> SignerKey:
        """The key that signs checkpoints."""
        return self.guard.signer if self.guard_name else SignerKey.load(self.settings.signer_file)

    @cached_property
    def reached(self) -> tuple[Engine, Engine]:
        """Application database and trail, whether they answer or not."""
        if self.guard_name:
            return self.guard.engine, self.guard.trail_engine
        url = self.url
        core = own_engine(url)
        engines = core, core if trail_url(url) == url else own_engine(trail_url(url))
        self._opened += {id(one): one for one in engines}.values()
        return engines

    @cached_property
    def engines(self) -> tuple[Engine, Engine]:
        """Application database and trail, there and migrated. Raises `DatabaseMissing` and `DatabaseNotMigrated`."""
        engines = self.reached
        branches: tuple[migrations.Branch, ...] = ("core", "trail")
        for engine, branch in zip(engines, branches, strict=True):
            with reaching(engine.url):
                migrations.check(engine, branch)
        return engines

    @cached_property
    def directory(self) -> Directory:
        """Who is who."""
        return self.guard.directory if self.guard_name else Directory(self.engines[0])

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction in the application's database."""
        with self.engines[0].begin() as connection:
            yield connection

    def tenant_ids(self) -> list[str]:
        """All tenants."""
        with self.engines[0].connect() as connection:
            return [one.id for one in self.directory.tenants(connection)]

    def known(self, tenant_id: str, *, platform: bool = False) -> str:
        """``tenant_id`` if there is one. Raises `InvalidInput`."""
        if tenant_id in self.tenant_ids() or (platform and tenant_id == PLATFORM):
            return tenant_id
        raise InvalidInput(detail=self.text(N_("there is no tenant {tenant}"), tenant=repr(tenant_id)[1:-1][:80]))

    def note(self, connection: Connection, tenant_id: str, **detail: str | int | bool) -> None:
        """Stage the entry of what is done in this transaction."""
        entry = Entry(
            id=new_event_id(),
            at=now_us(),
            tenant=tenant_id,
            access=new_event_id(),
            kind="admin",
            actor=self.operator,
            actor_kind="operator",
            outcome="committed",
            detail=detail,
        )
        stage(connection, [entry])

    def sequencer(self) -> Sequencer:
        """What gives entries their place and signs. Raises `ConfigurationError`, also where the signer is missing."""
        if self.guard_name:
            return self.guard.sequencer
        signer, outside = self.signer, chosen(self.settings.checkpoint_places, partly=True)
        return Sequencer(*self.reached, signer, outside=outside)

    def sequence(self) -> AmanahError | None:
        """Give what waits its place in the log; what stops that is for the caller to tell."""
        try:
            sequencer = self.sequencer()
        except ConfigurationError:
            return None  # only who holds the signer's key can sequence; reading does not need it
        try:
            sequencer.run_once()
        except (CheckpointsAway, TrailRolledBack, TrailDamaged) as error:
            return error
        finally:
            sequencer.close()
        return None

    def close(self) -> None:
        """Give everything back."""
        for one in self._opened:
            one.dispose() if isinstance(one, Engine) else one.close()
        self._opened.clear()
