"""Reports."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from fastapi import APIRouter, Depends
from sqlalchemy import Row, func, select

from .db import Db
from .keamanan import current_user
from .models import Dokter, Obat, Pasien, Resep, ResepObat
from .skema import ResepHarian

router = APIRouter(prefix="/laporan", tags=["laporan"], dependencies=[Depends(current_user)])


@router.get("/resep", response_model=list[ResepHarian])
async def resep_harian(tanggal: date, session: Db) -> Sequence[Row[Any]]:
    """Return a day's prescriptions with the amount due, by the patient's name."""
    query = (
        select(
            Resep.nomor,
            Resep.status,
            Pasien.nama.label("pasien"),
            Pasien.telepon,
            Dokter.nama.label("dokter"),
            func.sum(ResepObat.jumlah * Obat.harga).label("total"),
        )
        .join(Resep.pasien)
        .join(Resep.dokter)
        .join(Resep.baris)
        .join(ResepObat.obat)
        .where(Resep.tanggal == tanggal)
        .group_by(Resep.nomor, Resep.status, Pasien.nama, Pasien.telepon, Dokter.nama)
        .order_by(Pasien.nama, Resep.nomor)
    )
    return (await session.execute(query)).all()
