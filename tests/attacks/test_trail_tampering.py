"""Somebody with SQL access to the trail changes it. Each change is found, named, and its place told."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from amanah.audit.append import link_of, next_chain
from amanah.audit.checkpoints import HeadsCheckpoint, SignerKey
from amanah.audit.entries import Entry, decode, new_event_id, now_us
from amanah.audit.heads import read_record
from amanah.audit.models import entry, head
from amanah.audit.months import month_of
from amanah.audit.outside_folder import FolderOutside
from amanah.audit.packing import pack, unpack
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import stage
from amanah.audit.terms import terms
from amanah.audit.tree import Frontier, leaf_hash
from amanah.audit.verify import verify
from amanah.errors import TrailDamaged, TrailRolledBack

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from amanah.audit.report import Finding, Report

TENANT = "klinik-a"
COUNT = 20
TERMS = {"sqlite": ["amanah_term"], "postgresql": []}


@dataclass
class Trail:
    """A trail of twenty entries beside another tenant's, signed, and the ways to attack it."""

    core: Engine
    trail: Engine
    signer: SignerKey
    folder: Path

    @property
    def outside(self) -> FolderOutside:
        """The folder, opened anew."""
        return FolderOutside(self.folder)

    def sequencer(self) -> Sequencer:
        """A new process's sequencer."""
        return Sequencer(self.core, self.trail, self.signer, outside=self.outside)

    def record(self, count: int, tenant: str = TENANT) -> None:
        """Have ``count`` more entries recorded and published."""
        with self.core.begin() as connection:
            stage(connection, [an_entry(tenant) for _ in range(count)])
        sequencer = self.sequencer()
        try:
            sequencer.run_once()
        finally:
            sequencer.close()

    def attack(self, *statements: str, **values: Any) -> None:
        """Run SQL on the trail's database, as whoever holds its password can."""
        with self.trail.begin() as connection:
            for statement in statements:
                connection.execute(text(statement), values)

    def verify(self) -> Report:
        """What the compliance officer sees."""
        return verify(self.core, self.trail, self.signer.verifier, outside=self.outside)

    def finding(self) -> Finding:
        """The one finding; the other tenant's trail is whole."""
        report = self.verify()
        assert not report.whole
        (finding,) = report.findings
        assert finding.tenant == TENANT
        return finding


def an_entry(tenant: str = TENANT, **changes: Any) -> Entry:
    """Some entry."""
    return Entry(id=new_event_id(), at=now_us(), tenant=tenant, access="x", kind="access", actor="17", **changes)


@pytest.fixture
def trail(own_database: Engine, trail_database: Engine, tmp_path: Path) -> Trail:
    """Two tenants' trails, the second one of which nobody touches."""
    signer = SignerKey.create(tmp_path / "signer.key")
    (tmp_path / "checkpoints").mkdir()
    trail = Trail(own_database, trail_database, signer, tmp_path / "checkpoints")
    trail.record(COUNT)
    trail.record(COUNT, "toko-b")
    assert trail.verify().whole
    assert trail.verify().entries == 2 * COUNT
    return trail


def shift(connection: Connection, first: int, by: int) -> None:
    """Move all entries from ``first`` on by ``by`` places (in two steps, because the key is unique all the time)."""
    for add in (1000, by - 1000):
        connection.execute(
            text("UPDATE amanah_entry SET position = position + :add WHERE tenant_id = :t AND position >= :first"),
            {"add": add, "t": TENANT, "first": first},
        )


def swap(trail: Trail, one: int, other: int, columns: tuple[str, ...]) -> None:
    """Exchange the given columns of two entries."""
    with trail.trail.begin() as connection:
        rows = {
            position: connection.execute(
                text(f"SELECT {', '.join(columns)} FROM amanah_entry WHERE tenant_id = :t AND position = :p"),
                {"t": TENANT, "p": position},
            )
            .mappings()
            .one()
            for position in (one, other)
        }
        sets = ", ".join(f"{column} = :{column}" for column in columns)
        for position in (one, other):
            # The event id is unique beside the leaf hash: step aside first.
            connection.execute(
                text("UPDATE amanah_entry SET event_id = :e WHERE tenant_id = :t AND position = :p"),
                {"t": TENANT, "p": position, "e": f"{position:032x}"},
            )
        for position, source in ((one, other), (other, one)):
            connection.execute(
                text(f"UPDATE amanah_entry SET {sets} WHERE tenant_id = :t AND position = :p"),
                {**rows[source], "t": TENANT, "p": position},
            )


