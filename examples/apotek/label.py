"""Labels for the little paper bags; runs in a thread with a session of its own."""

import textwrap
import uuid

from .db import SyncSession
from .models import Label, Resep

LEBAR = 44


def susun(resep: Resep) -> str:
    """Lay out the label of a prescription."""
    pasien = resep.pasien
    isi = [
        "APOTEK SEHAT".center(LEBAR).rstrip(),
        f"No. {resep.nomor}",
        f"Nama  : {pasien.nama}",
        f"Lahir : {pasien.tanggal_lahir:%d-%m-%Y}",
        f"Dokter: {resep.dokter.nama}",
    ]
    isi += [f"{baris.obat.nama} x{baris.jumlah}: {baris.aturan_pakai}" for baris in resep.baris]
    if pasien.alergi:
        isi.append(f"ALERGI: {pasien.alergi}")
    garis = "+" + "-" * (LEBAR + 2) + "+"
    terlipat = [bagian for baris in isi for bagian in textwrap.wrap(baris, LEBAR, drop_whitespace=False)]
    return "\n".join([garis, *(f"| {baris:<{LEBAR}} |" for baris in terlipat), garis, ""])


def cetak_label(resep_id: uuid.UUID) -> str | None:
    """Lay out the label, keep a copy and return it; None if there is no such prescription."""
    with SyncSession.begin() as session:
        resep = session.get(Resep, resep_id)
        if resep is None:
            return None
        teks = susun(resep)
        session.add(Label(resep_id=resep.id, teks=teks))
        return teks
