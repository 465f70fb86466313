"""The employees' page, with what they earn."""

from sqlalchemy.orm import Session
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .models import Karyawan, Pengguna
from .web import form_data, halaman, owned, page


@halaman("pemilik", "akuntan")
def index(request: Request, session: Session, pengguna: Pengguna) -> Response:
    rows = session.query(Karyawan).filter_by(perusahaan_id=pengguna.perusahaan_id).order_by(Karyawan.nama).all()
    return page(request, "karyawan.html", rows=rows, total=sum(row.gaji for row in rows))


@halaman("pemilik")
def edit(request: Request, session: Session, pengguna: Pengguna) -> Response:
    karyawan = owned(session, Karyawan, request.path_params["id"], pengguna)
    form = form_data(request)
    if not str(form.get("gaji", "")).isdecimal():
        raise HTTPException(400, "Gaji harus berupa angka.")
    karyawan.gaji = int(str(form["gaji"]))
    karyawan.no_hp = str(form.get("no_hp", "")).strip() or None
    return RedirectResponse("/karyawan", 303)


routes = [
    Route("/karyawan", index),
    Route("/karyawan/{id:int}", edit, methods=["POST"]),
]
