"""Invoices: the pages, and how one is made."""

import logging
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .db import SessionLocal
from .models import Faktur, FakturBaris, Kwitansi, Pekerjaan, Pelanggan, Pengguna, Produk, hari_ini
from .schemas import FakturIn
from .web import halaman, owned, page

logger = logging.getLogger(__name__)
executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="kwitansi")


def create_invoice(session: Session, pengguna: Pengguna, data: FakturIn) -> Faktur:
    """Take the goods from the stock and write the invoice."""
    pelanggan = owned(session, Pelanggan, data.pelanggan_id, pengguna)
    perusahaan_id = pengguna.perusahaan_id
    urut = session.scalar(select(func.count(Faktur.id)).where(Faktur.perusahaan_id == perusahaan_id)) or 0
    tanggal = hari_ini()
    nomor = f"F{perusahaan_id:02d}-{tanggal:%Y%m}-{urut + 1:06d}"
    faktur = Faktur(perusahaan_id=perusahaan_id, pelanggan_id=pelanggan.id, nomor=nomor, tanggal=tanggal, total=0)
    session.add(faktur)
    for baris in data.baris:
        produk = owned(session, Produk, baris.produk_id, pengguna)
        taken = session.execute(
            update(Produk)
            .where(Produk.id == produk.id, Produk.stok >= baris.jumlah)
            .values(stok=Produk.stok - baris.jumlah)
        )
        if not taken.rowcount:
            raise HTTPException(409, f"Stok {produk.nama} tidak cukup.")
        faktur.baris.append(FakturBaris(produk=produk, jumlah=baris.jumlah, harga=produk.harga))
        faktur.total += baris.jumlah * produk.harga
    session.flush()
    return faktur


def write_receipt(faktur_id: int) -> None:
    """Write the receipt with the customer's present name and number; runs in a thread of its own."""
    try:
        with SessionLocal() as session:
            faktur = session.get_one(Faktur, faktur_id)
            pelanggan = session.get_one(Pelanggan, faktur.pelanggan_id)
            session.add(
                Kwitansi(
                    perusahaan_id=faktur.perusahaan_id,
                    faktur_id=faktur.id,
                    diterima_dari=pelanggan.nama,
                    no_hp=pelanggan.no_hp,
                    jumlah=faktur.total,
                )
            )
            session.commit()
    except Exception:
        logger.exception("No receipt for invoice %s", faktur_id)


@halaman("pemilik", "kasir", "akuntan")
def index(request: Request, session: Session, pengguna: Pengguna) -> Response:
    query = (
        select(Faktur)
        .options(joinedload(Faktur.pelanggan))
        .where(Faktur.perusahaan_id == pengguna.perusahaan_id)
        .order_by(Faktur.id.desc())
        .limit(50)
    )
    return page(request, "faktur_daftar.html", rows=session.scalars(query).all())


@halaman("pemilik", "kasir", "akuntan")
def detail(request: Request, session: Session, pengguna: Pengguna) -> Response:
    faktur = owned(session, Faktur, request.path_params["id"], pengguna)
    kwitansi = session.query(Kwitansi).filter_by(faktur_id=faktur.id).order_by(Kwitansi.id).all()
    return page(request, "faktur.html", faktur=faktur, kwitansi=kwitansi)


@halaman("pemilik", "kasir")
def receipt(request: Request, session: Session, pengguna: Pengguna) -> Response:
    faktur = owned(session, Faktur, request.path_params["id"], pengguna)
    executor.submit(write_receipt, faktur.id)
    return RedirectResponse(f"/faktur/{faktur.id}", 303)


@halaman("pemilik", "kasir")
def remind(request: Request, session: Session, pengguna: Pengguna) -> Response:
    faktur = owned(session, Faktur, request.path_params["id"], pengguna)
    session.add(
        Pekerjaan(perusahaan_id=faktur.perusahaan_id, jenis="pengingat_faktur", muatan={"faktur_id": faktur.id})
    )
    return RedirectResponse(f"/faktur/{faktur.id}", 303)


routes = [
    Route("/faktur", index),
    Route("/faktur/{id:int}", detail),
    Route("/faktur/{id:int}/kwitansi", receipt, methods=["POST"]),
    Route("/faktur/{id:int}/pengingat", remind, methods=["POST"]),
]
