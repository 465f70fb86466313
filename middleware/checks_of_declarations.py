"""What the doctor looks for in declarations, routes and the tenants' registers: AMN-D001 to AMN-D019, from AMN-D060."""

from __future__ import annotations

from typing import Final

from ..i18n import N_
from .finding import Check

_DECLARE: Final = N_('Declare it: declare("{table}", columns={{"{column}": Personal(category="{category}")}}).')

# -- tables and columns ------------------------------------------------------------------------------------------------

PERSONAL: Final = Check(
    "AMN-D001",
    "error",
    "declarations",
    N_("This column looks personal ({category}) and is not declared."),
    _DECLARE,
)
CLEAR_PASSWORD: Final = Check(
    "AMN-D002",
    "warning",
    "declarations",
    N_("This column seems to hold passwords, and not their hashes."),
    N_("Keep a hash that is made for passwords (scrypt, Argon2) in a column whose name says so."),
)
FREE_TEXT: Final = Check(
    "AMN-D003",
    "info",
    "declarations",
    N_("People write what they like into this column, and its table is about persons."),
    N_('Declare it as well: Personal(category="user.content").'),
)
TABLE_UNDECLARED: Final = Check(
    "AMN-D004",
    "warning",
    "declarations",
    N_("This table has no tenant column and is not declared, so every use of it is refused."),
    N_('Declare it: shared("{subject}") if all tenants share it, or declare("{subject}", …) with tenant= or via=.'),
)
NO_SUBJECT: Final = Check(
    "AMN-D005",
    "warning",
    "declarations",
    N_("It holds personal columns and does not say whom a row is about, so the trail cannot name the person."),
    N_('Name the column that identifies the person: declare("{subject}", subject="…").'),
)
NOT_BOUND_TO_ROW: Final = Check(
    "AMN-D006",
    "warning",
    "declarations",
    N_("Its sealed values are bound to tenant and column only: they could be swapped between rows unnoticed."),
    N_("Give it a primary key that the application or a sequence assigns."),
)
NOT_DISTRIBUTABLE: Final = Check(
    "AMN-D007",
    "info",
    "declarations",
    N_("Its primary key does not begin with the tenant: the table cannot be distributed over several servers."),
    N_("Use ({tenant}, {key}) as the primary key when you next change this table."),
)
PERHAPS_PERSONAL: Final = Check(
    "AMN-D012",
    "warning",
    "declarations",
    N_("This column may be personal ({category}), by its name and its table's, and is not declared."),
    _DECLARE,
)
PERSONAL_IN_SHARED: Final = Check(
    "AMN-D013",
    "error",
    "declarations",
    N_("This column looks personal ({category}), and its table is declared to be shared by all tenants."),
    N_("Give the table a tenant column and declare the column, or rename what is not personal."),
)

# -- routes, purposes, guesses -----------------------------------------------------------------------------------------

RESOURCE_WITHOUT_TABLE: Final = Check(
    "AMN-D008",
    "info",
    "declarations",
    N_("Routes ask for this resource ({routes}) and no table belongs to it."),
    N_("That is right for a report over several tables; otherwise correct the name in the route or the table."),
)
PURPOSE_UNKNOWN: Final = Check(
    "AMN-D009",
    "warning",
    "registers",
    N_("Routes serve this purpose ({routes}) and no tenant's register knows it."),
    N_("Add it to the registers, or correct the name in the routes."),
)
PURPOSE_UNUSED: Final = Check(
    "AMN-D010",
    "info",
    "registers",
    N_("This purpose is in registers ({tenants}) and no route serves it."),
    N_("It may be for jobs or the console; otherwise take it out: nobody should be able to name it."),
)
GUESSED: Final = Check(
    "AMN-D011",
    "warning",
    "declarations",
    N_("A tool guessed this declaration and nobody has confirmed it; no guard that enforces starts with it."),
    N_("Read it, correct it, and take the guessed() around it away."),
    silenceable=False,
)
PURPOSE_TODO: Final = Check(
    "AMN-D014",
    "warning",
    "declarations",
    N_("Nobody has said yet which purposes this route serves; no guard that enforces starts with it."),
    N_('Put the purposes from the tenants\' registers in place of "TODO".'),
    silenceable=False,
)
SILENCE_UNUSED: Final = Check(
    "AMN-D015",
    "info",
    "declarations",
    N_("The guard silences this, and nothing like it is found any more."),
    N_("Take it out of silenced=, so that it does not hide something new."),
    silenceable=False,
)
OBSERVED: Final = Check(
    "AMN-D018",
    "warning",
    "declarations",
    N_("Until {until} this resource is only observed: what would be refused is let pass and noted."),
    N_('See amanah observed, declare what is missing, then enforce it: Guard.observing(enforce=["{subject}"], …).'),
    silenceable=False,
)
OBSERVING_OVER: Final = Check(
    "AMN-D019",
    "info",
    "declarations",
    N_("Observing ended with {until}: everything is enforced."),
    N_("Use Guard.production(…), which says so."),
)
SECRET_SHOWN: Final = Check(
    "AMN-D060",
    "info",
    "declarations",
    N_("This column seems to hold passwords or their hashes, and whoever may read the row sees it."),
    N_('Let no role read it: Personal(category="user.authorization.password", sealed=False, platform=True).'),
)
SIGN_IN_WITHHELD: Final = Check(
    "AMN-D061",
    "warning",
    "declarations",
    N_("People seem to sign in by this column, and it is withheld and cannot be searched while they do."),
    N_("Add platform=True to its Personal(…), or silence this if the login does not use it."),
)
CONSENT_WITHOUT_SUBJECT: Final = Check(
    "AMN-D062",
    "warning",
    "registers",
    N_("Purposes rest on consent ({purposes}), and they open no row of this table: nobody declared about whom it is."),
    N_('Declare it, declare("{subject}", subject=…), or silence this if none of these purposes needs the table.'),
)
KEY_WITHOUT_TENANT: Final = Check(
    "AMN-D063",
    "info",
    "declarations",
    N_("Its foreign key {key} to {parent} does not carry the tenant: each write of it asks whose row it leads to."),
    N_("Use ({tenant}, {key}) as the foreign key when you next change this table."),
)

# -- one fixed tenant --------------------------------------------------------------------------------------------------

FIXED_TENANT_MISSING: Final = Check(
    "AMN-D016",
    "error",
    "database",
    N_("All rows belong to this tenant (fixed_tenant), and there is no such tenant: every access is refused."),
    N_("Create it: amanah tenant create {subject} --name … --admin …"),
    silenceable=False,
)
TENANT_BESIDE_FIXED: Final = Check(
    "AMN-D017",
    "warning",
    "database",
    N_("All rows belong to {fixed} (fixed_tenant): whoever is a member of this other tenant reaches nothing."),
    N_("Suspend it: amanah tenant suspend {subject}; or give the tables a tenant column."),
)
