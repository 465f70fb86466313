"""The three companies, each written by itself, in one session that belongs to it."""

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncSession

from iconix.database import SessionFactory
from iconix.models import Company

from .accounts import accounts_of
from .clinic import seed_clinic
from .people import DEMO_CUSTOMER_ID, DEMO_CUSTOMER_PHONE, FOREIGN_CUSTOMER_ID
from .source import Source, write
from .trading import GROCERIES, STATIONERY, seed_orders, seed_purchases, seed_trading

TENANTS = ("sinar-jaya", "klinik-melati", "toko-sebelah")
UNTIL = dt.date(2026, 10, 31)
USUAL_ROWS = 3500

DEMO_CUSTOMER: dict[str, str | None] = {
    "id": DEMO_CUSTOMER_ID,
    "name": "Budi Santoso",
    "phone": DEMO_CUSTOMER_PHONE,
    "email": "budi.santoso@example.co.id",
    "nik": "3578081708850001",
    "tax_id": None,
    "address": "Jl. Kertajaya No. 17, RT 03/RW 05, Surabaya",
    "city": "Surabaya",
}
FOREIGN_CUSTOMER: dict[str, str | None] = {
    "id": FOREIGN_CUSTOMER_ID,
    "name": "Endang Purwanti",
    "phone": DEMO_CUSTOMER_PHONE,  # the same person's family shares a phone: a search must not tell
    "city": "Semarang",
}


async def seed_shared(session: AsyncSession) -> None:
    """Write the rows that all companies share: the list of companies."""
    session.add_all(
        [
            Company(id="sinar-jaya", name="PT Sinar Jaya Dagang", kind="trading", city="Surabaya"),
            Company(id="klinik-melati", name="Klinik Melati", kind="clinic", city="Bandung"),
            Company(id="toko-sebelah", name="Toko Sebelah", kind="trading", city="Semarang"),
        ]
    )
    await session.flush()


async def seed_tenant(
    session: AsyncSession, tenant: str, *, rows: int = USUAL_ROWS, seed: int = 20261101, until: dt.date = UNTIL
) -> None:
    """Write one company's rows, flushed in small parts; the caller commits. `rows` is for the three together, about.

    The same arguments give the same rows, whichever companies were written before.
    """
    source = Source(tenant, seed, until)
    part = rows / USUAL_ROWS
    await write(session, accounts_of(tenant, source))
    if tenant == "sinar-jaya":
        products = await seed_trading(
            session,
            source,
            city="Surabaya",
            catalogue=GROCERIES,
            customers=round(220 * part),
            invoices=round(360 * part),
            demo=DEMO_CUSTOMER,
        )
        await seed_purchases(session, source, products, round(48 * part))
        await seed_orders(session, source, products, round(150 * part))
    elif tenant == "klinik-melati":
        await seed_clinic(session, source, patients=round(180 * part), visits=round(280 * part))
    else:
        await seed_trading(
            session,
            source,
            city="Semarang",
            catalogue=STATIONERY,
            customers=round(24 * part),
            invoices=round(30 * part),
            demo=FOREIGN_CUSTOMER,
        )
    await write(session, [row for row in source.number_series() if not row.series.startswith("nik:")])


async def seed(
    sessions: SessionFactory, *, rows: int = USUAL_ROWS, seed: int = 20261101, until: dt.date = UNTIL
) -> None:
    """Write everything into an empty database that has its tables: what is shared, then one company after the other."""
    async with sessions() as session:
        await seed_shared(session)
        await session.commit()
    for tenant in TENANTS:
        async with sessions() as session:
            await seed_tenant(session, tenant, rows=rows, seed=seed, until=until)
            await session.commit()
