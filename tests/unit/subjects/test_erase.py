from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import select, text

from amanah import is_erased
from amanah.adoption.search_rotation import exchange
from amanah.audit.entries import now_us
from amanah.errors import LedgerDamaged, LedgerUnwritable, SubjectErased, SubjectUnknown
from amanah.rekeying.keys import rotate_tenant
from amanah.rekeying.reencrypt import reencrypt
from amanah.rekeying.retirement import retire
from amanah.subjects.epochs import Epochs
from amanah.subjects.erase import erase, plan_of
from amanah.subjects.ledger import Erasure, Ledger
from amanah.subjects.replay import outstanding, replay
from tests.rekeying_world import OPS, new_data_keys

WHO = ("a", "patient", "1")


def erased(clinic: Any, who: tuple[str, str, str] = WHO) -> Any:
    """Erase a patient; the certificate."""
    return erase(clinic.guard, plan_of(clinic.guard, *who), operator="operator:test", reason="asked for it")


def shown(clinic: Any, number: int = 1, tenant: str = "a") -> tuple[Any, Any]:
    """The patient and the visit of that number, as an access sees them."""
    with clinic.session(tenant, expire_on_commit=False) as session:
        return session.get(clinic.m.Patient, number), session.get(clinic.m.Visit, number)


def test_the_plan_says_what_becomes_of_each_column(clinic: Any) -> None:
    """Sealed ones are erased, plain ones emptied, held ones kept, each with how many rows have a value."""
    made = plan_of(clinic.guard, *WHO)
    assert {line.field: (line.fate, line.rows) for line in made.lines} == {
        "patient.born": ("erased", 0),
        "patient.city": ("emptied", 1),
        "patient.name": ("erased", 1),
        "patient.nickname": ("emptied", 1),
        "patient.phone": ("erased", 1),
        "visit.complaint": ("erased", 1),
        "visit.diagnosis": ("held", 1),
    }
    assert [(line.years, line.law) for line in made.lines if line.fate == "held"] == [(25, "Permenkes 24/2022 art. 39")]
    assert shown(clinic)[0].name == "Budi"


def test_an_erased_person_reads_as_erased_and_what_the_law_keeps_survives(clinic: Any) -> None:
    """In every table about the person; NULL stays NULL; nobody else is touched."""
    erased(clinic)
    patient, visit = shown(clinic)
    assert [str(v) for v in (patient.name, patient.phone, visit.complaint)] == ["[erased]"] * 3
    assert is_erased(patient.name)
    assert (patient.born, patient.city, patient.nickname) == (None, None, "[erased]")
    assert visit.diagnosis == "flu 1"
    other, theirs = shown(clinic, 2)
    assert (other.name, other.phone, other.city, theirs.complaint) == ("Siti", "0812 0002", "Kediri", "pain 2")
    assert shown(clinic, 9)[1].complaint == "walk-in"
    assert shown(clinic, 3, "b")[0].phone == "0812 0001"


def test_searches_do_not_find_an_erased_person(clinic: Any) -> None:
    """The blind index is cleared, so that not even equality with a guess can be seen."""
    erased(clinic)
    assert clinic.stored("SELECT phone_ix FROM patient WHERE id = 1") == [(None,)]
    with clinic.session() as session:
        assert session.scalars(select(clinic.m.Patient).where(clinic.m.Patient.phone == "0812 0001")).all() == []


def test_backup_erase_restore_the_tables_and_it_is_still_unreadable(clinic: Any) -> None:
    """The data tables come back from a backup, envelopes and all: without the secret they open for nobody."""
    backup = clinic.stored("SELECT name, phone, phone_ix, city FROM patient WHERE id = 1")[0]
    complaint = clinic.stored("SELECT complaint FROM visit WHERE id = 1")[0][0]
    erased(clinic)
    clinic.stored(
        "UPDATE patient SET name = :a, phone = :b, phone_ix = :c, city = :d WHERE id = 1",
        **dict(zip("abcd", backup, strict=True)),
    )
    clinic.stored("UPDATE visit SET complaint = :c WHERE id = 1", c=complaint)
    patient, visit = shown(clinic)
    assert [str(v) for v in (patient.name, patient.phone, visit.complaint)] == ["[erased]"] * 3


