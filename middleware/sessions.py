"""A Session belongs to one access: what it holds in memory was shown to that one only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, WeakKeyDictionary, ref

from sqlalchemy.orm import identity

from ..errors import SessionOfAnotherAccess
from .access import current
from .shape import refuse

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy.orm import Session

    from .access import Access

OWNER = "amanah.access"
"""The key of ``Session.info`` under which the id of its access stands."""


_Base: Any = vars(identity).get("_WeakInstanceDict") or vars(identity)["WeakInstanceDict"]  # SQLAlchemy 2.1, 2.0


class _OwnedMap(_Base):  # type: ignore[misc]
    """An identity map that answers its own access only: ``Session.get`` would take from it without a statement."""

    def __init__(self, owner: str | None) -> None:
        super().__init__()
        self.owner = owner

    def get(self, key: Any, default: Any = None) -> Any:
        """As ever, for the access that the Session belongs to, or while it belongs to none."""
        if self.owner is None:
            return super().get(key, default)
        access = current()
        if access is None or access.id != self.owner:
            if access is not None:
                refuse(SessionOfAnotherAccess())
            raise SessionOfAnotherAccess
        return super().get(key, default)


def own(session: Session) -> None:
    """Tie ``session`` to the current access, or raise `SessionOfAnotherAccess` where it is tied to another."""
    access = current()
    owner = session.info.get(OWNER)
    if access is None or access.closed:
        if owner is not None:
            raise SessionOfAnotherAccess
        return
    if owner is None:
        if len(session.identity_map):
            refuse(SessionOfAnotherAccess())
        session.info[OWNER] = access.id
        access.adopt(session)
    elif owner != access.id:
        refuse(SessionOfAnotherAccess())
    _guard_memory(session, access)


def _guard_memory(session: Session, access: Access) -> None:
    if not isinstance(session.identity_map, _OwnedMap) and not len(session.identity_map):
        session.identity_map = _OwnedMap(access.id)


# -- while a guard observes: a Session belongs to an access from its first statement on something that is enforced -----

_LENIENT = "amanah.observing"
_begun_by: WeakKeyDictionary[Connection, ReferenceType[Session]] = WeakKeyDictionary()


def expect(session: Session, connection: Connection) -> None:
    """``session`` begins on ``connection`` of a guard that observes."""
    _begun_by[connection] = ref(session)
    session.info[_LENIENT] = True
    let_go(session)
    if not isinstance(session.identity_map, _OwnedMap) and not len(session.identity_map):
        session.identity_map = _OwnedMap(None)


def own_of(connection: Connection) -> None:
    """Something enforced is about to be touched on ``connection``: its Session belongs to this access from now on.

    Raises `SessionOfAnotherAccess`.
    """
    known = _begun_by.get(connection)
    session = None if known is None else known()
    access = current()
    if session is None or access is None or access.closed:
        return
    owner = session.info.setdefault(OWNER, access.id)
    memory = session.identity_map
    if owner != access.id or not isinstance(memory, _OwnedMap):
        refuse(SessionOfAnotherAccess())
    memory.owner = access.id
    access.adopt(session)


def let_go(session: Session) -> bool:
    """Whether a Session that is only observed remembers nothing of its access, and so belongs to nobody any more."""
    if not session.info.get(_LENIENT) or len(session.identity_map) or session.new:
        return False
    session.info.pop(OWNER, None)
    return True


__all__ = ["OWNER", "expect", "let_go", "own", "own_of"]
