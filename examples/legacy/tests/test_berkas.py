import io

import pandas as pd
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from legacy.models import Pelanggan

HEADER = "nama,alamat,no_hp,email,nik,npwp,tgl_lahir\n"


def upload(client: TestClient, lines: str):
    return client.post("/pelanggan/impor", files={"berkas": ("pelanggan.csv", HEADER + lines, "text/csv")})


def test_export(pemilik: TestClient, session: Session, pelanggan: Pelanggan) -> None:
    answer = pemilik.get("/pelanggan/ekspor.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    frame = pd.read_csv(io.StringIO(answer.text), dtype=str)
    assert len(frame) == session.query(Pelanggan).filter_by(perusahaan_id=pelanggan.perusahaan_id).count()
    row = frame[frame["email"] == pelanggan.email].iloc[0]
    assert row["nama"] == pelanggan.nama
    assert row["nik"] == "3578014501900003"
    assert row["tgl_lahir"] == "1990-01-05"


def test_import(pemilik: TestClient, session: Session, surabaya) -> None:
    lines = (
        "Eka Putri,Jl. Melati 1,081300000001,Eka.Impor@example.com,3578010101900001,,1990-01-01\n"
        "Dwi Putra,Jl. Melati 2,081300000002,dwi.impor@example.com,,,\n"
    )
    assert upload(pemilik, lines).status_code == 303
    eka = session.query(Pelanggan).filter_by(email="eka.impor@example.com").one()
    assert (eka.nama, eka.nik, str(eka.tgl_lahir)) == ("Eka Putri", "3578010101900001", "1990-01-01")
    query = text("SELECT perusahaan_id, nama, no_hp, nik, npwp, tgl_lahir FROM pelanggan WHERE email = :email")
    row = session.execute(query, {"email": "dwi.impor@example.com"}).one()
    assert tuple(row) == (surabaya.id, "Dwi Putra", "081300000002", None, None, None)
    assert pemilik.get(f"/api/pelanggan/{eka.id}").json()["no_hp"] == "081300000001"
    assert upload(pemilik, lines).status_code == 409


def test_an_export_can_be_imported_elsewhere(login, session: Session, pelanggan: Pelanggan, pemilik) -> None:
    exported = pemilik.get("/pelanggan/ekspor.csv").text
    line = next(line for line in exported.splitlines() if pelanggan.email in line)
    other = login("pemilik@semarang")
    assert upload(other, line + "\n").status_code == 303
    copy = session.query(Pelanggan).filter(Pelanggan.email == pelanggan.email, Pelanggan.id != pelanggan.id).one()
    for name in ("nama", "alamat", "no_hp", "nik", "npwp", "tgl_lahir"):
        assert getattr(copy, name) == getattr(pelanggan, name)


def test_incomplete_files_are_refused(pemilik: TestClient) -> None:
    assert upload(pemilik, "Tanpa Email,Jl. A,0813000009,,,,\n").status_code == 400
    wrong = {"berkas": ("pelanggan.csv", "nama\nEka\n", "text/csv")}
    assert pemilik.post("/pelanggan/impor", files=wrong).status_code == 400
    assert pemilik.post("/pelanggan/impor", data={"berkas": "x"}).status_code == 400
