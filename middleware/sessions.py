"""A Session belongs to one access: what it holds in memory was shown to that one only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import identity

from ..errors import SessionOfAnotherAccess
from .access import current
from .shape import refuse

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .access import Access

OWNER = "amanah.access"
"""The key of ``Session.info`` under which the id of its access stands."""


_Base: Any = vars(identity).get("_WeakInstanceDict") or vars(identity)["WeakInstanceDict"]  # SQLAlchemy 2.1, 2.0


class _OwnedMap(_Base):  # type: ignore[misc]
    """An identity map that answers its own access only: ``Session.get`` would take from it without a statement."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self.owner = owner

    def get(self, key: Any, default: Any = None) -> Any:
        """As ever, for the access that the Session belongs to."""
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


__all__ = ["OWNER", "own"]
