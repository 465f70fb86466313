"""What the doctor looks for in an installation: AMN-D020 and above."""

from __future__ import annotations

from typing import Final

from ..errors import DatabaseNotMigrated, LedgerDamaged
from ..i18n import N_
from .finding import Check

_MIGRATE: Final = N_("Run the application's own migrations.")
_SEQUENCE: Final = N_("Let one process run the wrapped application, or run: amanah worker")

# -- how it runs -------------------------------------------------------------------------------------------------------

DATABASE_AWAY: Final = Check(
    "AMN-D020",
    "error",
    "installation",
    N_("The database does not answer."),
    N_("Start it, or correct its URL."),
    silenceable=False,
)
NOT_MIGRATED: Final = Check(
    "AMN-D021",
    "error",
    "installation",
    DatabaseNotMigrated.why,
    DatabaseNotMigrated.remedy,
    silenceable=False,
)
STRONG_ROLE: Final = Check(
    "AMN-D026",
    "warning",
    "database",
    N_("The application connects as a role that no wall inside the database can hold."),
    N_("Give it a role of its own that is no superuser and has no BYPASSRLS."),
    production=True,
)
SQLITE: Final = Check(
    "AMN-D027",
    "warning",
    "installation",
    N_("SQLite has one writer at a time, no second wall between tenants and no roles of its own."),
    N_("Move to PostgreSQL before more than a handful of people work at once."),
    production=True,
)
KEY_FILE: Final = Check(
    "AMN-D028",
    "warning",
    "installation",
    N_("The keys that wrap all others lie in a file: who copies it and the database reads everything."),
    N_("Use AWS KMS or PKCS#11 as provider, and keep a copy of this file in a safe place until then."),
    production=True,
)
DEVELOPMENT: Final = Check(
    "AMN-D029",
    "error",
    "installation",
    N_("Plain HTTP is let in and refusals say what is missing: this guard is for one's own machine."),
    N_("Use Guard.production(…) where real data is."),
    production=True,
    silenceable=False,
)
KEY_IN_ENVIRONMENT: Final = Check(
    "AMN-D047",
    "warning",
    "installation",
    N_("The key that wraps all others is in an environment variable: whatever runs in the process can read it."),
    N_("Use AWS KMS or PKCS#11 as provider: AMANAH_KEY_PROVIDER."),
    production=True,
)
PROVIDER_AWAY: Final = Check(
    "AMN-D048",
    "error",
    "installation",
    N_("The key provider does not name its current key ({code}): what is not in memory is refused."),
    N_("Start the key service, or correct the settings that name it; the page of the error says more."),
    silenceable=False,
)
SECRET_OPEN: Final = Check(
    "AMN-D030",
    "error",
    "installation",
    N_("Other users of this machine may read or write this secret (mode {mode})."),
    N_("Run: chmod 600 {subject}; then replace the key, because somebody may have copied it."),
    silenceable=False,
)
CHECKPOINTS_BESIDE: Final = Check(
    "AMN-D033",
    "warning",
    "installation",
    N_("Signed checkpoints lie beside the database: a restored backup may bring back both."),
    N_("Set AMANAH_CHECKPOINTS to a folder on another disk or host."),
    production=True,
)
SECRET_MISSING: Final = Check(
    "AMN-D034",
    "error",
    "installation",
    N_("This file is missing: the next start will fail."),
    N_("Restore it from its backup."),
    silenceable=False,
)
NO_TIMEOUT: Final = Check(
    "AMN-D038",
    "info",
    "installation",
    N_("No connect_timeout is set: while the database's host is silent, each request waits for two minutes."),
    N_("Set PGCONNECT_TIMEOUT=5 in the environment of the application."),
    production=True,
)
ENGINE_UNPROTECTED: Final = Check(
    "AMN-D039",
    "error",
    "installation",
    N_("This engine reaches the guarded database past the guard: nothing of it is decided, walled or recorded."),
    N_("Give it to the guard: engine=[…, {subject}]."),
)
NO_TLS: Final = Check(
    "AMN-D042",
    "warning",
    "installation",
    N_("The database is on another machine, and the connection to it may be in the clear."),
    N_("Set PGSSLMODE=verify-full (or ?sslmode=verify-full) with the server's certificate authority in PGSSLROOTCERT."),
    production=True,
)

