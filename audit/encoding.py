"""The canonical encodings of an entry, by hand: faster than ``json.dumps``, and strict, for there are no floats.

JSON, keys in alphabetical order, no spaces, ASCII. *Version 2* leaves out every key whose value is the usual one, so
that there is still one encoding only and an entry of an ordinary reading has some 400 bytes. *Version 1* has every key;
nothing writes it any more, and what was written stays readable.

Raises `TypeError`, `ValueError` and `AttributeError` for values of other types.
"""

from __future__ import annotations

from itertools import chain
from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .entries import Change, Entry, What

USUAL_ACTOR: Final = "member"
_USUAL_OUTCOME: Final = "answered"


def version_2(one: Entry) -> str:
    """The encoding of a new entry."""
    return f"{{{','.join(chain(_who(one), _how(one), _where(one)))}}}"


def _who(one: Entry) -> Iterator[str]:  # access … kind
    if one.access:
        yield f'"access":{quote(one.access)}'
    if one.actor is not None:
        yield f'"actor":{quote(one.actor)}'
    if one.actor_kind != USUAL_ACTOR:
        yield f'"actor_kind":{quote(one.actor_kind)}'
    yield f'"at":{one.at:d}'
    if one.decision is not None:
        yield f'"decision":{_decision(one.decision)}'
    if one.detail:
        yield f'"detail":{_mapping(one.detail, _scalar)}'
    yield f'"id":"{one.id}"'
    if one.inferred is not False:
        yield f'"inferred":{_flag(one.inferred)}'
    yield f'"kind":"{one.kind}"'


def _how(one: Entry) -> Iterator[str]:  # outcome … route
    if one.outcome != _USUAL_OUTCOME:
        yield f'"outcome":"{one.outcome}"'
    if one.purpose is not None:
        yield f'"purpose":{quote(one.purpose)}'
    if one.refusal is not None:
        yield f'"refusal":{quote(one.refusal)}'
    if one.request is not None:
        yield f'"request":{quote(one.request)}'
    if one.roles:
        yield f'"roles":{_texts(one.roles)}'
    if one.route is not None:
        yield f'"route":{quote(one.route)}'


def _where(one: Entry) -> Iterator[str]:  # sealed … wrote
    if one.sealed:
        yield f'"sealed":{_mapping(one.sealed, quote)}'
    if one.sign_in is not None:
        yield f'"sign_in":{quote(one.sign_in)}'
    if one.status is not None:
        yield f'"status":{one.status:d}'
    if one.strength:
        yield f'"strength":{quote(one.strength)}'
    yield f'"tenant":"{one.tenant}"'
    if one.tokens:
        yield f'"tokens":{_mapping(one.tokens, quote)}'
    yield f'"v":{one.v:d}'
    if one.what:
        yield f'"what":[{",".join(map(_what, one.what))}]'
    if one.wrote:
        yield f'"wrote":{_texts(one.wrote)}'


def version_1(one: Entry) -> str:
    """The encoding in which every key stands, also where it says nothing."""
    if one.sign_in is not None or one.wrote or any(what.changes for what in one.what):
        raise ValueError
    return (
        f'{{"access":{quote(one.access)},"actor":{_text(one.actor)},"actor_kind":{quote(one.actor_kind)}'
        f',"at":{one.at:d},"decision":{_decision(one.decision)},"detail":{_mapping(one.detail, _scalar)}'
        f',"id":"{one.id}","inferred":{_flag(one.inferred)},"kind":"{one.kind}","outcome":"{one.outcome}"'
        f',"purpose":{_text(one.purpose)},"refusal":{_text(one.refusal)},"request":{_text(one.request)}'
        f',"roles":{_texts(one.roles)},"route":{_text(one.route)},"sealed":{_mapping(one.sealed, quote)}'
        f',"status":{"null" if one.status is None else f"{one.status:d}"},"strength":{quote(one.strength)}'
        f',"tenant":"{one.tenant}","tokens":{_mapping(one.tokens, quote)},"v":{one.v:d}'
        f',"what":[{",".join(map(_whole_what, one.what))}]}}'
    )


def _what(what: What) -> str:
    parts = [f'"action":{quote(what.action)}']
    if what.changes:
        parts.append(f'"changes":[{",".join(map(_change, what.changes))}]')
    if what.columns:
        parts.append(f'"columns":{_texts(what.columns)}')
    if what.count:
        parts.append(f'"count":{what.count:d}')
    if what.masked:
        parts.append(f'"masked":{_texts(what.masked)}')
    parts.append(f'"resource":{quote(what.resource)}')
    if what.rows:
        parts.append(f'"rows":{_texts(what.rows)}')
    if what.subjects:
        parts.append(f'"subjects":{_texts(what.subjects)}')
    return f"{{{','.join(parts)}}}"


def _change(change: Change) -> str:
    new = "" if change.new is None else f',"new":{quote(change.new)}'
    old = "" if change.old is None else f',"old":{quote(change.old)}'
    return f'{{"column":{quote(change.column)}{new}{old},"row":{quote(change.row)}}}'


def _whole_what(what: What) -> str:
    return (
        f'{{"action":{quote(what.action)},"columns":{_texts(what.columns)},"count":{what.count:d}'
        f',"masked":{_texts(what.masked)},"resource":{quote(what.resource)},"rows":{_texts(what.rows)}'
        f',"subjects":{_texts(what.subjects)}}}'
    )


def _text(value: str | None) -> str:
    return "null" if value is None else quote(value)


def _flag(value: object) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise TypeError


def _texts(values: Iterable[str]) -> str:
    if isinstance(values, str):  # a lone text would be taken apart into letters
        raise TypeError
    return f"[{','.join(map(quote, values))}]"


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:d}"
    raise TypeError


def _nullable_scalar(value: object) -> str:
    return "null" if value is None else _scalar(value)


def _mapping(values: Mapping[str, Any], encode: Callable[[Any], str]) -> str:
    if not values:
        return "{}"
    return f"{{{','.join(f'{quote(key)}:{encode(values[key])}' for key in sorted(values))}}}"


def _decision(values: Mapping[str, Any] | None) -> str:
    return "null" if values is None else _mapping(values, _nullable_scalar)
