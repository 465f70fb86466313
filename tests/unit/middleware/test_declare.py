"""Declarations: what cannot be kept is refused before the first query."""

from __future__ import annotations

import enum
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Enum,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah.errors import DeclarationError
from amanah.middleware.declare import build, declare, shared
from amanah.middleware.personal import Personal


class Colour(enum.Enum):
    RED = "red"


def _table(*columns: Any, name: str = "customer", **options: Any) -> MetaData:
    metadata = MetaData()
    key = (
        () if any(getattr(c, "primary_key", False) for c in columns) else (Column("id", String(36), primary_key=True),)
    )
    Table(name, metadata, Column("tenant_id", String(64)), *key, *columns, **options)
    return metadata


def _name(**options: Any) -> Personal:
    return Personal(String, category="user.name", **options)


REFUSED = {
    "no such table": lambda: build(MetaData(), [declare("nothing")], "tenant_id"),
    "no such column": lambda: build(_table(), [declare("customer", columns={"x": _name()})], "tenant_id"),
    "said twice": lambda: build(_table(), [declare("customer"), declare("customer")], "tenant_id"),
    "no such subject": lambda: build(_table(), [declare("customer", subject="x")], "tenant_id"),
    "no such tenant column": lambda: build(_table(), [declare("customer", tenant="x")], "tenant_id"),
    "personal without tenant": lambda: build(_table(Column("name", _name())), [], "organisation"),
    "shared with personal": lambda: build(_table(Column("name", _name())), [shared("customer")], "tenant_id"),
    "personal key": lambda: build(_table(Column("name", _name(), primary_key=True)), [], "tenant_id"),
    "personal tenant": lambda: build(_table(), [declare("customer", columns={"tenant_id": _name()})], "tenant_id"),
    "personal subject": lambda: build(
        _table(Column("name", String)), [declare("customer", subject="name", columns={"name": _name()})], "tenant_id"
    ),
    "key of another kind": lambda: build(
        _table(Column("n", Numeric, primary_key=True), Column("name", _name())), [], "tenant_id"
    ),
    "key of an enumeration": lambda: build(
        _table(Column("n", Enum(Colour), primary_key=True), Column("name", _name())), [], "tenant_id"
    ),
    "key with a collation": lambda: build(
        _table(Column("n", String(collation="NOCASE"), primary_key=True), Column("name", _name())), [], "tenant_id"
    ),
    "key that is always generated": lambda: build(
        _table(Column("n", Integer, Identity(always=True), primary_key=True), Column("name", _name())), [], "tenant_id"
    ),
    "another key than its name": lambda: build(_table(Column("name", _name(), key="called")), [], "tenant_id"),
    "update cascade": lambda: build(
        _table(
            Column("p", String, ForeignKey("customer.p", onupdate="CASCADE"), primary_key=True), Column("name", _name())
        ),
        [],
        "tenant_id",
    ),
    "check": lambda: build(_table(Column("name", _name()), CheckConstraint("length(name) > 3")), [], "tenant_id"),
    "server default": lambda: build(_table(Column("name", _name(), server_default="x")), [], "tenant_id"),
    "default by SQL": lambda: build(_table(Column("name", _name(), default=func.lower("X"))), [], "tenant_id"),
    "onupdate": lambda: build(_table(Column("name", _name(), onupdate="x")), [], "tenant_id"),
    "unique without search": lambda: build(_table(Column("name", _name(), unique=True)), [], "tenant_id"),
    "unique index without search": lambda: build(
        _table(Column("name", _name()), Index("u", "name", unique=True)), [], "tenant_id"
    ),
    "in a schema": lambda: build(_table(Column("name", _name()), schema="hr"), [], "tenant_id"),
    "strange id": lambda: build(_table(Column("name", _name(id="it's"))), [], "tenant_id"),
    "strange name": lambda: build(_table(Column("full name", _name())), [], "tenant_id"),
    "the same id twice": lambda: build(
        _table(Column("name", _name(id="x")), Column("other", _name(id="x"))), [], "tenant_id"
    ),
    "governed and searched": lambda: _name(sealed=False, search="exact"),
    "unknown search": lambda: _name(search="like"),
    "no category": lambda: Personal(String, category=""),
    "unknown mask": lambda: build(_table(Column("name", _name(mask="blur"))), [], "tenant_id"),
    "mask of another type": lambda: build(
        _table(Column("n", Personal(Integer, category="user.name", mask="last4"))), [], "tenant_id"
    ),
    "target of a foreign key": lambda: build(_pointing(), [], "tenant_id"),
    "two spellings of one name": lambda: build(_twice(), [], "tenant_id"),
}


