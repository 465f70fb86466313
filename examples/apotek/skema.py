"""What comes in and what goes out."""

import uuid
from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, EmailStr, Field

Peran = Literal["apoteker", "kasir", "admin"]
Nama = Annotated[str, Field(min_length=2, max_length=120)]
Telepon = Annotated[str, Field(pattern=r"^\+?[0-9]{8,15}$")]


class Keluaran(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TokenKeluar(BaseModel):
    access_token: str
    token_type: str = "bearer"  # noqa: S105 - the name of the scheme


class AkunMasuk(BaseModel):
    email: EmailStr
    nama: Nama
    sandi: str = Field(min_length=8)
    peran: Peran


class AkunKeluar(Keluaran):
    id: int
    email: EmailStr
    nama: str
    peran: Peran


class PasienMasuk(BaseModel):
    nama: Nama
    tanggal_lahir: date
    alamat: str | None = None
    telepon: Telepon
    email: EmailStr
    nik: Annotated[str, Field(pattern=r"^[0-9]{16}$")] | None = None
    alergi: str | None = None


class AlergiMasuk(BaseModel):
    alergi: str | None


class PasienRingkas(Keluaran):
    id: int
    nama: str
    telepon: str
    email: EmailStr


class PasienKeluar(PasienRingkas):
    tanggal_lahir: date
    alamat: str | None
    nik: str | None
    alergi: str | None
    dibuat: datetime


class DokterMasuk(BaseModel):
    nama: Nama
    nomor_sip: str = Field(max_length=40)
    telepon: Telepon | None = None
    email: EmailStr | None = None


class DokterKeluar(Keluaran):
    id: int
    nama: str
    nomor_sip: str
    telepon: str | None
    email: EmailStr | None


class ObatKeluar(Keluaran):
    id: int
    kode: str
    nama: str
    harga: int
    stok: int


class BarisMasuk(BaseModel):
    obat_id: int
    jumlah: int = Field(gt=0)
    aturan_pakai: str


class ResepMasuk(BaseModel):
    pasien_id: int
    dokter_id: int
    diagnosa: str = Field(min_length=2)
    catatan: str | None = None
    baris: list[BarisMasuk] = Field(min_length=1)


class BarisKeluar(Keluaran):
    obat: ObatKeluar
    jumlah: int
    aturan_pakai: str


class ResepKeluar(Keluaran):
    id: uuid.UUID
    nomor: str
    tanggal: date
    status: str
    diagnosa: str
    catatan: str | None
    pasien: PasienRingkas
    dokter: DokterKeluar
    baris: list[BarisKeluar]


class ResepHarian(Keluaran):
    nomor: str
    status: str
    pasien: str
    telepon: str
    dokter: str
    total: int


class PembayaranMasuk(BaseModel):
    referensi: str = Field(max_length=60)
    nomor: str
    jumlah: int = Field(gt=0)
    pembayar: str | None = None


class LogKeluar(Keluaran):
    id: int
    akun_id: int | None
    peristiwa: str
    keterangan: str
    waktu: datetime
