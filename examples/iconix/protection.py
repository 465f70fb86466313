"""ICONIX behind Amanah: what is personal, what each route is for, who is asking. No handler and no model knows of it.

`uvicorn --factory iconix.protection:create_app` serves the app; `AMANAH_GUARD=iconix.protection:guard` hands it to the
`amanah` command. `ICONIX_DATABASE_URL` names the database, `AMANAH_STATE` the folder of keys.
"""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import ColumnElement, Select, Table, select
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp

from amanah import AccessValues, Actor, Guard, Identity, Personal, RowFilter, declare, public, route, shared, sign_in
from iconix.app import DEFAULT_DATABASE
from iconix.app import create_app as create_bare_app
from iconix.auth import current_account
from iconix.database import SessionFactory, create_engine, create_sessions
from iconix.models import Base, CodOrder, Courier

NAME = "user.name"
PHONE = "user.contact.phone_number"
EMAIL = "user.contact.email"
ADDRESS = "user.contact.address.street"
CITY = "user.contact.address.city"
NIK = "user.government_id.national_identification_number"
BANK = "user.financial.bank_account"


def declarations() -> list[object]:
    """Every table that holds personal data, and those that are one resource with another."""
    return [
        shared("company"),
        declare(
            "account",
            subject="id",
            sign_in=True,
            columns={
                "email": Personal(category=EMAIL, search="exact", normalise="email", platform=True),
                "display_name": Personal(category=NAME, sealed=False),
            },
        ),
        declare("login_token", resource="account", subject="account_id", sign_in=True),
        declare(
            "customer",
            subject="id",
            columns={
                "name": Personal(category=NAME),
                "phone": Personal(category=PHONE, search="exact", normalise="phone"),
                "email": Personal(category=EMAIL, search="exact", normalise="email"),
                "nik": Personal(category=NIK, search="exact", normalise="digits"),
                "tax_id": Personal(category="x.user.government_id.tax_id"),
                "address": Personal(category=ADDRESS),
                "city": Personal(category=CITY, sealed=False),
                "bank_account": Personal(category=BANK),
            },
        ),
        declare(
            "invoice",
            subject="customer_id",
            sealed_rows=("customer_id", "number", "date", "due", "net", "tax", "total"),
        ),
        declare("invoice_line", resource="invoice"),
        declare("payment", resource="invoice", sealed_rows=("invoice_id", "date", "method", "amount")),
        declare("credit_note", resource="invoice", sealed_rows=("invoice_id", "number", "date", "amount")),
        declare(
            "supplier",
            resource="purchase",
            subject="id",
            columns={
                "name": Personal(category=NAME, sealed=False),
                "bank_account": Personal(category=BANK),
                "city": Personal(category=CITY, sealed=False),
            },
        ),
        declare("purchase_line", resource="purchase"),
        declare(
            "patient",
            subject="id",
            columns={
                "record_number": Personal(category="user.health_and_medical.record_id", sealed=False),
                "name": Personal(category=NAME),
                "nik": Personal(category=NIK, search="exact", normalise="digits"),
                "bpjs_number": Personal(
                    category="user.health_and_medical.insurance_beneficiary_id", search="exact", normalise="digits"
                ),
                "birth_date": Personal(category="user.demographic.date_of_birth"),
                "gender": Personal(category="user.demographic.gender", sealed=False),
                "phone": Personal(category=PHONE, search="exact", normalise="phone"),
                "address": Personal(category=ADDRESS),
            },
        ),
        declare(
            "guardian",
            resource="patient",
            subject="id",
            columns={
                "name": Personal(category=NAME),
                "phone": Personal(category=PHONE),
                "nik": Personal(category=NIK),
            },
        ),
        declare("doctor", subject="id", columns={"name": Personal(category=NAME, sealed=False)}),
        declare(
            "visit",
            subject="patient_id",
            columns={
                "complaint": Personal(category="x.user.health_and_medical.complaint"),
                "diagnosis": Personal(category="x.user.health_and_medical.diagnosis"),
                "prescription": Personal(category="x.user.health_and_medical.prescription"),
                "notes": Personal(category="user.content.private"),
            },
        ),
        declare("queue_ticket", resource="queue", subject="patient_id"),
        declare(
            "cod_order",
            resource="order",
            subject="id",
            columns={
                "customer_name": Personal(category=NAME),
                "phone": Personal(category=PHONE, search="exact", normalise="phone"),
                "address": Personal(category=ADDRESS),
                "latitude": Personal(category="user.location.precise"),
                "longitude": Personal(category="user.location.precise"),
            },
        ),
        declare("cod_order_line", resource="order"),
        declare("cod_assignment", resource="order"),
        declare("settlement", resource="order", sealed_rows=("courier_id", "date", "orders", "expected", "received")),
        declare(
            "courier",
            subject="id",
            columns={
                "name": Personal(category=NAME, sealed=False),
                "phone": Personal(category=PHONE, sealed=False),
            },
        ),
    ]