def _lines(*columns: Any, order: Any = (), **more: Any) -> MetaData:
    """Orders with a tenant column, and lines without."""
    metadata = MetaData()
    Table("order", metadata, Column("tenant_id", String(64)), Column("id", Integer, primary_key=True), *order)
    Table("line", metadata, Column("id", Integer, primary_key=True), *columns)
    for name, one in more.items():
        Table(name, metadata, Column("id", Integer, primary_key=True), *one)
    return metadata


def _to(name: str, parent: str) -> Column[Any]:
    return Column(name, ForeignKey(parent))


def _chain(length: int) -> tuple[MetaData, list[Any]]:
    """Tables ``t1`` to ``t<length>``, each belonging to its tenant by the one before it, the first by an order."""
    tables = {f"t{n}": (_to("up_id", f"t{n - 1}.id" if n > 1 else "order.id"),) for n in range(length, 0, -1)}
    return _lines(**tables), [declare(name, via="up_id") for name in tables]


VIA = [declare("line", via="order_id")]
REFUSED_VIA = {
    "no such column": (lambda: build(_lines(), VIA, "tenant_id"), "no column 'order_id'"),
    "no foreign key": (lambda: build(_lines(Column("order_id", Integer)), VIA, "tenant_id"), "0 foreign keys"),
    "two foreign keys": (
        lambda: build(
            _lines(
                Column("order_id", ForeignKey("order.id"), ForeignKey("other.id")), other=(Column("tenant_id", String),)
            ),
            VIA,
            "tenant_id",
        ),
        "2 foreign keys",
    ),
    "a foreign key of two columns": (
        lambda: build(
            _lines(
                Column("order_id", Integer),
                Column("part", Integer),
                ForeignKeyConstraint(["order_id", "part"], ["order.id", "order.part"]),
                order=(Column("part", Integer),),
            ),
            VIA,
            "tenant_id",
        ),
        "of several columns",
    ),
    "a parent that is not there": (
        lambda: build(_lines(_to("order_id", "gone.id")), VIA, "tenant_id"),
        "not in the metadata",
    ),
    "a parent's other column": (
        lambda: build(
            _lines(_to("order_id", "order.number"), order=(Column("number", Integer, unique=True),)), VIA, "tenant_id"
        ),
        "not the whole primary key",
    ),
    "a parent's key of two columns": (
        lambda: build(
            _lines(_to("order_id", "order.id"), order=(Column("year", Integer, primary_key=True),)), VIA, "tenant_id"
        ),
        "not the whole primary key",
    ),
    "a parent's key of another kind": (
        lambda: build(_odd_parent(), VIA, "tenant_id"),
        "such keys are",
    ),
    "an undeclared parent": (
        lambda: build(_lines(_to("order_id", "other.id"), other=()), VIA, "tenant_id"),
        "belong to no tenant",
    ),
    "a shared parent": (
        lambda: build(_lines(_to("order_id", "other.id"), other=()), [*VIA, shared("other")], "tenant_id"),
        "belong to no tenant",
    ),
    "itself": (lambda: build(_lines(_to("order_id", "line.id")), VIA, "tenant_id"), "circle"),
    "a circle": (
        lambda: build(
            _lines(_to("order_id", "other.id"), other=(_to("line_id", "line.id"),)),
            [*VIA, declare("other", via="line_id")],
            "tenant_id",
        ),
        "circle",
    ),
    "a chain of five": (lambda: build(*_chain(5), "tenant_id"), "longer chain"),
    "a tenant column as well": (
        lambda: build(_lines(_to("order_id", "order.id"), Column("tenant_id", String)), VIA, "tenant_id"),
        "leave out via=",
    ),
    "a tenant named as well": (
        lambda: build(
            _lines(_to("order_id", "order.id"), Column("owner", String)),
            [declare("line", via="order_id", tenant="owner")],
            "tenant_id",
        ),
        "leave out via=",
    ),
    "a personal way": (
        lambda: build(
            _lines(_to("order_id", "order.id")),
            [declare("line", via="order_id", columns={"order_id": Personal(category="user.name")})],
            "tenant_id",
        ),
        "cannot be personal",
    ),
    "via with a fixed tenant": (
        lambda: build(_lines(_to("order_id", "order.id")), [*VIA, shared("order")], "tenant_id", fixed_tenant="apotek"),
        "via=",
    ),
    "tenant= with a fixed tenant": (
        lambda: build(
            _lines(Column("owner", String)),
            [declare("line", tenant="owner"), shared("order")],
            "tenant_id",
            fixed_tenant="apotek",
        ),
        "tenant=",
    ),
    "a tenant column with a fixed tenant": (
        lambda: build(_lines(), [], "tenant_id", fixed_tenant="apotek"),
        "another tenant_column",
    ),
    "personal and shared with a fixed tenant": (
        lambda: build(_lines(Column("name", _name())), [shared("line")], "company", fixed_tenant="apotek"),
        "shared",
    ),
}


