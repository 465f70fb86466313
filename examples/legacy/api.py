"""The mobile app's JSON API, under /api."""

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, joinedload
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from .faktur import create_invoice
from .models import Faktur, Karyawan, Pelanggan, Pengguna, Produk, Servis
from .pelanggan import PER_PAGE, email_taken, page_number, search
from .schemas import (
    DaftarPelanggan,
    FakturIn,
    FakturOut,
    PelangganIn,
    PelangganOut,
    ProdukOut,
    SayaOut,
    ServisIn,
    ServisOut,
    StokIn,
)
from .web import SessionPerRequest, api, as_json, json_body, owned


@api()
def me(_request: Request, _session: Session, pengguna: Pengguna) -> SayaOut:
    return SayaOut(
        id=pengguna.id,
        nama=pengguna.nama,
        email=pengguna.email,
        peran=pengguna.peran,
        perusahaan=pengguna.perusahaan.nama,
    )


@api("pemilik", "kasir")
def customers(request: Request, session: Session, pengguna: Pengguna) -> DaftarPelanggan:
    halaman = page_number(request)
    found = search(session, pengguna.perusahaan_id, request.query_params.get("q", "").strip())
    rows = found.order_by(Pelanggan.nama, Pelanggan.id).offset((halaman - 1) * PER_PAGE).limit(PER_PAGE)
    return DaftarPelanggan(
        jumlah=found.count(), halaman=halaman, data=[PelangganOut.model_validate(row) for row in rows]
    )


@api("pemilik", "kasir")
def create_customer(request: Request, session: Session, pengguna: Pengguna) -> Response:
    data = json_body(request, PelangganIn)
    if email_taken(session, pengguna.perusahaan_id, data.email):
        raise HTTPException(409, "E-mail sudah dipakai pelanggan lain.")
    pelanggan = Pelanggan(perusahaan_id=pengguna.perusahaan_id, **data.model_dump())
    session.add(pelanggan)
    session.flush()
    session.refresh(pelanggan)
    return as_json(PelangganOut.model_validate(pelanggan), 201)


@api("pemilik", "kasir")
def customer(request: Request, session: Session, pengguna: Pengguna) -> PelangganOut:
    return PelangganOut.model_validate(owned(session, Pelanggan, request.path_params["id"], pengguna))


@api("pemilik", "kasir")
def change_customer(request: Request, session: Session, pengguna: Pengguna) -> PelangganOut:
    pelanggan = owned(session, Pelanggan, request.path_params["id"], pengguna)
    data = json_body(request, PelangganIn)
    if email_taken(session, pengguna.perusahaan_id, data.email, pelanggan.id):
        raise HTTPException(409, "E-mail sudah dipakai pelanggan lain.")
    for name, value in data.model_dump(exclude_unset=True).items():
        setattr(pelanggan, name, value)
    return PelangganOut.model_validate(pelanggan)


@api("pemilik")
def delete_customer(request: Request, session: Session, pengguna: Pengguna) -> Response:
    pelanggan = owned(session, Pelanggan, request.path_params["id"], pengguna)
    if pelanggan.faktur or session.query(Servis).filter_by(pelanggan_id=pelanggan.id).first():
        raise HTTPException(409, "Pelanggan masih mempunyai faktur atau servis.")
    session.delete(pelanggan)
    return Response(status_code=204)


@api()
def products(_request: Request, session: Session, pengguna: Pengguna) -> list[ProdukOut]:
    rows = session.scalars(select(Produk).where(Produk.perusahaan_id == pengguna.perusahaan_id).order_by(Produk.sku))
    return [product_out(row) for row in rows]


def product_out(produk: Produk) -> ProdukOut:
    return ProdukOut(
        id=produk.id,
        sku=produk.sku,
        nama=produk.nama,
        harga=produk.harga,
        stok=produk.stok,
        satuan=produk.satuan.kode,
    )


