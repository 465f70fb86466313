"""The legacy example behind the wall: every table declared beside its models, and its own queries run by company.

A script, because declarations change the types of columns for the whole process: ``legacy_tables.py FOLDER``, with the
filled database in LEGACY_DATABASE_URL. Prints what it found as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, delete, func, select, text, update
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import joinedload, selectinload
from starlette.exceptions import HTTPException

from amanah.audit.queue_table import QueueTable
from amanah.database import core, trail
from amanah.errors import AmanahError
from amanah.guard import Guard
from amanah.middleware.declare import declare, shared
from amanah.middleware.personal import Personal
from legacy import worker
from legacy.api import product_out, service_out
from legacy.db import DATABASE_URL, SessionLocal, engine
from legacy.faktur import create_invoice, write_receipt
from legacy.models import (
    Base,
    Faktur,
    FakturBaris,
    Kwitansi,
    Pelanggan,
    Pembayaran,
    Pengguna,
    Perusahaan,
    Produk,
    Provinsi,
    Servis,
)
from legacy.pelanggan import email_taken, search
from legacy.schemas import BarisIn, FakturIn
from legacy.web import owned

assert QueueTable  # its module holds the table that the trail's metadata needs

BILLING = "essential.service.payment_processing"
PHONE = "user.contact.phone_number"
DECLARATIONS = [
    *shared("provinsi", "satuan"),
    declare("perusahaan", tenant="id"),
    declare("pengguna", sign_in=True, columns={"nama": Personal(category="user.name", sealed=False)}),
    declare(
        "pelanggan",
        subject="id",
        columns={
            "nama": Personal(category="user.name", sealed=False),
            "no_hp": Personal(category=PHONE, sealed=False),
            "email": Personal(category="user.contact.email", sealed=False),
        },
    ),
    declare("faktur", subject="pelanggan_id"),
    declare("faktur_baris", resource="faktur", via="faktur_id"),
    declare("pembayaran", via="faktur_id"),
    declare("kwitansi", columns={"no_hp": Personal(category=PHONE, sealed=False)}),
    declare("servis", subject="pelanggan_id"),
    declare("riwayat", subject="pelanggan_id"),
]
"""Karyawan, produk, pekerjaan and pesan_keluar have the company's column, so nothing need be said."""


def main() -> None:
    """Companies 1 and 2 in one database; all that follows happens under an access of company 1."""
    guard = _guard()  # before the first query: it configures the mappers
    with create_engine(DATABASE_URL).connect() as connection:

        def stored(sql: str) -> int:
            return int(connection.execute(text(sql)).scalar_one())

        lines = "FROM faktur_baris b JOIN faktur f ON f.id = b.faktur_id WHERE f.perusahaan_id"
        theirs = {
            "faktur": stored("SELECT max(id) FROM faktur WHERE perusahaan_id = 2"),
            "pelanggan": stored("SELECT max(id) FROM pelanggan WHERE perusahaan_id = 2"),
            "faktur_baris": stored(f"SELECT max(b.id) {lines} = 2"),
        }
        found: dict[str, Any] = {
            "lines of all": stored("SELECT count(*) FROM faktur_baris"),
            "lines of ours": stored(f"SELECT count(*) {lines} = 1"),
        }
    with guard.access(tenant="1", actor="kasir", purpose=BILLING, reason="test"):
        _queries(found, theirs)
        _attacks(found, theirs)
        found["jobs"] = worker.run_pending_jobs()
    sys.stdout.write(json.dumps(found))


def _guard() -> Guard:
    guard = Guard.development(
        metadata=Base.metadata,
        engine=engine,
        identify=lambda _: None,
        routes=[],
        declarations=DECLARATIONS,
        tenant_column="perusahaan_id",
        state=Path(sys.argv[1]),
    )
    core.create_all(guard.engine)
    trail.create_all(guard.trail_engine)
    for tenant in ("1", "2"):
        guard.create_tenant(tenant, f"Company {tenant}", template="blank", admin="owner")
        with guard.engine.begin() as connection:
            guard.policies.add_role(connection, tenant, "kasir")
            guard.directory.add_member(connection, tenant, "kasir")
            guard.directory.grant(connection, tenant, "kasir", "kasir", reason="test", granted_by="owner")
            for action in ("read", "create", "update", "delete"):
                guard.policies.add_rule(connection, tenant, role="kasir", object="*", action=action, purpose=BILLING)
    return guard