# -- the live tables ---------------------------------------------------------------------------------------------------

TABLE_MISSING: Final = Check(
    "AMN-D022",
    "error",
    "database",
    N_("This table is not in the database."),
    _MIGRATE,
    silenceable=False,
)
COLUMN_MISSING: Final = Check(
    "AMN-D023",
    "error",
    "database",
    N_("The models have this column and the database does not."),
    _MIGRATE,
    silenceable=False,
)
SEARCH_MISSING: Final = Check(
    "AMN-D024",
    "error",
    "database",
    N_("This column is searchable and its search column {index} is not in the database."),
    N_("Add {index} (bytes, 16, nullable) with an index on ({columns}) in a migration."),
    silenceable=False,
)
NOT_BYTES: Final = Check(
    "AMN-D025",
    "error",
    "database",
    N_("This column is declared sealed and is {type} in the database: ciphertext does not fit into it."),
    N_("Change its type to bytes (BYTEA, BLOB) in a migration, sealing the values that are there."),
    silenceable=False,
)
TABLE_UNKNOWN: Final = Check(
    "AMN-D035",
    "info",
    "database",
    N_("This table is in the database and not in the guard's metadata: the guard refuses it and nothing protects it."),
    N_("Give the guard the metadata that holds it, or drop the table if nobody needs it."),
)
COLUMN_UNKNOWN: Final = Check(
    "AMN-D036",
    "info",
    "database",
    N_("The database has this column and the models do not."),
    N_("Add it to the model, or drop it if nobody needs it."),
)
PERSONAL_UNKNOWN: Final = Check(
    "AMN-D037",
    "warning",
    "database",
    N_("The database has this column and the models do not; it looks personal ({category}) and stays in the clear."),
    N_("Add it to the model and declare it, or drop it if nobody needs it."),
)
VIA_UNBOUND: Final = Check(
    "AMN-D040",
    "warning",
    "database",
    N_("Rows belong to their tenant by this column, and no foreign key in the database binds it to {parent}."),
    N_("Add the foreign key in a migration: a row whose parent is gone would belong to whoever gets its number next."),
)
VIA_UNINDEXED: Final = Check(
    "AMN-D041",
    "info",
    "database",
    N_("Rows belong to their tenant by this column, and no index begins with it: looking from a parent is a scan."),
    N_("Add an index on {table} ({column}) in a migration."),
)
SHADOWED: Final = Check(
    "AMN-D045",
    "error",
    "database",
    N_("The schema {schema} has a table of this name, too, and the search path reaches both: which is meant may vary."),
    N_("Drop or rename one of them, or take one of the two schemas out of the search path of the application's role."),
    silenceable=False,
)
REPLACES: Final = Check(
    "AMN-D046",
    "error",
    "database",
    N_("This table resolves conflicts by REPLACE: an INSERT deletes the row in its way, whichever tenant's that is."),
    N_("Make the table anew without ON CONFLICT REPLACE, in a migration."),
    silenceable=False,
)
STEP_BEHIND: Final = Check(
    "AMN-D043",
    "error",
    "database",
    N_(
        'This column is declared with sealing="{step}", and its triggers in the database are of another step ({state}).'
    ),
    N_("Run the migration with {operation} before this is deployed, or deploy the step that the database is at."),
    silenceable=False,
)
PLAIN_LEFT: Final = Check(
    "AMN-D044",
    "info",
    "database",
    N_("{count} rows of this column are stored in plain only."),
    N_("Run: amanah encrypt"),
)

# -- the second wall ---------------------------------------------------------------------------------------------------

