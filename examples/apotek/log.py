"""The shop's log, written after the response."""

from collections.abc import Sequence

from fastapi import APIRouter, Depends
from sqlalchemy import select

from .db import Db, Session
from .keamanan import butuh
from .models import Log
from .skema import LogKeluar

router = APIRouter(prefix="/log", tags=["log"])


async def catat(akun_id: int | None, peristiwa: str, keterangan: str) -> None:
    """Write one row in a transaction of its own; meant for BackgroundTasks."""
    async with Session() as session, session.begin():
        session.add(Log(akun_id=akun_id, peristiwa=peristiwa, keterangan=keterangan))


@router.get("", response_model=list[LogKeluar], dependencies=[Depends(butuh("admin"))])
async def daftar_log(session: Db, batas: int = 50) -> Sequence[Log]:
    return (await session.scalars(select(Log).order_by(Log.id.desc()).limit(batas))).all()
