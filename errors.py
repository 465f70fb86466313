"""Every way in which Amanah says no, one class per situation.

Each class carries three sentences in English that are also the message ids of the catalogues: *what* was stopped,
*why*, and the *remedy*. Placeholders (``{resource}``) are filled from keyword facts. Facts are names from declarations
and policies (a resource, a purpose, a role, a file's name), never personal values: an error may be logged by anybody.

``code`` is stable and public (problem documents, the trail, the docs). ``status``: what the HTTP gate answers with.
"""

from __future__ import annotations

from typing import ClassVar

from .i18n import N_


class AmanahError(Exception):
    """Base of every error of this library; catch it to catch them all."""

    code: ClassVar[str] = "amanah"
    status: ClassVar[int] = 500
    what: ClassVar[str] = N_("Amanah stopped this operation.")
    why: ClassVar[str] = ""
    remedy: ClassVar[str] = ""

    def __init__(self, **facts: object) -> None:
        """Keep ``facts`` (never personal values) for the sentences."""
        self.facts: dict[str, object] = facts
        self.decision_id: str | None = None
        super().__init__(self.sentence())

    def named(self) -> dict[str, str]:
        """What of the tenant's own words the error is about: resource, action, field. The trail keeps it."""
        return {name: str(self.facts[name]) for name in ("action", "field", "resource") if self.facts.get(name)}

    def sentence(self) -> str:
        """What, why and remedy as one English text, for tracebacks and terminals."""
        return " ".join(part.format_map(_Facts(self.facts)) for part in (self.what, self.why, self.remedy) if part)


class _Facts(dict[str, object]):
    """Facts in which a missing one shows as its own name instead of raising a second error over the first."""

    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


# -- configuration: wrong before the first request -----------------------------------------------------------------


class ConfigurationError(AmanahError):
    """The guard was put together wrongly; raised while building it."""

    code = "configuration"
    what = N_("Amanah cannot start with this configuration.")
    why = "{detail}"


class DeclarationError(ConfigurationError):
    """A declaration of a table, column or route that cannot be kept."""

    code = "declaration"
    what = N_("A declaration cannot be kept.")
    why = "{detail}"


class DatabaseNotMigrated(ConfigurationError):
    """Amanah's own tables are missing or of another version."""

    code = "database-not-migrated"
    status = 503
    what = N_("The request was stopped: Amanah's own tables are not ready.")
    why = N_("They are missing or belong to another version of the library.")
    remedy = N_("Run: amanah db upgrade")


class NoTenantYet(ConfigurationError):
    """Amanah's tables are ready, and nobody has created a tenant."""

    code = "no-tenant-yet"
    status = 503
    what = N_("The request was stopped: there is no tenant yet.")
    why = N_("Whoever asks is asked for a tenant, and none was created.")
    remedy = N_("Create the first: amanah tenant create")


class DatabaseMissing(ConfigurationError):
    """The database that a command was given does not exist or does not answer."""

    code = "database-missing"
    status = 503
    what = N_("Nothing was done: the database cannot be used.")
    why = N_("{place} does not exist or does not answer.")
    remedy = N_("Check the URL and that the server runs. A new database is made ready with: amanah db upgrade")


class NotImportable(ConfigurationError):
    """A module of the application raised while it was imported."""

    code = "not-importable"
    what = N_("Nothing was written: {module} cannot be imported.")
    why = N_("It raised at {place}: {line}")
    remedy = N_(
        "Start the application without Amanah first, in this folder and with these environment variables; "
        "then try again."
    )


class ReferenceWrong(ConfigurationError):
    """A name like ``module:attribute`` that leads to nothing, or to something of another kind."""

    code = "reference-wrong"
    what = N_("Nothing was written: {reference} cannot be used.")
    why = "{detail}"
    remedy = N_("Name it like {example}, as seen from this folder.")


class MetadataIncomplete(ConfigurationError):
    """A foreign key of the application's tables leads to a table that its metadata does not have."""

    code = "metadata-incomplete"
    what = N_("Nothing was written: {reference} does not hold all tables.")
    why = N_("A foreign key of {child} leads to {parent}, which is not in it.")
    remedy = N_("Name the module that imports all models.")


class ProtectionExists(ConfigurationError):
    """The file that `amanah init` was to write is there already."""

    code = "protection-exists"
    what = N_("Nothing was written: {path} is there already.")
    why = N_("What was confirmed in it would be lost, so it is never overwritten.")
    remedy = N_("Write beside it with --output {other} and compare the two, or move the old one away.")


class DatabaseDiffers(ConfigurationError):
    """The database lacks tables or columns that the models name."""

    code = "database-differs"
    what = N_("Nothing was written: the database at {place} does not match the models.")
    why = N_("It lacks: {missing}.")
    remedy = N_("Run the application's own migrations, or name the engine of the right database.")


class NothingToSeal(ConfigurationError):
    """No column is declared in the step of sealing that a command works on."""

    code = "nothing-to-seal"
    what = N_("Nothing was done: no column is declared for it.")
    why = N_("It works on columns that are declared with sealing={wanted}.")
    remedy = N_("Declare them so, deploy that, and run this again.")


class SealingStepWrong(ConfigurationError):
    """A named column is declared in another step of sealing than the command works on."""

    code = "sealing-step-wrong"
    what = N_("Nothing was done: {field} is not ready for it.")
    why = N_("It is declared with {step}; this works on columns with sealing={wanted}.")
    remedy = N_("Declare that step, deploy it, and run this again; or name other columns.")


class SiblingsMissing(ConfigurationError):
    """The database has no columns for the envelopes or tokens of what is to be sealed."""

    code = "siblings-missing"
    what = N_("Nothing was done: the database lacks columns.")
    why = N_("These are missing: {columns}.")
    remedy = N_("Add them first: write a migration with amanah revision add, and run it with your Alembic.")