def row_filters() -> list[RowFilter]:
    """What is assigned to the courier who asks: their orders and what hangs on them, and what they handed in."""

    def own(access: AccessValues) -> Select[tuple[str]]:
        return select(Courier.id).where(Courier.account_id == access.actor_id)

    def on_own_order(table: Table, access: AccessValues) -> ColumnElement[bool]:
        return table.c.order_id.in_(select(CodOrder.id).where(CodOrder.courier_id.in_(own(access))))

    def own_row(table: Table, access: AccessValues) -> ColumnElement[bool]:
        return table.c.courier_id.in_(own(access))

    return [
        RowFilter("assigned_courier", "cod_order", own_row),
        RowFilter("assigned_courier", "cod_order_line", on_own_order),
        RowFilter("assigned_courier", "cod_assignment", on_own_order),
        RowFilter("assigned_courier", "settlement", own_row),
    ]


SALES = ["billing", "support", "compliance"]
ORDERS = ["fulfilment", "support"]
CLINIC = ["registration", "care"]

ROUTES = [
    public("GET /health"),
    public("GET /static/{path:path}"),
    sign_in("GET,POST /login"),
    sign_in("POST /api/login"),
    sign_in("POST /logout"),
    sign_in("POST /purpose"),
    route("GET /", "account", "read", ["authentication"]),
    # sales
    route("GET /api/customers", "customer", "read", [*SALES, "fulfilment", "promotions"]),
    route("POST /api/customers", "customer", "create", ["billing"]),
    route("GET /api/customers/{id}", "customer", "read", [*SALES, "fulfilment", "promotions"]),
    route("PATCH /api/customers/{id}", "customer", "update", ["billing"]),
    route("GET /customers", "customer", "read", [*SALES, "fulfilment"]),
    route("GET /customers/new", "customer", "create", ["billing"]),
    route("POST /customers/new", "customer", "create", ["billing"]),
    route("GET /customers/{id}", "customer", "read", SALES),  # with the latest invoices
    route("POST /customers/{id}", "customer", "update", ["billing"]),
    route("GET /api/products", "product", "read", ["billing", "fulfilment", "reporting", "support"]),
    route("POST /api/products", "product", "create", ["billing"]),
    route("GET /api/products/{id}", "product", "read", ["billing", "fulfilment", "reporting", "support"]),
    route("GET /api/invoices", "invoice", "read", SALES),
    route("POST /api/invoices", "invoice", "create", ["billing"]),
    route("GET /api/invoices/{id}", "invoice", "read", SALES),
    route("POST /api/invoices/{id}/payments", "invoice", "update", ["billing"]),
    route("POST /api/invoices/{id}/credit-notes", "invoice", "update", ["billing"]),
    route("GET /invoices", "invoice", "read", SALES),
    route("GET /invoices/{id}", "invoice", "read", SALES),
    route("GET /api/suppliers", "purchase", "read", ["billing", "compliance"]),
    route("GET /api/purchases", "purchase", "read", ["billing", "compliance"]),
    route("POST /api/purchases", "purchase", "create", ["billing"]),
    route("GET /api/purchases/{id}", "purchase", "read", ["billing", "compliance"]),
    route("GET /api/reports/monthly", "report", "read", ["reporting"]),
    route("GET /reports", "report", "read", ["reporting"]),
    # clinic
    route("GET /api/patients", "patient", "read", [*CLINIC, "support"]),
    route("POST /api/patients", "patient", "create", ["registration"]),
    route("GET /api/patients/{id}", "patient", "read", [*CLINIC, "support"]),
    route("PATCH /api/patients/{id}", "patient", "update", ["registration"]),
    route("GET,POST /clinic/register", "patient", "create", ["registration"]),
    route("GET /clinic/patients", "patient", "read", [*CLINIC, "support"]),
    route("GET /clinic/patients/{id}", "patient", "read", CLINIC),  # with the visits
    route("GET /api/doctors", "doctor", "read", CLINIC),
    route("GET /api/visits", "visit", "read", CLINIC),
    route("POST /api/visits", "visit", "create", CLINIC),
    route("GET /api/visits/{id}", "visit", "read", CLINIC),
    route("PATCH /api/visits/{id}", "visit", "update", ["care"]),
    route("GET /api/queue", "queue", "read", CLINIC),
    route("POST /api/queue", "queue", "create", ["registration"]),
    route("POST /api/queue/{id}/call", "queue", "update", CLINIC),
    route("POST /api/queue/{id}/done", "queue", "update", CLINIC),
    route("GET /clinic/queue", "queue", "read", CLINIC),
    route("POST /clinic/queue", "queue", "update", CLINIC),
    # cash-on-delivery orders
    route("GET /api/orders", "order", "read", ORDERS),
    route("POST /api/orders", "order", "create", ["fulfilment"]),
    route("GET /api/orders/{id}", "order", "read", ORDERS),
    route("POST /api/orders/{id}/assign", "order", "update", ["fulfilment"]),
    route("POST /api/orders/{id}/deliver", "order", "update", ["fulfilment"]),
    route("POST /api/orders/{id}/collect", "order", "update", ["fulfilment"]),
    route("GET /orders", "order", "read", ORDERS),
    route("GET /orders/{id}", "order", "read", ORDERS),
    route("GET /api/couriers", "courier", "read", ["fulfilment"]),
    route("GET /api/stores", "store", "read", ["fulfilment"]),
    route("GET /api/settlements", "order", "read", ["fulfilment"]),
    route("POST /api/settlements", "order", "create", ["fulfilment"]),
]


