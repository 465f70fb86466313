"""Customers."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from iconix import pages
from iconix.auth import SignedIn, signed_form, signed_in
from iconix.inputs import Fields, Invalid, changed
from iconix.models import Customer, Invoice
from iconix.web import Answer, database, json_fields, not_found, page_size, path_id

READERS: dict[str, Callable[[Fields], Any]] = {
    "name": lambda fields: fields.text("name", 120),
    "phone": lambda fields: fields.phone("phone"),
    "email": lambda fields: fields.email("email"),
    "nik": lambda fields: fields.digits("nik", 16),
    "tax_id": lambda fields: fields.digits("tax_id", 16),
    "address": lambda fields: fields.maybe_text("address", 300),
    "city": lambda fields: fields.maybe_text("city", 80),
    "bank_account": lambda fields: fields.maybe_text("bank_account", 60),
}


def brief(customer: Customer) -> dict[str, object]:
    """Return what a list shows."""
    return {
        "id": customer.id,
        "name": customer.name,
        "phone": customer.phone,
        "email": customer.email,
        "city": customer.city,
    }


def full(customer: Customer) -> dict[str, object]:
    """Return everything that is known of a customer."""
    return {
        **brief(customer),
        "nik": customer.nik,
        "tax_id": customer.tax_id,
        "address": customer.address,
        "bank_account": customer.bank_account,
        "created_at": customer.created_at,
    }


async def find(session: AsyncSession, me: SignedIn, customer_id: str) -> Customer:
    """Return a customer of the company, or raise 404."""
    customer = await session.get(Customer, (me.tenant_id, customer_id))
    if customer is None:
        raise not_found()
    return customer


async def search(request: Request, session: AsyncSession, me: SignedIn) -> list[Customer]:
    """Return the newest customers, or those with a phone number, e-mail address or NIK; `before=` turns the page."""
    limit = page_size(request)
    fields = Fields(request.query_params)
    query = (
        select(Customer)
        .where(Customer.tenant_id == me.tenant_id)
        .options(load_only(Customer.name, Customer.phone, Customer.email, Customer.city))
        .order_by(Customer.id.desc())
        .limit(limit)
    )
    if phone := fields.phone("phone"):
        query = query.where(Customer.phone == phone)
    if email := fields.email("email"):
        query = query.where(Customer.email == email)
    if nik := fields.digits("nik", 16):
        query = query.where(Customer.nik == nik)
    if before := fields.maybe_text("before", 36):
        query = query.where(Customer.id < before)
    fields.check()
    return list((await session.scalars(query)).all())


async def listing(request: Request) -> Response:
    """GET /api/customers?phone=&email=&nik=&limit=&before=."""
    me = await signed_in(request)
    async with database(request) as session:
        customers = await search(request, session, me)
    return Answer({"customers": [brief(customer) for customer in customers]})


async def show(request: Request) -> Response:
    """GET /api/customers/{id}."""
    me = await signed_in(request)
    async with database(request) as session:
        return Answer(full(await find(session, me, path_id(request))))


def _new(fields: Fields, me: SignedIn) -> Customer:
    values = {name: read(fields) for name, read in READERS.items()}
    fields.check()
    return Customer(tenant_id=me.tenant_id, **values)


async def create(request: Request) -> Response:
    """POST /api/customers."""
    me = await signed_in(request)
    customer = _new(await json_fields(request), me)
    async with database(request) as session:
        session.add(customer)
        await session.commit()
    return Answer(full(customer), 201, {"Location": f"/api/customers/{customer.id}"})


async def change(request: Request) -> Response:
    """PATCH /api/customers/{id}: only the fields that are sent."""
    me = await signed_in(request)
    fields = await json_fields(request)
    async with database(request) as session:
        customer = await find(session, me, path_id(request))
        await _apply(session, fields, customer)
    return Answer(full(customer))


async def _apply(session: AsyncSession, fields: Fields, customer: Customer) -> None:
    values = changed(fields, READERS, customer)
    fields.check()
    for name, value in values.items():
        setattr(customer, name, value)
    await session.commit()


async def list_page(request: Request) -> Response:
    """GET /customers: the newest, or the ones that were searched for."""
    me = await signed_in(request)
    wrong: dict[str, Any] = {}
    customers: list[Customer] = []
    async with database(request) as session:
        try:
            customers = await search(request, session, me)
        except Invalid as error:
            wrong = error.problems
    phone = request.query_params.get("phone", "")
    values = {"customers": customers, "phone": phone, "wrong": wrong}
    return pages.render(request, "customers.html", values, status=422 if wrong else 200)


async def new_page(request: Request) -> Response:
    """GET /customers/new: an empty form."""
    await signed_in(request)
    return _form(request, None, dict.fromkeys(READERS), {}, [])


async def edit_page(request: Request) -> Response:
    """GET /customers/{id}: the customer as a form, with the latest invoices."""
    me = await signed_in(request)
    async with database(request) as session:
        customer = await find(session, me, path_id(request))
        invoices = await latest_invoices(session, me, customer.id)
    return _form(request, customer.id, full(customer), {}, invoices)


async def latest_invoices(session: AsyncSession, me: SignedIn, customer_id: str) -> list[Invoice]:
    """Return a customer's ten latest invoices."""
    query = (
        select(Invoice)
        .where(Invoice.tenant_id == me.tenant_id, Invoice.customer_id == customer_id)
        .order_by(Invoice.date.desc(), Invoice.id.desc())
        .limit(10)
    )
    return list((await session.scalars(query)).all())


def _form(
    request: Request,
    customer_id: str | None,
    values: dict[str, Any],
    wrong: dict[str, Any],
    invoices: list[Invoice],
) -> Response:
    context = {"customer_id": customer_id, "values": values, "wrong": wrong, "invoices": invoices}
    return pages.render(request, "customer.html", context, status=422 if wrong else 200)


async def create_by_form(request: Request) -> Response:
    """POST /customers/new."""
    me = await signed_in(request)
    fields = await signed_form(request, me)
    try:
        customer = _new(fields, me)
    except Invalid as error:
        return _form(request, None, {**dict.fromkeys(READERS), **fields.data}, error.problems, [])
    async with database(request) as session:
        session.add(customer)
        await session.commit()
    return RedirectResponse(f"/customers/{customer.id}", 303)


async def change_by_form(request: Request) -> Response:
    """POST /customers/{id}."""
    me = await signed_in(request)
    fields = await signed_form(request, me)
    customer_id = path_id(request)
    async with database(request) as session:
        customer = await find(session, me, customer_id)
        try:
            await _apply(session, fields, customer)
        except Invalid as error:
            return _form(request, customer_id, {**dict.fromkeys(READERS), **fields.data}, error.problems, [])
    return RedirectResponse(f"/customers/{customer_id}", 303)


routes = [
    Route("/api/customers", listing, methods=["GET"]),
    Route("/api/customers", create, methods=["POST"]),
    Route("/api/customers/{id}", show, methods=["GET"]),
    Route("/api/customers/{id}", change, methods=["PATCH"]),
    Route("/customers", list_page, methods=["GET"]),
    Route("/customers/new", new_page, methods=["GET"]),
    Route("/customers/new", create_by_form, methods=["POST"]),
    Route("/customers/{id}", edit_page, methods=["GET"]),
    Route("/customers/{id}", change_by_form, methods=["POST"]),
]
