"""Customers as CSV files, out and in."""

import pandas as pd
from sqlalchemy import Date, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .db import engine
from .models import Pelanggan, Pengguna
from .web import form_data, halaman

COLUMNS = ["nama", "alamat", "no_hp", "email", "nik", "npwp", "tgl_lahir"]
REQUIRED = ["nama", "alamat", "no_hp", "email"]


@halaman("pemilik", "akuntan")
def export(_request: Request, _session: Session, pengguna: Pengguna) -> Response:
    query = (
        select(*(getattr(Pelanggan, name) for name in COLUMNS))
        .where(Pelanggan.perusahaan_id == pengguna.perusahaan_id)
        .order_by(Pelanggan.nama, Pelanggan.id)
    )
    frame = pd.read_sql(query, engine)
    return Response(
        frame.to_csv(index=False),
        media_type="text/csv",
        headers={"Content-Disposition": 'attachment; filename="pelanggan.csv"'},
    )


@halaman("pemilik")
def import_(request: Request, _session: Session, pengguna: Pengguna) -> Response:
    upload = form_data(request).get("berkas")
    if not isinstance(upload, UploadFile):
        raise HTTPException(400, "Pilih berkas CSV.")
    with upload.file as file:
        frame = pd.read_csv(file, dtype=str)
    if set(COLUMNS) - set(frame.columns) or frame[REQUIRED].isna().any(axis=None):
        raise HTTPException(400, f"Kolom yang harus ada: {', '.join(COLUMNS)}; wajib diisi: {', '.join(REQUIRED)}.")
    frame = frame[COLUMNS].assign(
        email=frame["email"].str.lower(),
        tgl_lahir=pd.to_datetime(frame["tgl_lahir"]).dt.date,
        perusahaan_id=pengguna.perusahaan_id,
    )
    try:
        frame.to_sql("pelanggan", engine, if_exists="append", index=False, dtype={"tgl_lahir": Date()})
    except pd.errors.DatabaseError as error:
        if not isinstance(error.__cause__, IntegrityError):
            raise
        raise HTTPException(409, "Ada e-mail yang sudah terdaftar.") from error
    return RedirectResponse("/pelanggan", 303)


routes = [
    Route("/pelanggan/ekspor.csv", export),
    Route("/pelanggan/impor", import_, methods=["POST"]),
]