def _odd_parent() -> MetaData:
    metadata = _lines(_to("order_id", "odd.n"))
    Table("odd", metadata, Column("n", Numeric, primary_key=True), Column("tenant_id", String))
    return metadata


@pytest.mark.parametrize("what", REFUSED_VIA)
def test_a_way_to_the_tenant_that_leaves_a_doubt_is_refused(what: str) -> None:
    """One foreign key, of one column, to the primary key of a protected table, in a chain that ends: nothing less."""
    attempt, said = REFUSED_VIA[what]
    with pytest.raises(DeclarationError, match=said):
        attempt()


def test_a_table_belongs_to_its_tenant_by_its_parents() -> None:
    """A chain of four, declared in any order, is told as the way that the wall goes."""
    metadata, declarations = _chain(4)
    register = build(metadata, declarations, "tenant_id")
    last = register.tables["t4"]
    assert last.belongs == "up_id → t3.up_id → t2.up_id → t1.up_id → order.tenant_id"
    assert (last.tenant, last.owner_column, last.has_children) == (None, "up_id", False)
    assert register.tables["order"].has_children
    assert [name for name in ("t4", "t3", "ORDER", "line") if register.leads_to(name)] == ["t3", "ORDER"]


def test_a_searchable_column_is_indexed_without_a_tenant_column() -> None:
    """The index that comes with the search column begins with the tenant where the table has it."""
    register = build(_lines(_to("order_id", "order.id"), Column("name", _name(search="exact"))), VIA, "tenant_id")
    indexes = {str(i.name): [c.name for c in i.columns] for i in register.tables["line"].table.indexes}
    assert indexes == {"ix_line_name_ix": ["name_ix"], "ix_line_name_ix2": ["name_ix2"]}


def test_with_a_fixed_tenant_everything_that_is_not_shared_is_its() -> None:
    """No column, no declaration: protected all the same."""
    register = build(_lines(other=()), [shared("other")], "company", fixed_tenant="apotek")
    assert {name: table.belongs for name, table in register.tables.items()} == {"order": "= apotek", "line": "= apotek"}
    assert (register.shared, register.undeclared) == ({"other"}, set())


def _pointing() -> MetaData:
    metadata = _table(Column("name", _name(search="exact"), unique=True))
    Table(
        "other",
        metadata,
        Column("tenant_id", String),
        Column("id", String, primary_key=True),
        Column("n", String),
        ForeignKeyConstraint(["n"], ["customer.name"]),
    )
    return metadata


def _twice() -> MetaData:
    metadata = _table()
    Table("Customer", metadata, Column("tenant_id", String), Column("id", String, primary_key=True))
    return metadata


@pytest.mark.parametrize("what", REFUSED)
def test_a_declaration_that_cannot_be_kept_is_refused(what: str) -> None:
    """A wrong declaration is an error while the guard is built, in words, not a surprise in a row."""
    with pytest.raises(DeclarationError):
        REFUSED[what]()


@pytest.mark.parametrize("word", ["id", "domain"])
@pytest.mark.parametrize("name", ["trail.ip", "TRAIL.reason", "amanah_x", "Amanah_subject.wrapped"])
def test_a_name_of_amanahs_own_is_refused(word: str, name: str) -> None:
    """In any case: what is sealed under such a name is opened by keys that are retired for everything else."""
    column = Column("phone", _name(search="exact", **{word: name}))
    with pytest.raises(DeclarationError, match=f"customer.phone: give it another {word}="):
        build(_table(column), [], "tenant_id")


@pytest.mark.parametrize("table", ["trail", "Trail"])
def test_a_table_that_is_called_like_the_trail_names_its_columns_otherwise(table: str) -> None:
    """By its own label it would be the trail's; another id is another search domain, too."""
    with pytest.raises(DeclarationError, match=f"{table}.ip: give it another id="):
        build(_table(Column("ip", _name(search="exact")), name=table), [], "tenant_id")
    register = build(_table(Column("ip", _name(search="exact", id="visits.ip")), name=table), [], "tenant_id")
    field = register.field(b"visits.ip")
    assert (field.name, field.domain) == (f"{table}.ip", "visits.ip")


