"""The attack on the key service: it fails in the middle of a flush, and so does the database.

What is looked for is a plaintext: in the exception and its whole chain, in its parameters, in the log at its lowest
level, in the formatted traceback.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session
from sqlalchemy.orm.mapper import _all_registries

from ..database import PLATFORM
from ..errors import AmanahError
from .listening import listening
from .stage import is_row, told
from .verdicts import Leaked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Mapper

    from ..encryption.provider import KeyProvider, KeyUse
    from ..middleware.fields import Field
    from .stage import Cell, Stage

_DEEP: Final = 4
"""So many keys an access needs: the key-encryption key and the epoch key, of its tenant and of the platform."""


class KeyServiceDown(Exception):
    """What the client of a key service raises."""


class FailingKeys:
    """A key provider that answers a few questions and then fails, with an error that is not Amanah's."""

    def __init__(self, provider: KeyProvider, answers: int = 0) -> None:
        """``answers``: how many keys are still unwrapped."""
        self._provider = provider
        self._left = answers

    def _next(self) -> None:
        if self._left <= 0:
            raise KeyServiceDown("the key service does not answer")
        self._left -= 1

    def key_id(self) -> str:
        """As the provider."""
        return self._provider.key_id()

    def wrap(self, key: bytes, context: bytes, key_id: str) -> bytes:
        """As the provider, while it answers."""
        self._next()
        return self._provider.wrap(key, context, key_id)

    def unwrap(self, wrapped: bytes, context: bytes, key_id: str) -> bytes:
        """As the provider, while it answers."""
        self._next()
        return self._provider.unwrap(wrapped, context, key_id)

    def create_key(self, use: KeyUse) -> str:
        """As the provider, while it answers."""
        self._next()
        return self._provider.create_key(use)

    def destroy_key(self, key_id: str) -> None:
        """As the provider, while it answers."""
        self._next()
        self._provider.destroy_key(key_id)


def fail_keys(stage: Stage, field: Field) -> None:
    """The key service fails before and in the middle of a flush, and the flush fails in the database as well."""
    cell, other = stage.two(field)
    done = "the key service failed"
    with listening() as lines:
        for answers in range(_DEEP):
            error = _caught(lambda answers=answers: _read_while_away(stage, cell, answers))  # type: ignore[misc]
            if error is not None and not isinstance(error, AmanahError):
                raise Leaked(f"{done}, and {type(error).__name__} came out: no error of Amanah's. Report it to Amanah.")
            lines.append(told(error) if error else "")
        for writes in (_flush, _repeat):
            error = _caught(lambda writes=writes: _write_while_away(stage, cell, other, writes))  # type: ignore[misc]
            lines.append(told(error) if error else "")
    stage.must_be_silent("\n".join(lines), cell, f"{done} in the middle of a flush")
    stage.must_show_own(cell, f"{done} and came back", "Report it to Amanah: a failed write was stored.")


def _read_while_away(stage: Stage, cell: Cell, answers: int) -> None:
    with _away(stage, cell.tenant, answers):
        stage.look(cell)


def _write_while_away(
    stage: Stage, cell: Cell, other: Cell, writes: Callable[[Stage, Session, Cell, Cell], None]
) -> None:
    """The service goes away once the Session has read; what is then written is rolled back in any case."""
    with stage.target.access(cell.tenant), Session(stage.target.engine) as session:
        try:
            session.execute(_select(cell)).all()
            with _away(stage, cell.tenant, 0):
                writes(stage, session, cell, other)
        finally:
            session.rollback()


def _flush(stage: Stage, session: Session, cell: Cell, other: Cell) -> None:
    """An entity is changed and flushed; without a mapped class, an UPDATE. Then another access asks for keys."""
    table = cell.field.table.table
    mapper = _mapper(cell)
    if mapper is None:
        session.execute(
            update(table).where(*is_row(cell.field.table, cell.key)).values({cell.field.column: other.value})
        )
    else:
        entity: Any = session.scalars(select(mapper).where(*is_row(cell.field.table, cell.key))).one()
        setattr(entity, mapper.get_property_by_column(table.c[cell.field.column]).key, other.value)
        session.flush()
    stage.target.guard.keyring.cipher(cell.tenant)


def _repeat(_stage: Stage, session: Session, cell: Cell, other: Cell) -> None:
    """A row with a key that is taken, and with nothing in columns that must not be empty."""
    values = {**cell.row, cell.field.column: other.value}
    session.execute(insert(cell.field.table.table), [values])


def _select(cell: Cell) -> Any:
    table = cell.field.table
    return select(table.table.c[cell.field.column]).where(*is_row(table, cell.key))


def _mapper(cell: Cell) -> Mapper[Any] | None:
    table = cell.field.table.table
    found = (m for known in _all_registries() for m in known.mappers if m.local_table is table and m.inherits is None)
    return next(found, None)


@contextmanager
def _away(stage: Stage, tenant: str, answers: int) -> Iterator[None]:
    """The service fails after ``answers``, and nothing that it unwrapped before is remembered."""
    keyring = stage.target.guard.keyring
    provider = keyring._provider  # noqa: SLF001 - as a service fails that the keyring was given
    keyring._provider = FailingKeys(provider, answers)  # noqa: SLF001
    for known in (tenant, PLATFORM):
        keyring.forget(known)
    try:
        yield
    finally:
        keyring._provider = provider  # noqa: SLF001
        for known in (tenant, PLATFORM):
            keyring.forget(known)


def _caught(attempt: Callable[[], None]) -> Exception | None:
    try:
        attempt()
    except Exception as error:  # noqa: BLE001 - whatever the application would get
        return error
    return None


__all__ = ["FailingKeys", "KeyServiceDown", "fail_keys"]