def forged(trail: Trail, position: int) -> dict[str, Any]:
    """The row's values at ``position`` with another actor, as careful as one can be without touching what follows."""
    with trail.trail.connect() as connection:
        stored = connection.scalar(
            text("SELECT body FROM amanah_entry WHERE tenant_id = :t AND position = :p"), {"t": TENANT, "p": position}
        )
    body = unpack(bytes(stored)).replace(b'"actor":"17"', b'"actor":"18"')
    decode(body)
    return {"body": pack(body), "leaf_hash": leaf_hash(body), "terms": terms(json.loads(body))}


def put_row(trail: Trail, position: int, **values: Any) -> None:
    """Change columns of an entry."""
    with trail.trail.begin() as connection:
        connection.execute(
            entry.update().where(entry.c.tenant_id == TENANT, entry.c.position == position).values(values)
        )


WHERE = "WHERE tenant_id = 'klinik-a' AND position"


@pytest.mark.parametrize("position", [0, 7, COUNT - 1])
def test_an_edited_body_is_named(trail: Trail, position: int) -> None:
    """Change the actor in an entry's body: edited, at this entry."""
    put_row(trail, position, body=forged(trail, position)["body"])
    finding = trail.finding()
    assert (finding.kind, finding.position) == ("edited", position)


def test_one_changed_character_is_named(trail: Trail) -> None:
    """Change a single character that JSON does not even see."""
    with trail.trail.connect() as connection:
        stored = connection.scalar(text(f"SELECT body FROM amanah_entry {WHERE} = 5"))
    put_row(trail, 5, body=pack(unpack(bytes(stored)).replace(b'"v":2', b'"v": 2')))
    assert (trail.finding().kind, trail.finding().position) == ("edited", 5)


@pytest.mark.parametrize("position", [0, 7, COUNT - 1])
def test_an_edited_body_with_its_leaf_hash_is_named(trail: Trail, position: int) -> None:
    """Recompute the leaf hash as well: still edited, at this entry."""
    put_row(trail, position, **forged(trail, position))
    finding = trail.finding()
    assert (finding.kind, finding.position, finding.last) == ("edited", position, position)


@pytest.mark.parametrize(("column", "value"), [("terms", [1, 2]), ("terms", []), ("event_id", "0" * 32), ("at", 5)])
def test_an_edited_search_column_is_named(trail: Trail, column: str, value: Any) -> None:
    """Hide an entry from searches without touching its body: edited, at this entry."""
    put_row(trail, 4, **{column: value})
    assert (trail.finding().kind, trail.finding().position) == ("edited", 4)


@pytest.mark.parametrize("statement", ["DELETE FROM amanah_term", "UPDATE amanah_term SET term = term + 1"])
def test_an_entry_that_is_hidden_from_the_index_is_named(trail: Trail, statement: str) -> None:
    """The same on SQLite, whose index is a table of ours: edited, at this entry."""
    if trail.trail.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps its index by itself")
    mine = "(SELECT number FROM amanah_head WHERE tenant_id = 'klinik-a')"
    trail.attack(f"{statement} WHERE position = 4 AND tenant = {mine}")
    assert (trail.finding().kind, trail.finding().position) == ("edited", 4)


def test_everything_recomputed_is_found_at_the_next_checkpoint(trail: Trail) -> None:
    """Rewrite body, leaf hashes, chain and head consistently: the signature still says otherwise, within a range."""
    trail.record(5)
    put_row(trail, 3, **forged(trail, 3))
    relink(trail)
    trail.attack("DELETE FROM amanah_signed_head WHERE tenant_id = 'klinik-a'")
    finding = next(one for one in trail.verify().findings if one.tenant == TENANT)
    assert (finding.kind, finding.position, finding.last) == ("rolled back", 0, COUNT - 1)


def test_a_signed_head_that_is_deleted_or_changed_is_missed(trail: Trail) -> None:
    """What was signed cannot be forgotten either: the newest checkpoint speaks for all heads."""
    trail.attack("DELETE FROM amanah_signed_head WHERE tenant_id = 'klinik-a'")
    shutil.rmtree(trail.folder)
    trail.folder.mkdir()
    (finding,) = trail.verify().findings
    assert (finding.tenant, finding.kind) == ("*", "forged")
    with pytest.raises(TrailDamaged):
        trail.record(1)


