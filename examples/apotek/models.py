"""The tables."""

import uuid
from datetime import date, datetime

from sqlalchemy import DateTime, ForeignKey, MetaData, String, Text, func, true
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Akun(Base):
    """Someone who works here and signs in."""

    __tablename__ = "akun"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(120), unique=True)
    nama: Mapped[str] = mapped_column(String(120))
    sandi: Mapped[str] = mapped_column(String(200))
    peran: Mapped[str] = mapped_column(String(20))
    aktif: Mapped[bool] = mapped_column(server_default=true(), default=True)


class Pasien(Base):
    __tablename__ = "pasien"

    id: Mapped[int] = mapped_column(primary_key=True)
    nama: Mapped[str] = mapped_column(String(120), index=True)
    tanggal_lahir: Mapped[date]
    alamat: Mapped[str | None] = mapped_column(Text)
    telepon: Mapped[str] = mapped_column(String(20), index=True)
    email: Mapped[str] = mapped_column(String(120))
    nik: Mapped[str | None] = mapped_column(String(16), unique=True)
    alergi: Mapped[str | None] = mapped_column(Text)
    dibuat: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())

    resep: Mapped[list["Resep"]] = relationship(back_populates="pasien")


class Dokter(Base):
    __tablename__ = "dokter"

    id: Mapped[int] = mapped_column(primary_key=True)
    nama: Mapped[str] = mapped_column(String(120), index=True)
    nomor_sip: Mapped[str] = mapped_column(String(40), unique=True)
    telepon: Mapped[str | None] = mapped_column(String(20))
    email: Mapped[str | None] = mapped_column(String(120))


class Obat(Base):
    __tablename__ = "obat"

    id: Mapped[int] = mapped_column(primary_key=True)
    kode: Mapped[str] = mapped_column(String(20), unique=True)
    nama: Mapped[str] = mapped_column(String(120))
    harga: Mapped[int]
    stok: Mapped[int]


class Resep(Base):
    """A prescription, with a line for every medicine."""

    __tablename__ = "resep"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    nomor: Mapped[str] = mapped_column(String(30), unique=True)
    pasien_id: Mapped[int] = mapped_column(ForeignKey("pasien.id"), index=True)
    dokter_id: Mapped[int] = mapped_column(ForeignKey("dokter.id"), index=True)
    tanggal: Mapped[date] = mapped_column(index=True)
    diagnosa: Mapped[str] = mapped_column(Text)
    catatan: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20), default="baru")

    pasien: Mapped[Pasien] = relationship(back_populates="resep")
    dokter: Mapped[Dokter] = relationship()
    baris: Mapped[list["ResepObat"]] = relationship(cascade="all, delete-orphan", order_by="ResepObat.id")


class ResepObat(Base):
    __tablename__ = "resep_obat"

    id: Mapped[int] = mapped_column(primary_key=True)
    resep_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("resep.id", ondelete="CASCADE"), index=True)
    obat_id: Mapped[int] = mapped_column(ForeignKey("obat.id"), index=True)
    jumlah: Mapped[int]
    aturan_pakai: Mapped[str] = mapped_column(Text)

    obat: Mapped[Obat] = relationship()


class Label(Base):
    """A label as it was printed."""

    __tablename__ = "label"

    id: Mapped[int] = mapped_column(primary_key=True)
    resep_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("resep.id", ondelete="CASCADE"), index=True)
    teks: Mapped[str] = mapped_column(Text)
    dicetak: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Pembayaran(Base):
    __tablename__ = "pembayaran"

    id: Mapped[int] = mapped_column(primary_key=True)
    referensi: Mapped[str] = mapped_column(String(60), unique=True)
    resep_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("resep.id"), index=True)
    jumlah: Mapped[int]
    pembayar: Mapped[str | None] = mapped_column(String(120))
    diterima: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Log(Base):
    """Who did what, for the shop's own use."""

    __tablename__ = "log"

    id: Mapped[int] = mapped_column(primary_key=True)
    akun_id: Mapped[int | None] = mapped_column(ForeignKey("akun.id"))
    peristiwa: Mapped[str] = mapped_column(String(40))
    keterangan: Mapped[str] = mapped_column(Text)
    waktu: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
