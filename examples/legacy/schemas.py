"""What the mobile app sends and gets, and what the customer form must contain."""

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, EmailStr, Field, field_validator

NoHp = Annotated[str, Field(pattern=r"^\+?[0-9][0-9 -]{6,18}$", max_length=20)]


class PelangganIn(BaseModel):
    nama: Annotated[str, Field(min_length=1, max_length=100)]
    alamat: Annotated[str, Field(min_length=1)]
    provinsi_id: int | None = None
    no_hp: NoHp
    email: EmailStr
    nik: Annotated[str, Field(pattern=r"^\d{16}$")] | None = None
    npwp: Annotated[str, Field(max_length=20)] | None = None
    tgl_lahir: date | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        """A form sends an empty text for a field that was left out."""
        return (value.strip() or None) if isinstance(value, str) else value


class Out(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class PelangganOut(Out):
    id: int
    nama: str
    alamat: str
    no_hp: str
    email: EmailStr
    nik: str | None
    npwp: str | None
    tgl_lahir: date | None


class DaftarPelanggan(Out):
    jumlah: int
    halaman: int
    data: list[PelangganOut]


class SayaOut(Out):
    id: int
    nama: str
    email: EmailStr
    peran: str
    perusahaan: str


class ProdukOut(Out):
    id: int
    sku: str
    nama: str
    harga: int
    stok: int
    satuan: str


class StokIn(BaseModel):
    tambah: int


class BarisIn(BaseModel):
    produk_id: int
    jumlah: Annotated[int, Field(gt=0)]


class FakturIn(BaseModel):
    pelanggan_id: int
    baris: Annotated[list[BarisIn], Field(min_length=1)]


class BarisOut(Out):
    produk_id: int
    jumlah: int
    harga: int


class FakturOut(Out):
    id: int
    nomor: str
    tanggal: date
    status: str
    total: int
    pelanggan: PelangganOut
    baris: list[BarisOut]


class ServisIn(BaseModel):
    pelanggan_id: int
    mekanik_id: int | None = None
    no_polisi: Annotated[str, Field(min_length=3, max_length=12)]
    keluhan: Annotated[str, Field(min_length=1)]


class ServisOut(Out):
    id: int
    no_polisi: str
    keluhan: str
    status: str
    pemilik: str
    no_hp: str
    mekanik: str | None


class PembayaranIn(BaseModel):
    nomor: str
    referensi: Annotated[str, Field(min_length=1, max_length=60)]
    jumlah: Annotated[int, Field(gt=0)]
