"""Couriers hand in the cash of a day."""

from sqlalchemy import select, update
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iconix.auth import signed_in
from iconix.inputs import Fields
from iconix.models import CodOrder, Courier, Settlement, Store
from iconix.money import LARGEST_AMOUNT
from iconix.web import Answer, conflict, database, json_fields, page_size, today


def as_json(settlement: Settlement) -> dict[str, object]:
    """Return a settlement; `difference` is negative where cash is missing."""
    return {
        "id": settlement.id,
        "courier_id": settlement.courier_id,
        "date": settlement.date,
        "orders": settlement.orders,
        "expected": settlement.expected,
        "received": settlement.received,
        "difference": settlement.received - settlement.expected,
    }


async def list_couriers(request: Request) -> Response:
    """GET /api/couriers."""
    me = await signed_in(request)
    query = select(Courier).where(Courier.tenant_id == me.tenant_id, Courier.active.is_(True)).order_by(Courier.code)
    async with database(request) as session:
        found = (await session.scalars(query)).all()
    return Answer({"couriers": [{"id": c.id, "code": c.code, "name": c.name, "phone": c.phone} for c in found]})


async def list_stores(request: Request) -> Response:
    """GET /api/stores."""
    me = await signed_in(request)
    query = select(Store).where(Store.tenant_id == me.tenant_id).order_by(Store.code)
    async with database(request) as session:
        found = (await session.scalars(query)).all()
    stores = [
        {
            "id": one.id,
            "code": one.code,
            "name": one.name,
            "address": one.address,
            "city": one.city,
            "latitude": one.latitude,
            "longitude": one.longitude,
        }
        for one in found
    ]
    return Answer({"stores": stores})


async def listing(request: Request) -> Response:
    """GET /api/settlements?courier_id=&date=&limit=."""
    me = await signed_in(request)
    limit = page_size(request)
    fields = Fields(request.query_params)
    query = select(Settlement).where(Settlement.tenant_id == me.tenant_id).order_by(Settlement.id.desc()).limit(limit)
    if courier_id := fields.maybe_text("courier_id", 36):
        query = query.where(Settlement.courier_id == courier_id)
    if fields.data.get("date"):
        query = query.where(Settlement.date == fields.date("date"))
    fields.check()
    async with database(request) as session:
        found = (await session.scalars(query)).all()
    return Answer({"settlements": [as_json(settlement) for settlement in found]})


async def create(request: Request) -> Response:
    """POST /api/settlements {courier_id, date?, received}: settle all orders that the courier was paid for that day."""
    me = await signed_in(request)
    fields = await json_fields(request)
    courier_id = fields.text("courier_id", 36)
    date = fields.date("date", default=today())
    received = fields.whole("received", 0, LARGEST_AMOUNT)
    fields.check()
    of_day = (
        CodOrder.tenant_id == me.tenant_id,
        CodOrder.courier_id == courier_id,
        CodOrder.delivered_on == date,
        CodOrder.status == "paid",
    )
    async with database(request) as session:
        paid = (await session.execute(select(CodOrder.id, CodOrder.cash_collected).where(*of_day))).all()
        if not paid:
            raise conflict("There is nothing to settle for this courier and day.")
        settlement = Settlement(
            tenant_id=me.tenant_id,
            courier_id=courier_id,
            date=date,
            orders=len(paid),
            expected=sum(row.cash_collected for row in paid),
            received=received,
            settled_by=me.account_id,
        )
        session.add(settlement)
        await session.flush()
        settled = await session.scalars(
            update(CodOrder)
            .where(*of_day, CodOrder.id.in_([row.id for row in paid]))
            .values(status="settled", settlement_id=settlement.id)
            .returning(CodOrder.id)
            .execution_options(synchronize_session=False)
        )
        if len(settled.all()) != len(paid):
            raise conflict("Somebody else is settling this day. Look again.")
        await session.commit()
    return Answer(as_json(settlement), 201)


routes = [
    Route("/api/couriers", list_couriers, methods=["GET"]),
    Route("/api/stores", list_stores, methods=["GET"]),
    Route("/api/settlements", listing, methods=["GET"]),
    Route("/api/settlements", create, methods=["POST"]),
]
