"""How an access sees personal columns: in clear, masked or not at all, and by what their values are opened."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from ..errors import CategoryUnregistered, FieldWithheld, Tampered
from .ticket import Ticket

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..access_policies.snapshot import Snapshot
    from .fields import Field
    from .masks import Mask


class Sight(Enum):
    """How an access sees a personal column."""

    CLEAR = "clear"
    MASKED = "masked"
    WITHHELD = "withheld"


Way = tuple[Sight, Callable[[bytes, bytes], bytes], "Mask"]
"""How an access sees a field, `FieldCipher.opener` of it, and what is shown where it is seen masked."""


def _shut(place: bytes, envelope: bytes) -> bytes:  # noqa: ARG001 - an opener
    raise Tampered


class Seeing(Ticket):
    """A ticket that is asked for each cell. What it found is remembered until its policy or its keys change."""

    __slots__ = ()

    def sight(self, field: Field) -> Sight:
        """How this access sees ``field``: two questions to the policy, remembered for the access.

        Sign-in has no policy: it sees the plain columns that are named for it, such as a password's hash.
        """
        known = self._sights.get(field)
        if known is None or self._closed:
            named = self.kind == "sign_in" and not self._closed and field.platform and not field.sealed
            if named or self.may(field.name, "read").allow:
                known = Sight.CLEAR
            elif self._mask(field) is not None:
                known = Sight.MASKED
            else:
                known = Sight.WITHHELD
            self._sights[field] = known
        return known

    def policy_changed(self, snapshot: Snapshot | None) -> None:
        """From now on what it may is asked of ``snapshot`` and for the roles that it has now."""
        self.snapshot = snapshot
        self._sights.clear()
        self._masks.clear()
        self.ways.clear()
        self._checked.clear()

    def _mask(self, field: Field) -> Mask | None:
        """What the policy lets see masked, by the mask of the rule that decided; None where it lets see nothing."""
        decision = self.may(field.name, "read_masked")
        mask = field.mask_by(decision.mask) if decision.allow else None
        if mask is not None:
            self._masks[field] = mask
        return mask

    def mask(self, field: Field) -> Mask:
        """What this access is shown of a value of ``field`` that it sees masked."""
        return self._masks.get(field, field.mask)

    def closes(self, field: Field) -> bool:
        """Whether the purpose is registered for other categories of personal data than that of ``field``."""
        if self.snapshot is None or self.purpose is None:
            return False
        return self.snapshot.closed_by(field.name, self.purpose) != ""

    def withheld(self, field: Field) -> FieldWithheld:
        """Why ``field`` is withheld, as the refusal to raise."""
        kind = CategoryUnregistered if self.closes(field) else FieldWithheld
        return kind(field=field.name, purpose=self.purpose or "-")

    def narrow(self, fields: Iterable[Field]) -> None:
        """From now on these columns are seen masked at most: less than the policy lets, never more.

        By the mask of the rules that let the same roles see them masked, where there are any.
        """
        for field in fields:
            if self.sight(field) is Sight.CLEAR:
                self._mask(field)
                self._sights[field] = Sight.MASKED
        self.ways.clear()
        self._checked.clear()

    def way(self, field: Field) -> Way:
        """How this access sees ``field``, and what opens its values; remembered until its sight or its keys change.

        Raises `AccessClosed`, and `KeysUnavailable` where there is something to open and the access has no tenant.
        """
        sight = self.sight(field)
        opens = field.sealed and sight is not Sight.WITHHELD
        way = self.ways[field] = (sight, self.cipher.opener(field.id) if opens else _shut, self.mask(field))
        return way
