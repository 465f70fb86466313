"""What was sold in a month, by product and by customer."""

import calendar
import datetime as dt
import re
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iconix import pages
from iconix.auth import SignedIn, signed_in
from iconix.inputs import invalid
from iconix.models import CreditNote, Customer, Invoice, InvoiceLine, Product
from iconix.web import Answer, database, today


@dataclass(slots=True)
class Report:
    """The figures of one month, in rupiah. `products` add up to the net total, `customers` to net, tax and total."""

    month: str
    invoices: int = 0
    net: int = 0
    tax: int = 0
    total: int = 0
    credited: int = 0
    products: list[dict[str, object]] = field(default_factory=list)
    customers: list[dict[str, object]] = field(default_factory=list)


def read_month(request: Request) -> tuple[dt.date, dt.date]:
    """Read `?month=2026-10` and return its first and last day; the current month where there is none."""
    text = request.query_params.get("month") or f"{today():%Y-%m}"
    match = re.fullmatch(r"(20[0-9]{2})-(0[1-9]|1[0-2])", text)
    if match is None:
        invalid("month", "A month, written like 2026-10.")
    year, month = int(match[1]), int(match[2])
    return dt.date(year, month, 1), dt.date(year, month, calendar.monthrange(year, month)[1])


async def monthly(session: AsyncSession, me: SignedIn, first: dt.date, last: dt.date) -> Report:
    """Add up the invoices and credit notes of a month."""
    report = Report(f"{first:%Y-%m}")
    of_month = and_(Invoice.tenant_id == me.tenant_id, Invoice.date.between(first, last))
    await _by_customer(session, me, report, of_month)
    of_line = and_(InvoiceLine.tenant_id == Invoice.tenant_id, InvoiceLine.invoice_id == Invoice.id)
    sums = await session.execute(
        select(InvoiceLine.product_id, func.sum(InvoiceLine.quantity), func.sum(InvoiceLine.net))
        .join(Invoice, of_line)
        .where(of_month)
        .group_by(InvoiceLine.product_id)
    )
    sold = {product_id: (int(quantity), int(net)) for product_id, quantity, net in sums}
    products = await session.scalars(
        select(Product)
        .where(Product.tenant_id == me.tenant_id, Product.id.in_(list(sold)))
        .options(load_only(Product.sku, Product.name))
    )
    report.products = [
        {
            "id": product.id,
            "sku": product.sku,
            "name": product.name,
            "quantity": sold[product.id][0],
            "net": sold[product.id][1],
        }
        for product in products
    ]
    report.products.sort(key=lambda row: (-sold[str(row["id"])][1], str(row["sku"])))
    credited = select(func.sum(CreditNote.amount)).where(
        CreditNote.tenant_id == me.tenant_id, CreditNote.date.between(first, last)
    )
    report.credited = int(await session.scalar(credited) or 0)
    return report


async def _by_customer(session: AsyncSession, me: SignedIn, report: Report, of_month: ColumnElement[bool]) -> None:
    sums = await session.execute(
        select(Invoice.customer_id, func.count(), func.sum(Invoice.net), func.sum(Invoice.tax), func.sum(Invoice.total))
        .where(of_month)
        .group_by(Invoice.customer_id)
    )
    bought = {customer_id: tuple(map(int, figures)) for customer_id, *figures in sums}
    names = {
        customer.id: customer.name
        for customer in await session.scalars(
            select(Customer)
            .where(Customer.tenant_id == me.tenant_id, Customer.id.in_(list(bought)))
            .options(load_only(Customer.name))
        )
    }
    for customer_id, (count, net, tax, total) in sorted(bought.items(), key=lambda one: (-one[1][3], one[0])):
        report.invoices += count
        report.net += net
        report.tax += tax
        report.total += total
        report.customers.append(
            {"id": customer_id, "name": names[customer_id], "invoices": count, "net": net, "tax": tax, "total": total}
        )


async def show(request: Request) -> Response:
    """GET /api/reports/monthly?month=2026-10."""
    me = await signed_in(request)
    first, last = read_month(request)
    async with database(request) as session:
        report = await monthly(session, me, first, last)
    return Answer(
        {
            "month": report.month,
            "totals": {
                "invoices": report.invoices,
                "net": report.net,
                "tax": report.tax,
                "total": report.total,
                "credited": report.credited,
            },
            "products": report.products,
            "customers": report.customers,
        }
    )


async def show_page(request: Request) -> Response:
    """GET /reports?month=2026-10."""
    me = await signed_in(request)
    first, last = read_month(request)
    async with database(request) as session:
        report = await monthly(session, me, first, last)
    before, after = first - dt.timedelta(days=1), last + dt.timedelta(days=1)
    values = {"report": report, "before": f"{before:%Y-%m}", "after": f"{after:%Y-%m}"}
    return pages.render(request, "report.html", values)


routes = [
    Route("/api/reports/monthly", show, methods=["GET"]),
    Route("/reports", show_page, methods=["GET"]),
]
