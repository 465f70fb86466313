from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from . import api, auth, berkas, faktur, karyawan, laporan, pelanggan, pembayaran
from .config import FOLDER, MOBILE_ORIGINS, SECRET_KEY
from .db import engine
from .models import Faktur, Pelanggan, Pengguna
from .web import halaman, page


@halaman()
def home(request: Request, session: Session, pengguna: Pengguna) -> Response:
    perusahaan_id = pengguna.perusahaan_id
    customers = session.scalar(select(func.count(Pelanggan.id)).where(Pelanggan.perusahaan_id == perusahaan_id))
    unpaid = session.query(Faktur).filter_by(perusahaan_id=perusahaan_id, status="belum").count()
    return page(request, "beranda.html", jumlah_pelanggan=customers, jumlah_belum=unpaid)


def docs(request: Request) -> Response:
    return page(request, "docs.html", routes=next(route.routes for route in api.routes))


def health(_request: Request) -> Response:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return JSONResponse({"status": "ok"})


def on_error(request: Request, error: Any) -> Response:
    """Say what is wrong, to the mobile app in JSON and to people on a page."""
    if request.url.path.startswith(("/api/", "/callback/")):
        return JSONResponse({"detail": error.detail}, error.status_code)
    return page(request, "galat.html", error.status_code, pesan=error.detail)


def create_app() -> Starlette:
    return Starlette(
        routes=[
            Route("/", home),
            Route("/docs", docs),
            Route("/health", health),
            Mount("/static", StaticFiles(directory=FOLDER / "static")),
            *auth.routes,
            *berkas.routes,
            *pelanggan.routes,
            *faktur.routes,
            *karyawan.routes,
            *laporan.routes,
            *pembayaran.routes,
            *api.routes,
        ],
        middleware=[
            Middleware(CORSMiddleware, allow_origins=MOBILE_ORIGINS, allow_methods=["*"], allow_credentials=True),
            Middleware(SessionMiddleware, secret_key=SECRET_KEY, session_cookie="sinar", same_site="lax"),
        ],
        exception_handlers={HTTPException: on_error},
    )
