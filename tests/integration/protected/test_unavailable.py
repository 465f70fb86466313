"""A part of the house is away: 503 or no start at all, no data, nothing half-done, and all is well once it is back."""

from __future__ import annotations

import json
import stat

import pytest

from amanah.encryption.file_provider import FileKeyProvider
from amanah.errors import DatabaseNotMigrated, KeyFileMissing, KeyFileUnreadable, KeyFileWrong
from amanah.i18n import translate
from iconix.seed import DEMO_CUSTOMER_ID

PATH = f"/api/customers/{DEMO_CUSTOMER_ID}"
CASHIER = "kasir@sinar-jaya"
NAME = "Budi Santoso"
BODY = {"name": "Toko Setengah Jadi", "phone": "0812 0000 9999"}
AWAY = ("trail-unavailable", DatabaseNotMigrated.code)
BORN = {"name": "Wawan Setengah", "birth_date": "1988-04-11", "gender": "male"}


def customers(house) -> int:
    return house.rows("SELECT count(*) FROM customer")[0][0]


def unavailable(answer, *codes: str) -> None:
    """503 as a problem document with a hint when to try again, and not one byte of data."""
    assert answer.status == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.body["code"] in codes
    assert NAME not in answer.text
    assert "8123456" not in answer.text


def does_not_start(house) -> str:
    """The server ends at once; what it said."""
    with pytest.raises(AssertionError) as stopped, house.serving():
        pass
    return str(stopped.value)


# -- the key file ------------------------------------------------------------------------------------------------------


def test_server_does_not_start_without_the_key_file(sqlite_house):
    """A key file that is gone is never replaced by a new one; restored, the server serves what was sealed before."""
    file = sqlite_house.state.key_file
    away = file.with_suffix(".away")
    file.rename(away)
    said = does_not_start(sqlite_house)
    assert KeyFileMissing(path=file).sentence() in said
    assert not file.exists()
    away.rename(file)
    with sqlite_house.serving() as server:
        assert server.get(CASHIER, PATH, "billing").body["name"] == NAME


@pytest.mark.parametrize("damage", ["open to others", "no keys", "cut off", "a folder"])
def test_server_does_not_start_with_an_unusable_key_file(sqlite_house, damage):
    """Readable by others, of another format, or no file: refused with the path and the reason, not with its content."""
    file = sqlite_house.state.key_file
    secret = json.loads(file.read_text())["keys"]
    if damage == "open to others":
        file.chmod(0o644)
    elif damage == "no keys":
        file.write_text('{"keys": {}}')
    elif damage == "cut off":
        file.write_text(file.read_text()[:-20])
    else:
        file.unlink()
        file.mkdir(mode=0o700)
    said = does_not_start(sqlite_house)
    assert KeyFileUnreadable.__name__ in said
    assert str(file) in said
    assert not any(key in said for key in secret.values())


