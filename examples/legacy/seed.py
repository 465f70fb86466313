"""Fill a migrated database with example data: `python -m legacy.seed [--rows N] [--seed N] URL`."""

import argparse
import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from faker import Faker
from sqlalchemy import create_engine, insert, select
from sqlalchemy.orm import Session

from .models import (
    Faktur,
    FakturBaris,
    Karyawan,
    Pekerjaan,
    Pelanggan,
    Pengguna,
    Perusahaan,
    Produk,
    Provinsi,
    Satuan,
    Servis,
)
from .sandi import hash_password

PASSWORD = "rahasia123"  # noqa: S105 - of the example users
ROLES = ("pemilik", "kasir", "gudang", "akuntan")
COMPANIES = (
    ("PT Sinar Abadi", "Surabaya", "Jawa Timur", 0.5),
    ("CV Sinar Abadi Motor", "Malang", "Jawa Timur", 0.4),
    ("UD Sumber Rejeki", "Semarang", "Jawa Tengah", 0.1),
)
GOODS = (
    ("OLI-10W40", "Oli mesin 10W-40", "L", 95000),
    ("BAN-8090", "Ban luar 80/90-17", "BH", 215000),
    ("AKI-12V5", "Aki kering 12V 5Ah", "BH", 185000),
    ("BUSI-C7", "Busi C7HSA", "BH", 17500),
    ("KAMPAS-D", "Kampas rem depan", "SET", 48000),
    ("RANTAI-428", "Rantai 428H", "SET", 132000),
)
TODAY = date(2024, 6, 30)


