"""A decision in words: what an entry of the trail says, and why the policy decides so.

The explanation is by today's policy, because that is what an administrator can change; where it has moved on since the
decision, it says so. Names from policies and declarations only: nothing personal, and no sealed value is opened.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ..errors import AmanahError, CategoryUnregistered, FieldProbed, FieldWithheld, MaskedWrite
from ..i18n import N_, Language, time_text, translate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..access_policies.explanation import Explanation
    from ..access_policies.rules import Rule
    from ..access_policies.snapshot import Snapshot
    from ..audit.entries import Entry
    from ..audit.log import Logged
    from ..tenants.records import Grant
    from .fields import Register
    from .routes import Route

_LOOKS_LIKE_A_PERSON: Final = re.compile(r"[^@\s]+@[^@\s]+|\+?[0-9][0-9 ()-]{7,}[0-9]")
_NOT_RECORDED: Final = N_("(not recorded)")
_OF_FIELDS: Final = frozenset({FieldWithheld.code, CategoryUnregistered.code, FieldProbed.code, MaskedWrite.code})


def discreet(identifier: str) -> str:
    """An identifier as it may be shown in lists: an e-mail address or telephone number used as one is masked."""
    if not _LOOKS_LIKE_A_PERSON.fullmatch(identifier):
        return identifier
    name, at, host = identifier.partition("@")
    return f"{name[:1]}***@{host}" if at else f"•••• {identifier[-4:]}"


def summary(entry: Entry) -> str:
    """What was touched, in short: ``read customer 3 (phone; masked nik)``; an act of administration; or the route."""
    parts = []
    for what in entry.what:
        part = f"{what.action} {what.resource}"
        if what.count:
            part += f" {what.count}"
        columns = [", ".join(what.columns)] if what.columns else []
        columns += [f"masked {', '.join(what.masked)}"] if what.masked else []
        parts.append(f"{part} ({'; '.join(columns)})" if columns else part)
    if entry.detail:
        parts.append(" ".join(f"{name}={discreet(str(value))}" for name, value in entry.detail.items()))
    return ", ".join(parts) or entry.route or ""


def machine_readable(one: Logged) -> dict[str, object]:
    """An entry for JSON: sealed values and tokens are only named, identifiers that are addresses are masked."""
    entry = one.entry
    values = asdict(entry) | {"sealed": sorted(entry.sealed), "tokens": sorted(entry.tokens), "position": one.position}
    values["at"] = datetime.fromtimestamp(entry.at / 1_000_000, UTC).isoformat()
    values["actor"] = entry.actor and discreet(entry.actor)
    values["detail"] = {name: discreet(v) if isinstance(v, str) else v for name, v in entry.detail.items()}
    for what in values["what"]:
        for name in ("rows", "subjects"):
            what[name] = [discreet(text) for text in what[name]]
    return values


def refusal_words(entry: Entry, routes: Iterable[Route], language: Language) -> tuple[str, str, str] | None:
    """What was stopped, why, and the remedy, of an entry that has a refusal; None for any other.

    What the trail does not keep (it keeps no free text) is said to be not recorded.
    """
    error = _error(entry.refusal) if entry.refusal else None
    if error is None:
        return None
    facts = _facts(entry, routes)
    missing = translate(_NOT_RECORDED, language)
    told = []
    for sentence in (error.what, error.why, error.remedy):
        names = re.findall(r"\{(\w+)\}", sentence)
        told.append(translate(sentence, language, **{name: facts.get(name, missing) for name in names}))
    return told[0], told[1], told[2]


def _facts(entry: Entry, routes: Iterable[Route]) -> Mapping[str, str]:
    decision = entry.decision or {}
    known = {"purpose": entry.purpose, "route": entry.route}
    if decision and not decision.get("allow"):
        known |= {"resource": decision.get("resource"), "action": decision.get("action")}
    known |= {name: str(entry.detail[name]) for name in ("resource", "action", "field") if name in entry.detail}
    served = next((route.purposes for route in routes if entry.route in _names(route)), ())
    known["purposes"] = ", ".join(served) or None
    return {name: str(value) for name, value in known.items() if value}


def _names(route: Route) -> set[str]:
    """How entries may spell the route: one method each, and HEAD for GET."""
    methods = {*route.methods, *(["HEAD"] if "GET" in route.methods else [])}
    return {f"{method} {route.path}" for method in methods}


def _error(code: str) -> type[AmanahError] | None:
    """The error class with this code."""
    waiting: list[type[AmanahError]] = [AmanahError]
    while waiting:
        found = waiting.pop()
        if found.code == code:
            return found
        waiting += found.__subclasses__()
    return None


def policy_words(entry: Entry, snapshot: Snapshot, register: Register, language: Language) -> Iterator[str]:
    """Why today's policy decides as it does on what the entry asked for, one sentence at a time."""
    asked = asked_last(entry)
    if asked is None or entry.purpose is None:
        return
    then = (entry.decision or {}).get("policy_version")
    if then is not None and then != snapshot.version:
        yield translate(
            N_("The policy was at version {then} then and is at {now} now; what follows is by today's."),
            language,
            then=then,
            now=snapshot.version,
        )
    roles = frozenset(entry.roles)
    yield from explanation_words(snapshot.explain(roles, *asked, entry.purpose), language)
    if entry.refusal in _OF_FIELDS and "field" not in entry.detail:
        yield from _field_words(snapshot, register, entry, asked[0], language)


