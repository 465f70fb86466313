"""Attack: make a hand-over, change one, use one of another tenant or installation, or use one twice."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from amanah.database import core, own_engine
from amanah.encryption.file_provider import FileKeyProvider
from amanah.encryption.keyring import Keyring
from amanah.encryption.netstrings import netstring
from amanah.errors import AmanahError, HandoffForged, HandoffUsed
from amanah.middleware.handoff import Handoff
from amanah.testing import trail_of

BOSS = Handoff(
    id="0" * 32,
    actor="boss",
    actor_kind="member",
    strength="",
    purpose="billing",
    parent="0" * 32,
    route=None,
    request=None,
    expires=2**60,
)
WORKER = Path(__file__).parent.parent / "handoff_worker.py"


def hand_over(books: Any, tenant: str = "a", actor: str = "viewer") -> str:
    """A genuine one."""
    with books.access(tenant, actor) as access:
        return access.handoff(seconds=600)


def refused(books: Any, text: str) -> None:
    """It opens nothing and uses nothing up."""
    with pytest.raises(HandoffForged), books.guard.resume(text):
        pytest.fail("a forged hand-over opened an access")


def test_no_letter_can_be_changed(books: Any) -> None:
    """Each of them is under the seal, the tenant's name as well; it is on the record of the tenant that it names."""
    text = hand_over(books)
    head, body = text.rsplit(".", 1)
    for at in range(0, len(body), 7):
        swapped = body[:at] + ("A" if body[at] != "A" else "B") + body[at + 1 :]
        refused(books, f"{head}.{swapped}")
    for cut in (body[:-1], body[:-4], body[4:], body + "AAAA", body * 2, body[:40]):
        refused(books, f"{head}.{cut}")
    entry = next(one for one in trail_of(books.guard, "a") if one.kind == "refusal")
    assert (entry.refusal, entry.actor, entry.actor_kind) == ("handoff-forged", "anonymous", "anonymous")
    with books.guard.resume(text):
        pass


def test_a_text_that_only_looks_like_it_is_refused(books: Any) -> None:
    """White space, padding, the other alphabet, another version, another letter case."""
    text = hand_over(books)
    for attempt in (
        f" {text}",
        f"{text}\n",
        f"{text}=",
        text.replace("amh1", "amh2"),
        text.replace("amh1", "AMH1"),
        text.upper(),
        text.replace("amh1.a.", "amh1..a."),
        text + "\u0660",
        text + "A" * 5000,
    ):
        refused(books, attempt)


def test_it_belongs_to_its_tenant(books: Any) -> None:
    """The same envelope under another tenant's name, or under the platform's, is nobody's."""
    envelope = hand_over(books).rsplit(".", 1)[1]
    for tenant in ("b", "platform", "nobody"):
        refused(books, f"amh1.{tenant}.{envelope}")
    assert "handoff-forged" in [one.refusal for one in trail_of(books.guard, "b")]


def test_an_actor_cannot_be_written_into_it(books: Any) -> None:
    """Neither in clear nor under keys of one's own; nor is a cell that was sealed for a column taken for one."""
    boss = json.dumps(asdict(BOSS)).encode()
    refused(books, "amh1.a." + base64.urlsafe_b64encode(boss).decode().rstrip("="))
    with books.access("b") as access:
        stolen = access.cipher.seal("amanah/handoff", netstring("amanah/handoff"), boss)
    refused(books, "amh1.a." + base64.urlsafe_b64encode(stolen).decode().rstrip("="))
    with books.access("a") as access:
        for field in ("customer.name", "amanah.handoff", "trail.reason"):
            cell = access.cipher.seal(field, netstring(field), boss)
            refused(books, "amh1.a." + base64.urlsafe_b64encode(cell).decode().rstrip("="))
        genuine = BOSS.seal(access.cipher)
    with books.guard.resume(genuine) as access:  # with the keys it can be made, so it was not the form that was refused
        assert access.actor.id == "boss"


def test_another_installations_is_refused(books: Any, tmp_path: Path) -> None:
    """A tenant of the same name elsewhere has other keys."""
    elsewhere = own_engine(f"sqlite:///{tmp_path / 'elsewhere.db'}")
    core.create_all(elsewhere)
    keyring = Keyring(elsewhere, FileKeyProvider.create(tmp_path / "elsewhere.json"))
    with elsewhere.begin() as connection:
        keyring.provision(connection, "a")
    refused(books, BOSS.seal(keyring.cipher("a")))
    elsewhere.dispose()


def test_of_two_that_race_for_it_one_wins(books: Any) -> None:
    """Threads that begin together: one opens, the others are refused, and only one entry says that it opened."""
    text = hand_over(books)
    crowd = 6
    begin = threading.Barrier(crowd)
    outcomes: list[str] = []

    def race() -> None:
        begin.wait()
        try:
            with books.guard.resume(text):
                outcomes.append("opened")
        except AmanahError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=race) for _ in range(crowd)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["handoff-used"] * (crowd - 1) + ["opened"]
    entries = [one for one in trail_of(books.guard, "a") if "handoff" in one.detail]
    assert sorted(one.kind for one in entries) == ["job"] + ["refusal"] * (crowd - 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_of_two_forked_workers_one_wins(books: Any) -> None:
    """A server that forks its workers after it has worked: each asks over connections of its own."""
    text = hand_over(books)
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            try:
                with books.guard.resume(text):
                    os._exit(0)
            except HandoffUsed:
                os._exit(3)
            except BaseException:  # noqa: BLE001 - a child of a test must end here
                os._exit(1)
        children.append(child)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert codes == [0, 3]
    with pytest.raises(HandoffUsed), books.guard.resume(text):
        pass


def test_kill_9_between_taking_and_doing_uses_it_up(books: Any) -> None:
    """At most once: the dead worker's hand-over is not taken a second time, and the trail has that it was opened."""
    text = hand_over(books)
    state = str(books.guard.settings.key_file.parent)
    with subprocess.Popen(
        [sys.executable, WORKER, books.engine.url.render_as_string(hide_password=False), state],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(f"{text}\n")
        worker.stdin.flush()
        opened = worker.stdout.readline().strip()
        worker.send_signal(signal.SIGKILL)
    assert opened
    (entry,) = [one for one in trail_of(books.guard, "a") if one.access == opened]
    assert entry.kind == "job"
    assert "parent" in entry.detail
    with pytest.raises(HandoffUsed), books.guard.resume(text):
        pass


def test_it_cannot_be_used_again_by_deleting_the_trail(books: Any) -> None:
    """What was used is remembered beside the tenants, not in the log."""
    text = hand_over(books)
    with books.guard.resume(text):
        pass
    engine = create_engine(books.guard.trail_engine.url)
    with engine.begin() as connection:
        for table in ("amanah_queued", "amanah_entry"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    engine.dispose()
    with pytest.raises(HandoffUsed), books.guard.resume(text):
        pass