class RowsSealedBefore(ConfigurationError):
    """Rows without a seal in a table of which some rows are sealed already: a run that was killed, or an attack."""

    code = "rows-sealed-before"
    what = N_("Nothing was done: {count} rows of {table} have no seal, and others of this organisation have one.")
    why = N_("Either such a run was interrupted, or somebody wrote rows or took seals away behind the application.")
    remedy = N_("Find out which. If these rows are right as they are, run this again with --again.")


class SearchColumnsMissing(ConfigurationError):
    """A table has not the two columns of search tokens that an exchange of index keys needs."""

    code = "search-columns-missing"
    what = N_("The index key cannot be exchanged: the database lacks columns for search tokens.")
    why = N_("These are missing: {columns}.")
    remedy = N_("Add them in a migration, as bytes of 16, nullable, with the indexes that the first ones have.")


class KeyFileMissing(ConfigurationError):
    """The key file named in the settings does not exist."""

    code = "key-file-missing"
    status = 503
    what = N_("No sealed value can be read or written.")
    why = N_("There is no key file at {path}.")
    remedy = N_("Restore the file from its backup, or create a first one with: amanah keys init")


class KeyFileExists(ConfigurationError):
    """There is a key file already where a new one was to be made."""

    code = "key-file-exists"
    what = N_("No new key file was made.")
    why = N_("There is one at {path} already, and a key file is never overwritten: what it sealed would be lost.")
    remedy = N_("Go on with the file that is there, or name another place with AMANAH_STATE or AMANAH_KEY_FILE.")


class KeyFileUnreadable(ConfigurationError):
    """The key file exists and cannot be read, or holds something else than keys, or is open to other users."""

    code = "key-file-unreadable"
    status = 503
    what = N_("No sealed value can be read or written.")
    why = N_("The key file at {path} cannot be used: {detail}.")
    remedy = N_("Give the service's own user a readable file of mode 600 in the documented format.")


class ProviderKeyWrong(ConfigurationError):
    """The key provider is not the one that wrapped these keys, or no longer has the key that did."""

    code = "provider-key-wrong"
    status = 503
    what = N_("No sealed value can be read or written.")
    why = N_(
        "The key provider does not have the key {key_id} that wrapped these keys, or has another one of that name. "
        "Its current key is {current}."
    )
    remedy = N_("Configure the key provider that belongs to this database.")


class KeyFileWrong(ProviderKeyWrong):
    """The key file is readable and is not the one under which this database's tenant keys were wrapped."""

    code = "key-file-wrong"
    why = N_(
        "The key file does not hold the key {key_id} that wrapped this tenant's keys, "
        "or holds another one of that name. Its current key is {current}."
    )
    remedy = N_("Restore the key file that belongs to this database.")


class ProviderKeyUnusable(ProviderKeyWrong):
    """The key is there, and the service does not let it be used: disabled, or on its way to deletion."""

    code = "provider-key-unusable"
    why = N_("The provider's key {key_id} cannot be used: {detail}.")
    remedy = N_("Enable the key in the key service, or cancel its deletion there while that is possible.")


class ProviderKeyMissing(ConfigurationError):
    """The key provider has no key yet under which tenants' keys could be wrapped."""

    code = "provider-key-missing"
    status = 503
    what = N_("No sealed value can be read or written.")
    why = N_("The key provider has no key {name}.")
    remedy = N_("Make a first one with: amanah keys init. If there was one, configure the provider that has it.")


class ProviderCannot(ConfigurationError):
    """Something that this key provider cannot do at all, or not for this key. Nothing was changed."""

    code = "provider-cannot"
    what = N_("The key provider did nothing.")
    why = "{detail}"


class ProviderKeyCurrent(ProviderCannot):
    """The key that new wraps are made under was to be destroyed."""

    code = "provider-key-current"
    why = N_("The key {key_id} is the one under which tenants' keys are wrapped now.")
    remedy = N_("Make another one current and move what it wrapped first.")


# -- unavailable: nothing is wrong with the request; a part that it needs is away -----------------------------------


class Unavailable(AmanahError):
    """A part without which nothing may be answered is away: the client gets 503 and no data."""

    code = "unavailable"
    status = 503
    what = N_("The request was stopped and nothing was disclosed.")
    remedy = N_("Try again in a moment; if it stays so, tell the operator of this service.")


class TrailUnavailable(Unavailable):
    """The trail cannot be written, so nothing may be read."""

    code = "trail-unavailable"
    why = N_("The access could not be recorded in the trail.")


class AnswerUnrecorded(TrailUnavailable):
    """The trail failed between the application's commit and the answer that follows it."""

    code = "answer-unrecorded"
    what = N_("The answer was stopped and nothing was disclosed; your change was probably carried out.")
    why = N_("The change has its entry in the trail; what the answer shows could no longer be recorded.")
    remedy = N_("Do not just send it again: look in a moment whether the change is there.")


class TrailFull(TrailUnavailable):
    """The bounded queue of the trail's writer is full."""

    code = "trail-full"
    why = N_("Too many accesses are waiting to be recorded in the trail.")


class TrailRolledBack(TrailUnavailable):
    """The trail is shorter than a checkpoint that was published: appending would hide the loss."""

    code = "trail-rolled-back"
    why = N_("The trail is shorter than a checkpoint that was already published.")
    remedy = N_(
        "The database was probably restored from a backup. Do not delete anything; tell the compliance officer."
    )


class CheckpointsAway(Unavailable):
    """A place outside the database that keeps checkpoints cannot be read or written now."""

    code = "checkpoints-away"
    what = N_("Checkpoints outside the database cannot be used now.")
    why = "{place}: {detail}"
    remedy = N_("Mend that; AMANAH_CHECKPOINTS names the places. What is missing there is then written by itself.")


