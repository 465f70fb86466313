"""Reports, in SQL."""

from datetime import date

from sqlalchemy import Date, bindparam, text
from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .db import engine
from .models import Pengguna, hari_ini
from .web import halaman, page

SALES = text("""
    SELECT p.nama, p.no_hp, p.email, COUNT(f.id) AS lembar, SUM(f.total) AS jumlah
    FROM faktur f
    JOIN pelanggan p ON p.id = f.pelanggan_id
    WHERE f.perusahaan_id = :perusahaan_id AND f.tanggal BETWEEN :dari AND :sampai
    GROUP BY p.id, p.nama, p.no_hp, p.email
    ORDER BY jumlah DESC, p.nama
""").bindparams(bindparam("dari", type_=Date), bindparam("sampai", type_=Date))

UNPAID = """
    SELECT p.nama, p.alamat, p.no_hp, f.nomor, f.total
    FROM faktur f
    JOIN pelanggan p ON p.id = f.pelanggan_id
    WHERE f.perusahaan_id = ? AND f.status = 'belum'
    ORDER BY f.total DESC, f.id
"""


def day(request: Request, name: str, default: date) -> date:
    try:
        return date.fromisoformat(request.query_params.get(name) or default.isoformat())
    except ValueError as error:
        raise HTTPException(400, f"Tanggal {name} salah.") from error


@halaman("pemilik", "akuntan")
def sales(request: Request, session: Session, pengguna: Pengguna) -> Response:
    dari, sampai = day(request, "dari", hari_ini().replace(month=1, day=1)), day(request, "sampai", hari_ini())
    params = {"perusahaan_id": pengguna.perusahaan_id, "dari": dari, "sampai": sampai}
    rows = session.execute(SALES, params).mappings().all()
    return page(request, "laporan_penjualan.html", rows=rows, dari=dari, sampai=sampai)


@halaman("pemilik", "akuntan")
def unpaid(request: Request, _session: Session, pengguna: Pengguna) -> Response:
    sql = UNPAID.replace("?", "%s") if engine.dialect.name == "postgresql" else UNPAID
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(sql, (pengguna.perusahaan_id,)).all()
    return page(request, "laporan_piutang.html", rows=rows, total=sum(row.total for row in rows))


routes = [
    Route("/laporan/penjualan", sales),
    Route("/laporan/piutang", unpaid),
]