def relink(trail: Trail) -> None:
    """Compute leaf hashes, links and head anew from the bodies, as somebody who knows how can."""
    frontier, chain = Frontier.empty(), bytes(32)
    with trail.trail.begin() as connection:
        for position, stored in connection.execute(
            text("SELECT position, body FROM amanah_entry WHERE tenant_id = 'klinik-a' ORDER BY position")
        ).all():
            leaf = leaf_hash(unpack(bytes(stored)))
            chain = next_chain(chain, leaf)
            frontier.append(leaf)
            connection.execute(
                text(f"UPDATE amanah_entry SET leaf_hash = :leaf, link = :link {WHERE} = :p"),
                {"leaf": leaf, "link": link_of(chain), "p": position},
            )
        connection.execute(
            head.update()
            .where(head.c.tenant_id == TENANT)
            .values(size=frontier.size, root=frontier.root(), frontier=frontier.encode(), chain=chain)
        )


@pytest.mark.parametrize("position", [0, 7, COUNT - 2])
@pytest.mark.parametrize("closed", [False, True], ids=["gap", "closed"])
def test_a_deleted_entry_is_named(trail: Trail, position: int, closed: bool) -> None:
    """Delete one in the middle, leaving the gap or closing it: deleted, at this position."""
    trail.attack(f"DELETE FROM amanah_entry {WHERE} = :p", p=position)
    if closed:
        with trail.trail.begin() as connection:
            shift(connection, position + 1, -1)
    finding = trail.finding()
    assert (finding.kind, finding.position) == ("deleted", position)


@pytest.mark.parametrize(("one", "other"), [(3, 11), (3, 4), (0, COUNT - 1), (COUNT - 2, COUNT - 1)])
@pytest.mark.parametrize(
    "columns",
    [
        ("body",),
        ("body", "event_id", "at", "leaf_hash", "terms"),
        ("body", "event_id", "at", "leaf_hash", "terms", "link"),
    ],
    ids=["body", "content", "row"],
)
def test_swapped_entries_are_named(trail: Trail, one: int, other: int, columns: tuple[str, ...]) -> None:
    """Exchange two entries, more or less carefully: reordered, at the first of them."""
    swap(trail, one, other, columns)
    finding = trail.finding()
    assert (finding.kind, finding.position) == ("reordered", one)


@pytest.mark.parametrize("linked", [False, True], ids=["loose", "linked"])
@pytest.mark.parametrize("position", [0, 7, COUNT - 1])
def test_an_inserted_entry_is_named(trail: Trail, position: int, linked: bool) -> None:
    """Push the rest along and put an invented entry in between, even with a right link: inserted, at this position."""
    chain = bytes(32)
    with trail.trail.begin() as connection:
        query = f"SELECT leaf_hash FROM amanah_entry {WHERE} < {position} ORDER BY position"
        for leaf in connection.scalars(text(query)).all() if linked else [b"other"]:
            chain = next_chain(chain, leaf)
        shift(connection, position, 1)
    insert(trail, position, chain)
    finding = trail.finding()
    assert (finding.kind, finding.position) == ("inserted", position)


def insert(trail: Trail, position: int, chain: bytes = bytes(32)) -> None:
    """Put an invented entry at ``position``, behind an entry with ``chain``."""
    one = an_entry(outcome="answered")
    body = one.encode()
    leaf = leaf_hash(body)
    with trail.trail.begin() as connection:
        connection.execute(
            entry.insert().values(
                tenant_id=TENANT,
                position=position,
                month=month_of(one.at),
                at=one.at,
                link=link_of(next_chain(chain, leaf)),
                event_id=one.id,
                leaf_hash=leaf,
                body=pack(body),
                terms=terms(json.loads(body)),
            )
        )


@pytest.mark.parametrize("linked", [False, True], ids=["loose", "linked"])
def test_an_entry_appended_behind_the_head_is_named_and_stops_the_sequencer(
    trail: Trail,
    linked: bool,
) -> None:
    """An invented last entry, even with a right chain: inserted, and nothing is appended on top of it."""
    chain = bytes(32)
    if linked:
        with trail.trail.connect() as connection:
            chain = connection.scalar(text("SELECT chain FROM amanah_head WHERE tenant_id = 'klinik-a'"))
    insert(trail, COUNT, chain)
    assert (trail.finding().kind, trail.finding().position) == ("inserted", COUNT)
    with pytest.raises(TrailDamaged):
        trail.record(1)
    assert trail.verify().pending == 1