class KeysUnavailable(Unavailable):
    """The key provider is away and the key is not in memory."""

    code = "keys-unavailable"
    why = N_("The keys of this tenant cannot be reached.")


class KeyServiceRefused(KeysUnavailable):
    """The key service answers, and does not let this installation use its keys."""

    code = "key-service-refused"
    why = N_("The key service does not accept this installation's credentials, or they lack a right ({detail}).")
    remedy = N_("Tell the operator of this service: the key service's own log says what was refused.")


class TokenMissing(KeysUnavailable):
    """The PKCS#11 module does not see the token that holds the keys."""

    code = "token-missing"
    why = N_("There is no PKCS#11 token {token}.")
    remedy = N_("Tell the operator of this service: the token is not plugged in, not reachable, or named otherwise.")


class PolicyUnavailable(Unavailable):
    """The policy cannot be read or does not load."""

    code = "policy-unavailable"
    why = N_("The tenant's policy could not be read.")


class PolicyBehind(PolicyUnavailable):
    """The database that this process asks has not yet seen the version of the tenant that the request names."""

    code = "policy-behind"
    why = N_("A change that you have made, or were told of, has not arrived here yet.")


class ObservingEnded(Unavailable):
    """A statement was prepared while its tables were only observed, and met the moment from which they are enforced."""

    code = "observing-ended"
    why = N_("It began while Amanah was only observing, and from now on it enforces.")


# -- refusals: who, where from, for what -----------------------------------------------------------------------------


class Refusal(AmanahError):
    """The policy's or the gate's no to this access. Always recorded in the trail."""

    code = "refused"
    status = 403
    what = N_("The request was stopped.")


class NotHttps(Refusal):
    """A plain HTTP request that may not be redirected (it could carry a body)."""

    code = "https-required"
    status = 403
    why = N_("It came over plain HTTP, where anybody on the way can read it.")
    remedy = N_("Send it again over https.")


class NotIdentified(Refusal):
    """Nobody is signed in."""

    code = "not-identified"
    status = 401
    why = N_("Nobody is signed in.")
    remedy = N_("Sign in and send the request again.")


class TokenInvalid(Refusal):
    """A bearer token that was not issued by whom it claims, or is malformed."""

    code = "token-invalid"
    status = 401
    why = N_("The sign-in token is not genuine or not meant for this service.")
    remedy = N_("Sign in again.")


class TokenExpired(Refusal):
    """A genuine bearer token past its time."""

    code = "token-expired"
    status = 401
    why = N_("The sign-in has expired.")
    remedy = N_("Sign in again.")


class TenantUnknown(Refusal):
    """The identity names a tenant that does not exist here."""

    code = "tenant-unknown"
    why = N_("The organisation of this sign-in is not known here.")
    remedy = N_("Check the address, or ask the operator of this service.")


class TenantSuspended(Refusal):
    """The tenant exists and is suspended or closed."""

    code = "tenant-suspended"
    why = N_("This organisation is suspended.")
    remedy = N_("Ask the administrator of your organisation.")


class NotAMember(Refusal):
    """The actor is no active member of the tenant."""

    code = "not-a-member"
    why = N_("You are not an active member of this organisation.")
    remedy = N_("Ask the administrator of your organisation for an invitation.")


class RoleMissing(Refusal):
    """The actor holds no role at all, and the request does not say for which purpose it comes."""

    code = "role-missing"
    why = N_("You have no role in this organisation yet. This route serves: {purposes}.")
    remedy = N_("Ask the administrator of your organisation for a role.")


class RoleUnknown(Refusal):
    """The application gives the actor a role that the tenant's policy does not know."""

    code = "role-unknown"
    why = N_("The application gives you the role {role}, which your organisation's policy does not know.")
    remedy = N_(
        "Ask the administrator of your organisation to add the role, or the developer to correct the map of roles."
    )


class RouteUndeclared(Refusal):
    """A route that nobody declared is denied."""

    code = "route-undeclared"
    why = N_("The route {route} is not declared to Amanah, so nobody may use it.")
    remedy = N_("Declare it with its resource, action and purposes.")


class PurposeMissing(Refusal):
    """Several purposes would do and the request names none."""

    code = "purpose-missing"
    why = N_("It does not say for which purpose the data is wanted. This route serves: {purposes}.")
    remedy = N_("Name one of them in the header Amanah-Purpose.")


class PurposeRepeated(Refusal):
    """The purpose is named twice: a gateway and the app could read different ones."""

    code = "purpose-repeated"
    status = 400
    why = N_("It names more than one purpose.")
    remedy = N_("Send exactly one Amanah-Purpose header.")


class PurposeUnknown(Refusal):
    """The purpose is not in the tenant's register."""

    code = "purpose-unknown"
    why = N_("The purpose that it names is not in your organisation's register.")
    remedy = N_("This route serves: {purposes}.")


class PurposeNotServed(Refusal):
    """The purpose exists and this route does not serve it."""

    code = "purpose-not-served"
    why = N_("This route does not serve the purpose {purpose}. It serves: {purposes}.")
    remedy = N_("Name one of these in the header Amanah-Purpose, or use the route that serves yours.")


class OperatorNotGranted(Refusal):
    """An operator of the platform, whom nobody who owns the tenant gave a role that is in force."""

    code = "operator-not-granted"
    why = N_("You are an operator of this service, and the organisation has not let you in.")
    remedy = N_("Ask somebody who owns the organisation for a grant: amanah grant operator")


class SecondFactorRequired(Refusal):
    """A role of the actor that may counts only with a second factor, and they signed in without one."""

    code = "second-factor-required"
    status = 401
    why = N_("Your role that may {action} {resource} for the purpose {purpose} counts only with a second factor.")
    remedy = N_("Sign in again with a second factor, such as a code from your telephone, and send the request again.")