def test_wrong_key_file_opens_and_writes_nothing(own_house):
    """Another installation's key file: the first request is refused, in both languages; nothing is written."""
    house = own_house
    with house.serving() as server:
        server.token(CASHIER)
    file = house.state.key_file
    right = file.with_suffix(".right")
    file.rename(right)
    FileKeyProvider.create(file)
    before = customers(house)
    with house.serving() as server:
        for language in ("en", "id"):
            answer = server.get(CASHIER, PATH, "billing", headers={"Accept-Language": language})
            unavailable(answer, KeyFileWrong.code)
            assert answer.body["title"] == translate(KeyFileWrong.what, language)
            assert answer.body["remedy"] == translate(KeyFileWrong.remedy, language)
        unavailable(server.post(CASHIER, "/api/customers", "billing", json=BODY), KeyFileWrong.code)
        assert server.client.get("/health").status_code == 200
    assert customers(house) == before
    right.replace(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with house.serving() as server:
        assert server.get(CASHIER, PATH, "billing").body["name"] == NAME
    assert house.sequence().whole


# -- the database ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["amanah_version", "amanah_key"])
def test_tables_of_amanah_that_are_missing(own_house, table):
    """Not migrated: 503 and no data, nothing half-done; migrated, all is as it was."""
    house = own_house
    before = customers(house)
    with house.serving() as server:
        server.token(CASHIER)
    house.write(f"ALTER TABLE {table} RENAME TO away")
    with house.serving() as server:
        codes = (DatabaseNotMigrated.code, "policy-unavailable", "keys-unavailable")
        unavailable(server.get(CASHIER, PATH, "billing"), *codes)
        unavailable(server.post(CASHIER, "/api/customers", "billing", json=BODY), *codes)
        assert customers(house) == before
        house.write(f"ALTER TABLE away RENAME TO {table}")
        assert server.get(CASHIER, PATH, "billing").body["name"] == NAME
        assert server.post(CASHIER, "/api/customers", "billing", json=BODY).status == 201
    assert customers(house) == before + 1
    assert house.sequence().whole


def test_tables_of_the_application_that_are_missing(own_house):
    """The app's own error stays the app's: no data, an entry, and Amanah goes on."""
    house = own_house
    with house.serving() as server:
        server.token(CASHIER)
        house.write("ALTER TABLE product RENAME TO away")
        answer = server.get(CASHIER, "/api/products", "billing")
        assert answer.status == 500
        assert answer.entry("access")["outcome"] == "failed"
        assert server.get(CASHIER, PATH, "billing").status == 200
        house.write("ALTER TABLE away RENAME TO product")
        assert server.get(CASHIER, "/api/products", "billing").status == 200


def test_database_that_was_never_migrated(own_house):
    """An empty database beside a key file: the server says what to run, and serves nothing."""
    house = own_house
    with house.serving() as server:
        token = server.token(CASHIER)
    drop_everything(house)
    with house.serving() as server:
        headers = {"Authorization": f"Bearer {token}", "Amanah-Purpose": "billing"}
        for language in ("en", "id"):
            answer = server.client.get(PATH, headers={**headers, "Accept-Language": language})
            assert answer.status_code == 503, answer.text
            assert answer.json()["code"] == DatabaseNotMigrated.code
            assert answer.json()["remedy"] == translate(DatabaseNotMigrated.remedy, language)


def drop_everything(house) -> None:
    """Every table of the application's database, and with it Amanah's own."""
    if house.files:
        house.close()
        for path in house.folder.glob("iconix.db*"):
            path.unlink()
        return
    house.write("DROP SCHEMA public CASCADE")
    house.write("CREATE SCHEMA public")


# -- the trail ---------------------------------------------------------------------------------------------------------


def test_trail_that_cannot_be_written(own_house):
    """While the trail is away nothing is read, nothing is written and nothing half-done; afterwards all goes on."""
    house = own_house
    before = customers(house)
    patients = house.rows("SELECT count(*) FROM patient")
    desk = "pendaftaran@klinik-melati"
    with house.serving() as server:
        server.token(CASHIER)
        server.token(desk)
        house.write("ALTER TABLE amanah_queued RENAME TO away", trail=True)
        titles = set()
        for language in ("en", "id"):
            answer = server.get(CASHIER, PATH, "billing", headers={"Accept-Language": language})
            unavailable(answer, *AWAY)
            assert answer.headers["content-language"] == language
            titles.add(answer.body["title"])
        assert len(titles) == 2
        unavailable(server.get(CASHIER, "/api/customers", "billing"), *AWAY)
        unavailable(server.get(CASHIER, "/api/nothing"), *AWAY)  # a refusal cannot be recorded either
        unavailable(server.post(desk, "/api/patients", "registration", json=BORN), *AWAY)
        assert server.client.get("/health").status_code == 200
        house.write("ALTER TABLE away RENAME TO amanah_queued", trail=True)
        answer = server.get(CASHIER, PATH, "billing")
        assert (answer.status, answer.body["name"]) == (200, NAME)
        # Once more before the handler ran, because the trail was not known to be back.
        assert [one["status"] for one in answer.entries("access")] == [None, 200]
        assert server.post(CASHIER, "/api/customers", "billing", json=BODY).status == 201
        assert server.post(desk, "/api/patients", "registration", json=BORN).status == 201
    assert customers(house) == before + 1
    assert house.rows("SELECT count(*) FROM patient")[0][0] == patients[0][0] + 1
    assert house.sequence().whole


def test_write_while_the_trail_is_away(own_house):
    """The very first one that meets the missing trail leaves nothing behind, like all after it."""
    house = own_house
    before = customers(house)
    with house.serving() as server:
        server.token(CASHIER)
        house.write("ALTER TABLE amanah_queued RENAME TO away", trail=True)
        for _ in range(3):
            unavailable(server.post(CASHIER, "/api/customers", "billing", json=BODY), *AWAY)
            assert customers(house) == before
        house.write("ALTER TABLE away RENAME TO amanah_queued", trail=True)
        assert server.post(CASHIER, "/api/customers", "billing", json=BODY).status == 201
    assert customers(house) == before + 1
    assert house.sequence().whole


def test_write_whose_entry_cannot_be_staged_leaves_no_row(own_house):
    """Where the entry of a write cannot be kept, the write is not kept either."""
    house = own_house
    before = customers(house)
    with house.serving() as server:
        server.token(CASHIER)
        house.write("ALTER TABLE amanah_staged RENAME TO away")
        for language in ("en", "id"):
            headers = {"Accept-Language": language}
            answer = server.post(CASHIER, "/api/customers", "billing", json=BODY, headers=headers)
            unavailable(answer, DatabaseNotMigrated.code)
            assert answer.body["remedy"] == translate(DatabaseNotMigrated.remedy, language)
            assert "Toko Setengah Jadi" not in answer.text
        assert customers(house) == before
        house.write("ALTER TABLE away RENAME TO amanah_staged")
        assert server.post(CASHIER, "/api/customers", "billing", json=BODY).status == 201
    assert customers(house) == before + 1
    assert house.sequence().whole
