"""Values about a person are sealed under that person's secret, which rides along with the rows."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import bindparam, insert, select, text, union_all, update
from sqlalchemy.orm import joinedload, selectinload

from amanah import Hold, is_erased
from amanah.encryption.netstrings import netstring
from amanah.errors import (
    DeclarationError,
    SubjectErased,
    SubjectSecretMissing,
    SubjectSecretNotCarried,
    Tampered,
)
from amanah.middleware.declare import declare
from amanah.middleware.personal import Personal
from amanah.middleware.subjects import tombstone


def envelopes(books: Any, column: str, who: str = "budi") -> bytes:
    """What the database holds."""
    value = books.stored(f"SELECT {column} FROM customer WHERE id = :who", who=who)[0][0]
    return b"" if value is None else bytes(value)


def erase(books: Any, who: str = "budi", kind: str = "customer", gone: bytes | None = None) -> None:
    """What an erasure comes to, as far as reading is concerned."""
    books.stored(
        "UPDATE amanah_subject SET wrapped = :gone, epoch = NULL, erased_at = 1 "
        "WHERE kind = :kind AND subject = :who AND tenant_id = 'a'",
        gone=netstring(gone or tombstone(books.guard.keyring.cipher("a"), kind, who)),
        kind=kind,
        who=who,
    )


@pytest.mark.parametrize("forged", ["sign", "made up", "changed", "longer", "another's", "another tenant's"])
def test_nobody_who_writes_to_the_database_makes_a_person_read_as_erased(books: Any, forged: str) -> None:
    """Only the tenant's keys make a tombstone, each for one person; reading and writing are refused."""
    ours, theirs = (books.guard.keyring.cipher(tenant) for tenant in ("a", "b"))
    genuine = tombstone(ours, "customer", "budi")
    made = {
        "sign": b"-",
        "made up": b"-" + bytes(16),
        "changed": genuine[:-1] + bytes([genuine[-1] ^ 1]),
        "longer": genuine + b"x",
        "another's": tombstone(ours, "customer", "siti"),
        "another tenant's": tombstone(theirs, "customer", "budi"),
    }
    erase(books, gone=made[forged])
    m = books.m
    for column in (m.Customer.name, m.Customer.phone):
        with books.session() as session, pytest.raises(Tampered):
            session.scalars(select(column).where(m.Customer.id == "budi")).all()
    with books.session() as session, pytest.raises(Tampered):
        session.execute(update(m.Customer.__table__).where(m.Customer.id == "budi").values(name="Wati"))
    with books.session() as session:
        assert session.scalars(select(m.Customer.name).where(m.Customer.id == "siti")).all() == ["Siti Aminah"]
    erase(books)
    with books.session() as session:
        assert is_erased(session.scalars(select(m.Customer.name).where(m.Customer.id == "budi")).one())


def test_a_tombstone_is_checked_once_for_each_access(books: Any, monkeypatch: Any) -> None:
    """However many rows bring it along; the next access looks again."""
    made: list[str] = []
    cipher = type(books.guard.keyring.cipher("a"))
    token = cipher.lasting_token

    def counted(self: Any, domain: str, value: bytes) -> bytes:
        made.append(domain)
        return bytes(token(self, domain, value))

    erase(books)
    monkeypatch.setattr(cipher, "lasting_token", counted)
    for looked in (1, 2):
        with books.session() as session:
            for _ in range(3):
                assert all(map(is_erased, session.scalars(select(books.m.Customer.name).filter_by(id="budi"))))
        assert made.count("amanah_subject.erased") == looked


def test_each_person_has_a_secret_of_their_own_made_with_their_row(books: Any) -> None:
    """Two persons, two wrapped secrets, in the transaction of the INSERT: a roll-back leaves none."""
    rows = books.stored("SELECT tenant_id, subject, wrapped FROM amanah_subject WHERE kind = 'customer' ORDER BY 1, 2")
    assert [row[:2] for row in rows] == [("a", "budi"), ("a", "siti"), ("b", "tono")]
    assert len({bytes(row[2]) for row in rows}) == 3
    with books.session() as session:
        session.add(books.m.Customer(id="wati", name="Wati"))
        session.flush()
        session.rollback()
    assert not books.stored("SELECT 1 FROM amanah_subject WHERE subject = 'wati'")


def test_values_are_sealed_in_the_format_of_persons(books: Any) -> None:
    """A table that declares its subject takes format 2; one that does not takes format 1."""
    assert envelopes(books, "name")[0] == 2
    with books.session() as session:
        session.add(books.m.Person(id=1, name="Nobody's"))
        session.commit()
    assert bytes(books.stored("SELECT name FROM person")[0][0])[0] == 1