class EmergencyNotAllowed(Refusal):
    """A role that the actor may not take in an emergency."""

    code = "emergency-not-allowed"
    why = N_("In an emergency the role {role} cannot be taken by holders of your roles.")
    remedy = N_("Ask the administrator of your organisation, who can allow it: amanah emergency allow")


class EmergencyTaken(Refusal):
    """A role is to be taken in an emergency that its holder has already."""

    code = "emergency-taken"
    status = 409
    why = N_("You hold the role {role} already.")
    remedy = N_("Go on with it. When its time is over it can be taken again.")


class VersionUnreadable(Refusal):
    """The header by which a client reads its own writes is no number, or is there twice."""

    code = "version-unreadable"
    status = 400
    why = N_("Its header Amanah-Policy-Version is no version, or is there twice.")
    remedy = N_("Send exactly one, with the number that you were given, or none.")


class Forbidden(Refusal):
    """No rule grants this action, or a rule denies it."""

    code = "forbidden"
    why = N_("None of your roles may {action} {resource} for the purpose {purpose}.")
    remedy = N_("Ask the administrator of your organisation for a role that may.")


class FieldWithheld(Refusal):
    """A column that this access may not see was selected by name."""

    code = "field-withheld"
    why = N_("None of your roles may see {field} for the purpose {purpose}.")
    remedy = N_("Ask the administrator of your organisation for a role that may.")


class CategoryUnregistered(FieldWithheld):
    """A personal column that the purpose is not registered for, selected by name or filled in a new row."""

    code = "category-unregistered"
    why = N_("The purpose {purpose} is not registered for the category of personal data that {field} holds.")
    remedy = N_(
        "Do it for a purpose that is registered for it, or leave the field out. Who answers for the purpose can add "
        "the category to the register: amanah policy apply."
    )


class FieldProbed(Refusal):
    """A statement filters or joins on a column that this access may not see in clear: probing is reading."""

    code = "field-probed"
    why = N_("Searching by {field} would disclose it, and none of your roles may see it for the purpose {purpose}.")
    remedy = N_("Search by another field, or ask the administrator of your organisation for a role that may.")


class MaskedWrite(Refusal):
    """An update of a column that this access does not see in clear, with something else than what was shown."""

    code = "masked-write"
    why = N_("You do not see {field} in full for the purpose {purpose}, so you may not change it.")
    remedy = N_("Leave the field as it was shown, or ask somebody who may see it.")


class TenantCrossed(Refusal):
    """A row of, or for, another tenant in a write."""

    code = "tenant-crossed"
    why = N_("It would write a row of {resource} for another organisation.")
    remedy = N_("Write rows of your own organisation only.")


class ReferenceCrossed(TenantCrossed):
    """A foreign key set to a row of another tenant, or to one that is nowhere: the two are not told apart."""

    code = "reference-crossed"
    why = N_("It would make a row of {resource} refer to a row that your organisation does not have.")
    remedy = N_("Refer to rows of your own organisation only, and add those first.")


class HandoffForged(Refusal):
    """A hand-over that this installation did not make for the tenant that it names, or that was changed on the way."""

    code = "handoff-forged"
    what = N_("The work that was handed over was not begun.")
    why = N_("Its hand-over was not made here, or was changed on the way.")
    remedy = N_("Find out who can write to the queue. Hand the work over again with access.handoff(…).")


class HandoffExpired(Refusal):
    """A genuine hand-over past its time."""

    code = "handoff-expired"
    what = N_("The work that was handed over was not begun.")
    why = N_("The time of its hand-over is over.")
    remedy = N_("Hand it over again, for more seconds if the queue takes that long.")


class HandoffUsed(Refusal):
    """A hand-over that was taken up before."""

    code = "handoff-used"
    what = N_("The work that was handed over was not begun.")
    why = N_("Its hand-over was taken up before, and is good for one time.")
    remedy = N_("Look whether the work was done. If it was not, hand it over again.")


class TenantForeign(Refusal):
    """An access of another tenant than the one to which the whole application belongs."""

    code = "tenant-foreign"
    why = N_("This application holds the data of one organisation, and this sign-in or job is of another.")
    remedy = N_("Sign in as a member of that organisation, or name its tenant in the job.")


class BodyTooLarge(Refusal):
    """What another system sends to a callback is longer than the route declares."""

    code = "body-too-large"
    status = 413
    why = N_("The body of a callback is read before its sender is known, and this one has more than {limit} bytes.")
    remedy = N_("If such bodies are right here, declare it: callback(…, limit=…).")


class OwnerUnknown(Refusal):
    """A callback, rightly signed, about something that is not exactly one tenant's."""

    code = "owner-unknown"
    status = 404
    why = N_("What this callback is about belongs to no tenant, or to more than one.")
    remedy = N_("Check the number that was sent, and that the owner= of the callback names a column that is unique.")


class PasswordWrong(Refusal):
    """A password at the terminal that is not the member's, or a member who has none."""

    code = "password-wrong"
    what = N_("Nothing was done: it is not proven who you are.")
    why = N_("The password is not this member's, or the member has none for the console.")
    remedy = N_("Try again. A first password is set by way of: amanah member invite")


class AttemptsTooMany(Refusal):
    """Passwords are being guessed: too many wrong ones for this member."""

    code = "attempts-too-many"
    status = 429
    what = N_("Nothing was done: it is not proven who you are.")
    why = N_("There were too many wrong passwords for this member.")
    remedy = N_("Wait {seconds} seconds and try again.")


class DecryptRefused(Refusal):
    """Base of what can be wrong with a request to store sealed columns in plain again."""

    code = "decrypt-refused"
    what = N_("Nothing was decrypted.")


