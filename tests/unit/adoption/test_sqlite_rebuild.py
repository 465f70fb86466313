"""A table of SQLite's is made anew with its own words."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, inspect

from amanah.adoption.sqlite_rebuild import TableWords, rebuild, words_of
from amanah.errors import ForeignKeysOn, TableNotUnderstood

THEIRS = """CREATE TABLE "pelanggan" (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- key, with a comma
    "no hp" VARCHAR(20) COLLATE NOCASE CONSTRAINT hp_ada NOT NULL ON CONFLICT ABORT UNIQUE,
    harga NUMERIC(10, 2) DEFAULT (1 + 2) NOT NULL CHECK (harga IS NOT NULL AND harga >= 0),
    bulat INTEGER GENERATED ALWAYS AS (harga * 2) VIRTUAL,
    `catatan` TEXT DEFAULT ', NOT NULL )', /* NOT NULL */
    CONSTRAINT uq_hp UNIQUE ("no hp", harga),
    CHECK (length("no hp") < 30)
)"""


@pytest.fixture
def engine(tmp_path):
    made = create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    with made.begin() as connection:
        connection.exec_driver_sql(THEIRS)
        connection.exec_driver_sql('CREATE INDEX ix_lower ON pelanggan (lower("no hp") DESC) WHERE harga > 0')
        connection.exec_driver_sql("CREATE INDEX ix_harga ON pelanggan (harga)")
        connection.exec_driver_sql("CREATE VIEW mahal AS SELECT id FROM pelanggan WHERE harga > 5")
        connection.exec_driver_sql("CREATE TABLE catatan (id INTEGER PRIMARY KEY, siapa REFERENCES pelanggan(id))")
        connection.exec_driver_sql(
            "CREATE TRIGGER tr AFTER INSERT ON pelanggan BEGIN INSERT INTO catatan (siapa) VALUES (NEW.id); END"
        )
        connection.exec_driver_sql("INSERT INTO pelanggan (\"no hp\", harga) VALUES ('0812', 7), ('0813', 8), ('x', 9)")
        connection.exec_driver_sql("DELETE FROM catatan")
        connection.exec_driver_sql("DELETE FROM pelanggan WHERE id = 3")
    yield made
    made.dispose()


def test_only_the_wanted_words_change():
    """A constraint goes with its name and its ON CONFLICT; what merely reads like one stays."""
    words = TableWords(THEIRS)
    words.let_be_null("no hp")
    words.drop_unique(["no hp"])
    words.drop_unique(["no hp", "HARGA"])
    words.demand("catatan")
    words.add_unique('"uq_baru"', ['"harga"'])
    text = words.create('"x"')
    assert '"no hp" VARCHAR(20) COLLATE NOCASE  ,' in text
    assert "uq_hp" not in text
    assert "DEFAULT (1 + 2) NOT NULL CHECK (harga IS NOT NULL AND harga >= 0)" in text
    assert "`catatan` TEXT DEFAULT ', NOT NULL )' NOT NULL," in text
    assert 'CONSTRAINT "uq_baru" UNIQUE ("harga")' in text


def test_all_that_belongs_to_a_table_is_still_there(engine):
    """Rows, indexes, triggers, checks, views, references and the counter of keys outlive it."""
    with engine.begin() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        words = words_of(connection, "pelanggan")
        words.let_be_null("no hp")
        rebuild(connection, "pelanggan", words, without=["IX_HARGA"])
        assert not connection.exec_driver_sql("PRAGMA legacy_alter_table").scalar()
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO pelanggan (harga) VALUES (10)")
        assert connection.exec_driver_sql("SELECT max(id) FROM pelanggan").scalar() == 4  # 3 is not given again
        assert connection.exec_driver_sql("SELECT siapa FROM catatan").scalars().all() == [4]
        assert connection.exec_driver_sql("SELECT count(*) FROM mahal").scalar() == 3
        assert connection.exec_driver_sql("SELECT bulat FROM pelanggan WHERE id = 1").scalar() == 14
        names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE sql NOT NULL").scalars().all()
    assert "ix_lower" in names
    assert "ix_harga" not in names
    assert inspect(engine).get_foreign_keys("catatan")[0]["referred_table"] == "pelanggan"


def test_foreign_keys_that_are_on_stop_it(engine):
    """Dropping the old table would delete the rows that point to it."""
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        with pytest.raises(ForeignKeysOn):
            rebuild(connection, "pelanggan", words_of(connection, "pelanggan"))


def test_a_table_of_another_form_is_refused(engine):
    """No guess is made about words that are not understood."""
    with engine.begin() as connection, pytest.raises(TableNotUnderstood):
        words_of(connection, "tidak_ada")
