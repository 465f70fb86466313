"""Fill a database with invented people, the same every time: `python -m apotek.seed [URL] [--rows N]`."""

import argparse
import asyncio
import random
import uuid
from datetime import date, timedelta
from typing import Any

from faker import Faker
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from . import config
from .keamanan import hash_sandi
from .models import Akun, Base, Dokter, Obat, Pasien, Resep, ResepObat

SANDI = "apotek-sehat"
AKUN = (
    ("sari@apoteksehat.co.id", "Sari Wulandari", "apoteker"),
    ("budi@apoteksehat.co.id", "Budi Hartono", "kasir"),
    ("admin@apoteksehat.co.id", "Ratna Dewi", "admin"),
)
OBAT = (
    ("Paracetamol 500 mg", 500),
    ("Amoxicillin 500 mg", 1200),
    ("Ibuprofen 400 mg", 900),
    ("Cetirizine 10 mg", 700),
    ("Omeprazole 20 mg", 1500),
    ("Metformin 500 mg", 600),
    ("Amlodipine 5 mg", 800),
    ("Simvastatin 20 mg", 1100),
    ("Salbutamol 2 mg", 400),
    ("Captopril 25 mg", 450),
)
ALERGI = (None, None, None, "Penisilin", "Ibuprofen", "Kacang tanah", "Debu rumah", "Makanan laut")
DIAGNOSA = ("Hipertensi esensial", "Diabetes melitus tipe 2", "ISPA", "Gastritis", "Asma bronkial", "Rinitis alergi")
ATURAN = ("3 x 1 sesudah makan", "2 x 1 sebelum makan", "1 x 1 malam hari", "bila perlu")
AWAL = date(2024, 1, 1)
KUMPULAN = 400


class Sumber:
    """Draws people from pools, since inventing every single name would take minutes."""

    def __init__(self, seed: int = 20240501) -> None:
        self.acak = random.Random(seed)
        faker = Faker("id_ID")
        faker.seed_instance(seed)
        self.depan = [faker.first_name() for _ in range(KUMPULAN)]
        self.belakang = [faker.last_name() for _ in range(KUMPULAN)]
        self.alamat = [faker.address().replace("\n", ", ") for _ in range(KUMPULAN)]

    def nama(self) -> str:
        return f"{self.acak.choice(self.depan)} {self.acak.choice(self.belakang)}"

    def telepon(self) -> str:
        return f"08{self.acak.choice((12, 13, 21, 52, 57, 78, 96))}{self.acak.randrange(10**7, 10**8)}"

    def pasien(self, nomor: int) -> dict[str, Any]:
        nama, lahir = self.nama(), date(1940, 1, 1) + timedelta(days=self.acak.randrange(30000))
        return {
            "nama": nama,
            "tanggal_lahir": lahir,
            "alamat": self.acak.choice([*self.alamat[:300], None]),
            "telepon": self.telepon(),
            "email": f"{nama.lower().replace(' ', '.')}{nomor}@example.com",
            "nik": None if nomor % 20 == 0 else f"3174{lahir:%d%m}{nomor:08d}",
            "alergi": self.acak.choice(ALERGI),
        }

    def dokter(self, nomor: int) -> dict[str, Any]:
        nama = self.nama()
        return {
            "nama": f"dr. {nama}",
            "nomor_sip": f"SIP/{nomor:04d}/2023",
            "telepon": self.telepon(),
            "email": None if nomor % 3 == 0 else f"dr.{nama.lower().replace(' ', '.')}@example.com",
        }

    def resep(self, nomor: int, pasien: list[int], dokter: list[int]) -> dict[str, Any]:
        tanggal = AWAL + timedelta(days=self.acak.randrange(360))
        return {
            "id": uuid.UUID(int=self.acak.getrandbits(128), version=4),
            "nomor": f"R-{tanggal:%Y%m%d}-{nomor:08d}",
            "pasien_id": self.acak.choice(pasien),
            "dokter_id": self.acak.choice(dokter),
            "tanggal": tanggal,
            "diagnosa": self.acak.choice(DIAGNOSA),
            "catatan": self.acak.choice((None, "Kontrol 2 minggu lagi", "Minum banyak air")),
            "status": self.acak.choice(("baru", "lunas")),
        }

    def baris(self, resep_id: uuid.UUID, obat: list[int]) -> list[dict[str, Any]]:
        return [
            {
                "resep_id": resep_id,
                "obat_id": obat_id,
                "jumlah": self.acak.randint(5, 30),
                "aturan_pakai": self.acak.choice(ATURAN),
            }
            for obat_id in self.acak.sample(obat, self.acak.randint(1, 3))
        ]


async def _isi(session: AsyncSession, rows: int) -> None:
    sumber = Sumber()

    async def masukkan(model: type[Base], baris: list[dict[str, Any]]) -> list[Any]:
        await session.execute(insert(model), baris, execution_options={"render_nulls": True})
        return list(await session.scalars(select(model.id).order_by(model.id)))

    await masukkan(Akun, [{"email": e, "nama": n, "peran": p, "sandi": hash_sandi(SANDI)} for e, n, p in AKUN])
    obat = await masukkan(
        Obat, [{"kode": f"OBT{i:03d}", "nama": n, "harga": h, "stok": 1000} for i, (n, h) in enumerate(OBAT, 1)]
    )
    dokter = await masukkan(Dokter, [sumber.dokter(i) for i in range(1, 9)])
    pasien = await masukkan(Pasien, [sumber.pasien(i) for i in range(1, rows + 1)])
    resep = [sumber.resep(i, pasien, dokter) for i in range(1, rows + 1)]
    await masukkan(Resep, resep)
    await masukkan(ResepObat, [baris for satu in resep for baris in sumber.baris(satu["id"], obat)])


async def seed(url: str, rows: int = 200) -> None:
    """Add the accounts, the shelf, and so many patients with as many prescriptions to a migrated database."""
    engine = create_async_engine(url)
    async with AsyncSession(engine) as session, session.begin():
        await _isi(session, rows)
    await engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m apotek.seed", description=__doc__)
    parser.add_argument("url", nargs="?", default=config.DATABASE_URL)
    parser.add_argument("--rows", type=int, default=200, help="so many patients")
    options = parser.parse_args()
    asyncio.run(seed(options.url, options.rows))
    print(f"{options.rows} pasien. Masuk dengan {AKUN[0][0]} dan sandi {SANDI!r}.")


if __name__ == "__main__":
    main()
