"""Products, and the lines of documents that name them."""

from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iconix.auth import SignedIn, signed_in
from iconix.inputs import Fields
from iconix.models import Product
from iconix.money import LARGEST_AMOUNT
from iconix.web import Answer, conflict, cursor, database, json_fields, not_found, page_size, path_id

LARGEST_PRICE = 10**9
MOST_OF_ONE = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """So many of a product at a price."""

    product: Product
    quantity: int
    price: int

    @property
    def total(self) -> int:
        """Return quantity times price."""
        return self.quantity * self.price


def as_json(product: Product) -> dict[str, object]:
    """Return a product as the API shows it."""
    return {
        "id": product.id,
        "sku": product.sku,
        "name": product.name,
        "unit": product.unit,
        "price": product.price,
        "cost": product.cost,
        "active": product.active,
    }


async def read_lines(session: AsyncSession, me: SignedIn, fields: Fields, price: str) -> list[Line]:
    """Read `lines`, each with `product_id` or `sku`, a quantity and perhaps a price of its own (the field `price`).

    Without one the product's price is taken, for `unit_cost` its cost. Mistakes are left in `fields`.
    """
    items = fields.items("lines")
    wishes = [(item, item.maybe_text("product_id", 36), item.maybe_text("sku", 40)) for item in items]
    ids = {wish for _, wish, _ in wishes if wish}
    skus = {wish for _, _, wish in wishes if wish}
    query = select(Product).where(
        Product.tenant_id == me.tenant_id,
        Product.active.is_(True),
        or_(Product.id.in_(ids), Product.sku.in_(skus)),
    )
    found = (await session.scalars(query)).all() if ids or skus else []
    by_name = {product.id: product for product in found} | {product.sku: product for product in found}
    lines = []
    for item, product_id, sku in wishes:
        product = by_name.get(product_id or sku or "")
        if product is None:
            item.wrong("product_id", "There is no such product.")
            continue
        usual = product.cost if price == "unit_cost" else product.price
        quantity = item.whole("quantity", 1, MOST_OF_ONE)
        lines.append(Line(product, quantity, item.whole(price, 0, LARGEST_PRICE, default=usual)))
    if sum(line.total for line in lines) > LARGEST_AMOUNT:
        fields.wrong("lines", "The total is too large.")
    return lines


async def listing(request: Request) -> Response:
    """GET /api/products?limit=&after= (a SKU)."""
    me = await signed_in(request)
    query = select(Product).where(Product.tenant_id == me.tenant_id).order_by(Product.sku).limit(page_size(request))
    if after := cursor(request, "after", 40):
        query = query.where(Product.sku > after)
    async with database(request) as session:
        found = (await session.scalars(query)).all()
    return Answer({"products": [as_json(product) for product in found]})


async def show(request: Request) -> Response:
    """GET /api/products/{id}."""
    me = await signed_in(request)
    async with database(request) as session:
        product = await session.get(Product, (me.tenant_id, path_id(request)))
    if product is None:
        raise not_found()
    return Answer(as_json(product))


async def create(request: Request) -> Response:
    """POST /api/products."""
    me = await signed_in(request)
    fields = await json_fields(request)
    product = Product(
        tenant_id=me.tenant_id,
        sku=fields.text("sku", 40),
        name=fields.text("name", 120),
        unit=fields.maybe_text("unit", 20) or "pcs",
        price=fields.whole("price", 0, LARGEST_PRICE),
        cost=fields.whole("cost", 0, LARGEST_PRICE, default=0),
    )
    fields.check()
    async with database(request) as session:
        session.add(product)
        try:
            await session.commit()
        except IntegrityError:
            raise conflict("There is a product with this SKU already.") from None
    return Answer(as_json(product), 201, {"Location": f"/api/products/{product.id}"})


routes = [
    Route("/api/products", listing, methods=["GET"]),
    Route("/api/products", create, methods=["POST"]),
    Route("/api/products/{id}", show, methods=["GET"]),
]
