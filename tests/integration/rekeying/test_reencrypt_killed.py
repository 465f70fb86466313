"""`amanah reencrypt` is killed with SIGKILL wherever it happens to be, and run again."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from sqlalchemy import select

from amanah.rekeying.reencrypt import reencrypt
from tests import ready
from tests.rekeying_world import OPS, acts, new_data_keys

ROOT = Path(__file__).parents[3]
ROWS, BATCH, MOMENTS = 24, 3, (1, 2, 5, 9)

CHILD = '''"""Runs that end by SIGKILL, each in a child of its own: forked, so that Python starts once."""
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import pytest
from sqlalchemy import Engine, event
from tests import sql_world
from amanah.rekeying.reencrypt import reencrypt

url, folder, batch = sys.argv[1], Path(sys.argv[2]), int(sys.argv[4])
for number in map(int, sys.argv[5:]):
    child = os.fork()
    if child == 0:
        seen = 0
        world = sql_world.build(url, folder, tenants=())
        def die(connection, cursor=None, sql="", *_):
            global seen
            seen += bool(seen or "UPDATE customer" in sql)
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)
        event.listen(Engine, "after_cursor_execute", die)
        event.listen(Engine, "commit", die)
        reencrypt(world.guard, operator="operator:ops", batch=batch)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
'''


def test_a_run_that_was_killed_is_run_again(books, tmp_path):
    """Whichever statement or commit it was at: nothing is lost, and the last run moves what is left and no more."""
    m = books.m
    with books.session() as session:
        session.add_all([m.Customer(id=f"c{n:02}", name=f"N {n}", phone="0812 1") for n in range(ROWS)])
        session.commit()
    new_data_keys(books.guard)
    begun = len(acts(books.guard, "a"))
    child = ready.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, books.url, tmp_path, ROOT, str(BATCH), *map(str, MOMENTS)],
        timeout=300,
        env={**os.environ, "PYTEST_CURRENT_TEST": ""},
    )
    assert child.stdout.split() == [str(int(signal.SIGKILL))] * len(MOMENTS), child.stderr

    stored = books.stored("SELECT id, name, phone FROM customer WHERE tenant_id = 'a'")
    old = sum(bytes(value)[4] == 1 for _, *values in stored for value in values)
    assert 0 < old < 2 * (ROWS + 2)
    found = {one.column: one for one in reencrypt(books.guard, ["customer"], tenant="a", operator=OPS)}
    assert found["name"].moved + found["phone"].moved == old
    assert all(one.whole for one in found.values())
    with books.session() as session:
        names = {one.id: one.name for one in session.scalars(select(m.Customer).where(m.Customer.phone == "0812 1"))}
    assert names == {f"c{n:02}": f"N {n}" for n in range(ROWS)}
    told = [one["act"] for one in acts(books.guard, "a")[begun:]]
    assert told[-2:] == ["reencrypt.begin", "reencrypt.end"]
    assert told.count("reencrypt.begin") > told.count("reencrypt.end")