@api("pemilik", "gudang")
def stock(request: Request, session: Session, pengguna: Pengguna) -> ProdukOut:
    produk = owned(session, Produk, request.path_params["id"], pengguna)
    tambah = json_body(request, StokIn).tambah
    session.execute(update(Produk).where(Produk.id == produk.id).values(stok=Produk.stok + tambah))
    session.refresh(produk)
    return product_out(produk)


@api("pemilik", "kasir")
def create_faktur(request: Request, session: Session, pengguna: Pengguna) -> Response:
    faktur = create_invoice(session, pengguna, json_body(request, FakturIn))
    return as_json(FakturOut.model_validate(faktur), 201)


@api("pemilik", "kasir", "akuntan")
def faktur(request: Request, session: Session, pengguna: Pengguna) -> FakturOut:
    return FakturOut.model_validate(owned(session, Faktur, request.path_params["id"], pengguna))


def service_out(servis: Servis) -> ServisOut:
    return ServisOut(
        id=servis.id,
        no_polisi=servis.no_polisi,
        keluhan=servis.keluhan,
        status=servis.status,
        pemilik=servis.pelanggan.nama,
        no_hp=servis.pelanggan.no_hp,
        mekanik=servis.mekanik.nama if servis.mekanik else None,
    )


@api("pemilik", "kasir", "gudang")
def services(_request: Request, session: Session, pengguna: Pengguna) -> list[ServisOut]:
    query = (
        select(Servis)
        .join(Servis.pelanggan)
        .options(joinedload(Servis.pelanggan), joinedload(Servis.mekanik))
        .where(Servis.perusahaan_id == pengguna.perusahaan_id, Servis.status != "selesai")
        .order_by(Pelanggan.nama)
    )
    return [service_out(row) for row in session.scalars(query)]


@api("pemilik", "kasir", "gudang")
def create_service(request: Request, session: Session, pengguna: Pengguna) -> Response:
    data = json_body(request, ServisIn)
    pelanggan = owned(session, Pelanggan, data.pelanggan_id, pengguna)
    if data.mekanik_id is not None:
        owned(session, Karyawan, data.mekanik_id, pengguna)
    servis = Servis(
        perusahaan_id=pengguna.perusahaan_id, pelanggan=pelanggan, **data.model_dump(exclude={"pelanggan_id"})
    )
    session.add(servis)
    session.flush()
    return as_json(service_out(servis), 201)


@api("pemilik", "gudang")
def finish_service(request: Request, session: Session, pengguna: Pengguna) -> ServisOut:
    servis = session.get(Servis, request.path_params["id"])
    if servis is None or servis.perusahaan_id != pengguna.perusahaan_id:
        raise HTTPException(404)
    servis.status = "selesai"
    return service_out(servis)


@api("pemilik", "kasir", "akuntan")
def summary(_request: Request, session: Session, pengguna: Pengguna) -> Response:
    rows = session.execute(
        select(Faktur.status, func.count(Faktur.id), func.sum(Faktur.total))
        .where(Faktur.perusahaan_id == pengguna.perusahaan_id)
        .group_by(Faktur.status)
    )
    return JSONResponse({status: {"lembar": lembar, "total": int(total)} for status, lembar, total in rows})


routes = [
    Mount(
        "/api",
        routes=[
            Route("/saya", me),
            Route("/pelanggan", customers, methods=["GET"]),
            Route("/pelanggan", create_customer, methods=["POST"]),
            Route("/pelanggan/{id:int}", customer, methods=["GET"]),
            Route("/pelanggan/{id:int}", change_customer, methods=["PUT"]),
            Route("/pelanggan/{id:int}", delete_customer, methods=["DELETE"]),
            Route("/produk", products),
            Route("/produk/{id:int}/stok", stock, methods=["POST"]),
            Route("/faktur", create_faktur, methods=["POST"]),
            Route("/faktur/ringkasan", summary),
            Route("/faktur/{id:int}", faktur),
            Route("/servis", services, methods=["GET"]),
            Route("/servis", create_service, methods=["POST"]),
            Route("/servis/{id:int}/selesai", finish_service, methods=["POST"]),
        ],
        middleware=[Middleware(SessionPerRequest)],
    )
]