def identify_by(sessions: SessionFactory) -> Callable[[HTTPConnection], Awaitable[Identity | None]]:
    """Ask ICONIX's own login. What it finds it remembers for the request, so the handlers do not ask again."""

    async def identify(connection: HTTPConnection) -> Identity | None:
        me = await current_account(connection, sessions)
        if me is None:
            return None
        return Identity(tenant=me.tenant_id, actor=Actor(id=me.account_id, strength="password"), purpose=me.purpose)

    return identify


def build_guard(engine: AsyncEngine, state: str | Path) -> Guard:
    """Build the guard of ICONIX on an engine, with the keys in the folder `state`."""
    return Guard.development(
        metadata=Base.metadata,
        engine=engine,
        identify=identify_by(create_sessions(engine)),
        routes=ROUTES,
        declarations=declarations(),
        row_filters=row_filters(),
        state=state,
    )


def _engine() -> AsyncEngine:
    url = os.environ.get("ICONIX_DATABASE_URL") or DEFAULT_DATABASE
    return create_engine(url)


def guard() -> Guard:
    """Build the guard for the `amanah` command."""
    return build_guard(_engine(), os.environ.get("AMANAH_STATE", ".amanah"))


def create_app() -> ASGIApp:
    """Build the protected app, console included."""
    engine = _engine()
    return build_guard(engine, os.environ.get("AMANAH_STATE", ".amanah")).wrap(
        create_bare_app(engine=engine), console="/amanah"
    )