def test_a_backup_with_the_secrets_is_told_again_by_the_ledger(clinic: Any) -> None:
    """The whole database comes back: replaying the ledger erases again, once, and says so in the trail."""
    secret = clinic.stored("SELECT wrapped, epoch FROM amanah_subject WHERE subject = '1' AND tenant_id = 'a'")[0]
    backup = clinic.stored("SELECT name, phone, phone_ix FROM patient WHERE id = 1")[0]
    erased(clinic)
    clinic.stored(
        "UPDATE amanah_subject SET wrapped = :w, epoch = :e, erased_at = NULL WHERE subject = '1' AND tenant_id = 'a'",
        w=secret[0],
        e=secret[1],
    )
    back = dict(zip("abc", backup, strict=True))
    clinic.stored("UPDATE patient SET name = :a, phone = :b, phone_ix = :c WHERE id = 1", **back)
    clinic.stored("UPDATE visit SET complaint = NULL WHERE id = 1")
    assert shown(clinic)[0].name == "Budi"
    with clinic.guard.engine.connect() as connection:
        assert [one.subject for one in outstanding(clinic.guard, connection)] == ["1"]
    assert [done is not None for _, done in replay(clinic.guard, operator="operator:test")] == [True]
    assert is_erased(shown(clinic)[0].name)
    assert list(replay(clinic.guard, operator="operator:test")) == []


def test_an_erasure_is_an_entry_without_anything_personal(clinic: Any) -> None:
    """Who, why (sealed), which tables and whom: by number."""
    erased(clinic)
    bodies = [row[0] for row in clinic.stored("SELECT body FROM amanah_staged") if "subject.erase" in row[0]]
    assert len(bodies) == 1
    assert '"subject":"1"' in bodies[0]
    assert '"action":"erase"' in bodies[0]
    assert not any(word in bodies[0] for word in ("Budi", "0812", "asked for it", "pain"))


def test_nothing_more_is_stored_about_an_erased_person(clinic: Any) -> None:
    """A new visit with a complaint is refused; one that is about nobody is not."""
    erased(clinic)
    with clinic.session() as session:
        session.add(clinic.m.Visit(id=10, patient_id=1, complaint="again"))
        with pytest.raises(SubjectErased):
            session.flush()


def test_an_envelope_from_before_subjects_goes_too(clinic: Any) -> None:
    """What was sealed under the tenant's key alone is overwritten: the secret would not take it along."""
    field = clinic.guard.register.by_name("patient").fields["name"]
    old = clinic.guard.keyring.cipher("a").seal(field.id, field.place(["1"]), b"Budi Lama")
    clinic.stored("UPDATE patient SET name = :old WHERE id = 1", old=old)
    erased(clinic)
    assert len(clinic.stored("SELECT name FROM patient WHERE id = 1")[0][0]) == 1
    assert is_erased(shown(clinic)[0].name)


def test_the_certificate_names_what_is_kept_and_when_backups_go_dark(clinic: Any) -> None:
    """Signed with the key that verifies the trail; no sooner than an epoch's end and the retention of backups."""
    made = erased(clinic)
    note = made.signed(clinic.guard.signer)
    facts = clinic.guard.signer.verifier.open(note)
    assert "held: visit.diagnosis (x.user.health_and_medical.diagnosis), 1 rows, kept 25 years" in facts
    assert f"backups dark on: {made.dark_on.isoformat()}" in facts
    assert 65 <= (made.dark_on - made.at.date()).days <= 69
    assert "Budi" not in note


def test_whoever_is_not_there_cannot_be_erased(clinic: Any) -> None:
    """An unknown number, kind, or another tenant's patient is an error that says which kinds there are."""
    for who in (("a", "patient", "77"), ("a", "patient", "x"), ("a", "staff", "1"), ("b", "patient", "1")):
        with pytest.raises(SubjectUnknown, match="patient"):
            plan_of(clinic.guard, *who)


def test_without_a_ledger_nothing_is_erased(clinic: Any) -> None:
    """The line outside the database comes first; where it cannot be written, everything stays."""
    clinic.guard.settings.erasure_ledger.mkdir()
    with pytest.raises(LedgerUnwritable):
        erased(clinic)
    assert shown(clinic)[0].name == "Budi"


def test_an_erasure_that_broke_off_after_its_line_is_completed(clinic: Any) -> None:
    """The line stands, the transaction does not: replaying carries it out."""
    Ledger(clinic.guard.settings.erasure_ledger, clinic.guard.signer).append(Erasure("f" * 32, 1, *WHO))
    assert shown(clinic)[0].name == "Budi"
    assert len(list(replay(clinic.guard, operator="operator:test"))) == 1
    assert is_erased(shown(clinic)[0].name)


