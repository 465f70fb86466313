"""A complete protected installation: tables, keys, tenants, members, roles, and the demo data, imported under Amanah.

`python -m iconix.install` fills an empty database. The importer is a service account with a role of its own that may
create everything, for the purpose of the import and nothing else; when the import is done the membership ends.
"""

import argparse
import asyncio
import os
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from amanah import Guard, migrations
from amanah.console import set_password
from iconix import migrate
from iconix.app import DEFAULT_DATABASE
from iconix.database import create_engine, create_sessions
from iconix.protection import build_guard
from iconix.seed import DEMO_ACCOUNTS, DEMO_CUSTOMER_ID, TENANTS, account_id, seed_shared, seed_tenant

NAMES = {"sinar-jaya": "PT Sinar Jaya Dagang", "klinik-melati": "Klinik Melati", "toko-sebelah": "Toko Sebelah"}
TEMPLATES = {"sinar-jaya": "trading", "klinik-melati": "clinic", "toko-sebelah": "trading"}
IMPORTER = "importer"
CONSOLE = {"owner", "compliance_officer"}
"""Whoever may read the trail gets a password for the console: in the demo the same as for the app."""


def create_tenants(guard: Guard) -> None:
    """Create the three tenants with their members and grants, and the importer in each."""
    for tenant in TENANTS:
        accounts = [one for one in DEMO_ACCOUNTS if one.tenant == tenant]
        owner = next(account_id(one.email) for one in accounts if one.role == "owner")
        guard.create_tenant(tenant, NAMES[tenant], template=TEMPLATES[tenant], admin=owner)
        with guard.engine.begin() as connection:
            _limit_couriers(guard, connection, tenant)
            if TEMPLATES[tenant] == "trading":
                _offer_promotions(guard, connection, tenant)
            for one in accounts:
                if one.role != "owner":
                    member = account_id(one.email)
                    guard.directory.add_member(connection, tenant, member)
                    guard.directory.grant(
                        connection, tenant, member, one.role, reason="works here in this role", granted_by=owner
                    )
            for one in accounts:
                if one.role in CONSOLE:
                    set_password(guard, connection, tenant, account_id(one.email), one.password, name=one.email)
            _hire_importer(guard, connection, tenant, owner)


def _limit_couriers(guard: Guard, connection: Connection, tenant: str) -> None:
    """Let couriers meet the orders that are assigned to them, where the template opens all orders."""
    policy = guard.policies.snapshot(tenant, guard.versions.current_now(tenant).version)
    for rule in [one for one in policy.rules if (one.role, one.object) == ("courier", "order")]:
        guard.policies.remove_rule(connection, tenant, rule.id)
        guard.policies.add_rule(
            connection,
            tenant,
            role=rule.role,
            object=rule.object,
            action=rule.action,
            purpose=rule.purpose,
            row_filter="assigned_courier",
        )


def _offer_promotions(guard: Guard, connection: Connection, tenant: str) -> None:
    """Let cashiers see name and e-mail address of customers who agreed to hear of offers, and of nobody else."""
    categories = ("user.name", "user.contact.email")
    guard.policies.add_purpose(
        connection,
        tenant,
        "marketing.communications.email",
        alias="promotions",
        legal_basis="consent",
        description={"en": "Customers hear of offers.", "id": "Pelanggan mendapat kabar tentang penawaran."},
        categories=categories,
        retention="until it is withdrawn",
        owner="sales",
    )
    for name in ("customer", *(f"category:{one}" for one in categories)):
        guard.policies.add_rule(connection, tenant, role="cashier", object=name, action="read", purpose="promotions")


def _hire_importer(guard: Guard, connection: Connection, tenant: str, owner: str) -> None:
    guard.policies.add_purpose(
        connection,
        tenant,
        "x.data_import",
        alias="import",
        legal_basis="contract",
        description={"en": "Data is taken over from the former system.", "id": "Data diambil alih dari sistem lama."},
    )
    guard.policies.add_role(connection, tenant, IMPORTER)
    for action in ("create", "read", "update"):
        guard.policies.add_rule(connection, tenant, role=IMPORTER, object="*", action=action, purpose="import")
    guard.directory.add_member(connection, tenant, IMPORTER)
    guard.directory.grant(
        connection, tenant, IMPORTER, IMPORTER, reason="takes over the former system's data", granted_by=owner
    )


def dismiss_importer(guard: Guard) -> None:
    """End the importer's membership in every tenant; its grants end with it."""
    with guard.engine.begin() as connection:
        for tenant in TENANTS:
            guard.directory.remove_member(connection, tenant, IMPORTER)


def _take_over_consent(session: Session, guard: Guard) -> None:
    """Record that one customer agreed to promotions, on a form of the former system."""
    guard.consents.give(session, "customer", DEMO_CUSTOMER_ID, "promotions", source="form", evidence="notice:2026-01")


async def install(url: str, state: str | Path, *, rows: int = 3500) -> None:
    """Make an empty database into a protected installation with demo data; the keys lie in the folder `state`."""
    migrate.upgrade(url, protected=True)
    migrations.upgrade(url)
    engine = create_engine(url)
    guard = build_guard(engine, state)
    try:
        create_tenants(guard)
        sessions = create_sessions(engine)
        async with sessions() as session:
            await seed_shared(session)
            await session.commit()
        for tenant in TENANTS:
            async with (
                guard.access(
                    tenant=tenant, actor=IMPORTER, kind="service", purpose="import", reason="the demo data is imported"
                ),
                sessions() as session,
            ):
                await seed_tenant(session, tenant, rows=rows)
                if tenant == "sinar-jaya":
                    await session.run_sync(_take_over_consent, guard)
                await session.commit()
        dismiss_importer(guard)
        guard.writer.close()
        guard.sequencer.run_once()
    finally:
        guard.close()
        await engine.dispose()


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m iconix.install", description=__doc__)
    parser.add_argument("url", nargs="?", default=os.environ.get("ICONIX_DATABASE_URL") or DEFAULT_DATABASE)
    parser.add_argument("--state", default=os.environ.get("AMANAH_STATE", ".amanah"))
    parser.add_argument("--rows", type=int, default=3500, help="about how many rows (%(default)s)")
    options = parser.parse_args()
    asyncio.run(install(options.url, options.state, rows=options.rows))


if __name__ == "__main__":
    main()
