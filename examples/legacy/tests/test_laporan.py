from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from legacy import seed
from legacy.models import Faktur, Karyawan, Pelanggan


def test_sales_by_customer(login, pelanggan: Pelanggan, faktur: dict[str, Any]) -> None:
    page = login("akuntan@surabaya").get("/laporan/penjualan").text
    row = next(row for row in page.split("<tr>") if pelanggan.email in row)
    for text in (pelanggan.nama, pelanggan.no_hp, "<td>1</td>", "Rp35.000"):
        assert text in row
    assert pelanggan.email not in login("akuntan@malang").get("/laporan/penjualan").text


def test_sales_of_a_period(login, session: Session, pelanggan: Pelanggan, faktur: dict[str, Any]) -> None:
    akuntan = login("akuntan@surabaya")
    page = akuntan.get("/laporan/penjualan?dari=2024-01-01&sampai=2024-06-30").text
    assert pelanggan.email not in page
    customers = session.scalar(
        select(func.count(func.distinct(Faktur.pelanggan_id))).where(
            Faktur.perusahaan_id == pelanggan.perusahaan_id, Faktur.tanggal <= seed.TODAY
        )
    )
    assert page.count("@example.com</td>") == customers
    assert akuntan.get("/laporan/penjualan?dari=kemarin").status_code == 400


def test_unpaid(login, session: Session, pelanggan: Pelanggan, faktur: dict[str, Any]) -> None:
    page = login("akuntan@surabaya").get("/laporan/piutang").text
    row = next(row for row in page.split("<tr>") if faktur["nomor"] in row)
    for text in (pelanggan.nama, pelanggan.alamat, pelanggan.no_hp, "Rp35.000"):
        assert text in row
    query = select(func.sum(Faktur.total)).where(
        Faktur.perusahaan_id == pelanggan.perusahaan_id, Faktur.status == "belum"
    )
    assert f"Rp{int(session.scalar(query)):,}".replace(",", ".") in page
    assert faktur["nomor"] not in login("akuntan@malang").get("/laporan/piutang").text


def test_summary(kasir: TestClient, session: Session, pelanggan: Pelanggan, faktur: dict[str, Any]) -> None:
    unpaid = session.query(Faktur).filter_by(perusahaan_id=pelanggan.perusahaan_id, status="belum").all()
    answer = kasir.get("/api/faktur/ringkasan").json()
    assert answer["belum"] == {"lembar": len(unpaid), "total": sum(row.total for row in unpaid)}


def test_employees(pemilik: TestClient, lain: TestClient, session: Session, surabaya) -> None:
    rows = session.query(Karyawan).filter_by(perusahaan_id=surabaya.id).all()
    page = pemilik.get("/karyawan").text
    assert f"Rp{sum(row.gaji for row in rows):,}".replace(",", ".") in page
    row = rows[0]
    assert row.nama in page
    assert pemilik.post(f"/karyawan/{row.id}", data={"gaji": "7250000", "no_hp": ""}).status_code == 303
    session.refresh(row)
    assert (row.gaji, row.no_hp) == (7250000, None)
    assert "Rp7.250.000" in pemilik.get("/karyawan").text
    assert lain.post(f"/karyawan/{row.id}", data={"gaji": "1", "no_hp": ""}).status_code == 404
    assert pemilik.post(f"/karyawan/{row.id}", data={"gaji": "banyak"}).status_code == 400
