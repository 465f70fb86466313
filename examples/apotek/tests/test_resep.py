import uuid
from typing import Any

import sqlalchemy as sa
from fastapi.testclient import TestClient

from .conftest import Header


def test_create_and_read_with_all_it_belongs_to(
    client: TestClient, apoteker: Header, admin: Header, resep_baru: dict[str, Any]
) -> None:
    answer = client.get(f"/resep/{resep_baru['id']}", headers=apoteker).json()
    assert answer == resep_baru
    assert uuid.UUID(answer["id"]).hex[:8].upper() == answer["nomor"].rpartition("-")[2]
    assert (answer["diagnosa"], answer["catatan"], answer["status"]) == ("ISPA ringan", "Kontrol bila demam", "baru")
    assert answer["pasien"]["nama"] == "Zulaika Basri"
    assert answer["dokter"]["nama"].startswith("dr. ")
    assert [(baris["obat"]["nama"], baris["jumlah"]) for baris in answer["baris"]] == [("Paracetamol 500 mg", 10)]
    entry = client.get("/log", params={"batas": 1}, headers=admin).json()[0]
    assert (entry["peristiwa"], entry["keterangan"]) == ("resep", f"{answer['nomor']} untuk Zulaika Basri")


def test_stock_goes_down_and_never_below_zero(
    client: TestClient, apoteker: Header, resep_baru: dict[str, Any], db: sa.Engine
) -> None:
    obat = resep_baru["baris"][0]["obat"]
    isi = {
        "pasien_id": resep_baru["pasien"]["id"],
        "dokter_id": resep_baru["dokter"]["id"],
        "diagnosa": "Gastritis",
        "baris": [{"obat_id": obat["id"], "jumlah": obat["stok"] + 1, "aturan_pakai": "bila perlu"}],
    }
    assert client.post("/resep", json=isi, headers=apoteker).status_code == 409
    with db.begin() as connection:
        stok = connection.scalar(sa.text("SELECT stok FROM obat WHERE id = :id"), {"id": obat["id"]})
    assert stok == obat["stok"]
    isi["baris"][0]["jumlah"] = 1
    assert client.post("/resep", json=isi, headers=apoteker).json()["baris"][0]["obat"]["stok"] == stok - 1
    for wrong in ({"pasien_id": 999999}, {"dokter_id": 999999}):
        assert client.post("/resep", json=isi | wrong, headers=apoteker).status_code == 404


def test_diagnoses_are_not_for_the_counter(client: TestClient, kasir: Header, resep_baru: dict[str, Any]) -> None:
    assert client.get(f"/resep/{resep_baru['id']}", headers=kasir).status_code == 403
    assert client.get(f"/pasien/{resep_baru['pasien']['id']}/resep", headers=kasir).status_code == 403
    assert client.post(f"/resep/{resep_baru['id']}/label", headers=kasir).status_code == 403


def test_history_of_a_patient(client: TestClient, apoteker: Header, resep_baru: dict[str, Any]) -> None:
    path = f"/pasien/{resep_baru['pasien']['id']}/resep"
    assert client.get(path, headers=apoteker).json() == [resep_baru]
    assert client.get("/pasien/999999/resep", headers=apoteker).status_code == 404
    assert client.get(f"/resep/{uuid.uuid4()}", headers=apoteker).status_code == 404


def test_label_from_a_thread(
    client: TestClient, apoteker: Header, admin: Header, resep_baru: dict[str, Any], db: sa.Engine
) -> None:
    answer = client.post(f"/resep/{resep_baru['id']}/label", headers=apoteker)
    assert answer.headers["content-type"].startswith("text/plain")
    lines = [line.strip("| ") for line in answer.text.splitlines()]
    assert lines[2:5] == [f"No. {resep_baru['nomor']}", "Nama  : Zulaika Basri", "Lahir : 14-03-1987"]
    assert "Paracetamol 500 mg x10: 3 x 1 sesudah makan" in lines
    assert "ALERGI: Penisilin" in lines
    assert len({len(line) for line in answer.text.splitlines()}) == 1

    label = sa.table("label", sa.column("teks"), sa.column("resep_id", sa.Uuid))
    with db.begin() as connection:
        kept = connection.scalar(sa.select(label.c.teks).where(label.c.resep_id == uuid.UUID(resep_baru["id"])))
    assert kept == answer.text
    assert client.get("/log", params={"batas": 1}, headers=admin).json()[0]["peristiwa"] == "label"
    assert client.post(f"/resep/{uuid.uuid4()}/label", headers=apoteker).status_code == 404


def test_report_joins_patients_and_doctors(client: TestClient, kasir: Header, resep_baru: dict[str, Any]) -> None:
    rows = client.get("/laporan/resep", params={"tanggal": resep_baru["tanggal"]}, headers=kasir).json()
    mine = next(row for row in rows if row["nomor"] == resep_baru["nomor"])
    assert mine == {
        "nomor": resep_baru["nomor"],
        "status": "baru",
        "pasien": "Zulaika Basri",
        "telepon": "081234567890",
        "dokter": resep_baru["dokter"]["nama"],
        "total": 5000,
    }
    assert client.get("/laporan/resep", params={"tanggal": "1999-01-01"}, headers=kasir).json() == []


def test_doctors(client: TestClient, kasir: Header, apoteker: Header) -> None:
    isi = {"nama": "dr. Aaron Pertama", "nomor_sip": "SIP/9999/2024", "telepon": "0215550199"}
    assert client.post("/dokter", json=isi, headers=kasir).status_code == 403
    answer = client.post("/dokter", json=isi, headers=apoteker)
    assert (answer.status_code, answer.json()["email"]) == (201, None)
    assert client.post("/dokter", json=isi, headers=apoteker).status_code == 409
    names = [dokter["nama"] for dokter in client.get("/dokter", headers=kasir).json()]
    assert len(names) == 9
    assert names[0] == "dr. Aaron Pertama"


def test_medicines_are_public(client: TestClient) -> None:
    names = [obat["nama"] for obat in client.get("/obat").json()]
    assert names == sorted(names)
    assert [obat["kode"] for obat in client.get("/obat", params={"cari": "METFOR"}).json()] == ["OBT006"]
