"""Do the waiting jobs: `python -m legacy.worker [--once]`."""

import argparse
import logging
import time
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from .db import SessionLocal
from .models import Faktur, Pekerjaan, Pelanggan, PesanKeluar
from .web import rupiah

logger = logging.getLogger(__name__)


def remind(session: Session, job: Pekerjaan) -> dict[str, Any]:
    """Write the customer an SMS about an unpaid invoice."""
    faktur = session.get_one(Faktur, job.muatan["faktur_id"])
    if faktur.status == "lunas":
        return {"dikirim": 0}
    isi = f"Yth. {faktur.pelanggan.nama}, faktur {faktur.nomor} sebesar {rupiah(faktur.total)} belum dibayar."
    session.add(PesanKeluar(perusahaan_id=job.perusahaan_id, tujuan=faktur.pelanggan.no_hp, isi=isi))
    return {"dikirim": 1}


def thank(session: Session, job: Pekerjaan) -> dict[str, Any]:
    """Write the customer an e-mail when the invoice is paid."""
    nomor, nama, email = session.execute(
        select(Faktur.nomor, Pelanggan.nama, Pelanggan.email)
        .join(Pelanggan, Pelanggan.id == Faktur.pelanggan_id)
        .where(Faktur.id == job.muatan["faktur_id"])
    ).one()
    isi = f"Terima kasih {nama}, pembayaran faktur {nomor} sudah kami terima."
    session.add(PesanKeluar(perusahaan_id=job.perusahaan_id, tujuan=email, isi=isi))
    return {"dikirim": 1}


def birthdays(session: Session, job: Pekerjaan) -> dict[str, Any]:
    """Congratulate the customers of a company whose birthday it is."""
    hari = date.fromisoformat(job.muatan["tanggal"])
    query = session.query(Pelanggan).filter(
        Pelanggan.perusahaan_id == job.perusahaan_id, Pelanggan.tgl_lahir.is_not(None)
    )
    born = [
        row for row in query if row.tgl_lahir and (row.tgl_lahir.month, row.tgl_lahir.day) == (hari.month, hari.day)
    ]
    session.add_all(
        PesanKeluar(perusahaan_id=job.perusahaan_id, tujuan=row.no_hp, isi=f"Selamat ulang tahun, {row.nama}!")
        for row in born
    )
    return {"dikirim": len(born)}


JOBS: dict[str, Callable[[Session, Pekerjaan], dict[str, Any]]] = {
    "pengingat_faktur": remind,
    "terima_kasih": thank,
    "ulang_tahun": birthdays,
}


def run_job(job_id: int) -> bool:
    """Do one job in a transaction of its own; return whether it went well."""
    with SessionLocal() as session:
        query = select(Pekerjaan).where(Pekerjaan.id == job_id, Pekerjaan.status == "menunggu")
        job = session.scalars(query.with_for_update(skip_locked=True)).one_or_none()
        if job is None:
            return False
        try:
            job.hasil = JOBS[job.jenis](session, job)
            job.status = "selesai"
            session.commit()
        except Exception as error:
            logger.exception("Job %s failed", job_id)
            session.rollback()
            job.hasil = {"galat": repr(error)}
            job.status = "gagal"
            session.commit()
            return False
        return True


def run_pending_jobs(limit: int = 100) -> int:
    """Do the jobs that wait, the oldest first, and return how many went well."""
    with SessionLocal() as session:
        query = select(Pekerjaan.id).where(Pekerjaan.status == "menunggu").order_by(Pekerjaan.id).limit(limit)
        ids = session.scalars(query).all()
    return sum(run_job(job_id) for job_id in ids)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m legacy.worker", description="Do the waiting jobs.")
    parser.add_argument("--once", action="store_true", help="stop when nothing waits any more")
    options = parser.parse_args(arguments)
    while True:
        done = run_pending_jobs()
        if done:
            print(f"{done} pekerjaan selesai")
        elif options.once:
            return
        else:
            time.sleep(5)


if __name__ == "__main__":
    main()
