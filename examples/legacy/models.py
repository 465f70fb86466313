from datetime import date, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, MetaData, String, Text, UniqueConstraint, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

WIB = timezone(timedelta(hours=7))


def hari_ini() -> date:
    return datetime.now(WIB).date()


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Provinsi(Base):
    __tablename__ = "provinsi"

    id: Mapped[int] = mapped_column(primary_key=True)
    nama: Mapped[str] = mapped_column(String(50), unique=True)


class Satuan(Base):
    __tablename__ = "satuan"

    id: Mapped[int] = mapped_column(primary_key=True)
    kode: Mapped[str] = mapped_column(String(10), unique=True)
    nama: Mapped[str] = mapped_column(String(30))


class Perusahaan(Base):
    __tablename__ = "perusahaan"

    id: Mapped[int] = mapped_column(primary_key=True)
    nama: Mapped[str] = mapped_column(String(100))
    kota: Mapped[str] = mapped_column(String(50))
    provinsi_id: Mapped[int | None] = mapped_column(ForeignKey("provinsi.id"))


class Pengguna(Base):
    """Somebody who may log in. `peran` is one of pemilik, kasir, gudang and akuntan."""

    __tablename__ = "pengguna"

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"), index=True)
    nama: Mapped[str] = mapped_column(String(100))
    email: Mapped[str] = mapped_column(String(120), unique=True)
    sandi_hash: Mapped[str] = mapped_column(String(200))
    peran: Mapped[str] = mapped_column(String(20))
    aktif: Mapped[bool] = mapped_column(default=True)

    perusahaan: Mapped[Perusahaan] = relationship()