class RequestUnknown(DecryptRefused):
    """An id that no request has."""

    code = "request-unknown"
    status = 404
    why = N_("There is no request with this id.")
    remedy = N_("List them with: amanah decrypt list")


class RequestForged(DecryptRefused):
    """What the database holds of a request is not what its people decided, or not what the trail recorded."""

    code = "request-forged"
    why = N_("The request is not what was asked for and approved: it was changed outside of Amanah.")
    remedy = N_("Find out who can write to the table amanah_request, and tell the compliance officer.")


class SamePerson(DecryptRefused):
    """Whoever asked is the one who approves."""

    code = "same-person"
    why = N_("Whoever asked for it cannot approve it.")
    remedy = N_("Let another member who may do it look at the request and approve it.")


class RequestUnapproved(DecryptRefused):
    """A request that nobody but its author has agreed to."""

    code = "request-unapproved"
    why = N_("Nobody has approved the request.")
    remedy = N_("Another member approves it with: amanah decrypt approve {request} --as MEMBER")


class RequestDecided(DecryptRefused):
    """A second approval, or a decision that another one overtook."""

    code = "request-decided"
    why = N_("The request was approved before, or somebody decides about it at this moment.")
    remedy = N_("Look at it with: amanah decrypt list")


class RequestEnded(DecryptRefused):
    """A request that was refused, withdrawn or carried out."""

    code = "request-ended"
    why = N_("The request was refused, withdrawn or carried out, and is good for one time.")
    remedy = N_("Ask anew with: amanah decrypt request")


class RequestExpired(DecryptRefused):
    """A request past its time."""

    code = "request-expired"
    why = N_("The time of the request is over.")
    remedy = N_("Ask anew with: amanah decrypt request. What is decrypted already stays so.")


class FormForged(Refusal):
    """A form that did not come from one of the console's own pages in this browser, or whose page was too old."""

    code = "form-forged"
    status = 403
    why = N_("The form did not come from this page, or the page was open for too long.")
    remedy = N_("Open the page again and repeat what you did.")


class FormTooLarge(Refusal):
    """A form longer than any of ours, or of another kind."""

    code = "form-too-large"
    status = 413
    why = N_("The form is larger than anything that this page sends, or of another kind.")
    remedy = N_("Open the page again and repeat what you did.")


# -- the application's own programming errors, found by the SQL gate --------------------------------------------------


class StatementRefused(Refusal):
    """A statement that cannot be kept safe. The application's developer must change it."""

    code = "statement-refused"
    status = 500
    what = N_("A database statement was stopped before it ran.")


class ReportRefused(StatementRefused):
    """A declared report does not give what was declared of it."""

    code = "report-refused"
    why = N_("The declared report {report} does not give exactly one result column {column}.")
    remedy = N_("Name in declared_sql() the result columns as the report gives them.")


class AccessRequired(StatementRefused):
    """A protected table was touched outside an access."""

    code = "access-required"
    why = N_("{resource} is protected, and no access is open here.")
    remedy = N_(
        "In a request: declare the route. In a job or script: "
        "with guard.access(tenant=…, actor=…, purpose=…, reason=…). "
        "In a thread pool: run it with contextvars.copy_context().run."
    )


class AccessLost(AccessRequired):
    """A protected table was touched in a thread that was started without the context of its access."""

    code = "access-lost"
    why = N_("{resource} is protected, and a thread does not inherit the access of the code that started it.")
    remedy = N_(
        "Run the work in a copy of the context: pool.submit(contextvars.copy_context().run, work), and the same for "
        "loop.run_in_executor and threading.Thread; asyncio.to_thread does it by itself. Work that outlives the access "
        "takes a hand-over along: access.handoff(…) here, guard.resume(…) there. "
        "A thread of a job's own opens one with guard.access(…)."
    )


class AccessClosed(StatementRefused):
    """An access was used after it had ended."""

    code = "access-closed"
    why = N_("The access under which this runs has ended.")
    remedy = N_(
        "Work that goes on after the response takes a hand-over along: text = access.handoff(seconds=…) before, "
        "with guard.resume(text) there."
    )


class SessionOfAnotherAccess(StatementRefused):
    """A Session that served one access is used in another."""

    code = "session-of-another-access"
    why = N_("This Session already belongs to another access, and what it holds in memory with it.")
    remedy = N_("Open a Session per request or job.")


class TableUndeclared(StatementRefused):
    """A table of the app without tenant column that nobody declared."""

    code = "table-undeclared"
    why = N_("The table {table} has no tenant column and is not declared.")
    remedy = N_('Declare it: shared("{table}") if it is the same for every tenant, or name its tenant column.')


class RawSqlRefused(StatementRefused):
    """Raw SQL that names a protected table or column."""

    code = "raw-sql-refused"
    why = N_("It is raw SQL that names {name}, which is protected.")
    remedy = N_("Write it with SQLAlchemy's select(), insert(), update() or delete().")


class RawSqlUnclosed(RawSqlRefused):
    """A piece of raw SQL inside a statement that would take what is written behind it for a part of itself."""

    code = "raw-sql-unclosed"
    why = N_("It holds a piece of raw SQL that leaves a quote, a comment or a parenthesis open, or ends a statement.")
    remedy = N_("Close in each piece what it opens, and leave out -- and ; in it.")


class SealedUseRefused(StatementRefused):
    """A sealed column used where only ciphertext could be compared."""

    code = "sealed-use-refused"
    why = N_("{field} is sealed, and {construct} would work on its ciphertext.")
    remedy = N_(
        'Use == or in_() on a column declared with search="exact", or select the rows and work on their values.'
    )


class SealedWriteRefused(StatementRefused):
    """A sealed column written where its row is not known, or moved away from it."""

    code = "sealed-write-refused"
    why = N_("{field} is sealed for its row, and this statement does not say which row: {detail}.")
    remedy = N_("Write it by primary key, with a value.")


