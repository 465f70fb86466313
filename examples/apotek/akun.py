"""Signing in, and the accounts of those who work here."""

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException, status
from fastapi.concurrency import run_in_threadpool
from fastapi.security import OAuth2PasswordRequestForm
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from .db import Db
from .keamanan import AkunAktif, buat_token, butuh, cocok, hash_sandi
from .log import catat
from .models import Akun
from .skema import AkunKeluar, AkunMasuk, TokenKeluar

router = APIRouter(tags=["akun"])


@router.post("/token")
async def masuk(
    form: Annotated[OAuth2PasswordRequestForm, Depends()], session: Db, tugas: BackgroundTasks
) -> TokenKeluar:
    """Exchange e-mail and password for a token."""
    akun = await session.scalar(select(Akun).where(Akun.email == form.username.lower(), Akun.aktif))
    if akun is None or not await run_in_threadpool(cocok, form.password, akun.sandi):
        raise HTTPException(
            status.HTTP_401_UNAUTHORIZED, "Email atau sandi salah", headers={"WWW-Authenticate": "Bearer"}
        )
    tugas.add_task(catat, akun.id, "masuk", akun.email)
    return TokenKeluar(access_token=buat_token(akun))


@router.get("/saya", response_model=AkunKeluar)
async def saya(akun: AkunAktif) -> Akun:
    return akun


@router.post(
    "/akun", response_model=AkunKeluar, status_code=status.HTTP_201_CREATED, dependencies=[Depends(butuh("admin"))]
)
async def buat_akun(isi: AkunMasuk, session: Db) -> Akun:
    sandi = await run_in_threadpool(hash_sandi, isi.sandi)
    akun = Akun(email=isi.email.lower(), nama=isi.nama, sandi=sandi, peran=isi.peran)
    session.add(akun)
    try:
        await session.flush()
    except IntegrityError as error:
        raise HTTPException(status.HTTP_409_CONFLICT, "Email sudah dipakai") from error
    return akun
