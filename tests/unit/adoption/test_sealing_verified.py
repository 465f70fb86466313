"""Each envelope is opened and compared; what is missing or different is named by its row, and never by its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests import sealing_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clinic(database_url: str, tmp_path: Path) -> Iterator[sealing_world.SealingWorld]:
    """Everything sealed, both columns written."""
    made = sealing_world.SealingWorld(database_url, tmp_path).fill()
    made.encrypt()
    yield made
    made.close()


_OTHER = "(SELECT p.{column} FROM patient p WHERE p.id = 2)"
ATTACKS = {
    "an envelope of another row": f"UPDATE patient SET phone_sealed = {_OTHER.format(column='phone_sealed')}",
    "an envelope of another column": "UPDATE patient SET phone_sealed = born_sealed",
    "no envelope at all": "UPDATE patient SET phone_sealed = photo",
    "a token of another row": f"UPDATE patient SET phone_ix = {_OTHER.format(column='phone_ix')}",
    "no token": "UPDATE patient SET phone_ix = NULL",
    "a plain value of an old process": "UPDATE patient SET phone = '0899'",
    "a plain value that went": "UPDATE patient SET phone = NULL",
}


@pytest.mark.parametrize("step", ["write_both", "read_sealed"])
@pytest.mark.parametrize("name", ATTACKS)
def test_what_differs_is_found(clinic: sealing_world.SealingWorld, name: str, step: Any) -> None:
    """In the step before the sealed values are read, and in the one after."""
    clinic.deploy(step)
    clinic.sql(f"{ATTACKS[name]} WHERE patient.id = 1")
    found = clinic.verify()
    assert found.pop("patient.phone").differing == [("a", "1")]
    assert all(one.whole for one in found.values())


def test_what_is_missing_is_found(clinic: sealing_world.SealingWorld) -> None:
    """A value without an envelope, also below a parent."""
    clinic.sql("UPDATE remark SET words_sealed = NULL WHERE number = 2")
    found = clinic.verify("remark")["remark.words"]
    assert (found.checked, found.missing, found.differing) == (3, [("a", f"{sealing_world.UUIDS[0].hex}/2")], [])


def test_a_value_of_another_tenant_differs(clinic: sealing_world.SealingWorld) -> None:
    """Also where values are bound to no row."""
    clinic.insert("Letter", {"id": "y", "tenant_id": "b", "body": "surat"})
    clinic.sql("UPDATE letter SET body_sealed = (SELECT l.body_sealed FROM letter l WHERE l.id = 'x') WHERE id = 'y'")
    assert clinic.verify("letter")["letter.body"].differing == [("b", "y")]


def test_verifying_changes_nothing(clinic: sealing_world.SealingWorld) -> None:
    """Not even what it finds wanting."""
    clinic.sql("UPDATE patient SET phone_sealed = NULL WHERE id = 1")
    before = clinic.sql("SELECT id, phone, phone_sealed, phone_ix FROM patient ORDER BY id")
    clinic.verify()
    assert clinic.sql("SELECT id, phone, phone_sealed, phone_ix FROM patient ORDER BY id") == before


def test_one_tenant_can_be_verified_alone(clinic: sealing_world.SealingWorld) -> None:
    """The others are not opened."""
    assert clinic.verify("patient.phone", tenant="b")["patient.phone"].checked == 1
