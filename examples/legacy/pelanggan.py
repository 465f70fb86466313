"""The customers' pages."""

from typing import Any

from pydantic import ValidationError
from sqlalchemy import or_, select
from sqlalchemy.orm import Query, Session
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .db import SessionLocal
from .models import Pelanggan, Pengguna, Provinsi, Riwayat
from .schemas import PelangganIn
from .web import form_data, halaman, owned, page

PER_PAGE = 25
FIELDS = ("nama", "alamat", "provinsi_id", "no_hp", "email", "nik", "npwp", "tgl_lahir")


def search(session: Session, perusahaan_id: int, q: str) -> Query[Pelanggan]:
    """Find by a part of the name, or by the whole phone number or e-mail address."""
    query = session.query(Pelanggan).filter(Pelanggan.perusahaan_id == perusahaan_id)
    if q:
        query = query.filter(or_(Pelanggan.nama.ilike(f"%{q}%"), Pelanggan.no_hp == q, Pelanggan.email == q.lower()))
    return query


def page_number(request: Request) -> int:
    asked = request.query_params.get("halaman", "1")
    return max(int(asked), 1) if asked.isdecimal() else 1


def email_taken(session: Session, perusahaan_id: int, email: str, except_id: int | None = None) -> bool:
    found = session.scalar(
        select(Pelanggan.id).where(Pelanggan.perusahaan_id == perusahaan_id, Pelanggan.email == email)
    )
    return found is not None and found != except_id


def note_access(perusahaan_id: int, pengguna_id: int, pelanggan_id: int, aksi: str) -> None:
    """Write the access log; runs after the answer was sent."""
    with SessionLocal() as session:
        session.add(Riwayat(perusahaan_id=perusahaan_id, pengguna_id=pengguna_id, pelanggan_id=pelanggan_id, aksi=aksi))
        session.commit()


def noted(pengguna: Pengguna, pelanggan: Pelanggan, aksi: str) -> BackgroundTask:
    return BackgroundTask(note_access, pengguna.perusahaan_id, pengguna.id, pelanggan.id, aksi)


@halaman("pemilik", "kasir", "akuntan")
def index(request: Request, session: Session, pengguna: Pengguna) -> Response:
    q = request.query_params.get("q", "").strip()
    nomor = page_number(request)
    found = search(session, pengguna.perusahaan_id, q)
    rows = found.order_by(Pelanggan.nama, Pelanggan.id).offset((nomor - 1) * PER_PAGE).limit(PER_PAGE).all()
    return page(request, "pelanggan_daftar.html", rows=rows, jumlah=found.count(), q=q, nomor=nomor, per=PER_PAGE)


@halaman("pemilik", "kasir", "akuntan")
def detail(request: Request, session: Session, pengguna: Pengguna) -> Response:
    pelanggan = owned(session, Pelanggan, request.path_params["id"], pengguna)
    response = page(request, "pelanggan.html", pelanggan=pelanggan)
    response.background = noted(pengguna, pelanggan, "lihat")
    return response


def show_form(
    request: Request, session: Session, values: dict[str, Any], errors: dict[str, str] | None = None
) -> Response:
    provinsi = session.query(Provinsi).order_by(Provinsi.nama).all()
    status = 422 if errors else 200
    return page(request, "pelanggan_form.html", status, values=values, errors=errors or {}, provinsi=provinsi)


def read_form(request: Request) -> tuple[dict[str, Any], PelangganIn | None, dict[str, str]]:
    """Return the texts as they were posted, and what they say or what is wrong with them."""
    form = form_data(request)
    values = {name: form.get(name, "") for name in FIELDS}
    try:
        return values, PelangganIn.model_validate(values), {}
    except ValidationError as error:
        return values, None, {str(item["loc"][0]): item["msg"] for item in error.errors()}


@halaman("pemilik", "kasir")
def create_form(request: Request, session: Session, _pengguna: Pengguna) -> Response:
    return show_form(request, session, {})


@halaman("pemilik", "kasir")
def create(request: Request, session: Session, pengguna: Pengguna) -> Response:
    values, data, errors = read_form(request)
    if data is not None and email_taken(session, pengguna.perusahaan_id, data.email):
        errors["email"] = "E-mail sudah dipakai pelanggan lain."
    if data is None or errors:
        return show_form(request, session, values, errors)
    pelanggan = Pelanggan(perusahaan_id=pengguna.perusahaan_id, **data.model_dump())
    session.add(pelanggan)
    session.flush()
    return RedirectResponse(f"/pelanggan/{pelanggan.id}", 303, background=noted(pengguna, pelanggan, "baru"))


@halaman("pemilik", "kasir")
def edit_form(request: Request, session: Session, pengguna: Pengguna) -> Response:
    pelanggan = owned(session, Pelanggan, request.path_params["id"], pengguna)
    return show_form(request, session, {name: getattr(pelanggan, name) for name in FIELDS})


@halaman("pemilik", "kasir")
def edit(request: Request, session: Session, pengguna: Pengguna) -> Response:
    pelanggan = owned(session, Pelanggan, request.path_params["id"], pengguna)
    values, data, errors = read_form(request)
    if data is not None and email_taken(session, pengguna.perusahaan_id, data.email, pelanggan.id):
        errors["email"] = "E-mail sudah dipakai pelanggan lain."
    if data is None or errors:
        return show_form(request, session, values, errors)
    for name, value in data.model_dump().items():
        setattr(pelanggan, name, value)
    return RedirectResponse(f"/pelanggan/{pelanggan.id}", 303, background=noted(pengguna, pelanggan, "ubah"))


routes = [
    Route("/pelanggan", index),
    Route("/pelanggan/baru", create_form, methods=["GET"]),
    Route("/pelanggan/baru", create, methods=["POST"]),
    Route("/pelanggan/{id:int}", detail),
    Route("/pelanggan/{id:int}/ubah", edit_form, methods=["GET"]),
    Route("/pelanggan/{id:int}/ubah", edit, methods=["POST"]),
]