@pytest.mark.parametrize("name", ["trails.ip", "trail", "my.trail.ip", "amanah", "amanahku.name"])
def test_a_name_that_only_looks_like_one_of_amanahs_is_taken(name: str) -> None:
    """It is what a name begins with that counts, dot and underscore included."""
    register = build(_table(Column("ip", _name(search="exact", id=name, domain=name))), [], "tenant_id")
    assert register.field(name.encode()).domain == name


def test_mappers_that_are_in_use_cannot_be_changed() -> None:
    """Once configured, a mapper remembers its columns' types; swapping them would go half unseen."""

    class Base(DeclarativeBase):
        pass

    class Late(Base):
        __tablename__ = "late"
        tenant_id: Mapped[str] = mapped_column(String(64))
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        name: Mapped[str] = mapped_column(String(40))

    Base.registry.configure()
    with pytest.raises(DeclarationError):
        build(Base.metadata, [declare("late", columns={"name": Personal(category="user.name")})], "tenant_id")


def test_in_the_model_and_beside_it_give_the_same() -> None:
    """A declaration by table name takes the column's own type; field, category and search column come out alike."""
    inside = build(_table(Column("phone", _name(search="exact"), unique=True)), [], "tenant_id")
    metadata = _table(Column("phone", String, unique=True))
    said = declare("customer", columns={"phone": Personal(category="user.name", search="exact")})
    beside = build(metadata, [said], "tenant_id")
    for register in (inside, beside):
        table = register.tables["customer"].table
        assert register.categories() == {"customer.phone": "user.name"}
        unique = [c for c in table.constraints if isinstance(c, UniqueConstraint)]
        assert sorted([c.name for c in one.columns] for one in unique) == [["phone_ix"], ["phone_ix2"]]
        assert table.c.phone_ix.nullable
        assert table.c.phone_ix2.nullable


def test_a_key_that_the_database_makes_is_not_bound_to() -> None:
    """Its row's name is not known when the value is sealed; the table says so, for the doctor to tell."""
    server = _table(Column("n", String, primary_key=True, server_default="x"), Column("name", _name()))
    assert not build(server, [], "tenant_id").tables["customer"].bound_to_row
    client = _table(Column("n", String, primary_key=True, default="x"), Column("name", _name()))
    assert build(client, [], "tenant_id").tables["customer"].bound_to_row


def test_names_are_found_in_any_case() -> None:
    """SQL folds the case of what is not quoted, so a table or column is known in every spelling."""
    register = build(_table(Column("Phone", _name()), name="Customer"), [], "tenant_id")
    table = register.by_name("CUSTOMER")
    assert table is not None
    assert table.column_named("PHONE") is table.fields["Phone"]
    assert register.personal_columns == {"phone"}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Boolean(), "a yes or no has only two tokens"),
        (Enum(Colour), "an enum has only 1 tokens"),
        (Enum("low", "high", name="level"), "an enum has only 2 tokens"),
        (JSON(), "more than one spelling"),
    ],
)
def test_what_its_frequencies_would_tell_is_not_searchable(kind: Any, reason: str) -> None:
    """Refused at declaration, with what to do instead; a date is let be, and the page on leaks says what it tells."""
    searched = Personal(kind, category="user.demographic", search="exact")
    with pytest.raises(DeclarationError, match=f"{reason}.*leave out search=.*sealed=False"):
        build(_table(Column("x", searched)), [], "tenant_id")
    dated = Personal(Date, category="user.demographic.date_of_birth", search="exact")
    assert build(_table(Column("x", dated)), [], "tenant_id").tables["customer"].fields["x"].search


def test_what_is_unique_is_so_for_each_choice_of_slots() -> None:
    """The tenant's index key and the platform's are exchanged at moments of their own: one constraint for each pair."""
    phone = Personal(String, category="user.contact.phone_number", search="exact")
    email = Personal(String, category="user.contact.email", search="exact", platform=True)
    metadata = _table(Column("phone", phone), Column("email", email))
    metadata.tables["customer"].append_constraint(UniqueConstraint("tenant_id", "phone", "email", name="uq_c"))
    table = build(metadata, [], "tenant_id").tables["customer"].table
    found = {str(c.name): [one.name for one in c.columns] for c in table.constraints if isinstance(c, UniqueConstraint)}
    assert found == {
        "uq_c": ["tenant_id", "phone_ix", "email_ix"],
        "uq_c_ix2": ["tenant_id", "phone_ix", "email_ix2"],
        "uq_c2_ix2": ["tenant_id", "phone_ix2", "email_ix"],
        "uq_c3_ix2": ["tenant_id", "phone_ix2", "email_ix2"],
    }
