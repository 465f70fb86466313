"""What the payment provider tells us."""

import hashlib
import hmac
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Request, status
from pydantic import ValidationError
from sqlalchemy import select

from . import config
from .db import Db
from .models import Pembayaran, Resep
from .skema import PembayaranMasuk

router = APIRouter(prefix="/pembayaran", tags=["pembayaran"])


def tanda_tangan(isi: bytes) -> str:
    """Return the signature that the provider puts into X-Signature."""
    return hmac.new(config.CALLBACK_KEY.encode(), isi, hashlib.sha256).hexdigest()


@router.post("/callback")
async def callback(request: Request, session: Db, x_signature: Annotated[str, Header()]) -> dict[str, str]:
    """Take note of a payment. The provider has no login, it signs the body; it may call more than once."""
    isi = await request.body()
    if not hmac.compare_digest(tanda_tangan(isi).encode(), x_signature.encode()):
        raise HTTPException(status.HTTP_401_UNAUTHORIZED, "Tanda tangan salah")
    try:
        masuk = PembayaranMasuk.model_validate_json(isi)
    except ValidationError as error:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, "Isi tidak dikenal") from error
    resep = await session.scalar(select(Resep).where(Resep.nomor == masuk.nomor))
    if resep is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, "Resep tidak ditemukan")
    if await session.scalar(select(Pembayaran.id).where(Pembayaran.referensi == masuk.referensi)) is None:
        session.add(
            Pembayaran(referensi=masuk.referensi, resep_id=resep.id, jumlah=masuk.jumlah, pembayar=masuk.pembayar)
        )
        resep.status = "lunas"
    return {"status": resep.status}
