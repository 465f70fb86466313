import threading
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from legacy.asgi import app
from legacy.db import SessionLocal
from legacy.models import Karyawan, Pelanggan, Produk, Servis

NEW = {"nama": "Sri", "alamat": "Jl. Anggrek 9", "no_hp": "+62 812 3456", "email": "sri@example.com"}


def test_who_am_i(kasir: TestClient) -> None:
    me = kasir.get("/api/saya").json()
    assert me["email"] == "kasir@surabaya.example.com"
    assert (me["peran"], me["perusahaan"]) == ("kasir", "PT Sinar Abadi")


def test_customers(kasir: TestClient, pemilik: TestClient, session: Session) -> None:
    created = kasir.post("/api/pelanggan", json=NEW | {"tgl_lahir": "1988-02-29"})
    assert created.status_code == 201, created.text
    path = f"/api/pelanggan/{created.json()['id']}"
    assert created.json() == NEW | {"id": created.json()["id"], "nik": None, "npwp": None, "tgl_lahir": "1988-02-29"}
    assert kasir.get(path).json() == created.json()
    assert kasir.get("/api/pelanggan?q=sri@example.com").json()["data"] == [created.json()]
    assert kasir.post("/api/pelanggan", json=NEW).status_code == 409

    changed = kasir.put(path, json=created.json() | {"alamat": "Jl. Dahlia 2"})
    assert changed.json() == created.json() | {"alamat": "Jl. Dahlia 2"}
    row = session.get_one(Pelanggan, created.json()["id"])
    assert (row.alamat, row.nama, row.tgl_lahir.year) == ("Jl. Dahlia 2", "Sri", 1988)

    assert kasir.delete(path).status_code == 403
    assert pemilik.delete(path).status_code == 204
    assert kasir.get(path).status_code == 404


def test_bad_input(kasir: TestClient) -> None:
    for body in (NEW | {"email": "sri"}, NEW | {"nama": None}, NEW | {"nik": "12"}, {}):
        assert kasir.post("/api/pelanggan", json=body).status_code == 422
    assert kasir.post("/api/pelanggan", content="{").status_code == 422


def test_an_answer_with_a_malformed_email_is_an_error(pemilik: TestClient, session: Session, surabaya) -> None:
    row = Pelanggan(perusahaan_id=surabaya.id, **NEW | {"email": "rusak"})
    session.add(row)
    session.commit()
    with pytest.raises(ValidationError):
        pemilik.get(f"/api/pelanggan/{row.id}")
    quiet = TestClient(app, raise_server_exceptions=False, cookies=pemilik.cookies)
    assert quiet.get(f"/api/pelanggan/{row.id}").status_code == 500
    session.delete(row)
    session.commit()


def test_other_companies_get_404(lain: TestClient, pelanggan: Pelanggan, faktur: dict[str, Any], session) -> None:
    produk_id = session.query(Produk.id).filter_by(perusahaan_id=pelanggan.perusahaan_id).limit(1).scalar()
    servis_id = session.query(Servis.id).filter_by(perusahaan_id=pelanggan.perusahaan_id).limit(1).scalar()
    path = f"/api/pelanggan/{pelanggan.id}"
    assert [lain.get(path).status_code, lain.put(path, json=NEW).status_code, lain.delete(path).status_code] == [
        404
    ] * 3
    assert lain.get(f"/api/faktur/{faktur['id']}").status_code == 404
    assert lain.post(f"/api/produk/{produk_id}/stok", json={"tambah": 1}).status_code == 404
    assert lain.post(f"/api/servis/{servis_id}/selesai").status_code == 404
    body = {"pelanggan_id": pelanggan.id, "baris": [{"produk_id": produk_id, "jumlah": 1}]}
    assert lain.post("/api/faktur", json=body).status_code == 404
    assert lain.get("/api/pelanggan", params={"q": pelanggan.no_hp}).json()["jumlah"] == 0


