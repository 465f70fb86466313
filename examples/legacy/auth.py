"""Login and logout."""

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from .db import SessionLocal
from .models import Pengguna
from .sandi import check_password
from .web import form_data, page


def login_form(request: Request) -> Response:
    return page(request, "login.html")


def login(request: Request) -> Response:
    form = form_data(request)
    email = str(form.get("email", "")).strip().lower()
    with SessionLocal() as session:
        found = session.execute(
            select(Pengguna.id, Pengguna.sandi_hash).where(Pengguna.email == email, Pengguna.aktif)
        ).one_or_none()
    if found is None or not check_password(str(form.get("sandi", "")), found.sandi_hash):
        return page(request, "login.html", 401, email=email, pesan="E-mail atau kata sandi salah.")
    request.session["pengguna_id"] = found.id
    return RedirectResponse("/", 303)


def logout(request: Request) -> Response:
    request.session.clear()
    return RedirectResponse("/login", 303)


routes = [
    Route("/login", login_form, methods=["GET"]),
    Route("/login", login, methods=["POST"]),
    Route("/logout", logout, methods=["POST"]),
]
