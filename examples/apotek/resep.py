"""Prescriptions."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, status
from fastapi.responses import PlainTextResponse
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from .db import Db
from .keamanan import Apoteker, butuh
from .label import cetak_label
from .log import catat
from .models import Dokter, Obat, Pasien, Resep, ResepObat
from .pasien import ambil_pasien
from .skema import ResepKeluar, ResepMasuk

router = APIRouter(tags=["resep"], dependencies=[Depends(butuh("apoteker", "admin"))])

LENGKAP = (
    selectinload(Resep.pasien),
    selectinload(Resep.dokter),
    selectinload(Resep.baris).selectinload(ResepObat.obat),
)


async def _ambil_obat(session: AsyncSession, isi: ResepMasuk) -> list[ResepObat]:
    """Take the medicines from the shelf and return the lines."""
    ids = {baris.obat_id for baris in isi.baris}
    rak = {obat.id: obat for obat in await session.scalars(select(Obat).where(Obat.id.in_(ids)).with_for_update())}
    for baris in isi.baris:
        obat = rak.get(baris.obat_id)
        if obat is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, "Obat tidak ditemukan")
        if obat.stok < baris.jumlah:
            raise HTTPException(status.HTTP_409_CONFLICT, f"Stok {obat.nama} tidak cukup")
        obat.stok -= baris.jumlah
    return [ResepObat(**baris.model_dump()) for baris in isi.baris]


@router.post("/resep", response_model=ResepKeluar, status_code=status.HTTP_201_CREATED)
async def buat_resep(isi: ResepMasuk, akun: Apoteker, session: Db, tugas: BackgroundTasks) -> Resep:
    pasien = await ambil_pasien(session, isi.pasien_id)
    dokter = await session.get(Dokter, isi.dokter_id)
    if dokter is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Dokter tidak ditemukan")
    tanggal = datetime.now(UTC).date()
    resep_id = uuid.uuid4()
    resep = Resep(
        id=resep_id,
        nomor=f"R-{tanggal:%Y%m%d}-{resep_id.hex[:8].upper()}",
        pasien=pasien,
        dokter=dokter,
        tanggal=tanggal,
        diagnosa=isi.diagnosa,
        catatan=isi.catatan,
        baris=await _ambil_obat(session, isi),
    )
    session.add(resep)
    await session.commit()  # the log is written by another connection
    tugas.add_task(catat, akun.id, "resep", f"{resep.nomor} untuk {pasien.nama}")
    return await session.get_one(Resep, resep_id, options=LENGKAP, populate_existing=True)


@router.get("/resep/{resep_id}", response_model=ResepKeluar)
async def lihat_resep(resep_id: uuid.UUID, session: Db) -> Resep:
    resep = await session.scalar(select(Resep).where(Resep.id == resep_id).options(*LENGKAP))
    if resep is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Resep tidak ditemukan")
    return resep


@router.get("/pasien/{pasien_id}/resep", response_model=list[ResepKeluar])
async def riwayat(pasien_id: int, session: Db) -> Sequence[Resep]:
    """Return what the patient was prescribed, the latest first."""
    pasien = await session.scalar(
        select(Pasien).where(Pasien.id == pasien_id).options(selectinload(Pasien.resep).options(*LENGKAP))
    )
    if pasien is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Pasien tidak ditemukan")
    return sorted(pasien.resep, key=lambda resep: (resep.tanggal, resep.nomor), reverse=True)


@router.post("/resep/{resep_id}/label", response_class=PlainTextResponse)
async def label(resep_id: uuid.UUID, akun: Apoteker, tugas: BackgroundTasks) -> str:
    """Print the label; layout takes a while, so it has a thread of its own."""
    teks = await asyncio.get_running_loop().run_in_executor(None, cetak_label, resep_id)
    if teks is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Resep tidak ditemukan")
    tugas.add_task(catat, akun.id, "label", str(resep_id))
    return teks