def ways(m: Any) -> dict[str, Any]:
    """Statement → what it must bring of Budi."""
    c = m.Customer
    phones = select(c.phone).where(c.id == "budi")
    inner = select(c.tenant_id, c.id, c.phone, c.name).where(c.id == "budi")
    cte, sub = inner.cte("x"), inner.subquery()
    alias = c.__table__.alias("other")
    return {
        "one column": (phones, ["0812 3456 7890"]),
        "a null first": (select(c.email, c.name).where(c.id == "siti"), [None, "Siti Aminah"]),
        "two columns": (select(c.name, c.phone).where(c.id == "budi"), ["Budi Santoso", "0812 3456 7890"]),
        "cte": (select(cte.c.name, cte.c.phone), ["Budi Santoso", "0812 3456 7890"]),
        "subquery": (select(sub.c.phone), ["0812 3456 7890"]),
        "two aliases": (
            select(c.name, alias.c.name, alias.c.phone, c.phone)
            .join(alias, alias.c.tenant_id == c.tenant_id)
            .where(c.id == "budi", alias.c.id == "siti"),
            ["Budi Santoso", "Siti Aminah", "0813 1111 2222", "0812 3456 7890"],
        ),
        "union all": (union_all(phones, select(c.phone).where(c.id == "siti")), ["0812 3456 7890"]),
        "grouped": (select(c.phone).where(c.id == "budi").group_by(c.phone), ["0812 3456 7890"]),
        "searched": (select(c.name).where(c.phone == "+62 812 3456 7890"), ["Budi Santoso"]),
    }


def test_it_opens_in_every_shape_of_statement(books: Any) -> None:
    """The secret rides along once for each table or alias in a SELECT, wherever the first cell stands."""
    for way, (statement, expected) in ways(books.m).items():
        with books.session() as session:
            assert list(session.execute(statement).first()) == expected, way


def test_entities_open_with_their_relations_in_every_way_of_loading(books: Any) -> None:
    """Lazy, joined, selected, refreshed and streamed rows show the same."""
    m = books.m
    with books.session() as session:
        for option in (joinedload(m.Invoice.customer), selectinload(m.Invoice.customer)):
            found = session.scalars(select(m.Invoice).options(option).order_by(m.Invoice.total)).unique().all()
            assert [i.customer.name for i in found] == ["Budi Santoso", "Siti Aminah"]
            session.expire_all()
        budi = session.get(m.Customer, ("a", "budi"))
        session.refresh(budi)
        assert (budi.name, budi.phone) == ("Budi Santoso", "0812 3456 7890")
        names = session.scalars(select(m.Customer).execution_options(yield_per=1).order_by(m.Customer.id))
        assert [one.name for one in names] == ["Budi Santoso", "Siti Aminah"]


def test_single_columns_of_a_wider_result_say_what_to_do(books: Any) -> None:
    """Where a row's first sealed cell is passed by, its others are refused; after it was met they open."""
    m = books.m
    statement = select(m.Customer.name, m.Customer.phone).where(m.Customer.id == "budi")
    with books.session() as session:
        with pytest.raises(SubjectSecretNotCarried, match="whole rows"):
            session.connection().execute(statement).scalars(1).all()
        assert session.connection().execute(statement).all()
        assert session.connection().execute(statement).scalars(1).all() == ["0812 3456 7890"]


def test_updates_are_sealed_for_the_rows_subject(books: Any) -> None:
    """By entity, by key, in bulk and with RETURNING: what was written opens and is of format 2."""
    m = books.m
    with books.session() as session:
        session.get(m.Customer, ("a", "budi")).phone = "0811"
        session.flush()
        session.execute(update(m.Customer), [{"tenant_id": "a", "id": "siti", "phone": "0822"}])
        named = update(m.Customer).where(m.Customer.tenant_id == "a", m.Customer.id == bindparam("who"))
        session.connection().execute(named, [{"who": "siti", "email": "s@x.id"}])
        returned = session.execute(
            update(m.Customer)
            .where(m.Customer.tenant_id == "a", m.Customer.id == "budi")
            .values(email="b@x.id")
            .returning(m.Customer.email, m.Customer.name)
        ).one()
        assert tuple(returned) == ("b@x.id", "Budi Santoso")
        session.commit()
    with books.session() as session:
        shown = session.execute(select(m.Customer.phone, m.Customer.email).order_by(m.Customer.id)).all()
    assert [tuple(row) for row in shown] == [("0811", "b@x.id"), ("0822", "s@x.id")]
    assert {envelopes(books, c, w)[0] for c in ("phone", "email") for w in ("budi", "siti")} == {2}


def test_what_an_insert_returns_opens_also_for_very_many_rows(books: Any) -> None:
    """More persons than an access remembers are inserted and returned by one statement."""
    m = books.m
    rows = [{"id": f"c{n}", "name": f"Name {n}"} for n in range(2300)]
    with books.session() as session:
        names = session.scalars(insert(m.Customer).returning(m.Customer.name), rows).all()
        assert sorted(names) == sorted(row["name"] for row in rows)


def test_an_erased_persons_values_read_as_erased(books: Any) -> None:
    """Never empty, never an error; NULL stays NULL, governed columns and other persons stay what they are."""
    m = books.m
    erase(books)
    with books.session() as session:
        budi = session.get(m.Customer, ("a", "budi"))
        assert (str(budi.name), budi.phone, budi.city) == ("[erased]", "[erased]", "Surabaya")
        assert is_erased(budi.name)
        assert session.get(m.Customer, ("a", "siti")).name == "Siti Aminah"
        assert session.get(m.Customer, ("a", "siti")).email is None
        assert not is_erased(session.get(m.Customer, ("a", "siti")).email)