class RowsLimited(StatementRefused):
    """Something that would meet all rows, under an access that may meet some of them only."""

    code = "rows-limited"
    why = N_("The policy lets this access meet some rows of {resource} only, and {detail} cannot be kept to them.")
    remedy = N_("Execute a SELECT, INSERT, UPDATE or DELETE of SQLAlchemy's, or let a role do it that meets all rows.")


class SubjectUndeclared(StatementRefused):
    """A table with personal columns that does not say whose rows they are, for a purpose that rests on consent."""

    code = "subject-undeclared"
    why = N_(
        "The purpose {purpose} rests on consent, and nobody declared about whom the rows of {table} are: "
        "it cannot be asked whether they consented."
    )
    remedy = N_('Declare it: declare("{table}", subject=…), or use the table for a purpose with another legal basis.')


class ForeignKeysUnchecked(StatementRefused):
    """A new row whose key rows of other tables may still name, on a SQLite connection that does not check such keys."""

    code = "foreign-keys-unchecked"
    why = N_(
        "Rows of other tables belong to their organisation by {resource}, and SQLite does not check foreign keys here: "
        "a new row could inherit what another organisation left behind."
    )
    remedy = N_("Let every connection of the application begin with: PRAGMA foreign_keys = ON")


class TableShadowed(StatementRefused):
    """A common table expression or temporary table with the name of a table that the walls go by."""

    code = "table-shadowed"
    why = N_("A common table expression or a temporary table is called {name}, like a table that the walls go by.")
    remedy = N_("Give it another name.")


class EngineUnprotected(StatementRefused):
    """A personal column was read by an engine that the guard does not know."""

    code = "engine-unprotected"
    what = N_("A personal value was read by an engine that the guard does not protect.")
    why = N_("Nobody decided about it, and it does not say whose it is.")
    remedy = N_("Give the guard all engines of the database: engine=[engine, other]. `amanah doctor` finds them.")


class AutocommitRefused(StatementRefused):
    """A protected table written on a connection in AUTOCOMMIT, where nothing can be recorded with the change."""

    code = "autocommit-refused"
    why = N_("The connection is in AUTOCOMMIT, so the change and its record could not be one transaction.")
    remedy = N_("Use a connection with a transaction.")


# -- sealed values --------------------------------------------------------------------------------------------------


class SealError(AmanahError):
    """Base of what can be wrong with a sealed value."""

    code = "seal"
    what = N_("A sealed value could not be opened.")


class Tampered(SealError):
    """The value was changed, moved to another row, column or tenant, or is no sealed value at all."""

    code = "tampered"
    why = N_("It was changed, or moved here from another place.")
    remedy = N_("Tell the compliance officer; do not overwrite the row.")


class RowTampered(Tampered):
    """A row whose seal does not hold: one of its sealed columns was changed by something else than the application."""

    code = "row-tampered"
    what = N_("A row of {resource} was not read: its seal does not hold.")
    why = N_("One of its sealed columns was changed behind the application, or the seal was moved here from elsewhere.")
    remedy = N_(
        "Tell the compliance officer, and restore the row from a backup; to accept it as it now is: amanah seal-rows."
    )


class RowUnsealed(RowTampered):
    """A row without a seal in a table whose rows are sealed."""

    code = "row-unsealed"
    what = N_("A row of {resource} was not read: it has no seal.")
    why = N_("It was written before the table's rows were sealed, or behind the application.")
    remedy = N_(
        "If the table was only now declared, run: amanah seal-rows {table}. If not, tell the compliance officer."
    )


class EnvelopeUnknown(Tampered):
    """The value is in no format that this version of the library writes or reads."""

    code = "envelope-unknown"
    why = N_("It is no sealed value, or one that a newer version of Amanah sealed.")
    remedy = N_(
        "Run the newest version that ever ran on this database; if it says the same, tell the compliance officer."
    )


class KeyUnknown(SealError):
    """The value names a key version that this tenant does not have."""

    code = "key-unknown"
    why = N_("It names a key that this organisation does not have.")
    remedy = N_("Restore the key table that belongs to this database.")


class KeyRetired(SealError):
    """The value was sealed under a version of the key that was retired since."""

    code = "key-retired"
    why = N_("It was sealed under a key that this organisation has retired.")
    remedy = N_("It was left behind or comes from an old backup: tell who administers the keys.")


class SubjectErased(SealError):
    """Something was to be written about a person who was erased."""

    code = "subject-erased"
    status = 409
    what = N_("Nothing was stored for {subject}.")
    why = N_("This person's data was erased, and nothing more is stored under this number.")
    remedy = N_("If the person is back, register them anew.")


class SubjectSecretMissing(SealError):
    """The secret of the person whom the value is about is not in the table of secrets, and no erasure is on record."""

    code = "subject-secret-missing"
    why = N_("The secret that belongs to this person is not there, and no erasure is on record.")
    remedy = N_("Restore the table amanah_subject, then run: amanah subjects replay-erasures")


class SubjectSecretNotCarried(SealError):
    """A single column was taken from a result of several, so that the person's secret was not met."""

    code = "subject-secret-not-carried"
    why = N_("The result was read by single columns, and the first personal one of its row was left out.")
    remedy = N_("Select only the columns that are needed, or read whole rows.")


class LedgerUnwritable(Unavailable):
    """The ledger of erasures cannot be written, so nothing was erased."""

    code = "ledger-unwritable"
    what = N_("Nothing was erased.")
    why = N_("The ledger of erasures {path} cannot be written: {detail}.")
    remedy = N_("Mend that (AMANAH_ERASURES names the file), then erase again.")


class LedgerDamaged(ConfigurationError):
    """The ledger of erasures holds a line that this installation did not write there."""

    code = "ledger-damaged"
    what = N_("No erasure was repeated.")
    why = N_("Line {line} of the ledger of erasures {path} is not what was written there, or one before it is missing.")
    remedy = N_("Put back the ledger from a copy; if there is none, tell the compliance officer.")


