"""Medicines on the shelf; their prices are no secret."""

from collections.abc import Sequence

from fastapi import APIRouter
from sqlalchemy import select

from .db import Db
from .models import Obat
from .skema import ObatKeluar

router = APIRouter(prefix="/obat", tags=["obat"])


@router.get("", response_model=list[ObatKeluar])
async def daftar_obat(session: Db, cari: str | None = None) -> Sequence[Obat]:
    query = select(Obat).order_by(Obat.nama)
    if cari:
        query = query.where(Obat.nama.ilike(f"%{cari}%"))
    return (await session.scalars(query)).all()
