import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from pydantic import ValidationError

from .conftest import Header

PasienBaru = Callable[..., dict[str, Any]]


def test_create_and_read(client: TestClient, kasir: Header, pasien_baru: PasienBaru, db: sa.Engine) -> None:
    pasien = pasien_baru(nik="3174010101870001")
    assert client.get(f"/pasien/{pasien['id']}", headers=kasir).json() == pasien
    assert pasien["tanggal_lahir"] == "1987-03-14"
    assert pasien["dibuat"]
    with db.begin() as connection:
        query = sa.text("SELECT nama, telepon, email, alergi FROM pasien WHERE id = :id")
        row = connection.execute(query, {"id": pasien["id"]}).one()
    assert tuple(row) == ("Zulaika Basri", "081234567890", "zulaika@example.com", "Penisilin")


def test_nullable_columns_stay_empty(client: TestClient, kasir: Header, pasien_baru: PasienBaru) -> None:
    pasien = pasien_baru(alamat=None, alergi=None)
    answer = client.get(f"/pasien/{pasien['id']}", headers=kasir).json()
    assert (answer["alamat"], answer["nik"], answer["alergi"]) == (None, None, None)


@pytest.mark.parametrize(
    "wrong", [{"email": "bukan"}, {"telepon": "kosong"}, {"nik": "123"}, {"tanggal_lahir": "kemarin"}, {"nama": None}]
)
def test_refused_input(client: TestClient, kasir: Header, pasien_baru: PasienBaru, wrong: dict[str, Any]) -> None:
    isi = pasien_baru() | wrong
    assert client.post("/pasien", json=isi, headers=kasir).status_code == 422


def test_nik_is_unique_and_a_refusal_leaves_nothing(
    client: TestClient, kasir: Header, pasien_baru: PasienBaru, db: sa.Engine
) -> None:
    pertama = pasien_baru(nik="3174010101870002")
    lain = pasien_baru()
    with db.begin() as connection:
        before = connection.scalar(sa.text("SELECT count(*) FROM pasien"))
    assert client.post("/pasien", json=pertama, headers=kasir).status_code == 409
    ubah = lain | {"nik": pertama["nik"], "nama": "Tidak Jadi"}
    assert client.put(f"/pasien/{lain['id']}", json=ubah, headers=kasir).status_code == 409
    with db.begin() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM pasien")) == before
    assert client.get(f"/pasien/{lain['id']}", headers=kasir).json() == lain


def test_search_by_phone_is_exact(client: TestClient, kasir: Header, pasien_baru: PasienBaru) -> None:
    pasien = pasien_baru(nama="Qomar Telepon", telepon="089900112233")
    found = client.get("/pasien", params={"telepon": "089900112233"}, headers=kasir).json()
    assert found == [{kolom: pasien[kolom] for kolom in ("id", "nama", "telepon", "email")}]
    assert client.get("/pasien", params={"telepon": "0899001122"}, headers=kasir).json() == []


def test_search_by_name_prefix_sorted(client: TestClient, kasir: Header, pasien_baru: PasienBaru) -> None:
    for nama in ("Xaverius Candra", "Xaverius Agung", "Xaverius Bimo"):
        pasien_baru(nama=nama)
    found = client.get("/pasien", params={"nama": "Xaver"}, headers=kasir).json()
    assert [pasien["nama"] for pasien in found] == ["Xaverius Agung", "Xaverius Bimo", "Xaverius Candra"]
    page = client.get("/pasien", params={"nama": "Xaver", "batas": 1, "lewati": 1}, headers=kasir).json()
    assert page == found[1:2]
    assert client.get("/pasien", params={"nama": "averius"}, headers=kasir).json() == []


def test_seeded_patients_are_found_again(client: TestClient, kasir: Header, db: sa.Engine) -> None:
    with db.begin() as connection:
        nama, telepon = connection.execute(sa.text("SELECT nama, telepon FROM pasien WHERE id = 7")).one()
    for params in ({"telepon": telepon}, {"nama": nama}):
        found = client.get("/pasien", params=params, headers=kasir).json()
        assert (nama, telepon) in [(pasien["nama"], pasien["telepon"]) for pasien in found]


def test_change(client: TestClient, kasir: Header, pasien_baru: PasienBaru) -> None:
    pasien = pasien_baru()
    ubah = pasien | {"nama": "Zulaika Rahman", "telepon": "+628555000111", "tanggal_lahir": "1987-03-15"}
    answer = client.put(f"/pasien/{pasien['id']}", json=ubah, headers=kasir)
    assert (answer.status_code, answer.json()) == (200, ubah)
    assert client.get(f"/pasien/{pasien['id']}", headers=kasir).json() == ubah
    assert client.put("/pasien/999999", json=ubah, headers=kasir).status_code == 404


