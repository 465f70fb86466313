"""The doctors whose prescriptions come in."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends, HTTPException, status
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from .db import Db
from .keamanan import butuh, current_user
from .models import Dokter
from .skema import DokterKeluar, DokterMasuk

router = APIRouter(prefix="/dokter", tags=["dokter"], dependencies=[Depends(current_user)])


@router.get("", response_model=list[DokterKeluar])
async def daftar_dokter(session: Db) -> Sequence[Dokter]:
    return (await session.scalars(select(Dokter).order_by(Dokter.nama))).all()


@router.post(
    "",
    response_model=DokterKeluar,
    status_code=status.HTTP_201_CREATED,
    dependencies=[Depends(butuh("apoteker", "admin"))],
)
async def buat_dokter(isi: DokterMasuk, session: Db) -> Dokter:
    dokter = Dokter(**isi.model_dump())
    session.add(dokter)
    try:
        await session.flush()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "Nomor SIP sudah terdaftar") from error
    return dokter
