"""What an application's own autogenerate leaves alone, and what it goes on seeing."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table, create_engine

import amanah


@pytest.fixture
def engine(database_url):
    made = create_engine(database_url)
    yield made
    made.dispose()


def differences(engine, metadata):
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": amanah.include_object})
        return {f"{one[0]} {one[-1].name}" for one in compare_metadata(context, metadata)}


def test_only_real_siblings_are_left_alone(engine):
    """Bytes beside a column that a model names, and named by none; everything else is theirs."""
    there = MetaData()
    Table(
        "customer",
        there,
        Column("id", Integer, primary_key=True),
        Column("phone", String(20)),
        Column("phone_sealed", LargeBinary),
        Column("phone_ix", LargeBinary),
        Column("phone_ix2", LargeBinary),
        Column("letter_sealed", LargeBinary),  # no letter
        Column("door", String(20)),
        Column("door_sealed", String(20)),  # no bytes
        Column("note_ix", LargeBinary),  # no note_sealed
        Column("note", String(20)),
        Index("ix_customer_phone_ix", "phone_ix"),
        Index("ix_customer_door", "door"),
    )
    there.create_all(engine)
    models = MetaData()
    Table(
        "customer",
        models,
        Column("id", Integer, primary_key=True),
        Column("phone", String(20)),
        Column("door", String(20)),
        Column("note", String(20)),
    )
    assert differences(engine, models) == {
        "remove_column letter_sealed",
        "remove_column door_sealed",
        "remove_column note_ix",
        "remove_index ix_customer_door",
    }


def test_a_column_that_is_named_like_a_sibling_in_a_model_is_theirs(engine):
    """They declared it themselves, so they see what differs in it."""
    there = MetaData()
    Table(
        "parcel",
        there,
        Column("id", Integer, primary_key=True),
        Column("lid", String(20)),
        Column("lid_sealed", LargeBinary),
    )
    there.create_all(engine)
    models = MetaData()
    Table(
        "parcel",
        models,
        Column("id", Integer, primary_key=True),
        Column("lid_sealed", LargeBinary),
        Column("colour", String(20)),
    )
    assert differences(engine, models) == {"remove_column lid", "add_column colour"}