ROWS_UNWALLED: Final = Check(
    "AMN-D053",
    "warning",
    "database",
    N_("PostgreSQL does not hold this table's rows apart: work that goes round the guard sees every tenant's."),
    N_('Add op.enable_row_security("{subject}", …) in a migration; amanah revision walls writes it.'),
    production=True,
)
POLICY_DIFFERS: Final = Check(
    "AMN-D054",
    "error",
    "database",
    N_("Row-level security is on, and its policies are not those of the declarations ({policies})."),
    N_("Run op.enable_row_security anew in a migration, and drop policies that are not Amanah's."),
)
TENANT_UNINDEXED: Final = Check(
    "AMN-D055",
    "info",
    "database",
    N_("No index begins with the tenant's column {column}: each query of a tenant reads all tenants' rows."),
    N_("Add an index on {subject} ({column}, …) in a migration."),
)
COMMANDS_HELD: Final = Check(
    "AMN-D056",
    "info",
    "database",
    N_("Row-level security holds this role: commands that work on the rows of all tenants are refused."),
    N_("Where amanah encrypt, keys or subjects are run, set AMANAH_OWNER_URL to a role with BYPASSRLS."),
    production=True,
)

# -- the tenants' policies ---------------------------------------------------------------------------------------------

RULES_ALTERED: Final = Check(
    "AMN-D058",
    "error",
    "database",
    N_("Rules of this tenant were changed by SQL, past its policy and its versions: {rules}."),
    N_("Compare with the policy's files, bring them in, and find out who did it: amanah policy plan, apply"),
    silenceable=False,
)
RULE_NOT_KEPT: Final = Check(
    "AMN-D059",
    "warning",
    "database",
    N_("This guard does not know what the rule {rule} names, or it does not fit ({name}): the rule opens nothing."),
    N_("Declare the row filter, or let the rule name a mask that fits; docs/reference/types-and-masks.md lists them."),
)

# -- what the layers above look at -------------------------------------------------------------------------------------

TOKENS_LACKING: Final = Check(
    "AMN-D049",
    "error",
    "looks",
    N_("Some rows have a value here and no token in the column by which it is searched: no search finds them."),
    N_("Run: amanah keys rotate search. Before anything else it computes what is lacking."),
    silenceable=False,
)
EPOCH_OVERDUE: Final = Check(
    "AMN-D050",
    "warning",
    "looks",
    N_("Since {since} an epoch key was to be replaced or destroyed: backups go on bringing back who was erased."),
    N_("Run: amanah keys epochs, and let cron do so every day."),
)
LEDGER_AHEAD: Final = Check(
    "AMN-D051",
    "error",
    "looks",
    N_("It names {count} erasures that this database does not know: after a restore these persons can be read again."),
    N_("Let nobody in, and run: amanah subjects replay-erasures"),
    silenceable=False,
)
LEDGER_DAMAGED: Final = Check(
    "AMN-D052",
    "error",
    "looks",
    LedgerDamaged.why,
    LedgerDamaged.remedy,
    silenceable=False,
)

# -- the trail ---------------------------------------------------------------------------------------------------------

NO_CHECKPOINT: Final = Check(
    "AMN-D031",
    "warning",
    "database",
    N_("No checkpoint of the trail was signed yet; {waiting} entries wait for their place."),
    _SEQUENCE,
    silenceable=False,
)
OLD_CHECKPOINT: Final = Check(
    "AMN-D032",
    "warning",
    "database",
    N_("The trail's last checkpoint was signed {hours} hours ago; {waiting} entries wait for their place."),
    _SEQUENCE,
    silenceable=False,
)
CHECKPOINTS_AWAY: Final = Check(
    "AMN-D070",
    "error",
    "looks",
    N_("This place for checkpoints cannot be used: {detail}."),
    N_("Mend that; its page says which rights it takes. What is missing there is then written by itself."),
    silenceable=False,
)
CHECKPOINTS_OLD: Final = Check(
    "AMN-D071",
    "warning",
    "looks",
    N_("The newest heartbeat at this place was signed at {since} UTC: what was signed since may not be there."),
    N_("Look in the log of amanah worker, or of the application, for what keeps checkpoints from it."),
    production=True,
)
CHECKPOINTS_NONE: Final = Check(
    "AMN-D072",
    "warning",
    "looks",
    N_("No checkpoint was ever written to this place."),
    _SEQUENCE,
    production=True,
)
CHECKPOINTS_FORGED: Final = Check(
    "AMN-D073",
    "error",
    "looks",
    N_("What this place holds as the newest heartbeat was not signed by this installation."),
    N_("Delete nothing. Copy the place, run amanah audit verify, and find out who can write there."),
    silenceable=False,
)
