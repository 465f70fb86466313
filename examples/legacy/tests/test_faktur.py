import json
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from legacy.models import Faktur, FakturBaris, Kwitansi, Pekerjaan, Pelanggan, Pembayaran, PesanKeluar
from legacy.pembayaran import signature
from legacy.worker import run_pending_jobs


def eventually(condition: Callable[[], Any]) -> Any:
    """Wait for a background thread, up to ten seconds."""
    for _ in range(200):
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError("It did not happen.")


def pay(client: TestClient, nomor: str, referensi: str, jumlah: int, key: str | None = None):
    body = json.dumps({"nomor": nomor, "referensi": referensi, "jumlah": jumlah}).encode()
    headers = {"X-Signature": key or signature(body), "Content-Type": "application/json"}
    return client.post("/callback/pembayaran", content=body, headers=headers)


def test_invoice(kasir: TestClient, session: Session, pelanggan: Pelanggan, faktur: dict[str, Any]) -> None:
    assert faktur["total"] == 35000
    assert faktur["pelanggan"]["email"] == pelanggan.email
    assert kasir.get(f"/api/faktur/{faktur['id']}").json() == faktur
    assert session.query(FakturBaris).filter_by(faktur_id=faktur["id"]).one().jumlah == 2
    page = kasir.get(f"/faktur/{faktur['id']}").text
    for text in (faktur["nomor"], pelanggan.nama, pelanggan.alamat, pelanggan.no_hp, "Rp35.000", "2 buah"):
        assert text in page
    listed = kasir.get("/faktur").text
    assert faktur["nomor"] in listed
    assert pelanggan.nama in listed


def test_a_customer_with_invoices_stays(pemilik: TestClient, pelanggan: Pelanggan, faktur: dict[str, Any]) -> None:
    assert pemilik.delete(f"/api/pelanggan/{pelanggan.id}").status_code == 409
    assert faktur["nomor"] in pemilik.get(f"/pelanggan/{pelanggan.id}").text


def test_receipt_is_written_by_a_thread(kasir: TestClient, session: Session, pelanggan: Pelanggan, faktur) -> None:
    assert kasir.post(f"/faktur/{faktur['id']}/kwitansi").status_code == 303

    def written() -> Kwitansi | None:
        session.rollback()
        return session.query(Kwitansi).filter_by(faktur_id=faktur["id"]).one_or_none()

    receipt = eventually(written)
    assert (receipt.diterima_dari, receipt.no_hp) == (pelanggan.nama, pelanggan.no_hp)
    assert (receipt.jumlah, receipt.perusahaan_id) == (35000, pelanggan.perusahaan_id)
    assert f"diterima dari {pelanggan.nama}" in kasir.get(f"/faktur/{faktur['id']}").text


def test_other_companies_get_404(lain: TestClient, session: Session, faktur: dict[str, Any]) -> None:
    path = f"/faktur/{faktur['id']}"
    assert lain.get(path).status_code == 404
    assert lain.post(f"{path}/kwitansi").status_code == 404
    assert lain.post(f"{path}/pengingat").status_code == 404
    assert faktur["nomor"] not in lain.get("/faktur").text
    assert session.query(Kwitansi).filter_by(faktur_id=faktur["id"]).count() == 0


def test_reminder_goes_through_the_queue(kasir: TestClient, session: Session, pelanggan: Pelanggan, faktur) -> None:
    run_pending_jobs()
    assert kasir.post(f"/faktur/{faktur['id']}/pengingat").status_code == 303
    job = session.query(Pekerjaan).filter_by(status="menunggu").one()
    assert (job.jenis, job.muatan) == ("pengingat_faktur", {"faktur_id": faktur["id"]})
    session.rollback()
    assert run_pending_jobs() == 1
    session.refresh(job)
    assert (job.status, job.hasil) == ("selesai", {"dikirim": 1})
    message = session.query(PesanKeluar).filter_by(tujuan=pelanggan.no_hp).one()
    assert message.isi == f"Yth. {pelanggan.nama}, faktur {faktur['nomor']} sebesar Rp35.000 belum dibayar."
    assert run_pending_jobs() == 0


def test_birthdays_stay_in_their_company(session: Session, pelanggan: Pelanggan) -> None:
    muatan = {"tanggal": "2025-01-05"}
    job = Pekerjaan(perusahaan_id=pelanggan.perusahaan_id, jenis="ulang_tahun", muatan=muatan)
    session.add(job)
    session.commit()
    run_pending_jobs()
    session.refresh(job)
    born = [
        row
        for row in session.query(Pelanggan).filter_by(perusahaan_id=pelanggan.perusahaan_id)
        if row.tgl_lahir and (row.tgl_lahir.month, row.tgl_lahir.day) == (1, 5)
    ]
    assert job.hasil == {"dikirim": len(born)}
    message = session.query(PesanKeluar).filter_by(tujuan=pelanggan.no_hp).one()
    assert message.isi == f"Selamat ulang tahun, {pelanggan.nama}!"


def test_a_failing_job_holds_up_nothing(session: Session, surabaya) -> None:
    run_pending_jobs()
    bad = Pekerjaan(perusahaan_id=surabaya.id, jenis="pengingat_faktur", muatan={"faktur_id": -1})
    good = Pekerjaan(perusahaan_id=surabaya.id, jenis="ulang_tahun", muatan={"tanggal": "2025-12-31"})
    session.add_all([bad, good])
    session.commit()
    assert run_pending_jobs() == 1
    session.expire_all()
    assert (bad.status, good.status) == ("gagal", "selesai")
    assert "NoResultFound" in bad.hasil["galat"]


def test_payment_callback(
    anonymous: TestClient, session: Session, pelanggan: Pelanggan, faktur: dict[str, Any]
) -> None:
    nomor = faktur["nomor"]
    assert pay(anonymous, nomor, f"{nomor}-1", 10000).json() == {"status": "diterima"}
    row = session.get_one(Faktur, faktur["id"])
    assert row.status == "belum"
    session.rollback()
    assert pay(anonymous, nomor, f"{nomor}-2", 25000).status_code == 200
    assert pay(anonymous, nomor, f"{nomor}-2", 25000).json() == {"status": "sudah diterima"}
    session.refresh(row)
    assert row.status == "lunas"
    assert row.dibayar_pada is not None
    assert session.query(Pembayaran).filter_by(faktur_id=row.id).count() == 2
    session.rollback()
    run_pending_jobs()
    message = session.query(PesanKeluar).filter_by(tujuan=pelanggan.email).one()
    assert message.isi == f"Terima kasih {pelanggan.nama}, pembayaran faktur {nomor} sudah kami terima."


def test_unsigned_payments_are_refused(anonymous: TestClient, session: Session, faktur: dict[str, Any]) -> None:
    assert pay(anonymous, faktur["nomor"], "palsu", 35000, key="0" * 64).status_code == 403
    assert pay(anonymous, "F99-000000-000000", "salah alamat", 35000).status_code == 404
    assert session.query(Pembayaran).filter_by(faktur_id=faktur["id"]).count() == 0