def asked_last(entry: Entry) -> tuple[str, str] | None:
    """The object and the action that the policy was asked about last: a refusal's own, or else the admission's."""
    about, decision = entry.detail if entry.refusal else {}, entry.decision
    if entry.refusal in _OF_FIELDS and "field" in about:
        return str(about["field"]), str(about.get("action", "read"))  # each of them wants to see it in clear
    if "resource" in about and "action" in about:
        return str(about["resource"]), str(about["action"])
    return (str(decision.get("resource")), str(decision.get("action"))) if decision else None


def explanation_words(found: Explanation, language: Language) -> Iterator[str]:
    """One explanation of the policy, one sentence at a time."""
    if found.rule is not None:
        yield from _rule_words(found, found.rule, language)
        return
    facts = {
        "roles": ", ".join(found.roles) or "-",
        "action": found.action,
        "object": found.object,
        "purpose": found.purpose,
    }
    if found.outside:
        told = N_("The purpose {purpose} is not registered for the category {category}, whatever rules say.")
        yield translate(told, language, purpose=found.closed_by, category=found.outside)
        yield from _otherwise_words(found, language)
        return
    yield translate(
        N_("No rule lets the roles {roles} {action} {object} for the purpose {purpose}."), language, **facts
    )
    if found.unknown_roles:
        yield translate(
            N_("The policy does not know these roles: {roles}."), language, roles=", ".join(found.unknown_roles)
        )
    if not found.purpose_known:
        yield translate(N_("The purpose is not in the tenant's register."), language)
    yield from _otherwise_words(found, language)
    if found.missing_grant:
        yield translate(N_("What is missing: a grant of the role {role}."), language, role=found.missing_grant)
    elif found.missing_rule:
        yield translate(
            N_("What is missing: a rule that allows {role} to {action} {object} for the purpose {purpose}."),
            language,
            **found.missing_rule,
        )


def grant_words(found: Explanation, grants: Iterable[Grant], now: datetime, language: Language) -> Iterator[str]:
    """Which of a member's ``grants`` would turn a no into a yes and is not in force, the nearest one, in one sentence.

    Nearest is one that waits for a second person, then one that begins later, then the one that ended last. Nothing
    where it is a yes, where a rule denies, or where there is no such grant.
    """
    if found.allow or found.rule is not None:
        return
    told = [_standing(one, now) for one in grants if one.role in found.roles_that_may]
    for _, _, sentence, grant, at in sorted(told, key=lambda one: one[:2])[:1]:
        yield translate(sentence, language, grant=grant.id, role=grant.role, time=time_text(at, language))