def _queries(found: dict[str, Any], theirs: dict[str, int]) -> None:
    """What the application's own functions give."""
    with SessionLocal() as session:
        kasir = session.scalars(select(Pengguna).where(Pengguna.peran == "kasir")).one()
        found["companies"] = [one.nama for one in session.scalars(select(Perusahaan))]
        found["provinces"] = session.query(Provinsi).count()
        found["company of the cashier"] = kasir.perusahaan.nama
        found["search for another company"] = search(session, 2, "").count()
        found["search"] = search(session, 1, "").count()
        found["e-mail of another company is taken"] = email_taken(session, 2, "x@example.com")
        found["stock"] = len([product_out(one) for one in session.scalars(select(Produk))])
        query = select(Servis).join(Servis.pelanggan).options(joinedload(Servis.pelanggan), joinedload(Servis.mekanik))
        found["services"] = len([service_out(one) for one in session.scalars(query)])
        found["lines"] = session.scalar(select(func.count(FakturBaris.id)))
        found["lines of invoices"] = sum(
            len(one.baris) for one in session.scalars(select(Faktur).options(selectinload(Faktur.baris)))
        )
        for model in (Faktur, Pelanggan):
            try:
                owned(session, model, theirs[model.__tablename__], kasir)
            except HTTPException as error:
                found[f"their {model.__tablename__}"] = error.status_code
        found["their line"] = session.get(FakturBaris, theirs["faktur_baris"]) is None
        customer = session.scalars(select(Pelanggan).limit(1)).one()
        goods = session.scalars(select(Produk).limit(2)).all()
        wanted = FakturIn(pelanggan_id=customer.id, baris=[BarisIn(produk_id=one.id, jumlah=2) for one in goods])
        made = create_invoice(session, kasir, wanted)
        session.add(Pembayaran(faktur_id=made.id, referensi="ref-1", jumlah=made.total))
        session.commit()
        found["new lines"] = [one.produk.nama for one in made.baris] == [one.nama for one in goods]
        paid = session.query(func.sum(Pembayaran.jumlah)).filter(Pembayaran.faktur_id == made.id).scalar()
        found["paid"] = paid == made.total
        number = made.id
    write_receipt(number)
    with SessionLocal() as session:
        found["receipts"] = session.query(Kwitansi).filter_by(faktur_id=number).count()


def _attacks(found: dict[str, Any], theirs: dict[str, int]) -> None:
    """What a mistake in the application would have reached."""
    number, line = theirs["faktur"], theirs["faktur_baris"]

    def enter(session: Any, model: Any, **values: Any) -> None:
        session.add(model(**values))
        session.flush()

    attacks = {
        "line": lambda s: enter(s, FakturBaris, faktur_id=number, produk_id=1, jumlah=1, harga=1),
        "payment": lambda s: enter(s, Pembayaran, faktur_id=number, referensi="x", jumlah=1),
        "move": lambda s: s.execute(update(FakturBaris).values(faktur_id=number)),
        "company": lambda s: enter(s, Perusahaan, id=2, nama="x", kota="x"),
        "receipt": lambda s: write_receipt_of(s, number),
    }
    for name, attack in attacks.items():
        with SessionLocal() as session:
            try:
                attack(session)
            except (AmanahError, NoResultFound) as error:
                found[f"attack by {name}"] = type(error).__name__
            session.rollback()
    with SessionLocal() as session:
        changed = session.execute(update(FakturBaris).where(FakturBaris.id == line).values(jumlah=99)).rowcount
        removed = session.execute(delete(FakturBaris).where(FakturBaris.id == line)).rowcount
        found["reached"] = changed + removed
        session.commit()


def write_receipt_of(session: Any, number: int) -> None:
    """The first line of `write_receipt`, which logs what goes wrong and goes on."""
    session.get_one(Faktur, number)


if __name__ == "__main__":
    main()
