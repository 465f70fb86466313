"""The tutorial, walked with the legacy example: a sync Starlette app of several companies."""

from __future__ import annotations

import io
import json
from contextlib import closing
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.adoption.walk.harness import OTHER_DATABASE, Walk, eventually
from tests.integration.adoption.walk.journey import journey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SEALED = {
    "pengguna": ["nama", "email"],
    "pelanggan": ["alamat", "no_hp", "email", "nik", "npwp", "tgl_lahir"],
    "karyawan": ["no_hp", "gaji"],
    "kwitansi": ["diterima_dari", "no_hp"],
    "servis": ["no_polisi"],
    "pesan_keluar": ["tujuan", "isi"],
}
READABLE = {"pelanggan": ["nama"], "karyawan": ["nama"], "servis": ["keluhan"]}
PASSWORD = "rahasia123"


class _Form(HTMLParser):
    """What a browser would send back of a form."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._open = ""
        self._text = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("input", "textarea", "select"):
            self._open, self._text = values.get("name") or "", tag == "textarea"
            self.fields[self._open] = values.get("value") or ""
        elif tag == "option" and "selected" in values:
            self.fields[self._open] = values.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._text:
            self.fields[self._open] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = False


class Visits:
    """What the people of one company do in a day."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.days = 0
        self.looks = 0
        self._cookies: Any = None

    def login(self, who: str) -> Any:
        """A browser that has logged in."""
        client = self.walk.client()
        answer = client.post("/login", data={"email": f"{who}.example.com", "sandi": PASSWORD})
        assert answer.status_code == 303, answer.text
        return client

    def look(self) -> None:
        """One short visit, of those that go on while everything is changed underneath."""
        self.looks += 1
        if self._cookies is None:
            with closing(self.login("kasir@surabaya")) as client:
                self._cookies = client.cookies
        with self.walk.client() as client:
            client.cookies = self._cookies
            assert client.get("/pelanggan").status_code == 200
            assert client.get("/api/pelanggan?q=0811900001").status_code == 200
            path = f"/pelanggan/{1 + self.looks % 5}"
            form = _Form()
            form.feed(client.get(f"{path}/ubah").text)
            phone = f"0813777{self.looks:05d}"
            assert client.post(f"{path}/ubah", data=form.fields | {"no_hp": phone}).status_code == 303
            assert phone in client.get(path).text

    def day(self) -> None:
        """Everything that the application can do."""
        self.days += 1
        n = self.days
        with self.walk.client() as stranger:
            assert stranger.get("/").headers["location"] == "/login"
            assert stranger.get("/api/saya").status_code == 401
            assert (
                stranger.post("/login", data={"email": "kasir@surabaya.example.com", "sandi": "x"}).status_code == 401
            )
        with closing(self.login("pemilik@surabaya")) as client, closing(self.login("kasir@surabaya")) as till:
            assert client.get("/api/saya").json()["email"] == "pemilik@surabaya.example.com"
            new = {"nama": f"Hari Ke-{n}", "alamat": f"Jl. Kenari Jingga {n}", "no_hp": f"08119000{n:03d}"}
            new |= {
                "email": f"hari{n}@contoh.example",
                "nik": f"35780145019{n:05d}",
                "npwp": "",
                "tgl_lahir": "1971-02-03",
            }
            made = till.post("/api/pelanggan", json={name: value for name, value in new.items() if value})
            assert made.status_code == 201, made.text
            number = made.json()["id"]
            assert made.json()["nik"] == new["nik"]
            for q in (new["no_hp"], new["email"], new["nama"][:7]):
                assert eventually(lambda q=q: till.get("/api/pelanggan", params={"q": q}).json()["jumlah"]), q
            assert till.post("/api/pelanggan", json={**made.json(), "nik": None}).status_code == 409
            self._files(client, new, n)
            self._sale(client, till, number, new, n)
            assert new["nama"] in client.get("/laporan/penjualan").text
            assert client.get("/laporan/piutang").status_code == 200
            assert client.get("/karyawan").status_code == 200
            assert client.post("/karyawan/1", data={"gaji": "7654321", "no_hp": f"08129000{n:03d}"}).status_code == 303
            service = {"pelanggan_id": number, "mekanik_id": 1, "no_polisi": f"L {7000 + n} ZZ", "keluhan": "Rem blong"}
            assert till.post("/api/servis", json=service).json()["no_hp"] == new["no_hp"]
            eventually(lambda: f"L {7000 + n} ZZ" in till.get("/api/servis").text)

    def _files(self, client: Any, new: dict[str, str], n: int) -> None:
        assert new["email"] in client.get("/pelanggan/ekspor.csv").text
        line = f"Impor {n},Jl. Berkas Ungu {n},08139000{n:03d},impor{n}@contoh.example,,,1969-08-0{n % 9 + 1}\n"
        file = io.BytesIO(b"nama,alamat,no_hp,email,nik,npwp,tgl_lahir\n" + line.encode())
        assert client.post("/pelanggan/impor", files={"berkas": ("p.csv", file, "text/csv")}).status_code == 303
        found = client.get("/api/pelanggan", params={"q": f"impor{n}@contoh.example"}).json()
        assert found["data"][0]["alamat"] == f"Jl. Berkas Ungu {n}"

    def _sale(self, client: Any, till: Any, number: int, new: dict[str, str], n: int) -> None:
        goods = till.get("/api/produk").json()[0]
        sold = till.post(
            "/api/faktur", json={"pelanggan_id": number, "baris": [{"produk_id": goods["id"], "jumlah": 1}]}
        )
        assert sold.status_code == 201, sold.text
        path = f"/faktur/{sold.json()['id']}"
        eventually(lambda: till.get(path).status_code == 200)
        assert till.post(f"{path}/pengingat").status_code == 303
        assert till.post(f"{path}/kwitansi").status_code == 303
        eventually(lambda: f"diterima dari {new['nama']}" in till.get(path).text)
        paid = json.dumps(
            {"nomor": sold.json()["nomor"], "referensi": f"hari-{n}", "jumlah": sold.json()["total"]}
        ).encode()
        signed = {"X-Signature": sign(paid), "Content-Type": "application/json"}
        assert client.post("/callback/pembayaran", content=paid, headers=signed).json() == {"status": "diterima"}
        assert client.post("/callback/pembayaran", content=paid, headers={"X-Signature": "0"}).status_code == 403
        self.work()

    def work(self) -> None:
        """The queue is done by the command that the tutorial has come to."""
        module = "protected_worker" if (self.walk.work / "legacy" / "protected_worker.py").exists() else "worker"
        said = self.walk.run(f"python -m legacy.{module}" + (" --once" if module == "worker" else ""))
        assert "pekerjaan selesai" in said


def sign(body: bytes) -> str:
    """As the payment gateway does."""
    import hashlib
    import hmac

    return hmac.new(b"kunci-dari-gerbang-pembayaran", body, hashlib.sha256).hexdigest()


@OTHER_DATABASE
def test_the_walk_of_the_legacy_app(tmp_path: Path) -> None:
    """Bare to enforced: its tests pass, nothing is answered 5xx, no sealed value is left in the clear."""
    walk = Walk("legacy", tmp_path, "legacy.asgi:app")
    journey(walk, Visits(walk), SEALED, READABLE)


@pytest.mark.postgresql
def test_the_walk_of_the_legacy_app_on_postgresql(tmp_path: Path, postgres_database: str) -> None:
    """The same on the database that it has in production."""
    walk = Walk("legacy", tmp_path, "legacy.asgi:app", postgres_database)
    journey(walk, Visits(walk), SEALED, READABLE, suites=False)
