"""One person tries to have sealed columns in plain again, with a terminal, a database, or both."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from amanah.console.proof import Proven
from amanah.errors import (
    AttemptsTooMany,
    Forbidden,
    NotAMember,
    PasswordWrong,
    RequestDecided,
    RequestEnded,
    RequestForged,
    RequestUnapproved,
    RequestUnknown,
    SamePerson,
)

SECOND = 1_000_000


@pytest.fixture
def office(office_of_two):
    """The office with rows whose plain values are gone; afterwards they are gone still, unless a test looked."""
    assert {phone for _, _, phone in office_of_two.emptied()} == {None}
    return office_of_two


def sql(office, statement, **parameters):
    """Whoever has the application's database and no key."""
    return office.books.stored(statement, **parameters)


def envelope(office, request_id):
    """What the row of a request holds."""
    return bytes(sql(office, "SELECT envelope FROM amanah_request WHERE id = :id", id=request_id)[0][0])


def put(office, request_id, content):
    """Write it there."""
    sql(office, "UPDATE amanah_request SET envelope = :content WHERE id = :id", content=content, id=request_id)


def nothing_in_plain(office):
    """No plain value came back."""
    return {phone for _, _, phone in office.plain()} | {fax for _, _, fax in office.plain("fax")} == {None}


# -- by the command --


def test_nobody_approves_what_they_asked_for(office):
    """Not with another's right, not at another terminal."""
    request_id = office.ask()
    with pytest.raises(SamePerson):
        office.two_people("operator:other").approve(request_id, office.person("owner"))
    with pytest.raises(RequestUnapproved):
        office.two_people().run(request_id)
    assert office.acts()[1:3] == [
        ("decrypt.approve", "owner", "same-person"),
        ("decrypt.run", "operator:ops", "request-unapproved"),
    ]
    assert nothing_in_plain(office)


def test_a_request_is_approved_once(office):
    """By nobody a second time: the trail names one who agreed."""
    request_id = office.approved()
    for member in ("second", "third"):
        with pytest.raises(RequestDecided):
            office.two_people().approve(request_id, office.person(member))


def test_of_two_who_approve_at_the_same_moment_one_does(office):
    """The other is told that somebody decided; the trail has one approval."""
    request_id = office.ask()
    people = [office.person("second"), office.person("third")]

    def approve(person):
        try:
            return office.two_people().approve(request_id, person).approved_by
        except RequestDecided:
            return None

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(approve, people))
    [agreed] = [one for one in done if one]
    assert [actor for act, actor, refusal in office.acts() if act == "decrypt.approve" and not refusal] == [agreed]
    assert office.state(request_id) == "approved"


def test_what_was_carried_out_is_not_carried_out_again(office):
    """A request is good for one time, also for those who write to its row."""
    request_id = office.approved()
    approved = envelope(office, request_id)
    assert [one.done for one in office.two_people().run(request_id)] == [3]
    sql(office, "UPDATE customer SET phone = NULL")
    with pytest.raises(RequestEnded):
        office.two_people().run(request_id)
    put(office, request_id, approved)
    with pytest.raises(RequestForged):
        office.two_people().run(request_id)
    assert nothing_in_plain(office)


@pytest.mark.parametrize("member", ["owner", "second", "third"])
def test_what_was_stopped_after_its_approval_is_not_carried_out(office, member):
    """By whoever stopped it; nor when the row of before is put back."""
    request_id = office.approved()
    approved = envelope(office, request_id)
    office.two_people().stop(request_id, office.person(member))
    with pytest.raises(RequestEnded):
        office.two_people().run(request_id)
    put(office, request_id, approved)
    with pytest.raises(RequestForged):
        office.two_people().run(request_id)
    assert nothing_in_plain(office)


# -- another tenant --


def test_people_of_another_tenant_decide_nothing(office):
    """The id of a request is no key to it."""
    request_id = office.ask()
    stranger = office.person("second", "b")
    for step in (office.two_people().approve, office.two_people().stop):
        with pytest.raises(RequestUnknown):
            step(request_id, stranger)
    assert office.state(request_id) == "waiting"
    assert ("decrypt.approve", "second", "request-unknown") in office.acts("b")
    assert office.acts() == [("decrypt.request", "owner", None)]


def test_a_password_of_one_tenant_proves_nothing_in_another(office):
    """Two members of the same id in two tenants are two people."""
    sql(office, "DELETE FROM amanah_credential WHERE tenant_id = 'a' AND member_id = 'second'")
    with pytest.raises(PasswordWrong):
        office.person("second", "a")


def test_only_the_rows_of_the_tenant_come_back(office):
    """Two people of one tenant say nothing about another's rows."""
    office.two_people().run(office.approved())
    assert [tenant for tenant, _, phone in office.plain() if phone] == ["a", "a", "a"]
    assert {fax for _, _, fax in office.plain("fax")} == {None}


def test_a_request_that_is_moved_to_another_tenant_is_not_genuine(office):
    """What two people of one tenant decided cannot be turned against another's rows."""
    request_id = office.approved()
    sql(office, "UPDATE amanah_request SET tenant_id = 'b'")
    with pytest.raises(RequestForged):
        office.two_people().run(request_id)
    assert nothing_in_plain(office)


# -- by writing to the row --


