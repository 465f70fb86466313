"""The doctor compares the tables in the database with the models: what is missing on either side, and what is more."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table, create_engine, text

from amanah import Personal, declare, shared
from amanah.middleware.declare import build
from amanah.middleware.doctor import diagnose
from amanah.middleware.live_tables import live_tables

PHONE = Personal(category="user.contact.phone_number", search="exact")
KEY = {"tenant_id": String(64), "id": Integer}
TOKENS = {"phone_ix": LargeBinary, "phone_ix2": LargeBinary}
CUSTOMER = {**KEY, "phone": LargeBinary, **TOKENS}


def tables(**named):
    """Metadata of tables, each a dictionary of columns; the first is the primary key."""
    metadata = MetaData()
    for name, columns in named.items():
        Table(name, metadata, *(Column(one, type_, primary_key=one in KEY) for one, type_ in columns.items()))
    return metadata


@pytest.fixture
def found(database_url):
    """A function: (id, subject) → finding, for a database with these tables and a guard of customers and currencies."""
    engine = create_engine(database_url)

    def found(*statements, **live):
        tables(**live).create_all(engine)
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))
        metadata = tables(customer={**KEY, "phone": String(20)}, currency={"id": Integer})
        register = build(metadata, [declare("customer", columns={"phone": PHONE}), *shared("currency")], "tenant_id")
        return {(one.id, one.subject): one for one in live_tables(register, metadata, engine)}

    yield found
    engine.dispose()


def test_a_database_that_is_as_the_models_say_has_no_finding(found):
    """Amanah's own tables and Alembic's, whatever it is called, are no strangers."""
    strangers = {"amanah_version": {"tenant_id": String(64)}, "our_versions": {"version_num": String(32)}}
    assert found(customer=CUSTOMER, currency={"id": Integer}, **strangers) == {}


@pytest.mark.parametrize(
    "customer, expected",
    [
        ({**KEY, "phone": LargeBinary}, {("AMN-D024", "customer.phone")}),
        ({**CUSTOMER, "phone": String(20)}, {("AMN-D025", "customer.phone")}),
        ({**KEY, "phone": LargeBinary, "phone_ix": LargeBinary}, {("AMN-D024", "customer.phone")}),
        ({**KEY, **TOKENS}, {("AMN-D023", "customer.phone")}),
        (KEY, {("AMN-D023", "customer.phone"), ("AMN-D024", "customer.phone")}),
        ({"id": Integer, "phone": LargeBinary, **TOKENS}, {("AMN-D023", "customer.tenant_id")}),
    ],
)
def test_what_the_database_lacks_is_an_error(found, customer, expected):
    """A column of the models, the search column of a searchable one, the bytes of a sealed one."""
    told = found(customer=customer, currency={"id": Integer})
    assert set(told) == expected
    assert {one.level for one in told.values()} == {"error"}


BESIDE = {"phone_sealed": LargeBinary, **TOKENS}


@pytest.mark.parametrize(
    "step, customer, expected",
    [
        ("write_both", {**KEY, "phone": String(20), **BESIDE}, set()),
        ("read_sealed", {**KEY, "phone": String(20), **BESIDE}, set()),
        ("sealed_only", {**KEY, "phone": String(20), **BESIDE}, set()),
        ("sealed_only", {**KEY, **BESIDE}, set()),
        ("read_sealed", {**KEY, **BESIDE}, {("AMN-D023", "customer.phone")}),
        ("sealed_only", {**KEY, **TOKENS}, {("AMN-D023", "customer.phone_sealed")}),
        (
            "read_sealed",
            {**KEY, **BESIDE, "phone": String(20), "phone_sealed": String(20)},
            {("AMN-D025", "customer.phone")},
        ),
    ],
)
def test_a_live_column_is_looked_for_where_its_step_has_it(database_url, step, customer, expected):
    """The plain column until it is no longer used, the sealed one beside it from the first step on."""
    engine = create_engine(database_url)
    tables(customer=customer).create_all(engine)
    metadata = tables(customer={**KEY, "phone": String(20)})
    live = Personal(category="user.contact.phone_number", search="exact", sealing=step)
    register = build(metadata, [declare("customer", columns={"phone": live})], "tenant_id")
    assert {(one.id, one.subject) for one in live_tables(register, metadata, engine)} == expected
    assert not any(one.id == "AMN-D001" for one in diagnose(register, metadata, []).findings)
    engine.dispose()


def test_the_remedy_for_a_search_column_can_be_carried_out(found):
    """Its name, its size and its index."""
    advice = found(customer={**KEY, "phone": LargeBinary, "phone_ix": LargeBinary}, currency={"id": Integer})[
        "AMN-D024", "customer.phone"
    ].advice()
    assert advice == "Add phone_ix2 (bytes, 16, nullable) with an index on (tenant_id, phone_ix2) in a migration."


def test_a_table_that_is_not_in_the_database_is_an_error(found):
    """A shared one as well as a protected one: the application's migrations did not run."""
    assert set(found()) == {("AMN-D022", "customer"), ("AMN-D022", "currency")}


def test_a_view_stands_for_a_table(found):
    """A model may be mapped to a view."""
    assert found("CREATE VIEW currency AS SELECT 1 AS id", customer=CUSTOMER) == {}


def test_a_column_that_the_models_do_not_have_is_told(found):
    """A remark; a warning if it looks personal, because nothing seals it."""
    more = {**CUSTOMER, "points": Integer, "email": String(100), "nik_ix": LargeBinary}
    told = found(customer=more, currency={"id": Integer})
    assert {key: one.level for key, one in told.items()} == {
        ("AMN-D036", "customer.points"): "info",
        ("AMN-D036", "customer.nik_ix"): "info",
        ("AMN-D037", "customer.email"): "warning",
    }


def test_a_table_that_the_guard_does_not_know_is_told(found):
    """A remark about the table, and a warning for each of its columns that looks personal."""
    told = found(customer=CUSTOMER, currency={"id": Integer}, pelanggan_lama={**KEY, "no_hp": String(20), "x": Integer})
    assert set(told) == {("AMN-D035", "pelanggan_lama"), ("AMN-D037", "pelanggan_lama.no_hp")}


def test_a_type_that_sqlalchemy_does_not_know_is_no_warning(found):
    """A column of an extension's type is compared by its name."""
    statement = "CREATE TABLE currency (id INTEGER PRIMARY KEY)"
    odd = "CREATE TABLE places (id INTEGER, at tid)"  # a type of PostgreSQL's own that SQLAlchemy has no class for
    assert set(found(statement, odd, customer=CUSTOMER)) == {("AMN-D035", "places")}


def test_a_foreign_key_is_not_taken_for_personal_data(database_url):
    """The database's own constraints are not read; a name that ends in id is enough."""
    engine = create_engine(database_url)
    live = MetaData()
    Table("address", live, Column("id", Integer, primary_key=True))
    Table("shop", live, Column("id", Integer, primary_key=True), Column("address_id", ForeignKey("address.id")))
    live.create_all(engine)
    metadata = tables(address={"id": Integer}, shop={"id": Integer})
    told = live_tables(build(metadata, shared("address", "shop"), "tenant_id"), metadata, engine)
    assert [(one.id, one.subject) for one in told] == [("AMN-D036", "shop.address_id")]
    engine.dispose()
