"""The tutorial, walked with the pharmacy: FastAPI, async sessions, a second engine, one fixed tenant."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.adoption.walk.harness import OTHER_DATABASE, Walk, eventually
from tests.integration.adoption.walk.journey import journey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SEALED = {
    "akun": ["nama"],
    "pasien": ["tanggal_lahir", "alamat", "telepon", "email", "nik", "alergi"],
    "dokter": ["nomor_sip", "telepon", "email"],
    "resep": ["diagnosa", "catatan"],
    "resep_obat": ["aturan_pakai"],
    "label": ["teks"],
    "pembayaran": ["pembayar"],
}
# Ibuprofen is an allergy, and stands on the shelf.
READABLE = {"akun": ["email"], "dokter": ["nama"], "log": ["keterangan"], "pasien": ["nama"]}


class Visits:
    """What the people of the pharmacy do in a day."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.days = 0
        self.looks = 0
        self._tokens: dict[str, str] = {}

    def login(self, who: str) -> Any:
        """Somebody with a token, which is good for a day."""
        if who not in self._tokens:
            with self.walk.client() as client:
                form = {"username": f"{who}@apoteksehat.co.id", "password": "apotek-sehat"}
                answer = client.post("/token", data=form)
                assert answer.status_code == 200, answer.text
                self._tokens[who] = answer.json()["access_token"]
        return self.walk.client(Authorization=f"Bearer {self._tokens[who]}")

    def look(self) -> None:
        """One short visit, of those that go on while everything is changed underneath."""
        self.looks += 1
        with self.login("budi") as client:
            assert client.get("/pasien").status_code == 200
            path = f"/pasien/{1 + self.looks % 5}"
            patient = client.get(path).json()
            patient["telepon"] = f"0813777{self.looks:05d}"
            assert client.put(path, json=patient).json() == patient
            found = eventually(lambda: client.get("/pasien", params={"telepon": patient["telepon"]}).json())
            assert [one["id"] for one in found] == [patient["id"]]

    def day(self) -> None:
        """Everything that the application can do."""
        self.days += 1
        n = self.days
        with self.walk.client() as stranger:
            answer = stranger.get("/pasien")
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert stranger.get("/obat").status_code == 200
            assert stranger.post("/token", data={"username": "x@example.com", "password": "x"}).status_code == 401
            preflight = {"Origin": "http://localhost:5173", "Access-Control-Request-Method": "PUT"}
            assert stranger.options("/pasien/1", headers=preflight).status_code == 200
        self._tokens.clear()
        with self.login("budi") as till, self.login("sari") as chemist, self.login("admin") as boss:
            assert till.get("/saya").json()["nama"] == "Budi Hartono"
            assert till.get("/dokter").status_code == 200
            new = {
                "nama": f"Hari Ke-{n}", "tanggal_lahir": "1971-02-03", "alamat": f"Jl. Kenari Jingga {n}",
                "telepon": f"08119000{n:04d}", "email": f"hari{n}@contoh.example", "nik": f"31740145019{n:05d}",
                "alergi": f"Serbuk kenari {n}",
            }  # fmt: skip
            made = till.post("/pasien", json=new)
            assert made.status_code == 201, made.text
            patient = made.json()
            assert {name: patient[name] for name in new} == new
            eventually(lambda: till.get("/pasien", params={"telepon": new["telepon"]}).json())
            eventually(lambda: till.get("/pasien", params={"nama": new["nama"]}).json())
            assert till.post("/pasien", json=new).status_code == 409
            assert (
                chemist.patch(f"/pasien/{patient['id']}/alergi", json={"alergi": f"Sulfa jingga {n}"}).status_code
                == 204
            )
            eventually(lambda: till.get(f"/pasien/{patient['id']}").json()["alergi"] == f"Sulfa jingga {n}")
            assert new["alamat"] in boss.get("/pasien/ekspor.csv").text
            doctor = {"nama": f"dr. Kenari {n}", "nomor_sip": f"SIP/77{n:02d}/2026", "telepon": f"0821900{n:04d}"}
            assert chemist.post("/dokter", json=doctor).status_code == 201
            eventually(lambda: doctor["nomor_sip"] in till.get("/dokter").text)
            self._prescription(chemist, till, patient, n)
            assert boss.get("/log").status_code == 200
            assert till.get(f"/pasien/{patient['id']}/resep").status_code == 403

    def _prescription(self, chemist: Any, till: Any, patient: dict[str, Any], n: int) -> None:
        line = {"obat_id": 1, "jumlah": 2, "aturan_pakai": f"{n} x 1 dengan kenari"}
        said = {"pasien_id": patient["id"], "dokter_id": 1, "diagnosa": f"Alergi kenari {n}", "baris": [line]}
        made = chemist.post("/resep", json=said)
        assert made.status_code == 201, made.text
        path, number = f"/resep/{made.json()['id']}", made.json()["nomor"]
        assert chemist.get(path).json() == made.json()
        assert chemist.get(f"/pasien/{patient['id']}/resep").json() == [made.json()]
        assert f"Sulfa jingga {n}" in chemist.post(f"{path}/label").text
        report = till.get("/laporan/resep", params={"tanggal": made.json()["tanggal"]}).json()
        assert next(one for one in report if one["nomor"] == number)["telepon"] == patient["telepon"]
        body = json.dumps(
            {"referensi": f"hari-{n}", "nomor": number, "jumlah": 1000, "pembayar": f"Wati Kenari {n}"}
        ).encode()
        signed = hmac.new(b"kunci-callback-ganti-di-produksi-9876543210", body, hashlib.sha256).hexdigest()
        for headers, status in (({"X-Signature": signed}, 200), ({"X-Signature": "0"}, 401), ({}, 422)):
            assert till.post("/pembayaran/callback", content=body, headers=headers).status_code == status
        eventually(lambda: chemist.get(path).json()["status"] == "lunas")


def test_the_walk_of_the_pharmacy(tmp_path: Path) -> None:
    """Bare to enforced: its tests pass, nothing is answered 5xx, no sealed value is left in the clear."""
    walk = Walk("apotek", tmp_path, "apotek.main:app")
    journey(walk, Visits(walk), SEALED, READABLE, chance={"Ibuprofen"})


@OTHER_DATABASE
@pytest.mark.postgresql
def test_the_walk_of_the_pharmacy_on_postgresql(tmp_path: Path, postgres_database: str) -> None:
    """The same on the database that it has in production."""
    walk = Walk("apotek", tmp_path, "apotek.main:app", postgres_database.replace("+psycopg", "+asyncpg"))
    journey(walk, Visits(walk), SEALED, READABLE, chance={"Ibuprofen"}, suites=False)