def test_the_commit_comes_after_the_answer(kasir: TestClient) -> None:
    """When the last byte leaves, nobody else sees the row yet; when the request has ended, everybody does."""
    seen: list[int] = []

    def count() -> None:
        with SessionLocal() as session:
            query = text("SELECT COUNT(*) FROM pelanggan WHERE email = 'nanti@example.com'")
            seen.append(session.execute(query).scalar_one())

    async def spied(scope: Any, receive: Any, send: Any) -> None:
        async def watched(message: Any) -> None:
            await send(message)
            if message["type"] == "http.response.body":
                thread = threading.Thread(target=count)
                thread.start()
                thread.join()

        await app(scope, receive, watched)

    client = TestClient(spied, cookies=kasir.cookies)
    assert client.post("/api/pelanggan", json=NEW | {"email": "nanti@example.com"}).status_code == 201
    count()
    assert seen == [0, 1]


def test_a_refused_request_is_rolled_back(kasir: TestClient, session: Session, pelanggan: Pelanggan) -> None:
    enough, scarce = session.query(Produk).filter_by(perusahaan_id=pelanggan.perusahaan_id).order_by(Produk.id)[:2]
    before = enough.stok
    lines = [{"produk_id": enough.id, "jumlah": 1}, {"produk_id": scarce.id, "jumlah": 1_000_000}]
    answer = kasir.post("/api/faktur", json={"pelanggan_id": pelanggan.id, "baris": lines})
    assert answer.status_code == 409
    assert scarce.nama in answer.json()["detail"]
    session.expire_all()
    assert enough.stok == before


def test_products_and_stock(login, session: Session, surabaya) -> None:
    gudang = login("gudang@surabaya")
    produk = next(row for row in gudang.get("/api/produk").json() if row["sku"] == "OLI-10W40")
    assert produk["satuan"] == "L"
    answer = gudang.post(f"/api/produk/{produk['id']}/stok", json={"tambah": 12})
    assert answer.json()["stok"] == produk["stok"] + 12
    assert session.get_one(Produk, produk["id"]).stok == produk["stok"] + 12


def test_workshop(login, session: Session, pelanggan: Pelanggan) -> None:
    gudang = login("gudang@surabaya")
    mekanik = session.query(Karyawan).filter_by(perusahaan_id=pelanggan.perusahaan_id).first()
    body = {"pelanggan_id": pelanggan.id, "mekanik_id": mekanik.id, "no_polisi": "L 1 AB", "keluhan": "Rem blong"}
    created = gudang.post("/api/servis", json=body)
    assert created.status_code == 201, created.text
    servis = created.json()
    assert (servis["pemilik"], servis["no_hp"]) == (pelanggan.nama, pelanggan.no_hp)
    assert servis["mekanik"] == mekanik.nama
    other = Pelanggan(perusahaan_id=pelanggan.perusahaan_id, **NEW | {"nama": "Aan", "email": "aan@example.com"})
    session.add(other)
    session.commit()
    assert gudang.post("/api/servis", json=body | {"pelanggan_id": other.id, "mekanik_id": None}).status_code == 201
    waiting = gudang.get("/api/servis").json()
    names = [row["pemilik"] for row in waiting]
    assert names.index("Aan") < names.index(pelanggan.nama)
    assert servis in waiting
    assert gudang.post(f"/api/servis/{servis['id']}/selesai").json()["status"] == "selesai"
    assert servis["id"] not in [row["id"] for row in gudang.get("/api/servis").json()]


def test_cors(anonymous: TestClient) -> None:
    asked = {"Origin": "https://app.sinarabadi.example", "Access-Control-Request-Method": "PUT"}
    answer = anonymous.options("/api/pelanggan/1", headers=asked)
    assert answer.headers["access-control-allow-origin"] == asked["Origin"]
    assert anonymous.options("/api/pelanggan/1", headers=asked | {"Origin": "https://x.example"}).status_code == 400
