"""The trail's words for a person: every code that an entry holds, as a message to translate."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ..i18n import N_

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTCOMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "answered": N_("Answered"),
        "committed": N_("Saved"),
        "rolled_back": N_("Taken back"),
        "refused": N_("Refused"),
        "failed": N_("Failed"),
        "would_refuse": N_("Would be refused"),
    }
)

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "access": N_("Access"),
        "write": N_("Change"),
        "refusal": N_("Refusal"),
        "admin": N_("Administration"),
        "job": N_("Job without a user"),
    }
)

ACTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "read": N_("read"),
        "read_masked": N_("read masked"),
        "create": N_("create"),
        "update": N_("change"),
        "delete": N_("delete"),
        "export": N_("export"),
        "verify": N_("verify"),
    }
)

ACTORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "member": N_("Member"),
        "service": N_("Service account"),
        "operator": N_("Operator of the platform"),
        "anonymous": N_("Nobody signed in"),
    }
)

RESOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "amanah.trail": N_("the trail"),
        "amanah.policy": N_("roles and rules"),
        "amanah.member": N_("members"),
    }
)

STRENGTHS: Final[Mapping[str, str]] = MappingProxyType({"password": N_("Password")})

ACTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "console.sign_in": N_("Signed in to the console"),
        "console.sign_in_failed": N_("Wrong password for the console"),
        "console.sign_out": N_("Signed out of the console"),
        "console.join": N_("Accepted an invitation and set a password"),
        "audit.list": N_("Read the trail at the command line"),
        "explain": N_("Had a decision explained"),
        "grant.give": N_("Gave a role"),
        "grant.revoke": N_("Took a role away"),
        "member.add": N_("Added a member"),
        "member.invite": N_("Invited a member to the console"),
        "member.remove": N_("Removed a member"),
        "member.suspend": N_("Suspended a member"),
        "tenant.create": N_("The organisation was set up"),
        "tenant.resume": N_("The organisation was resumed"),
        "tenant.suspend": N_("The organisation was suspended"),
        "trail.verify": N_("Verified the trail"),
    }
)

REFUSALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "access-closed": N_("The access had ended"),
        "access-required": N_("A protected table was touched outside an access"),
        "autocommit-refused": N_("The change could not be recorded with its transaction"),
        "field-probed": N_("Searched by a field that these roles may not see"),
        "field-withheld": N_("Asked for a field that these roles may not see"),
        "forbidden": N_("No role allows it"),
        "https-required": N_("Not encrypted on the way"),
        "keys-unavailable": N_("The keys could not be reached"),
        "masked-write": N_("Would have changed a field that was shown masked"),
        "not-a-member": N_("Not an active member"),
        "not-identified": N_("Nobody was signed in"),
        "policy-unavailable": N_("The policy could not be read"),
        "purpose-missing": N_("No purpose was named"),
        "purpose-not-served": N_("Not available for this purpose"),
        "purpose-repeated": N_("More than one purpose was named"),
        "purpose-unknown": N_("The purpose is not in the register"),
        "raw-sql-refused": N_("The application used SQL that cannot be checked"),
        "route-undeclared": N_("The page is not declared"),
        "sealed-use-refused": N_("The application used a sealed field in a way that cannot work"),
        "sealed-write-refused": N_("The application wrote a sealed field without saying in which row"),
        "session-of-another-access": N_("The application reused another access's database session"),
        "sign-in-failed": N_("Wrong name or password"),
        "table-undeclared": N_("The table is not declared"),
        "tenant-crossed": N_("Would have written for another organisation"),
        "tenant-suspended": N_("The organisation is suspended"),
        "tenant-unknown": N_("The organisation is not known"),
        "token-expired": N_("The sign-in had expired"),
        "token-invalid": N_("The sign-in token was not genuine"),
        "trail-full": N_("The trail could not keep up"),
        "trail-unavailable": N_("The trail could not be written"),
    }
)


def plain(name: str) -> str:
    """A name of the policy as words: ``compliance_officer`` → "compliance officer"."""
    return name.replace("_", " ")