def test_the_ledger_finds_what_was_changed_taken_out_or_forged(clinic: Any, tmp_path: Any) -> None:
    """To repeat an erasure is to destroy, so only lines of this installation count, and all of them."""
    ledger = Ledger(tmp_path / "l.jsonl", clinic.guard.signer)
    for number in range(3):
        ledger.append(Erasure(f"{number}", number, "a", "patient", f"{number}"))
    whole = ledger.path.read_bytes()
    lines = whole.splitlines(keepends=True)
    assert [one.subject for one in ledger.read()] == ["0", "1", "2"]
    for damaged in (
        b"".join(lines[1:]),
        lines[0] + lines[2],
        lines[1] + lines[0] + lines[2],
        lines[0] + lines[0] + lines[1],
        whole.replace(b'\\"subject\\":\\"1\\"', b'\\"subject\\":\\"7\\"'),
        lines[0] + b'{"torn\n' + lines[2],
    ):
        ledger.path.write_bytes(damaged)
        with pytest.raises(LedgerDamaged):
            ledger.read()
    ledger.path.write_bytes(whole + lines[2][:30])
    assert len(ledger.read()) == 3
    ledger.append(Erasure("3", 3, "a", "patient", "3"))
    assert [one.subject for one in ledger.read()] == ["0", "1", "2", "3"]


def test_sqlite_keeps_nothing_of_it_in_free_pages(clinic: Any) -> None:
    """Overwritten cells and the secret are gone from the files, the write-ahead log included."""
    if "sqlite" not in clinic.url:
        pytest.skip("PostgreSQL keeps dead rows until VACUUM: the epochs are for that")
    rows = clinic.stored("SELECT wrapped FROM amanah_subject WHERE subject = '1' AND tenant_id = 'a'")
    secret = bytes(rows[0][0])
    with clinic.plain.begin() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    erased(clinic)
    clinic.engine.dispose()
    clinic.plain.dispose()
    folder = clinic.guard.settings.checkpoints.parent.parent
    assert not any(secret in file.read_bytes() for file in folder.glob("*.db*"))


def test_keys_are_replaced_with_erased_persons_and_rows_about_nobody(clinic: Any) -> None:
    """Every value that is left is moved to the new key, nothing counts as left, and each reads as before."""
    erased(clinic)
    clinic.stored("UPDATE amanah_key SET created_at = created_at - 3600000000")
    with clinic.guard.engine.begin() as connection:
        clinic.guard.keyring.rotate_data_key(connection, "a")
    clinic.stored("UPDATE amanah_key SET created_at = created_at - 3600000000")
    clinic.guard.keyring.forget("a")
    found = {f"{one.table}.{one.column}": one for one in reencrypt(clinic.guard, operator="operator:test", tenant="a")}
    assert {name: (one.moved, one.left) for name, one in found.items() if one.moved} == {
        "patient.name": (1, 0),
        "patient.phone": (1, 0),
        "visit.complaint": (2, 0),
        "visit.diagnosis": (2, 0),
    }
    assert not any(one.left or one.unopened for one in found.values())
    assert is_erased(shown(clinic)[0].name)
    assert (shown(clinic)[1].diagnosis, shown(clinic, 9)[1].complaint) == ("flu 1", "walk-in")
    assert not any(one.moved for one in reencrypt(clinic.guard, operator="operator:test", tenant="a"))


def test_an_erasure_outlasts_every_key_that_is_replaced(clinic: Any) -> None:
    """Index key, data keys, tenant key, epochs: the person goes on to read as erased, also in a new process."""
    erased(clinic)
    guard, later = clinic.guard, 0
    for step in ("made", "read", "done"):
        done = exchange(guard, "a", operator=OPS, clock=lambda: now_us() + later)  # noqa: B023 - called at once
        assert done.step == step
        later += int(2 * guard.keyring.ttl * 1_000_000) + 1
    new_data_keys(guard)
    reencrypt(guard, operator=OPS)
    retire(guard, "a", 2, operator=OPS)
    rotate_tenant(guard, ["a"], operator=OPS)
    for day in (31, 33, 70, 75):
        Epochs(guard, operator=OPS, clock=lambda: time.time_ns() + day * 86_400 * 10**9).tend()  # noqa: B023
    guard.keyring.forget("a")
    assert is_erased(shown(clinic)[0].name)
    assert shown(clinic, 2)[0].name == "Siti"
    assert list(replay(guard, operator=OPS)) == []
