"""Patients: the counter's daily bread."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, Query, status
from fastapi.responses import StreamingResponse
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from .db import Db
from .keamanan import Admin, AkunAktif, butuh, current_user
from .log import catat
from .models import Pasien
from .skema import AlergiMasuk, PasienKeluar, PasienMasuk, PasienRingkas

router = APIRouter(prefix="/pasien", tags=["pasien"], dependencies=[Depends(current_user)])

KOLOM_EKSPOR = (Pasien.id, Pasien.nama, Pasien.tanggal_lahir, Pasien.telepon, Pasien.email, Pasien.alamat)
POTONGAN = 500


async def ambil_pasien(session: AsyncSession, pasien_id: int) -> Pasien:
    """Return the patient or answer 404."""
    pasien = await session.get(Pasien, pasien_id)
    if pasien is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Pasien tidak ditemukan")
    return pasien


@router.get("", response_model=list[PasienRingkas])
async def cari_pasien(
    session: Db,
    nama: str | None = None,
    telepon: str | None = None,
    batas: Annotated[int, Query(ge=1, le=200)] = 50,
    lewati: Annotated[int, Query(ge=0)] = 0,
) -> Sequence[Pasien]:
    """Search by the beginning of the name or by the whole phone number; sorted by name."""
    query = select(Pasien).order_by(Pasien.nama, Pasien.id).limit(batas).offset(lewati)
    if nama:
        query = query.where(Pasien.nama.like(f"{nama}%"))
    if telepon:
        query = query.where(Pasien.telepon == telepon)
    return (await session.scalars(query)).all()


@router.post("", response_model=PasienKeluar, status_code=status.HTTP_201_CREATED)
async def buat_pasien(isi: PasienMasuk, session: Db) -> Pasien:
    pasien = Pasien(**isi.model_dump())
    session.add(pasien)
    try:
        await session.flush()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "NIK sudah terdaftar") from error
    return pasien


async def _baris_csv(session: AsyncSession) -> AsyncIterator[str]:
    """Yield the patients as CSV, a few hundred at a time."""
    teks = io.StringIO()
    penulis = csv.writer(teks)
    penulis.writerow([kolom.key for kolom in KOLOM_EKSPOR])
    hasil = await session.stream(select(*KOLOM_EKSPOR).order_by(Pasien.nama, Pasien.id))
    async for potongan in hasil.partitions(POTONGAN):
        penulis.writerows(potongan)
        yield teks.getvalue()
        teks.seek(0)
        teks.truncate()
    yield teks.getvalue()


@router.get("/ekspor.csv")
async def ekspor(akun: Admin, session: Db, tugas: BackgroundTasks) -> StreamingResponse:
    """Export all patients."""
    tugas.add_task(catat, akun.id, "ekspor", "pasien")
    return StreamingResponse(
        _baris_csv(session),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="pasien.csv"'},
        background=tugas,
    )


@router.get("/{pasien_id}", response_model=PasienKeluar)
async def lihat_pasien(pasien_id: int, akun: AkunAktif, session: Db, tugas: BackgroundTasks) -> Pasien:
    pasien = await ambil_pasien(session, pasien_id)
    tugas.add_task(catat, akun.id, "lihat pasien", f"{pasien.id} {pasien.nama}")
    return pasien


@router.put("/{pasien_id}", response_model=PasienKeluar)
async def ubah_pasien(pasien_id: int, isi: PasienMasuk, session: Db) -> Pasien:
    pasien = await ambil_pasien(session, pasien_id)
    for kolom, nilai in isi.model_dump().items():
        setattr(pasien, kolom, nilai)
    try:
        await session.flush()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "NIK sudah terdaftar") from error
    return pasien


@router.patch(
    "/{pasien_id}/alergi",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Depends(butuh("apoteker", "admin"))],
)
async def ubah_alergi(pasien_id: int, isi: AlergiMasuk, session: Db) -> None:
    hasil = await session.execute(
        update(Pasien).where(Pasien.id == pasien_id).values(alergi=isi.alergi).returning(Pasien.id)
    )
    if hasil.one_or_none() is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Pasien tidak ditemukan")


@router.delete("/{pasien_id}", status_code=status.HTTP_204_NO_CONTENT, dependencies=[Depends(butuh("admin"))])
async def hapus_pasien(pasien_id: int, session: Db) -> None:
    await session.delete(await ambil_pasien(session, pasien_id))
    try:
        await session.flush()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "Pasien masih mempunyai resep") from error