class Seeder:
    """Writes the same rows for the same seed, in bulk."""

    def __init__(self, session: Session, seed: int) -> None:
        self.session = session
        self.rng = random.Random(seed)
        faker = Faker("id_ID")
        faker.seed_instance(seed)
        self.names = [f"{faker.first_name()} {faker.last_name()}" for _ in range(400)]
        self.addresses = [faker.address().replace("\n", ", ") for _ in range(400)]
        self.provinces = session.scalars(select(Provinsi.id).order_by(Provinsi.id)).all()
        self.units = {kode: unit_id for unit_id, kode in session.execute(select(Satuan.id, Satuan.kode))}

    def insert(self, model: type[Any], rows: list[dict[str, Any]], size: int = 10_000) -> None:
        for start in range(0, len(rows), size):
            self.session.execute(insert(model.__table__), rows[start : start + size])

    def keys(self, model: type[Any], company_id: int) -> Sequence[int]:
        """Return the keys of the company's rows, in the order in which they were written."""
        return self.session.scalars(select(model.id).where(model.perusahaan_id == company_id).order_by(model.id)).all()

    def digits(self, count: int) -> str:
        return f"{self.rng.randrange(10**count):0{count}d}"

    def phone(self) -> str:
        return f"08{self.rng.choice(('12', '13', '21', '57', '78'))}{self.digits(8)}"

    def company(self, number: int, rows: int) -> None:
        nama, kota, provinsi, _ = COMPANIES[number - 1]
        provinsi_id = self.session.scalar(select(Provinsi.id).where(Provinsi.nama == provinsi))
        company = Perusahaan(nama=nama, kota=kota, provinsi_id=provinsi_id)
        self.session.add(company)
        self.session.flush()
        company_id = company.id
        self.users(company_id, kota.lower())
        mechanics = self.employees(company_id)
        self.insert(
            Produk,
            [
                {"sku": sku, "nama": nama, "satuan_id": self.units[unit], "harga": harga, "stok": 500}
                | {"perusahaan_id": company_id}
                for sku, nama, unit, harga in GOODS
            ],
        )
        self.insert(Pelanggan, [self.customer(company_id, index) for index in range(rows)])
        customers = self.keys(Pelanggan, company_id)
        self.invoices(company_id, customers)
        self.services(company_id, customers[:4], mechanics)

    def users(self, company_id: int, kota: str) -> None:
        rows = [
            {
                "perusahaan_id": company_id,
                "nama": self.rng.choice(self.names),
                "email": f"{peran}@{kota}.example.com",
                "sandi_hash": hash_password(PASSWORD, self.rng.randbytes(16)),
                "peran": peran,
                "aktif": True,
            }
            for peran in ROLES
        ]
        self.insert(Pengguna, rows)

    def employees(self, company_id: int) -> Sequence[int]:
        rows = [
            {
                "perusahaan_id": company_id,
                "nama": self.rng.choice(self.names),
                "jabatan": jabatan,
                "no_hp": self.phone() if self.rng.random() < 0.8 else None,  # noqa: PLR2004
                "gaji": self.rng.randrange(3_500_000, 9_000_000, 50_000),
            }
            for jabatan in ("Kepala bengkel", "Mekanik", "Mekanik", "Sopir", "Admin")
        ]
        self.insert(Karyawan, rows)
        return self.keys(Karyawan, company_id)[:3]

    def customer(self, company_id: int, index: int) -> dict[str, Any]:
        rng = self.rng
        nama = rng.choice(self.names)
        return {
            "perusahaan_id": company_id,
            "nama": nama,
            "alamat": rng.choice(self.addresses),
            "provinsi_id": rng.choice(self.provinces),
            "no_hp": self.phone(),
            "email": f"{nama.lower().replace(' ', '.')}{index + 1}@example.com",
            "nik": f"35{self.digits(14)}" if index % 3 else None,
            "npwp": f"{self.digits(2)}.{self.digits(3)}.{self.digits(3)}.{self.digits(1)}-{self.digits(3)}.000"
            if index % 4 == 0
            else None,
            "tgl_lahir": date(1955, 1, 1) + timedelta(days=rng.randrange(18_000)) if index % 5 else None,
        }

    def invoices(self, company_id: int, customers: Sequence[int]) -> None:
        """Write one invoice of two lines for every third customer."""
        goods = self.session.execute(
            select(Produk.id, Produk.harga).where(Produk.perusahaan_id == company_id).order_by(Produk.id)
        ).all()
        invoices, lines = [], []
        for number, pelanggan_id in enumerate(customers[::3], 1):
            tanggal = TODAY - timedelta(days=self.rng.randrange(180))
            bought = [(*self.rng.choice(goods), self.rng.randint(1, 5)) for _ in range(2)]
            invoices.append(
                {
                    "perusahaan_id": company_id,
                    "pelanggan_id": pelanggan_id,
                    "nomor": f"F{company_id:02d}-{tanggal:%Y%m}-{number:06d}",
                    "tanggal": tanggal,
                    "status": "lunas" if number % 3 else "belum",
                    "total": sum(harga * jumlah for _, harga, jumlah in bought),
                }
            )
            lines.append(bought)
        self.insert(Faktur, invoices)
        rows = [
            {"faktur_id": faktur_id, "produk_id": produk_id, "harga": harga, "jumlah": jumlah}
            for faktur_id, bought in zip(self.keys(Faktur, company_id), lines, strict=True)
            for produk_id, harga, jumlah in bought
        ]
        self.insert(FakturBaris, rows)

    def services(self, company_id: int, customers: Sequence[int], mechanics: Sequence[int]) -> None:
        rows = [
            {
                "perusahaan_id": company_id,
                "pelanggan_id": pelanggan_id,
                "mekanik_id": self.rng.choice(mechanics),
                "no_polisi": f"L {self.digits(4)} XY",
                "keluhan": self.rng.choice(("Rem bunyi", "Ganti oli", "Mesin susah hidup")),
                "status": "masuk",
            }
            for pelanggan_id in customers
        ]
        self.insert(Servis, rows)
        self.insert(
            Pekerjaan,
            [{"perusahaan_id": company_id, "jenis": "ulang_tahun", "muatan": {"tanggal": TODAY.isoformat()}}],
        )


def seed(url: str, rows: int = 60, number: int = 2021) -> None:
    """Write three companies with together `rows` customers."""
    engine = create_engine(url)
    with Session(engine) as session:
        seeder = Seeder(session, number)
        for index, (*_, share) in enumerate(COMPANIES, 1):
            seeder.company(index, round(rows * share))
        session.commit()
    engine.dispose()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m legacy.seed", description="Fill a database with example data.")
    parser.add_argument("url")
    parser.add_argument("--rows", type=int, default=60, help="how many customers, over all companies")
    parser.add_argument("--seed", type=int, default=2021, help="the same number writes the same rows")
    options = parser.parse_args(arguments)
    seed(options.url, options.rows, options.seed)
    print(f"{options.rows} pelanggan; masuk sebagai pemilik@surabaya.example.com, kata sandi {PASSWORD}")


if __name__ == "__main__":
    main()