class Pelanggan(Base):
    __tablename__ = "pelanggan"
    __table_args__ = (
        UniqueConstraint("perusahaan_id", "email"),
        Index("ix_pelanggan_perusahaan_id_nama", "perusahaan_id", "nama"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"))
    nama: Mapped[str] = mapped_column(String(100))
    alamat: Mapped[str] = mapped_column(Text)
    provinsi_id: Mapped[int | None] = mapped_column(ForeignKey("provinsi.id"))
    no_hp: Mapped[str] = mapped_column(String(20), index=True)
    email: Mapped[str] = mapped_column(String(120))
    nik: Mapped[str | None] = mapped_column(String(16))
    npwp: Mapped[str | None] = mapped_column(String(20))
    tgl_lahir: Mapped[date | None]
    dibuat_pada: Mapped[datetime] = mapped_column(server_default=func.now())

    provinsi: Mapped[Provinsi | None] = relationship()
    faktur: Mapped[list["Faktur"]] = relationship(back_populates="pelanggan", order_by="Faktur.id")


class Karyawan(Base):
    __tablename__ = "karyawan"

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"), index=True)
    nama: Mapped[str] = mapped_column(String(100))
    jabatan: Mapped[str] = mapped_column(String(50))
    no_hp: Mapped[str | None] = mapped_column(String(20))
    gaji: Mapped[int] = mapped_column(BigInteger)


class Produk(Base):
    __tablename__ = "produk"
    __table_args__ = (UniqueConstraint("perusahaan_id", "sku"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"))
    satuan_id: Mapped[int] = mapped_column(ForeignKey("satuan.id"))
    sku: Mapped[str] = mapped_column(String(30))
    nama: Mapped[str] = mapped_column(String(100))
    harga: Mapped[int] = mapped_column(BigInteger)
    stok: Mapped[int] = mapped_column(default=0)

    satuan: Mapped[Satuan] = relationship(lazy="joined")


class Faktur(Base):
    __tablename__ = "faktur"
    __table_args__ = (Index("ix_faktur_perusahaan_id_tanggal", "perusahaan_id", "tanggal"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"))
    pelanggan_id: Mapped[int] = mapped_column(ForeignKey("pelanggan.id"), index=True)
    nomor: Mapped[str] = mapped_column(String(30), unique=True)
    tanggal: Mapped[date] = mapped_column(default=hari_ini)
    status: Mapped[str] = mapped_column(String(10), default="belum")
    total: Mapped[int] = mapped_column(BigInteger, default=0)
    dibayar_pada: Mapped[datetime | None]

    pelanggan: Mapped[Pelanggan] = relationship(back_populates="faktur")
    baris: Mapped[list["FakturBaris"]] = relationship(cascade="all, delete-orphan", order_by="FakturBaris.id")


class FakturBaris(Base):
    __tablename__ = "faktur_baris"

    id: Mapped[int] = mapped_column(primary_key=True)
    faktur_id: Mapped[int] = mapped_column(ForeignKey("faktur.id", ondelete="CASCADE"), index=True)
    produk_id: Mapped[int] = mapped_column(ForeignKey("produk.id"))
    jumlah: Mapped[int]
    harga: Mapped[int] = mapped_column(BigInteger)

    produk: Mapped[Produk] = relationship()


class Pembayaran(Base):
    """What the payment gateway reported."""

    __tablename__ = "pembayaran"

    id: Mapped[int] = mapped_column(primary_key=True)
    faktur_id: Mapped[int] = mapped_column(ForeignKey("faktur.id"), index=True)
    referensi: Mapped[str] = mapped_column(String(60), unique=True)
    jumlah: Mapped[int] = mapped_column(BigInteger)
    diterima_pada: Mapped[datetime] = mapped_column(server_default=func.now())


class Kwitansi(Base):
    __tablename__ = "kwitansi"

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"), index=True)
    faktur_id: Mapped[int] = mapped_column(ForeignKey("faktur.id"), index=True)
    diterima_dari: Mapped[str] = mapped_column(String(100))
    no_hp: Mapped[str] = mapped_column(String(20))
    jumlah: Mapped[int] = mapped_column(BigInteger)
    dibuat_pada: Mapped[datetime] = mapped_column(server_default=func.now())


class Servis(Base):
    """A vehicle in the workshop."""

    __tablename__ = "servis"

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"), index=True)
    pelanggan_id: Mapped[int] = mapped_column(ForeignKey("pelanggan.id"))
    mekanik_id: Mapped[int | None] = mapped_column(ForeignKey("karyawan.id"))
    no_polisi: Mapped[str] = mapped_column(String(12))
    keluhan: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(10), default="masuk")

    pelanggan: Mapped[Pelanggan] = relationship()
    mekanik: Mapped[Karyawan | None] = relationship()


class Riwayat(Base):
    """Who looked at or changed a customer."""

    __tablename__ = "riwayat"

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"), index=True)
    pengguna_id: Mapped[int] = mapped_column(ForeignKey("pengguna.id"))
    pelanggan_id: Mapped[int] = mapped_column(ForeignKey("pelanggan.id", ondelete="CASCADE"), index=True)
    aksi: Mapped[str] = mapped_column(String(20))
    waktu: Mapped[datetime] = mapped_column(server_default=func.now())


class Pekerjaan(Base):
    """A job for the worker. `status` goes from menunggu to selesai or gagal."""

    __tablename__ = "pekerjaan"

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"), index=True)
    jenis: Mapped[str] = mapped_column(String(30))
    muatan: Mapped[dict[str, Any]] = mapped_column(JSON)
    status: Mapped[str] = mapped_column(String(10), default="menunggu", index=True)
    hasil: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    dibuat_pada: Mapped[datetime] = mapped_column(server_default=func.now())


class PesanKeluar(Base):
    """A message that the SMS and mail gateway fetches."""

    __tablename__ = "pesan_keluar"

    id: Mapped[int] = mapped_column(primary_key=True)
    perusahaan_id: Mapped[int] = mapped_column(ForeignKey("perusahaan.id"), index=True)
    tujuan: Mapped[str] = mapped_column(String(120))
    isi: Mapped[str] = mapped_column(Text)
    dibuat_pada: Mapped[datetime] = mapped_column(server_default=func.now())
