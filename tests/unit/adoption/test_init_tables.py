"""What `amanah init` guesses about tables."""

from __future__ import annotations

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Date,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

from amanah.adoption.init_tables import guess_tables
from amanah.errors import MetadataIncomplete, ReferenceWrong


def key():
    return Column("id", Integer, primary_key=True)


def to(name, target, *, nullable=False, **more):
    return Column(name, ForeignKey(f"{target}.id", **more), nullable=nullable)


def guess(metadata, **more):
    """Table → guess, and the tenant column under ""."""
    found = guess_tables(metadata, "shop.models:metadata", **more)
    return {"": found.tenant_column, **{one.name: one for one in found.tables}}


@pytest.fixture
def shop():
    """Tables of several companies, as one finds them."""
    metadata = MetaData()
    Table("country", metadata, key(), Column("name", String))
    Table("company", metadata, key(), Column("name", String), to("country_id", "country"))
    company = {"name": "company_id", "target": "company"}
    Table("users", metadata, key(), to(**company), Column("email", String), Column("password_hash", String))
    Table("user_session", metadata, key(), to("user_id", "users"), Column("token_hash", String))
    Table("patient", metadata, key(), to(**company), Column("name", String), Column("dob", Date), Column("note", Text))
    Table("visit", metadata, key(), to(**company), to("user_id", "users"), to("patient_id", "patient"))
    visit = to("visit_id", "visit", ondelete="CASCADE")
    Table("visit_line", metadata, key(), to("author_id", "users"), visit, Column("text", Text))
    Table("photo", metadata, key(), to("line_id", "visit_line", nullable=True))
    Table("survey", metadata, key(), Column("respondent_email", String))
    Table("feedback", metadata, key(), Column("remarks", Text))
    return metadata


@pytest.mark.parametrize("name", ["company_id", "perusahaan_id", "tenant_id", "org_id", "merchant", "clinic_uuid"])
def test_the_tenant_column_is_the_one_that_most_tables_have(name):
    """By the names that people give it; one of the names alone, on the table that needs it, is enough."""
    metadata = MetaData()
    for table in ("customer", "invoice"):
        Table(table, metadata, key(), Column(name, Integer))
    expected = None if name == "merchant" else name
    assert guess(metadata)[""] == expected


def test_a_column_of_few_tables_is_no_tenant_column():
    """The employer of a customer is no tenant, and neither is the customer whom most tables are about."""
    metadata = MetaData()
    Table("company", metadata, key())
    Table("customer", metadata, key(), to("company_id", "company"))
    for table in ("order", "letter", "call", "ticket"):
        Table(table, metadata, key(), to("customer_id", "customer"))
    Table("product", metadata, key())
    Table("stock", metadata, key(), to("product_id", "product"))
    Table("price", metadata, key(), to("product_id", "product"))
    Table("offer", metadata, key(), to("product_id", "product"))
    Table("season", metadata, key())
    assert guess(metadata)[""] == "company_id"  # the orders reach it by their customer
    for one in [*metadata.tables]:
        if one in {"order", "letter", "call", "ticket"}:
            metadata.remove(metadata.tables[one])
    assert guess(metadata)[""] is None


def test_the_developer_can_name_the_tenant_column(shop):
    """A name that no table has is refused."""
    assert guess(shop, given="country_id")[""] == "country_id"
    with pytest.raises(ReferenceWrong, match="no table has a column of that name"):
        guess(shop, given="shop_id")


def test_tables_belong_to_a_tenant_by_column_parent_or_key(shop):
    """The tenant's own table by its key; a line by its visit, not by the member of staff who wrote it."""
    found = guess(shop)
    assert found[""] == "company_id"
    assert found["company"].tenant == "id"
    assert (found["patient"].tenant, found["patient"].via) == (None, None)
    assert found["visit_line"].via == "visit_id"
    assert found["user_session"].via == "user_id"


def test_a_parent_that_may_be_missing_is_told(shop):
    """A row without its parent belongs to nobody."""
    photo = guess(shop)["photo"]
    assert photo.via == "line_id"
    assert any("without line_id" in note for note in photo.notes)


def test_only_a_reference_table_is_guessed_to_be_shared(shop):
    """What looks personal, or takes free text, and leads to no tenant is left undeclared: every use is then refused."""
    found = guess(shop)
    assert [one for one in found if one and found[one].kind == "shared"] == ["country"]
    assert {one for one in found if one and found[one].kind == "open"} == {"survey", "feedback"}
    assert found["survey"].columns == {}


