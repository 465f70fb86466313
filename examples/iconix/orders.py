"""Cash-on-delivery orders: placed by the mobile app, given to a courier, delivered, paid at the door."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, load_only, selectinload
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iconix import pages, shipping
from iconix.auth import SignedIn, signed_in
from iconix.inputs import Fields
from iconix.models import CodAssignment, CodOrder, CodOrderLine, Courier, Store
from iconix.money import LARGEST_AMOUNT
from iconix.numbering import take_number
from iconix.products import read_lines
from iconix.web import Answer, conflict, database, json_fields, not_found, page_size, path_id, today

STATES = ("placed", "assigned", "delivered", "paid", "settled")


def brief(order: CodOrder) -> dict[str, object]:
    """Return what a list shows."""
    return {
        "id": order.id,
        "number": order.number,
        "status": order.status,
        "customer_name": order.customer_name,
        "cash_due": order.cash_due,
        "courier_id": order.courier_id,
        "placed_at": order.placed_at,
        "delivered_on": order.delivered_on,
    }


def full(order: CodOrder) -> dict[str, object]:
    """Return an order with where it goes and what is in it; lines must be loaded."""
    return {
        **brief(order),
        "phone": order.phone,
        "address": order.address,
        "latitude": order.latitude,
        "longitude": order.longitude,
        "store_id": order.store_id,
        "goods_total": order.goods_total,
        "fee": order.fee,
        "cash_collected": order.cash_collected,
        "settlement_id": order.settlement_id,
        "lines": [
            {
                "product_id": line.product_id,
                "description": line.description,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "total": line.total,
            }
            for line in order.lines
        ],
    }


async def find(session: AsyncSession, me: SignedIn, order_id: str) -> CodOrder:
    """Return an order with lines and courier, or raise 404."""
    query = (
        select(CodOrder)
        .where(CodOrder.tenant_id == me.tenant_id, CodOrder.id == order_id)
        .options(selectinload(CodOrder.lines), joinedload(CodOrder.courier).load_only(Courier.name))
        .execution_options(populate_existing=True)
    )
    order = (await session.scalars(query)).first()
    if order is None:
        raise not_found()
    return order


async def newest(request: Request, session: AsyncSession, me: SignedIn) -> list[CodOrder]:
    """Return the latest orders: of a status, a courier (`courier_id=me` for one's own), a customer's phone."""
    limit = page_size(request)
    fields = Fields(request.query_params)
    query = (
        select(CodOrder)
        .where(CodOrder.tenant_id == me.tenant_id)
        .options(
            load_only(
                CodOrder.number,
                CodOrder.status,
                CodOrder.customer_name,
                CodOrder.cash_due,
                CodOrder.courier_id,
                CodOrder.placed_at,
                CodOrder.delivered_on,
            ),
            joinedload(CodOrder.courier).load_only(Courier.name),
        )
        .order_by(CodOrder.id.desc())
        .limit(limit)
    )
    if status := fields.choice("status", ("", *STATES), default=""):
        query = query.where(CodOrder.status == status)
    courier_id = fields.maybe_text("courier_id", 36)
    if courier_id == "me":
        own = select(Courier.id).where(Courier.tenant_id == me.tenant_id, Courier.account_id == me.account_id)
        courier_id = await session.scalar(own) or "none"
    if courier_id:
        query = query.where(CodOrder.courier_id == courier_id)
    if phone := fields.phone("phone"):
        query = query.where(CodOrder.phone == phone)
    if before := fields.maybe_text("before", 36):
        query = query.where(CodOrder.id < before)
    fields.check()
    return list((await session.scalars(query)).all())


async def listing(request: Request) -> Response:
    """GET /api/orders?status=&courier_id=&phone=&limit=&before=."""
    me = await signed_in(request)
    async with database(request) as session:
        found = await newest(request, session, me)
    return Answer({"orders": [brief(order) for order in found]})


async def show(request: Request) -> Response:
    """GET /api/orders/{id}."""
    me = await signed_in(request)
    async with database(request) as session:
        return Answer(full(await find(session, me, path_id(request))))


def _read_place(fields: Fields) -> tuple[dict[str, Any], str | None]:
    """Read who orders and where it goes, and perhaps the store that was chosen."""
    phone = fields.phone("phone")
    if phone is None:
        fields.wrong("phone", "This is required.")
    place = {
        "customer_name": fields.text("customer_name", 120),
        "phone": phone,
        "address": fields.text("address", 300),
        "latitude": fields.number("latitude", -90, 90),
        "longitude": fields.number("longitude", -180, 180),
    }
    return place, fields.maybe_text("store_id", 36)


async def create(request: Request) -> Response:
    """POST /api/orders {customer_name, phone, address, latitude, longitude, store_id?, lines: [...]}.

    The goods leave from the nearest store; the answer tells the distance in km, which is not kept.
    """
    me = await signed_in(request)
    fields = await json_fields(request)
    place, store_id = _read_place(fields)
    async with database(request) as session:
        lines = await read_lines(session, me, fields, "unit_price")
        query = select(Store).where(Store.tenant_id == me.tenant_id)
        stores = (await session.scalars(query.where(Store.id == store_id) if store_id else query)).all()
        if not stores:
            fields.wrong("store_id", "There is no such store.")
        fields.check()
        store, km = shipping.nearest(stores, place["latitude"], place["longitude"])
        if km > store.reach_km:
            fields.wrong("latitude", "We deliver up to {reach} km from the store.", reach=store.reach_km)
        fields.check()
        goods, fee, year = sum(line.total for line in lines), shipping.fee(store, km), f"{today():%Y}"
        number = await take_number(session, me.tenant_id, f"order:{year}")
        order = CodOrder(
            tenant_id=me.tenant_id,
            number=f"COD/{year}/{number:05}",
            store_id=store.id,
            goods_total=goods,
            fee=fee,
            cash_due=goods + fee,
            lines=[
                CodOrderLine(
                    tenant_id=me.tenant_id,
                    product_id=line.product.id,
                    position=position,
                    description=line.product.name,
                    quantity=line.quantity,
                    unit_price=line.price,
                    total=line.total,
                )
                for position, line in enumerate(lines, 1)
            ],
            **place,
        )
        session.add(order)
        await session.commit()
    return Answer({**full(order), "distance_km": round(km, 2)}, 201, {"Location": f"/api/orders/{order.id}"})


async def _advance(session: AsyncSession, me: SignedIn, order_id: str, before: tuple[str, ...], **values: Any) -> None:
    """Take an order to its next state in one statement, so that it happens once; 409 where it is not the next one."""
    statement = (
        update(CodOrder)
        .where(CodOrder.tenant_id == me.tenant_id, CodOrder.id == order_id, CodOrder.status.in_(before))
        .values(**values)
        .returning(CodOrder.id)
        .execution_options(synchronize_session=False)
    )
    if await session.scalar(statement) is None:
        known = select(CodOrder.status).where(CodOrder.tenant_id == me.tenant_id, CodOrder.id == order_id)
        status = await session.scalar(known)
        if status is None:
            raise not_found()
        raise conflict(f"This order is {status}; that cannot be done now.")


async def assign(request: Request) -> Response:
    """POST /api/orders/{id}/assign {courier_id}: also takes it from one courier to another."""
    me = await signed_in(request)
    fields = await json_fields(request)
    courier_id, order_id = fields.text("courier_id", 36), path_id(request)
    fields.check()
    async with database(request) as session:
        known = select(Courier.id).where(
            Courier.tenant_id == me.tenant_id, Courier.id == courier_id, Courier.active.is_(True)
        )
        if await session.scalar(known) is None:
            fields.wrong("courier_id", "There is no such courier.")
        fields.check()
        await _advance(session, me, order_id, ("placed", "assigned"), status="assigned", courier_id=courier_id)
        session.add(
            CodAssignment(tenant_id=me.tenant_id, order_id=order_id, courier_id=courier_id, assigned_by=me.account_id)
        )
        await session.flush()
        answer = full(await find(session, me, order_id))
        await session.commit()
    return Answer(answer)


async def deliver(request: Request) -> Response:
    """POST /api/orders/{id}/deliver."""
    me = await signed_in(request)
    async with database(request) as session:
        await _advance(session, me, path_id(request), ("assigned",), status="delivered", delivered_on=today())
        answer = full(await find(session, me, path_id(request)))
        await session.commit()
    return Answer(answer)


async def collect(request: Request) -> Response:
    """POST /api/orders/{id}/collect {amount}: the cash that was paid at the door, which must be what was due."""
    me = await signed_in(request)
    fields = await json_fields(request)
    amount = fields.whole("amount", 1, LARGEST_AMOUNT)
    fields.check()
    async with database(request) as session:
        await _advance(session, me, path_id(request), ("delivered",), status="paid", cash_collected=amount)
        order = await find(session, me, path_id(request))
        if order.cash_due != amount:
            raise conflict(f"The amount due is {pages.rupiah(order.cash_due)}.")
        answer = full(order)
        await session.commit()
    return Answer(answer)


async def list_page(request: Request) -> Response:
    """GET /orders."""
    me = await signed_in(request)
    async with database(request) as session:
        found = await newest(request, session, me)
    values = {"orders": found, "status": request.query_params.get("status", ""), "states": STATES}
    return pages.render(request, "orders.html", values)


async def show_page(request: Request) -> Response:
    """GET /orders/{id}."""
    me = await signed_in(request)
    async with database(request) as session:
        order = await find(session, me, path_id(request))
    return pages.render(request, "order.html", {"order": order})


routes = [
    Route("/api/orders", listing, methods=["GET"]),
    Route("/api/orders", create, methods=["POST"]),
    Route("/api/orders/{id}", show, methods=["GET"]),
    Route("/api/orders/{id}/assign", assign, methods=["POST"]),
    Route("/api/orders/{id}/deliver", deliver, methods=["POST"]),
    Route("/api/orders/{id}/collect", collect, methods=["POST"]),
    Route("/orders", list_page, methods=["GET"]),
    Route("/orders/{id}", show_page, methods=["GET"]),
]
