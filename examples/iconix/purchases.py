"""Suppliers and their invoices."""

import datetime as dt

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iconix.auth import SignedIn, signed_in
from iconix.models import Purchase, PurchaseLine, Supplier
from iconix.money import ppn
from iconix.numbering import take_number
from iconix.products import read_lines
from iconix.web import Answer, cursor, database, json_fields, not_found, page_size, path_id, today

TERMS = dt.timedelta(days=30)


def brief(purchase: Purchase) -> dict[str, object]:
    """Return what a list shows; the supplier must be loaded."""
    return {
        "id": purchase.id,
        "number": purchase.number,
        "supplier_number": purchase.supplier_number,
        "date": purchase.date,
        "due": purchase.due,
        "supplier": {"id": purchase.supplier_id, "name": purchase.supplier.name},
        "net": purchase.net,
        "tax": purchase.tax,
        "total": purchase.total,
    }


def full(purchase: Purchase) -> dict[str, object]:
    """Return a purchase with its lines, and where to pay it."""
    lines = [
        {
            "product_id": line.product_id,
            "description": line.description,
            "quantity": line.quantity,
            "unit_cost": line.unit_cost,
            "net": line.net,
        }
        for line in purchase.lines
    ]
    return {**brief(purchase), "pay_to": purchase.supplier.bank_account, "lines": lines}


async def load(session: AsyncSession, me: SignedIn, purchase_id: str) -> Purchase:
    """Return a purchase with supplier and lines, or raise 404."""
    query = (
        select(Purchase)
        .where(Purchase.tenant_id == me.tenant_id, Purchase.id == purchase_id)
        .options(joinedload(Purchase.supplier, innerjoin=True), selectinload(Purchase.lines))
        .execution_options(populate_existing=True)
    )
    purchase = (await session.scalars(query)).first()
    if purchase is None:
        raise not_found()
    return purchase


async def listing(request: Request) -> Response:
    """GET /api/purchases?limit=&before=."""
    me = await signed_in(request)
    query = (
        select(Purchase)
        .where(Purchase.tenant_id == me.tenant_id)
        .options(joinedload(Purchase.supplier, innerjoin=True).load_only(Supplier.name))
        .order_by(Purchase.id.desc())
        .limit(page_size(request))
    )
    if before := cursor(request, "before"):
        query = query.where(Purchase.id < before)
    async with database(request) as session:
        found = (await session.scalars(query)).all()
    return Answer({"purchases": [brief(purchase) for purchase in found]})


async def show(request: Request) -> Response:
    """GET /api/purchases/{id}."""
    me = await signed_in(request)
    async with database(request) as session:
        return Answer(full(await load(session, me, path_id(request))))


async def create(request: Request) -> Response:
    """POST /api/purchases {supplier_id, supplier_number?, date?, lines: [{product_id | sku, quantity, unit_cost?}]}."""
    me = await signed_in(request)
    fields = await json_fields(request)
    supplier_id = fields.text("supplier_id", 36)
    supplier_number = fields.maybe_text("supplier_number", 60)
    date = fields.date("date", default=today())
    async with database(request) as session:
        lines = await read_lines(session, me, fields, "unit_cost")
        known = select(Supplier.id).where(Supplier.tenant_id == me.tenant_id, Supplier.id == supplier_id)
        if await session.scalar(known) is None:
            fields.wrong("supplier_id", "There is no such supplier.")
        fields.check()
        net = sum(line.total for line in lines)
        number = await take_number(session, me.tenant_id, f"purchase:{date:%Y}")
        purchase = Purchase(
            tenant_id=me.tenant_id,
            supplier_id=supplier_id,
            number=f"PUR/{date:%Y/%m}/{number:05}",
            supplier_number=supplier_number,
            date=date,
            due=date + TERMS,
            net=net,
            tax=ppn(net),
            total=net + ppn(net),
            created_by=me.account_id,
            lines=[
                PurchaseLine(
                    tenant_id=me.tenant_id,
                    product_id=line.product.id,
                    position=position,
                    description=line.product.name,
                    quantity=line.quantity,
                    unit_cost=line.price,
                    net=line.total,
                )
                for position, line in enumerate(lines, 1)
            ],
        )
        session.add(purchase)
        await session.flush()
        answer = full(await load(session, me, purchase.id))
        await session.commit()
    return Answer(answer, 201, {"Location": f"/api/purchases/{purchase.id}"})


async def list_suppliers(request: Request) -> Response:
    """GET /api/suppliers."""
    me = await signed_in(request)
    query = select(Supplier).where(Supplier.tenant_id == me.tenant_id).order_by(Supplier.code).limit(page_size(request))
    async with database(request) as session:
        found = (await session.scalars(query)).all()
    suppliers = [
        {"id": one.id, "code": one.code, "name": one.name, "city": one.city, "bank_account": one.bank_account}
        for one in found
    ]
    return Answer({"suppliers": suppliers})


routes = [
    Route("/api/suppliers", list_suppliers, methods=["GET"]),
    Route("/api/purchases", listing, methods=["GET"]),
    Route("/api/purchases", create, methods=["POST"]),
    Route("/api/purchases/{id}", show, methods=["GET"]),
]