def test_the_subject_is_the_person_whom_a_row_is_about(shop):
    """The row itself where it is a person; else the patient before the member of staff."""
    found = guess(shop)
    assert found["patient"].subject == "id"
    assert found["visit"].subject == "patient_id"
    assert found["visit_line"].subject is None


def test_personal_columns_are_guessed_by_name_and_type(shop):
    """A free text about a patient is personal whatever is written there; so is that of a line of a visit."""
    found = guess(shop)
    assert found["patient"].columns == {
        "name": "user.name",
        "dob": "user.demographic.date_of_birth",
        "note": "user.content",
    }
    assert found["visit_line"].columns == {"text": "user.content"}
    assert found["users"].columns == {"email": "user.contact.email"}


def test_login_tables_are_those_with_address_and_password(shop):
    """And the tokens or sessions that belong to them; nothing else is open before anybody is known."""
    found = guess(shop)
    assert [one for one in found if one and found[one].sign_in] == ["users", "user_session"]
    assert found["user_session"].called == "users"


def test_lines_are_one_resource_with_what_they_are_lines_of(shop):
    """By the name that begins with the parent's."""
    found = guess(shop)
    assert found["visit_line"].called == "visit"
    assert found["photo"].called == "photo"


class Coded(TypeDecorator):
    """A type of the application's own."""

    impl = String
    cache_ok = True


@pytest.mark.parametrize(
    "first, column, reason",
    [
        (Column("day", Date, primary_key=True), Column("email", String), "needs a key of integers, UUIDs or text"),
        (Column("email", String, primary_key=True), Column("age", String), "email looks personal"),
        (key(), Column("email", Coded()), "email looks personal"),
    ],
)
def test_a_column_that_cannot_be_declared_is_told(first, column, reason):
    """The guard would not start with it, so it is a comment."""
    metadata = MetaData()
    Table("letter", metadata, first, Column("tenant_id", Integer), column)
    [table] = guess_tables(metadata, "m").tables
    assert table.columns == {}
    assert any(reason in note for note in table.notes)


def test_without_a_tenant_column_everything_is_of_one_tenant():
    """Then nothing is shared but what is a reference by its name."""
    metadata = MetaData()
    Table("pasien", metadata, key(), Column("nama", String))
    Table("obat", metadata, key(), Column("nama", String))
    Table("provinsi", metadata, key(), Column("nama", String))
    found = guess(metadata)
    assert found[""] is None
    assert {one: found[one].kind for one in found if one} == {
        "pasien": "declare",
        "obat": "declare",
        "provinsi": "shared",
    }


def test_metadata_without_all_its_tables_is_refused():
    """The foreign key that leads nowhere is named."""
    metadata = MetaData()
    Table("invoice", metadata, key(), to("customer_id", "customer"))
    with pytest.raises(MetadataIncomplete) as refused:
        guess(metadata)
    assert refused.value.facts["parent"] == "customer"
    assert refused.value.facts["child"] == "invoice"


@pytest.mark.parametrize(
    "table, column, category",
    [
        ("record", Column("no_polisi", String), "user.government_id"),
        ("record", Column("diterima_dari", String), "user.name"),
        ("record", Column("atas_nama", String), "user.name"),
        ("record", Column("aturan_pakai", Text), "user.health_and_medical"),
        ("record", Column("golongan_darah", String), "user.health_and_medical"),
        ("payment", Column("pembayar", String), "user.name"),
        ("karyawan", Column("jabatan", String), "user.job_title"),
        ("karyawan", Column("upah", Integer), "x.user.financial.salary"),
        ("pesan_keluar", Column("tujuan", String), "user.contact"),
        ("pesan_keluar", Column("isi", Text), "user.content"),
        ("customer", Column("tgl_lahir", Date), "user.demographic.date_of_birth"),
    ],
)
def test_more_names_are_recognised(table, column, category):
    """As Indonesian applications have them."""
    metadata = MetaData()
    Table(table, metadata, key(), Column("tenant_id", Integer), column)
    assert guess(metadata)[table].columns == {column.name: category}


@pytest.mark.parametrize(
    "table, column",
    [
        ("customer", Column("nama", Integer)),
        ("customer", Column("alamat", Integer)),
        ("customer", Column("email", Integer)),
        ("record", Column("pembayar", Integer)),
        ("pesan_keluar", Column("isi", Integer)),
        ("goods", Column("tujuan", String)),
        ("customer", Column("payload", JSON)),
        ("customer", Column("blob", LargeBinary)),
    ],
)
def test_a_name_is_not_enough_where_the_type_says_otherwise(table, column):
    """A number is no name and no address."""
    metadata = MetaData()
    Table(table, metadata, key(), Column("tenant_id", Integer), column)
    assert guess(metadata)[table].columns == {}
