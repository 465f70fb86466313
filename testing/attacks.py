"""The attack kit's tests: import them into a test module, and say what is sealed.

::

    from amanah.testing.attacks import *
    from myapp import DECLARATIONS, metadata

    amanah_sealed = sealed_in(metadata, DECLARATIONS)

The fixture ``amanah_target``, of the developer's, gives the `AttackTarget`. Each attack runs once for each sealed
column: ``test_exchange_rows[customer.phone]``. What a column has nothing for is skipped, and a limit that the reference
of the kit names is an expected failure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from . import on_cells, on_indexes, on_keys, on_rows, on_secrets
from .target import SealedNames, sealed_in
from .verdicts import KnownLimit, NotApplicable

if TYPE_CHECKING:
    from collections.abc import Callable

    from .stage import Stage

T = TypeVar("T")


def _run(attack: Callable[[Stage, T], None], stage: Stage, aim: Callable[[str], T], name: str) -> None:
    __tracebackhide__ = True
    try:
        attack(stage, aim(name))
    except NotApplicable as reason:
        pytest.skip(str(reason))
    except KnownLimit as reason:
        pytest.xfail(f"known limit: {reason}")


def test_every_sealed_column_is_attacked(amanah_stage: Stage, amanah_sealed_names: SealedNames) -> None:
    """What the guard seals is what the tests are named for: neither more nor less."""
    tables = amanah_stage.target.guard.register.tables.values()
    fields = [f for t in tables for f in t.fields.values()]
    guarded = SealedNames(
        columns=tuple(f.name for f in fields if f.writes_sealed),
        searched=tuple(f.name for f in fields if f.search),
        tables=tuple(t.name for t in tables if t.sealed_rows is not None),
    )
    for known, named in zip(guarded, amanah_sealed_names, strict=True):
        if different := sorted(set(known) ^ set(named)):
            pytest.fail(f"{', '.join(different)}: give sealed_in() the metadata and declarations that the guard has")


def test_exchange_rows(amanah_stage: Stage, amanah_column: str) -> None:
    """A sealed value that stands in another row is never shown."""
    _run(on_cells.exchange_rows, amanah_stage, amanah_stage.field, amanah_column)


def test_exchange_columns(amanah_stage: Stage, amanah_column: str) -> None:
    """A sealed value that stands in another column is never shown."""
    _run(on_cells.exchange_columns, amanah_stage, amanah_stage.field, amanah_column)


def test_exchange_tables(amanah_stage: Stage, amanah_column: str) -> None:
    """A sealed value that stands in another table is never shown."""
    _run(on_cells.exchange_tables, amanah_stage, amanah_stage.field, amanah_column)


def test_exchange_tenants(amanah_stage: Stage, amanah_column: str) -> None:
    """A sealed value that stands in another tenant's row is never shown."""
    _run(on_cells.exchange_tenants, amanah_stage, amanah_stage.field, amanah_column)


def test_move_row(amanah_stage: Stage, amanah_column: str) -> None:
    """A row that was given to another tenant does not open for them."""
    _run(on_rows.move_row, amanah_stage, amanah_stage.field, amanah_column)


def test_truncate(amanah_stage: Stage, amanah_column: str) -> None:
    """A sealed value that was cut is refused, wherever it was cut."""
    _run(on_cells.truncate, amanah_stage, amanah_stage.field, amanah_column)


def test_flip_bits(amanah_stage: Stage, amanah_column: str) -> None:
    """A sealed value with one changed bit is refused, in whichever of its parts."""
    _run(on_cells.flip_bits, amanah_stage, amanah_stage.field, amanah_column)


def test_replay(amanah_stage: Stage, amanah_column: str) -> None:
    """An older value that is put back into its own cell opens: the limit that sealed values have."""
    _run(on_cells.replay, amanah_stage, amanah_stage.field, amanah_column)


def test_plant_plaintext(amanah_stage: Stage, amanah_column: str) -> None:
    """A plain value in a sealed column is never shown, of whatever kind it is."""
    _run(on_cells.plant_plaintext, amanah_stage, amanah_stage.field, amanah_column)


def test_use_another_ticket(amanah_stage: Stage, amanah_column: str) -> None:
    """Another tenant's access shows nothing of this one's rows; no access and raw SQL show nothing at all."""
    _run(on_rows.use_another_ticket, amanah_stage, amanah_stage.field, amanah_column)


def test_forge_secret(amanah_stage: Stage, amanah_column: str) -> None:
    """Under another person's secret, or none, a value does not open."""
    _run(on_secrets.forge_secret, amanah_stage, amanah_stage.field, amanah_column)


def test_forge_erasure(amanah_stage: Stage, amanah_column: str) -> None:
    """A person whose erasure somebody put on record by hand is not taken for erased, and is not shown."""
    _run(on_secrets.forge_erasure, amanah_stage, amanah_stage.field, amanah_column)


def test_fail_keys(amanah_stage: Stage, amanah_column: str) -> None:
    """When the key service fails in the middle of a flush, no exception, traceback or log line holds a plaintext."""
    _run(on_keys.fail_keys, amanah_stage, amanah_stage.field, amanah_column)


def test_strip_index(amanah_stage: Stage, amanah_searched_column: str) -> None:
    """Without its search token a row is not found, and reads as before."""
    _run(on_indexes.strip_index, amanah_stage, amanah_stage.field, amanah_searched_column)


def test_exchange_tokens(amanah_stage: Stage, amanah_searched_column: str) -> None:
    """With another row's search token a row may be found by the other's value, and shows its own."""
    _run(on_indexes.exchange_tokens, amanah_stage, amanah_stage.field, amanah_searched_column)


def test_edit_row(amanah_stage: Stage, amanah_sealed_table: str) -> None:
    """A row with a seal that was edited behind the application is refused when it is loaded."""
    _run(on_rows.edit_row, amanah_stage, amanah_stage.table, amanah_sealed_table)


__all__ = [
    "sealed_in",
    "test_edit_row",
    "test_every_sealed_column_is_attacked",
    "test_exchange_columns",
    "test_exchange_rows",
    "test_exchange_tables",
    "test_exchange_tenants",
    "test_exchange_tokens",
    "test_fail_keys",
    "test_flip_bits",
    "test_forge_erasure",
    "test_forge_secret",
    "test_move_row",
    "test_plant_plaintext",
    "test_replay",
    "test_strip_index",
    "test_truncate",
    "test_use_another_ticket",
]