def _standing(one: Grant, now: datetime) -> tuple[int, float, str, Grant, datetime]:
    if one.revoked_at is not None:
        at = one.revoked_at
        return 2, -at.timestamp(), N_("The grant {grant} of the role {role} was revoked on {time}."), one, at
    if one.ends_at is not None and one.ends_at <= now:
        at = one.ends_at
        return 2, -at.timestamp(), N_("The grant {grant} of the role {role} ended on {time}."), one, at
    if one.waits:
        at = one.granted_at
        return 0, 0.0, N_("The grant {grant} of the role {role} waits for a second person since {time}."), one, at
    at = one.starts_at or one.granted_at
    return 1, at.timestamp(), N_("The grant {grant} of the role {role} begins on {time}."), one, at


def _rule_words(found: Explanation, rule: Rule, language: Language) -> Iterator[str]:
    """What the rule that decided says, and of which rows."""
    said = N_("Rule {rule} denies it, and a denial overrides every permission: {row}.")
    if found.allow:
        said = N_("Rule {rule} allows it: {row}.")
    elif rule.effect == "allow":
        said = N_("Rule {rule} asks for a mask that this process cannot use for this column, so it is no: {row}.")
    yield _of_rule(said, rule, language)
    if found.rows.allowed is not None:
        some = N_("It speaks only of rows that one of these row filters lets through: {filters}.")
        yield translate(some, language, filters=", ".join(found.rows.allowed))
    if found.rows.denied:
        but = N_("It does not speak of rows that one of these row filters lets through: {filters}.")
        yield translate(but, language, filters=", ".join(found.rows.denied))
    if found.allow and found.consent:
        yield translate(
            N_("The purpose rests on consent: it opens only rows whose person has consented to it."), language
        )


def _otherwise_words(found: Explanation, language: Language) -> Iterator[str]:
    """How else, when else and what else for the same roles may."""
    if found.masked and found.mask:
        yield translate(N_("They may see it masked, by the mask {mask}."), language, mask=found.mask)
    elif found.masked:
        yield translate(N_("They may see it masked."), language)
    if found.not_yet:
        yield _of_rule(N_("Rule {rule} will allow it, and is not in force yet: {row}."), found.not_yet[0], language)
    if found.no_longer:
        yield _of_rule(N_("Rule {rule} allowed it, and is in force no longer: {row}."), found.no_longer[0], language)
    if found.purposes_that_do:
        yield translate(
            N_("The same roles may for these purposes: {purposes}."),
            language,
            purposes=", ".join(found.purposes_that_do),
        )


def _of_rule(said: str, rule: Rule, language: Language) -> str:
    return translate(said, language, rule=rule.id, row=" ".join(rule.words()))


def _field_words(
    snapshot: Snapshot, register: Register, entry: Entry, resource: str, language: Language
) -> Iterator[str]:
    """How these roles see the personal columns of the resource, for an entry that does not say which was refused."""
    assert entry.purpose is not None  # noqa: S101 - for the type checker; the caller asked
    roles = frozenset(entry.roles)
    seen: dict[str, list[str]] = {}
    for table in register.tables.values():
        for one in table.fields.values() if table.resource == resource else ():
            if not snapshot.decide(roles, one.name, "read", entry.purpose).allow:
                masked = snapshot.decide(roles, one.name, "read_masked", entry.purpose).allow
                seen.setdefault("masked" if masked else "withheld", []).append(one.name)
    sentences = {
        "masked": N_("For this purpose these roles see masked: {fields}."),
        "withheld": N_("For this purpose these roles do not see at all: {fields}."),
    }
    for sight, names in sorted(seen.items()):
        yield translate(sentences[sight], language, fields=", ".join(names))