class EpochMissing(SealError):
    """The tenant has no key yet under which the secrets of its subjects could be wrapped."""

    code = "epoch-missing"
    status = 503
    what = N_("No value about a person can be sealed or opened.")
    why = N_("This organisation has no key yet for the secrets of persons.")
    remedy = N_("Run: amanah keys epochs")


# -- the trail --------------------------------------------------------------------------------------------------------


class TrailDamaged(AmanahError):
    """Verification found that the trail is not what was recorded."""

    code = "trail-damaged"
    what = N_("The trail does not verify.")
    why = "{detail}"


class TrailWorkStopped(AmanahError):
    """An export, an offline verification or a recovery of the trail cannot be done so; nothing was changed."""

    code = "trail-work-stopped"


class NothingSigned(TrailWorkStopped):
    """An export of a trail leads to a signed checkpoint, and there is none yet."""

    code = "nothing-signed"
    what = N_("There is nothing to export yet.")
    why = N_("No checkpoint covers the trail of {tenant}.")
    remedy = N_("One is signed at most ten seconds after an entry, by the wrapped application or any command.")


class BundleUnusable(TrailWorkStopped):
    """A bundle cannot be verified: another key, another tenant, no bundle, cut off, of a newer format."""

    code = "bundle-unusable"
    what = N_("The bundle cannot be judged.")
    why = "{detail}"


class VerificationStateUnusable(TrailWorkStopped):
    """The file from which a verification was to go on is not to be trusted, or of something else."""

    code = "verification-state-unusable"
    what = N_("The verification does not go on from this file.")
    why = "{path}: {detail}"
    remedy = N_("Name another file, or remove this one: then everything is verified from the first entry on.")


class NotRolledBack(TrailWorkStopped):
    """A recovery was asked for, and the database did not go back, or more is wrong than that."""

    code = "not-rolled-back"
    what = N_("There is nothing that could be recovered so.")
    why = "{detail}"
    remedy = N_("Run amanah audit verify; what it names has to be looked at, not covered up.")


# -- the application's own migrations, where a step of sealing is one -------------------------------------------------


class MigrationStopped(AmanahError):
    """A step of sealing in the application's own migrations cannot be taken."""

    code = "migration-stopped"
    what = N_("The migration was stopped, and {table} was not changed.")


class TablesHeld(MigrationStopped):
    """Somebody else holds a table of the migration."""

    code = "tables-held"
    what = N_("The migration did not begin: {table}.")
    why = N_("Other transactions hold these tables, and go on for longer than a minute.")
    remedy = N_("End what runs for so long, a report or a backup, and migrate again.")


class RowsHidden(MigrationStopped):
    """PostgreSQL hides rows of other tenants from a role that has to see all of them."""

    code = "rows-hidden"
    what = N_("Nothing was done: it would have reached a part of the rows only.")
    why = N_("Row-level security holds the database role by which this command connects to one tenant's rows.")
    remedy = N_("Set AMANAH_OWNER_URL to the URL of a role with BYPASSRLS, for commands and migrations only.")


class RowsNotSealed(MigrationStopped):
    """Rows have a plain value and no sealed one."""

    code = "rows-not-sealed"
    why = N_("{count} rows of {field} have a plain value and no sealed one.")
    remedy = N_("Run: amanah encrypt, and then the migration again.")


class RowsOnlySealed(MigrationStopped):
    """Rows have a sealed value and no plain one, and the sealed one would go or no longer be read."""

    code = "rows-only-sealed"
    why = N_("{count} rows of {field} have a sealed value and no plain one: these values would be lost.")
    remedy = N_("Run: amanah decrypt, and then the migration again.")


class RowsWithoutValue(MigrationStopped):
    """A column that the models do not let be empty is empty in some rows."""

    code = "rows-without-value"
    why = N_("{count} rows of {field} have no value, and its model says that it has one.")
    remedy = N_("Give these rows a value, or let the model take None, and run the migration again.")


class ValuesRepeated(MigrationStopped):
    """What is to be unique is not."""

    code = "values-repeated"
    why = N_(
        "{count} values of {field} stand in more than one row, and are to be unique. Values that are normalised to the "
        "same text count as one."
    )
    remedy = N_("Correct these rows, or take normalise= back and seal the column again; then run the migration again.")


class ForeignKeysOn(MigrationStopped):
    """SQLite would delete the rows of other tables while a table is made anew."""

    code = "foreign-keys-on"
    why = N_(
        "SQLite makes the table anew for this step, and with PRAGMA foreign_keys=ON it would delete the rows of other "
        "tables that point to it."
    )
    remedy = N_("Connect without PRAGMA foreign_keys=ON in the env.py of your migrations.")


class RowsUnseen(MigrationStopped):
    """A step that has to look at rows was to be written down as SQL, without a database."""

    code = "rows-unseen"
    why = N_("This step looks at the rows first, or at how the table was made, and --sql has no database to look at.")
    remedy = N_("Run this migration on the database itself, without --sql.")


class TableNotUnderstood(MigrationStopped):
    """SQLite would have to make a table anew whose CREATE TABLE is of an unknown form."""

    code = "table-not-understood"
    why = N_("SQLite has to make the table anew for this step, and its CREATE TABLE is not understood: {detail}.")
    remedy = N_("Make the table anew by hand with a plain CREATE TABLE, and run the migration again.")


class StepNotDue(AmanahError):
    """`amanah revision` was asked for a step that is not the next one."""

    code = "step-not-due"
    what = N_("No migration was written.")
    why = "{detail}"


# -- keys, replaced --------------------------------------------------------------------------------------------------