def test_the_columns_cannot_be_changed_after_the_approval(office):
    """The approval is bound to what was approved: neither more columns, nor the approval under another id."""
    small, large = office.approved("customer.phone"), office.ask("customer.phone", "customer.fax")
    for content in (envelope(office, large), envelope(office, small)[:-1] + b"\0", b"", b"{}"):
        before = envelope(office, small)
        put(office, small, content)
        with pytest.raises(RequestForged):
            office.two_people().run(small)
        put(office, small, before)
    put(office, large, envelope(office, small))
    with pytest.raises(RequestForged):
        office.two_people().run(large)
    assert nothing_in_plain(office)
    assert office.state(small) == "approved"


def test_a_request_cannot_be_made_without_the_keys(office):
    """A row of one's own, under an id of one's own, with an envelope of another request."""
    stolen = envelope(office, office.approved())
    insert = "INSERT INTO amanah_request (tenant_id, id, envelope) VALUES ('a', :id, :stolen)"
    sql(office, insert, id="f" * 32, stolen=stolen)
    with pytest.raises(RequestForged):
        office.two_people().run("f" * 32)
    assert nothing_in_plain(office)


def test_an_approval_that_the_trail_does_not_know_is_none(office):
    """Whoever takes the entry away takes the approval with it."""
    request_id = office.ask()
    office.entries()
    office.two_people().approve(request_id, office.person("second"))
    assert len(sql(office, "SELECT event_id FROM amanah_staged")) == 1
    sql(office, "DELETE FROM amanah_staged")
    with pytest.raises(RequestForged):
        office.two_people().run(request_id)
    assert nothing_in_plain(office)


def test_an_approval_is_not_undone_to_be_given_again(office):
    """The row of before the approval, put back so that somebody else seems to have agreed."""
    request_id = office.ask()
    waiting = envelope(office, request_id)
    office.two_people().approve(request_id, office.person("second"))
    put(office, request_id, waiting)
    with pytest.raises(RequestForged):
        office.two_people().approve(request_id, office.person("third"))


# -- rights that are over --


@pytest.mark.parametrize("member", ["owner", "second"])
def test_who_was_suspended_since_no_longer_decides(office, member):
    """Both must be members when it is carried out, not only when they decided."""
    request_id = office.approved()
    with office.guard.engine.begin() as connection:
        office.guard.directory.grant(connection, "a", "third", "owner", reason="test", granted_by="platform")
        office.guard.directory.suspend_member(connection, "a", member)
    with pytest.raises(NotAMember):
        office.two_people().run(request_id)
    assert office.acts()[-1] == ("decrypt.run", "operator:ops", "not-a-member")
    assert nothing_in_plain(office)


def test_who_lost_the_right_since_no_longer_decides(office):
    """A grant that was revoked is asked for again when it is carried out."""
    request_id = office.approved()
    with office.guard.engine.begin() as connection:
        [grant] = [one for one in office.guard.directory.grants(connection, "a") if one.member_id == "second"]
        office.guard.directory.revoke(connection, "a", grant.id)
    with pytest.raises(Forbidden):
        office.two_people().run(request_id)
    assert nothing_in_plain(office)


def test_a_run_ends_when_it_is_stopped_meanwhile(office):
    """After each batch it is asked again; the columns that were not begun stay as they are."""
    request_id = office.approved("customer.fax", "customer.phone")
    someone = office.person("third")

    class Stopping:
        def expect(self, rows):
            """So many rows are to be done."""

        def advance(self, rows):
            """The first batch is done."""
            office.two_people().stop(request_id, someone)

    with pytest.raises(RequestEnded):
        office.two_people().run(request_id, Stopping())
    assert [fax for tenant, _, fax in office.plain("fax") if tenant == "a"] == ["0812-a-0", "0812-a-1", "0812-a-2"]
    assert {phone for _, _, phone in office.plain()} == {None}
    assert office.state(request_id) == "refused"


# -- guessing --


def test_guessing_a_password_at_the_terminal_is_slowed_down(office):
    """Five wrong ones, then the right one has to wait, too, in every process; another member does not."""
    for _ in range(5):
        with pytest.raises(PasswordWrong):
            office.person("second", password="salah salah salah")
    with pytest.raises(AttemptsTooMany, match="Wait 1 second"):
        office.person("second")
    assert office.person("third") == Proven("a", "third")
    office.later = 2 * SECOND
    with pytest.raises(PasswordWrong):
        office.person("second", password="salah salah salah")
    with pytest.raises(AttemptsTooMany, match="Wait 2 second"):
        office.person("second")
    office.later = 60 * SECOND
    assert office.person("second") == Proven("a", "second")
    assert sql(office, "SELECT wrong FROM amanah_attempt") == []
    assert office.acts() == [("terminal.sign_in_failed", "second", "password-wrong")] * 6


def test_a_member_who_does_not_exist_is_guessed_as_slowly(office):
    """No name is told apart by its answers, and the table keeps none."""
    for _ in range(5):
        with pytest.raises(PasswordWrong):
            office.person("nobody@toko.example")
    with pytest.raises(AttemptsTooMany):
        office.person("nobody@toko.example")
    assert b"nobody" not in bytes(sql(office, "SELECT name_token FROM amanah_attempt")[0][0])
    assert office.acts() == []


def test_many_who_guess_at_once_guess_no_faster(office):
    """An attempt counts before the password is looked at."""

    def guess(number):
        try:
            office.person("second", password=f"salah salah {number}")
        except (PasswordWrong, AttemptsTooMany) as error:
            return type(error)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(24)))
    assert answers.count(PasswordWrong) <= 6
    assert answers.count(PasswordWrong) + answers.count(AttemptsTooMany) == 24
