"""The payment gateway calls here; it does not log in, it signs."""

import hashlib
import hmac

from anyio import from_thread
from sqlalchemy import func
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .config import PAYMENT_KEY
from .db import SessionLocal
from .models import Faktur, Pekerjaan, Pembayaran
from .schemas import PembayaranIn
from .web import json_body


def signature(body: bytes) -> str:
    return hmac.new(PAYMENT_KEY.encode(), body, hashlib.sha256).hexdigest()


def callback(request: Request) -> Response:
    body = from_thread.run(request.body)
    if not hmac.compare_digest(signature(body).encode(), request.headers.get("x-signature", "").encode()):
        raise HTTPException(403, "Tanda tangan salah.")
    data = json_body(request, PembayaranIn)
    with SessionLocal.begin() as session:
        faktur = session.query(Faktur).filter_by(nomor=data.nomor).with_for_update().one_or_none()
        if faktur is None:
            raise HTTPException(404)
        if session.query(Pembayaran).filter_by(referensi=data.referensi).first():
            return JSONResponse({"status": "sudah diterima"})
        session.add(Pembayaran(faktur_id=faktur.id, referensi=data.referensi, jumlah=data.jumlah))
        session.flush()
        dibayar = session.query(func.sum(Pembayaran.jumlah)).filter(Pembayaran.faktur_id == faktur.id).scalar()
        if dibayar >= faktur.total:
            faktur.status = "lunas"
            faktur.dibayar_pada = func.now()
            job = Pekerjaan(perusahaan_id=faktur.perusahaan_id, jenis="terima_kasih", muatan={"faktur_id": faktur.id})
            session.add(job)
    return JSONResponse({"status": "diterima"})


routes = [Route("/callback/pembayaran", callback, methods=["POST"])]
