"""Attacks on the secrets of persons: another one's, none, a made-up one, an erasure that nobody ordered."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_

from ..encryption.models import subject as secrets
from ..middleware.fields import key_text
from .verdicts import NotApplicable, TooLittleData

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import ColumnElement

    from ..middleware.fields import Field
    from .stage import Cell, Stage

_REPORT: Final = "Report it to Amanah: a secret is wrapped for one person of one tenant."


def forge_secret(stage: Stage, field: Field) -> None:
    """A person's secret is replaced by another's, by another tenant's, by one that is made up; or is taken away."""
    cell = _about_somebody(stage, field)
    forged = [_wrapped(stage, _about_another(stage, cell)), b"32:" + b"A" * 32 + b",", b"1:~,", b""]
    if len(stage.target.tenants) > 1:
        forged.append(_wrapped(stage, stage.elsewhere(field)))
    for wrapped in forged:
        with _secret(stage, cell, {"wrapped": wrapped}):
            stage.must_refuse(cell, "the secret of its person was replaced", _REPORT)
    with _secret(stage, cell, None):
        stage.must_refuse(cell, "the secret of its person was taken away", _REPORT)


def forge_erasure(stage: Stage, field: Field) -> None:
    """An erasure is put on record by hand: nobody without the tenant's keys can make what stands for one."""
    cell = _about_somebody(stage, field)
    for forged in (b"1:-,", b"17:-" + b"A" * 16 + b","):
        with _secret(stage, cell, {"wrapped": forged, "epoch": None, "erased_at": 1}):
            stage.must_refuse(cell, "an erasure of its person was made up", _REPORT)


def _about_somebody(stage: Stage, field: Field) -> Cell:
    if not field.by_subject:
        raise NotApplicable(f"{field.name} is not sealed under the secret of a person")
    return stage.two(field)[0]


def _about_another(stage: Stage, cell: Cell) -> Cell:
    person = _subject(stage, cell)
    for one in stage.cells(cell.field, cell.tenant):
        if _subject(stage, one) != person:
            return one
    raise TooLittleData(f"populate() must write {cell.field.name} for two persons at least in each tenant")


def _subject(stage: Stage, cell: Cell) -> str:
    table = cell.field.table
    name = table.subject or ""
    return key_text(table.table.c[name], stage.bare.read(table, cell.key, [name])[0])


def _of(stage: Stage, cell: Cell) -> ColumnElement[bool]:
    kind, person = cell.field.table.subject_kind, _subject(stage, cell)
    return and_(secrets.c.tenant_id == cell.tenant, secrets.c.kind == kind, secrets.c.subject == person)


def _wrapped(stage: Stage, cell: Cell) -> bytes:
    return bytes(_row(stage, cell)["wrapped"])


def _row(stage: Stage, cell: Cell) -> dict[str, Any]:
    rows = stage.bare.execute(secrets.select().where(_of(stage, cell)))
    if not rows:
        raise TooLittleData(f"no secret is kept for the person of {cell}: it was sealed before its table had subjects")
    return dict(rows[0]._mapping)  # noqa: SLF001 - SQLAlchemy's public name


@contextmanager
def _secret(stage: Stage, cell: Cell, values: dict[str, Any] | None) -> Iterator[None]:
    """The row of the person's secret holds ``values``, or is not there, for as long as the block lasts."""
    before, where = _row(stage, cell), _of(stage, cell)
    try:
        stage.bare.execute(
            secrets.delete().where(where) if values is None else secrets.update().where(where).values(values)
        )
        yield
    finally:
        stage.bare.execute(secrets.delete().where(where))
        stage.bare.execute(secrets.insert().values(before))


__all__ = ["forge_erasure", "forge_secret"]