def test_a_truncated_tail_is_named(trail: Trail) -> None:
    """Delete the last five entries: truncated, at the first that is missing."""
    trail.attack(f"DELETE FROM amanah_entry {WHERE} >= 15")
    finding = trail.finding()
    assert (finding.kind, finding.position, finding.last) == ("truncated", 15, COUNT - 1)


def test_a_whole_trail_that_is_gone_is_named(trail: Trail) -> None:
    """Delete all that the database holds of a tenant: the folder outside remembers."""
    for table in ("amanah_entry", "amanah_head", "amanah_signed_head"):
        trail.attack(f"DELETE FROM {table} WHERE tenant_id = 'klinik-a'")
    report = trail.verify()
    assert {(finding.tenant, finding.kind) for finding in report.findings} == {
        (TENANT, "rolled back"),
        ("*", "forged"),
    }


def test_a_database_that_went_back_is_named_and_not_appended_to(trail: Trail) -> None:
    """Restore an older, consistent state while the folder knows more: rolled back; nothing is appended."""
    tables = (
        "amanah_entry",
        "amanah_head",
        "amanah_checkpoint",
        "amanah_signed_head",
        "amanah_heartbeat",
        *TERMS[trail.trail.dialect.name],
    )
    for table in tables:
        trail.attack(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")
    trail.record(7)
    for table in tables:
        trail.attack(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM old_{table}")
    finding = trail.finding()
    assert (finding.kind, finding.position, finding.last) == ("rolled back", COUNT, COUNT + 6)
    with pytest.raises(TrailRolledBack):
        trail.record(3)
    assert trail.verify().pending == 3
    assert trail.finding().kind == "rolled back"


def go_back(trail: Trail, more: int) -> None:
    """Publish ``more`` entries, then restore the database as it was before."""
    tables = ["amanah_entry", "amanah_head", "amanah_checkpoint", "amanah_signed_head", "amanah_heartbeat"]
    tables += [*TERMS[trail.trail.dialect.name], "amanah_tally", "amanah_subtree"]
    for table in tables:
        trail.attack(f"CREATE TABLE old_{table} AS SELECT * FROM {table}")
    trail.record(more)
    for table in tables:
        trail.attack(f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM old_{table}")


def test_a_database_that_went_back_is_not_excused_by_what_it_grew_to_since(trail: Trail) -> None:
    """More entries than were published, but other ones, placed where the folder was not asked: refused all the same."""
    go_back(trail, 7)
    with trail.core.begin() as connection:
        stage(connection, [an_entry() for _ in range(12)])
    blind = Sequencer(trail.core, trail.trail, trail.signer)
    blind._next_beat = float("inf")  # it places and does not sign
    assert blind.run_once() == 12
    blind.close()
    with pytest.raises(TrailRolledBack):
        trail.record(1)
    assert trail.finding().kind == "rolled back"


def test_a_database_that_went_back_and_signed_anew_is_not_appended_to(trail: Trail) -> None:
    """Under a number that the folder knows with other words: nothing is signed on top of it."""
    go_back(trail, 7)
    with trail.core.begin() as connection:
        stage(connection, [an_entry() for _ in range(12)])
    blind = Sequencer(trail.core, trail.trail, trail.signer)
    blind.run_once()
    blind.close()
    with pytest.raises(TrailDamaged, match="another one outside"):
        trail.record(1)
    assert any(one.kind == "rolled back" for one in trail.verify().findings)


def test_other_tenants_go_on_when_one_trail_went_back(trail: Trail) -> None:
    """One tenant's trail is left alone; the others' entries still get their places."""
    trail.attack(f"DELETE FROM amanah_entry {WHERE} >= 15")
    relink(trail)
    with trail.core.begin() as connection:
        stage(connection, [an_entry(), an_entry("toko-b")])
    with pytest.raises(TrailRolledBack):
        trail.sequencer().run_once()
    reports = {report.tenant: report for report in trail.verify().tenants}
    assert reports["toko-b"].entries == COUNT + 1
    assert reports[TENANT].entries == 15
    assert trail.finding().kind == "truncated"


def test_a_forged_checkpoint_is_named(trail: Trail) -> None:
    """A checkpoint signed by another key, or changed, is not believed."""
    stranger = SignerKey(trail.signer.verifier.name, b"\x01" * 32)
    forged = HeadsCheckpoint(2, now_us(), 1, b"\0" * 32)
    trail.attack("UPDATE amanah_checkpoint SET note = :note WHERE number = 2", note=stranger.over_heads(forged))
    assert trail.verify().problem.kind == "forged"  # type: ignore[union-attr]
    with pytest.raises(TrailDamaged):
        trail.record(1)


@pytest.mark.parametrize("change", ["root = :x", "size = size + 1", "place = place + 1", "proof = :x"])
def test_a_signed_head_that_is_changed_is_named(trail: Trail, change: str) -> None:
    """A stored head that the checkpoint does not cover is a forgery."""
    values = {"x": b"\0" * 32} if ":x" in change else {}
    trail.attack(f"UPDATE amanah_signed_head SET {change} WHERE tenant_id = 'klinik-a'", **values)
    assert any(one.kind == "forged" for one in trail.verify().findings)


def test_an_edited_head_is_named(trail: Trail) -> None:
    """The head's own root is compared with the entries."""
    trail.attack("UPDATE amanah_head SET root = chain WHERE tenant_id = 'klinik-a'")
    assert trail.finding().kind == "edited"
    with pytest.raises(TrailDamaged):
        trail.record(1)


def test_another_tenants_entry_is_not_taken_for_ones_own(trail: Trail) -> None:
    """An entry copied from another tenant's trail, hashes and all, is named."""
    trail.attack(
        "UPDATE amanah_entry SET body = o.body, leaf_hash = o.leaf_hash, terms = o.terms FROM amanah_entry o"
        " WHERE amanah_entry.tenant_id = 'klinik-a' AND amanah_entry.position = 6"
        " AND o.tenant_id = 'toko-b' AND o.position = 6"
    )
    assert (trail.finding().kind, trail.finding().position) == ("edited", 6)


def test_rubbish_in_staging_is_recorded_and_does_not_stop_the_trail(trail: Trail) -> None:
    """The app's role may insert into staging: what is no entry becomes an entry that says so, and the rest goes on."""
    with trail.core.begin() as connection:
        for event_id, tenant, body in (
            ("0" * 32, TENANT, "rubbish"),
            ("rubbish", "No Tenant!", "{}"),
            ("1" * 32, TENANT, an_entry("toko-b").encode().decode()),
        ):
            connection.execute(
                text("INSERT INTO amanah_staged (event_id, tenant_id, at, body) VALUES (:e, :t, 5, :b)"),
                {"e": event_id, "t": tenant, "b": body},
            )
    trail.record(1)
    report = trail.verify()
    assert report.whole
    assert report.pending == 0
    assert {one.tenant: one.entries for one in report.tenants} == {TENANT: COUNT + 3, "toko-b": COUNT, "platform": 1}


def test_a_folder_from_another_day_is_no_excuse(trail: Trail, tmp_path: Path) -> None:
    """Replace the folder by an older copy: the database's own checkpoints still verify, and all is whole."""
    shutil.copytree(trail.folder, tmp_path / "old")
    trail.record(3)
    shutil.rmtree(trail.folder)
    shutil.move(tmp_path / "old", trail.folder)
    assert trail.verify().whole
    trail.record(1)  # a new process brings the folder up to date
    *_, (_, newest) = trail.outside.read()
    assert [(one.tenant, one.size) for one in read_record(newest)[1]] == [(TENANT, COUNT + 4)]


def test_a_kept_hash_of_a_subtree_that_is_changed_is_named(trail: Trail) -> None:
    """It could make proofs fail: edited, at the entries of which it is; one that is not there is not missed."""
    trail.record(300)
    assert trail.verify().whole
    trail.attack("UPDATE amanah_subtree SET hash = :x WHERE tenant_id = 'klinik-a'", x=b"\1" * 32)
    finding = trail.finding()
    assert (finding.kind, finding.position, finding.last) == ("edited", 0, 255)
    trail.attack("DELETE FROM amanah_subtree")
    assert trail.verify().whole