def test_only_pharmacists_change_allergies(
    client: TestClient, kasir: Header, apoteker: Header, pasien_baru: PasienBaru
) -> None:
    path = f"/pasien/{pasien_baru()['id']}"
    isi = {"alergi": "Sulfa, kacang tanah"}
    assert client.patch(f"{path}/alergi", json=isi, headers=kasir).status_code == 403
    assert client.patch(f"{path}/alergi", json=isi, headers=apoteker).status_code == 204
    assert client.get(path, headers=kasir).json()["alergi"] == "Sulfa, kacang tanah"
    assert client.patch(f"{path}/alergi", json={"alergi": None}, headers=apoteker).status_code == 204
    assert client.get(path, headers=kasir).json()["alergi"] is None
    assert client.patch("/pasien/999999/alergi", json=isi, headers=apoteker).status_code == 404


def test_delete(
    client: TestClient, kasir: Header, admin: Header, pasien_baru: PasienBaru, resep_baru: dict[str, Any]
) -> None:
    path = f"/pasien/{pasien_baru()['id']}"
    assert client.delete(path, headers=kasir).status_code == 403
    assert client.delete(path, headers=admin).status_code == 204
    assert client.get(path, headers=kasir).status_code == 404
    assert client.delete(f"/pasien/{resep_baru['pasien']['id']}", headers=admin).status_code == 409


def test_reading_is_logged_after_the_response(
    client: TestClient, kasir: Header, admin: Header, pasien_baru: PasienBaru
) -> None:
    pasien = pasien_baru(nama="Yohana Log")
    client.get(f"/pasien/{pasien['id']}", headers=kasir)
    entry = client.get("/log", params={"batas": 1}, headers=admin).json()[0]
    assert (entry["peristiwa"], entry["keterangan"]) == ("lihat pasien", f"{pasien['id']} Yohana Log")
    assert entry["akun_id"] == client.get("/saya", headers=kasir).json()["id"]
    assert client.get("/log", headers=kasir).status_code == 403


@pytest.mark.parametrize("email", ["", "bukan-alamat", "a***@***"])
def test_a_malformed_email_in_the_database_breaks_the_answer(
    tolerant: TestClient, kasir: Header, pasien_baru: PasienBaru, db: sa.Engine, email: str
) -> None:
    pasien = pasien_baru(nama="Wati Rusak", telepon="087711112222")
    query = sa.text("UPDATE pasien SET email = :email WHERE id = :id")
    with db.begin() as connection:
        connection.execute(query, {"email": email, "id": pasien["id"]})
    assert tolerant.get(f"/pasien/{pasien['id']}", headers=kasir).status_code == 500
    assert tolerant.get("/pasien", params={"telepon": "087711112222"}, headers=kasir).status_code == 500
    with db.begin() as connection:
        connection.execute(query, {"email": pasien["email"], "id": pasien["id"]})
    assert tolerant.get(f"/pasien/{pasien['id']}", headers=kasir).status_code == 200


def test_required_fields_of_an_answer(client: TestClient, pasien_baru: PasienBaru) -> None:
    from apotek.models import Pasien
    from apotek.skema import PasienKeluar

    isi = pasien_baru()
    assert PasienKeluar.model_validate(Pasien(**isi)).nama == "Zulaika Basri"
    for kolom in ("nama", "telepon", "email", "tanggal_lahir"):
        with pytest.raises(ValidationError):
            PasienKeluar.model_validate(Pasien(**isi | {kolom: None}))


def test_export(client: TestClient, kasir: Header, admin: Header, pasien_baru: PasienBaru, db: sa.Engine) -> None:
    pasien = pasien_baru(nama="Vera, Koma", alamat='Jl. "Kutip" 1')
    assert client.get("/pasien/ekspor.csv", headers=kasir).status_code == 403
    answer = client.get("/pasien/ekspor.csv", headers=admin)
    assert answer.headers["content-type"].startswith("text/csv")
    assert "pasien.csv" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    with db.begin() as connection:
        assert len(rows) == connection.scalar(sa.text("SELECT count(*) FROM pasien"))
    mine = next(row for row in rows if row["id"] == str(pasien["id"]))
    assert mine == {
        "id": str(pasien["id"]),
        "nama": "Vera, Koma",
        "tanggal_lahir": "1987-03-14",
        "telepon": "081234567890",
        "email": "zulaika@example.com",
        "alamat": 'Jl. "Kutip" 1',
    }
    assert client.get("/log", params={"batas": 1}, headers=admin).json()[0]["peristiwa"] == "ekspor"
