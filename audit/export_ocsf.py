"""Entries as events of the Open Cybersecurity Schema Framework, class 6005 "Datastore Activity", schema version 1.3.0.

One event for each thing that an entry touched, and one for an entry that touched nothing. Attribute names and ids are
those of the schema (https://schema.ocsf.io/1.3.0/classes/datastore_activity); what it has no place for stands below
``unmapped``. Addresses are sealed in the trail: the source is named by the keyed token of its address, or by the entry
of the sign-in that has it.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

VERSION: Final = "1.3.0"
CATEGORY: Final = 6
CLASS: Final = 6005
_CLASS_NAME: Final = "Datastore Activity"
_ACTIVITIES: Final = {
    "read": (1, "Read"),
    "copy": (1, "Read"),
    "update": (2, "Update"),
    "create": (6, "Create"),
    "delete": (7, "Delete"),
    "erase": (7, "Delete"),
    "encrypt": (9, "Encrypt"),
    "decrypt": (10, "Decrypt"),
}
_OTHER: Final = 99
_SUCCESS, _FAILURE = (1, "Success"), (2, "Failure")
_STATUS: Final = {
    "answered": _SUCCESS,
    "committed": _SUCCESS,
    "would_refuse": _SUCCESS,
    "refused": _FAILURE,
    "failed": _FAILURE,
    "rolled_back": _FAILURE,
}
_USERS: Final = {"member": (1, "User"), "operator": (2, "Admin"), "service": (3, "System")}
_DATABASE, _TABLE = (1, "Database"), (3, "Table")
_US_IN_MS: Final = 1000


def events(position: int, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of the entry at ``position``, of which ``values`` are the decoded JSON."""
    shared = _shared(position, values)
    touched: Iterable[Mapping[str, Any]] = values.get("what") or ({},)
    for what in touched:
        yield {**_activity(what, values), **shared, **_place(what, values), "unmapped": _unmapped(what, values)}


def _activity(what: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    action = what.get("action") or (values.get("decision") or {}).get("action") or values["kind"]
    number, name = _ACTIVITIES.get(action, (_OTHER, action))
    return {
        "activity_id": number,
        "activity_name": name,
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": _CLASS_NAME,
        "type_uid": CLASS * 100 + number,
        "type_name": f"{_CLASS_NAME}: {name if number != _OTHER else 'Other'}",
    }


def _shared(position: int, values: Mapping[str, Any]) -> dict[str, Any]:
    status, told = _STATUS.get(values.get("outcome", "answered"), (0, "Unknown"))
    refused = status == _FAILURE[0]
    event: dict[str, Any] = {
        "time": values["at"] // _US_IN_MS,
        "severity_id": 2 if refused else 1,
        "severity": "Low" if refused else "Informational",
        "status_id": status,
        "status": told,
        "metadata": _metadata(position, values),
        "actor": _actor(values),
        "src_endpoint": {"uid": (values.get("tokens") or {}).get("ip") or values.get("sign_in") or "unknown"},
    }
    if values.get("refusal"):
        event["status_code"] = values["refusal"]
    method = str(values.get("route") or "").partition(" ")[0]
    if method.isalpha() and method.isupper():
        request = {"http_method": method, "uid": values.get("request")}
        event["http_request"] = {name: value for name, value in request.items() if value is not None}
    if values.get("status") is not None:
        event["http_response"] = {"code": values["status"]}
    return event


def _metadata(position: int, values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": VERSION,
        "product": {"name": "Amanah", "vendor_name": "Amanah", "version": _product()},
        "uid": values["id"],
        "correlation_uid": values.get("access", ""),
        "tenant_uid": values["tenant"],
        "sequence": position,
        "log_name": "trail",
        "log_version": str(values["v"]),
        "original_time": str(values["at"]),
    }


def _actor(values: Mapping[str, Any]) -> dict[str, Any]:
    number, name = _USERS.get(values.get("actor_kind", "member"), (0, "Unknown"))
    user = {"uid": values.get("actor") or "anonymous", "type_id": number, "type": name}
    roles = [{"name": role} for role in values.get("roles") or ()]
    actor: dict[str, Any] = {"user": {**user, "groups": roles} if roles else user}
    if values.get("sign_in"):
        actor["session"] = {"uid": values["sign_in"]}
    return actor


def _place(what: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    detail, decision = values.get("detail") or {}, values.get("decision") or {}
    resource = what.get("resource") or detail.get("resource") or decision.get("resource")
    number, name = _TABLE if resource else _DATABASE
    named = {"table": {"name": resource}} if resource else {"database": {"name": values["tenant"]}}
    return {**named, "type_id": number, "type": name}


def _unmapped(what: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    decision = values.get("decision") or {}
    told = {
        "kind": values["kind"],
        "outcome": values.get("outcome", "answered"),
        "purpose": values.get("purpose"),
        "route": values.get("route"),
        "rule": decision.get("rule"),
        "policy_version": decision.get("policy_version"),
        "strength": values.get("strength"),
        "detail": values.get("detail"),
        **{name: what.get(name) for name in ("columns", "masked", "rows", "subjects", "count")},
    }
    return {name: value for name, value in told.items() if value not in (None, "", [], {})}


@cache
def _product() -> str:
    try:
        return version("amanah")
    except PackageNotFoundError:
        return "unknown"


__all__ = ["CATEGORY", "CLASS", "VERSION", "events"]
