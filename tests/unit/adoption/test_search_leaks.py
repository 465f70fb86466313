from __future__ import annotations

import pytest
from sqlalchemy import insert

from amanah.adoption.search_leaks import leaks
from amanah.errors import InvalidInput
from tests import search_world
from tests.search_world import PHONES


@pytest.fixture
def world(worlds, database_url, tmp_path):
    made = search_world.SearchWorld(database_url, tmp_path)
    for number, phone in enumerate(PHONES[:6]):
        made.add(made.one, number, phone, PHONES[0] if number < 4 else PHONES[number])
    with made.one.session("b") as session:
        row = {"id": 500, "tenant_id": "b", "phone": PHONES[0], "mate": PHONES[0], "email": "g1@x.id"}
        session.execute(insert(made.one.m.Guest), [row])
        session.commit()
    yield made
    made.close()


def test_what_columns_give_away_is_counted_for_each_tenant(world):
    """Rows, values, the commonest one's share, values that stand alone, entropy; also after an exchange of a key."""
    for _ in range(2):
        found = {(one.column, one.tenant): one for one in leaks(world.one.guard)}
        phone, mate, email = found["guest.phone", "a"], found["guest.mate", "a"], found["guest.email", ""]
        assert (phone.rows, phone.distinct, phone.unique, phone.commonest) == (6, 6, 6, round(1 / 6, 6))
        assert phone.entropy == pytest.approx(2.585, abs=0.001)
        assert phone.joins == ("guest.mate",)
        assert (mate.rows, mate.distinct, mate.unique, mate.commonest) == (6, 3, 2, round(4 / 6, 6))
        assert mate.entropy == pytest.approx(1.252, abs=0.001)
        assert (email.rows, email.distinct, email.shared) == (7, 6, 1)
        assert (found["guest.phone", "b"].rows, len(found)) == (1, 5)
        for _ in range(3):
            world.exchange()
            world.wait()
        world.reload(world.one)


def test_columns_and_tenants_can_be_named(world):
    """By table or column; what is not searchable is refused without a look."""
    guard = world.one.guard
    assert {(one.column, one.tenant) for one in leaks(guard, ["guest.mate"], tenant="b")} == {("guest.mate", "b")}
    assert len(leaks(guard, ["guest"], tenant="b")) == 3
    for wrong in ("guest.id", "nothing", ""):
        with pytest.raises(InvalidInput):
            leaks(guard, [wrong])


def test_only_what_frequencies_tell_is_remarked(world):
    """A common value among many rows is; what is unique, or rare, or among a few rows only, is not."""
    assert not any(one.telling for one in leaks(world.one.guard))
    rows = [
        {"id": number, "tenant_id": "a", "phone": f"0813{number:08d}", "mate": PHONES[number % 2], "email": None}
        for number in range(1000, 1060)
    ]
    with world.one.session() as session:
        session.execute(insert(world.one.m.Guest), rows)
        session.commit()
    assert [(one.column, one.tenant) for one in leaks(world.one.guard) if one.telling] == [("guest.mate", "a")]