class RotationStopped(AmanahError):
    """Base of what can stop a command that changes keys. What was done until then is done, and nothing is half done."""

    code = "rotation-stopped"
    status = 409
    what = N_("Nothing was changed.")


class RotationBusy(RotationStopped):
    """Another command changes keys of this installation at this moment."""

    code = "rotation-busy"
    why = N_("Another command is changing keys right now.")
    remedy = N_("Wait until it has ended, and look at: amanah keys list")


class KeyNotSettled(RotationStopped):
    """A key is too young: some process may not know it yet, or still seal under an older one."""

    code = "key-not-settled"
    why = N_("Version {version} of the data key of {tenant} is too young: not every process uses it before {when}.")
    remedy = N_("Run this again then; amanah reencrypt waits with --wait.")


class KeyStillUsed(RotationStopped):
    """Data keys were to be retired under which there are still values."""

    code = "key-still-used"
    why = N_("{count} values of {tenant} are still sealed under an older version ({columns}).")
    remedy = N_("Run: amanah reencrypt --tenant {tenant}")


class ProviderKeyNamed(RotationStopped):
    """A key of the provider's was to be destroyed under which there are still wrapped keys."""

    code = "provider-key-named"
    why = N_("{rows} keys in the database are wrapped under the provider's key {key_id}.")
    remedy = N_("Run: amanah keys rotate provider. Epoch keys go on their own schedule.")


# -- administration ---------------------------------------------------------------------------------------------------


class InvalidInput(AmanahError):
    """An administrator's or a command's input that cannot be taken."""

    code = "invalid-input"
    status = 422
    what = N_("This cannot be done.")
    why = "{detail}"


class DutyBroken(InvalidInput):
    """A grant, or the end of one, or a new duty, would leave a duty of the tenant broken."""

    code = "duty-broken"
    what = N_("This would break a duty on who may hold the role {role}.")
    why = N_("The duty is: {duty}. It holds for what a role inherits, and for grants that begin later.")
    remedy = N_("Revoke the grant that stands against it first, or end the duty: amanah duty list.")


class TrailTooShort(InvalidInput):
    """Of what happened so long ago the trail says nothing."""

    code = "trail-too-short"
    what = N_("Which grants are unused cannot be said.")
    why = N_("The trail of this organisation does not go back {days} days, and some of its grants do.")
    remedy = N_("Name fewer days, or wait until the trail is as old.")


class PolicyFileWrong(InvalidInput):
    """A file of a policy, or a folder of them, that cannot be taken. ``place`` is the file and, if known, the line."""

    code = "policy-file-wrong"
    what = N_("Nothing was changed: {place} cannot be taken as a policy.")
    why = "{detail}"
    remedy = "{mend}"


class PolicyPlanStale(InvalidInput):
    """The policy is not the one any more from which the plan was made."""

    code = "policy-plan-stale"
    status = 409
    what = N_("Nothing was changed: the plan that was shown is not what would be done now.")
    why = N_("It was made at version {expected}, and the policy was changed since.")
    remedy = N_("Look at the new plan (amanah policy plan), and apply that.")


class PolicyRoleHeld(InvalidInput):
    """A role that would end is still granted to members."""

    code = "policy-role-held"
    status = 409
    what = N_("Nothing was changed: a role that members hold would end.")
    why = N_("Members hold grants of {role}.")
    remedy = N_("Revoke these grants first (amanah grant list), or keep the role in the files.")


class SubjectUnknown(InvalidInput):
    """There is nobody of that kind and id: neither a secret nor a row."""

    code = "subject-unknown"
    what = N_("Nothing was done about {subject}.")
    why = N_("This organisation has nobody of that kind and number. Kinds of persons here: {kinds}.")
    remedy = N_("Look up the number in the application: it is the person's key there.")


class RowNotThere(InvalidInput):
    """The row that was to be resealed is not there, not one of the access's, or was changed meanwhile."""

    code = "row-not-there"
    what = N_("No row of {resource} was moved.")
    why = N_("There is no such row that this access may see and change, or somebody changed it meanwhile.")
    remedy = N_("Look it up again, then try once more.")


# -- reporting copies -------------------------------------------------------------------------------------------------


class CopyNotWritten(AmanahError):
    """Base of what can stop a reporting copy. An older copy stays as it was."""

    code = "copy-not-written"
    status = 409
    what = N_("The reporting copy was not written. An older one stays as it was.")
    why = "{detail}"


class CopyFailed(CopyNotWritten):
    """A table could not be read, or what was read could not be written."""

    code = "copy-failed"
    why = N_("The table {table} could not be copied ({detail}).")
    remedy = N_("Mend it, or name the other tables with --table, and run the command again.")


class CopyPlaceTaken(CopyNotWritten):
    """Where the copy should go is something that is no copy, or the application's own database."""

    code = "copy-place-taken"
    why = N_("{place} is or holds something that this command did not make: {found}.")
    remedy = N_("Name a SQLite file that does not exist yet, or a PostgreSQL schema of its own (--schema).")


class CopyOfAnotherTenant(CopyNotWritten):
    """Where the copy should go is the copy of another tenant."""

    code = "copy-of-another-tenant"
    why = N_("{place} holds the copy of another organisation.")
    remedy = N_("Give each organisation a file or schema of its own, or remove the other copy first.")


class CopyBusy(CopyNotWritten):
    """Another run writes the same copy, or somebody holds the old one."""

    code = "copy-busy"
    why = N_("{place} is in use: another run writes it, or somebody reads the old copy for very long.")
    remedy = N_("Run the command again later.")


class CopyPlaceAway(CopyNotWritten):
    """The place does not answer, or may not be written."""

    code = "copy-place-away"
    status = 503
    why = N_("{place} cannot be reached or not be written ({detail}).")
    remedy = N_("Check the address, and that this account may create files there, or schemas.")