def test_nothing_new_is_stored_for_an_erased_person(books: Any) -> None:
    """A new value, or the row made anew, is refused with what to do; the edit form's own [erased] changes nothing."""
    m = books.m
    erase(books)
    before = envelopes(books, "name"), envelopes(books, "phone")
    with books.session() as session:
        budi = session.get(m.Customer, ("a", "budi"))
        budi.name, budi.note = "[erased]", "moved"
        session.commit()
        budi = session.get(m.Customer, ("a", "budi"), populate_existing=True)
        assert (budi.note, str(budi.name)) == ("moved", "[erased]")
        budi.phone = "0800"
        with pytest.raises(SubjectErased, match="register them anew"):
            session.flush()
    assert (envelopes(books, "name"), envelopes(books, "phone")) == before
    books.stored("DELETE FROM invoice")
    books.stored("DELETE FROM customer WHERE id = 'budi'")
    with books.session() as session:
        session.add(m.Customer(id="budi", name="Back again"))
        with pytest.raises(SubjectErased):
            session.flush()


def test_a_lost_secret_is_told_from_an_erased_one(books: Any) -> None:
    """Rows of the table of secrets that are gone are an error of their own: nothing was erased."""
    books.stored("DELETE FROM amanah_subject WHERE subject = 'budi'")
    with books.session() as session, pytest.raises(SubjectSecretMissing, match="replay-erasures"):
        session.get(books.m.Customer, ("a", "budi"))


def test_another_persons_secret_opens_nothing(books: Any) -> None:
    """A wrapped secret that was put beside another id does not unwrap."""
    books.stored(
        "UPDATE amanah_subject SET wrapped = (SELECT wrapped FROM amanah_subject WHERE subject = 'siti' AND "
        "tenant_id = 'a') WHERE subject = 'budi'"
    )
    with books.session() as session, pytest.raises(Tampered):
        session.get(books.m.Customer, ("a", "budi"))


def test_values_from_before_open_and_go_with_their_person(books: Any) -> None:
    """An envelope under the tenant's key alone, from before the table had subjects, opens; erased, it reads so, too."""
    cipher = books.guard.keyring.cipher("a")
    field = books.guard.register.by_name("customer").fields["name"]
    old = cipher.seal(field.id, field.place(["a", "budi"]), b"Budi Lama")
    books.stored("UPDATE customer SET name = :old WHERE id = 'budi'", old=old)
    with books.session() as session:
        assert session.get(books.m.Customer, ("a", "budi")).name == "Budi Lama"
    erase(books)
    with books.session() as session:
        assert is_erased(session.get(books.m.Customer, ("a", "budi")).name)


def test_a_report_in_sql_opens_any_of_its_columns(books: Any) -> None:
    """Each cell of a declared report brings the secret, because the text takes what it likes."""
    sql = "SELECT c.id, c.phone FROM customer c WHERE c.id = 'budi'"
    books.guard.declared_sql("phones", sql, columns={"phone": "customer.phone"})
    with books.session() as session:
        assert session.execute(text(sql)).one()[1] == "0812 3456 7890"


def test_held_columns_survive(database_url: str, tmp_path: Any, worlds: None) -> None:
    """What the law keeps is sealed under the tenant's key, and still shows when the person is erased."""
    import sql_world

    m = sql_world.models()
    held = Personal(category="user.contact.email", held=Hold(10, "UU KUP art. 28(11)"))
    m.Customer.__table__.c.email.type = m.Customer.__table__.c.note.type
    made = sql_world.build(
        database_url, tmp_path, made=m, declared=[declare("customer", subject="id", columns={"email": held})]
        + [d for d in sql_world.DECLARED if getattr(d, "table", "") not in ("customer", "customer_tag")]
        + [declare("customer_tag", resource="customer")],
    )  # fmt: skip
    try:
        with made.session() as session:
            session.add(m.Customer(id="budi", name="Budi", email="b@x.id"))
            session.commit()
        assert envelopes(made, "email")[0] == 1
        erase(made)
        with made.session() as session:
            budi = session.get(m.Customer, ("a", "budi"))
            assert (str(budi.name), budi.email) == ("[erased]", "b@x.id")
    finally:
        made.close()


def test_a_subject_that_no_key_leads_to_wants_a_word(database_url: str, tmp_path: Any, worlds: None) -> None:
    """Sealed columns about an unnamed kind of person are refused: an erasure would pass them by."""
    import sql_world

    with pytest.raises(DeclarationError, match="subject_kind="):
        sql_world.build(database_url, tmp_path, declared=[declare("device", subject="serial")])


def test_a_hold_says_for_how_long_and_by_which_law() -> None:
    """A hold without years or law is refused."""
    for years, law in ((0, "law"), (10, " ")):
        with pytest.raises(DeclarationError):
            Hold(years, law)
