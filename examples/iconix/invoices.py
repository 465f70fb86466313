"""Sales invoices, payments and credit notes."""

import datetime as dt

from sqlalchemy import case, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iconix import pages
from iconix.auth import SignedIn, signed_in
from iconix.inputs import Fields
from iconix.models import CreditNote, Customer, Invoice, InvoiceLine, Payment
from iconix.money import LARGEST_AMOUNT, ppn
from iconix.numbering import take_number
from iconix.products import Line, read_lines
from iconix.web import Answer, conflict, database, json_fields, not_found, page_size, path_id, today

METHODS = ("cash", "transfer", "qris")
TERMS = dt.timedelta(days=14)


def brief(invoice: Invoice) -> dict[str, object]:
    """Return what a list shows; the customer must be loaded."""
    return {
        "id": invoice.id,
        "number": invoice.number,
        "date": invoice.date,
        "due": invoice.due,
        "status": invoice.status,
        "customer": {"id": invoice.customer_id, "name": invoice.customer.name},
        "net": invoice.net,
        "tax": invoice.tax,
        "total": invoice.total,
        "paid": invoice.paid,
        "credited": invoice.credited,
    }


def full(invoice: Invoice, payments: list[Payment], credit_notes: list[CreditNote]) -> dict[str, object]:
    """Return an invoice with its lines and what followed it."""
    return {
        **brief(invoice),
        "lines": [
            {
                "product_id": line.product_id,
                "description": line.description,
                "quantity": line.quantity,
                "unit_price": line.unit_price,
                "net": line.net,
            }
            for line in invoice.lines
        ],
        "payments": [{"id": one.id, "date": one.date, "method": one.method, "amount": one.amount} for one in payments],
        "credit_notes": [
            {"id": one.id, "number": one.number, "date": one.date, "amount": one.amount, "reason": one.reason}
            for one in credit_notes
        ],
    }


async def load(session: AsyncSession, me: SignedIn, invoice_id: str) -> tuple[Invoice, list[Payment], list[CreditNote]]:
    """Return an invoice with customer and lines, its payments and credit notes; or raise 404."""
    query = (
        select(Invoice)
        .where(Invoice.tenant_id == me.tenant_id, Invoice.id == invoice_id)
        .options(joinedload(Invoice.customer, innerjoin=True).load_only(Customer.name), selectinload(Invoice.lines))
        .execution_options(populate_existing=True)
    )
    invoice = (await session.scalars(query)).first()
    if invoice is None:
        raise not_found()
    payments = await session.scalars(
        select(Payment)
        .where(Payment.tenant_id == me.tenant_id, Payment.invoice_id == invoice_id)
        .order_by(Payment.date, Payment.id)
    )
    credit_notes = await session.scalars(
        select(CreditNote)
        .where(CreditNote.tenant_id == me.tenant_id, CreditNote.invoice_id == invoice_id)
        .order_by(CreditNote.date, CreditNote.id)
    )
    return invoice, list(payments.all()), list(credit_notes.all())


async def newest(request: Request, session: AsyncSession, me: SignedIn) -> list[Invoice]:
    """Return the latest invoices, perhaps only those of a customer or with a status; `before=` turns the page."""
    limit = page_size(request)
    fields = Fields(request.query_params)
    query = (
        select(Invoice)
        .where(Invoice.tenant_id == me.tenant_id)
        .options(joinedload(Invoice.customer, innerjoin=True).load_only(Customer.name))
        .order_by(Invoice.id.desc())
        .limit(limit)
    )
    if customer_id := fields.maybe_text("customer_id", 36):
        query = query.where(Invoice.customer_id == customer_id)
    if status := fields.choice("status", ("", "open", "paid"), default=""):
        query = query.where(Invoice.status == status)
    if before := fields.maybe_text("before", 36):
        query = query.where(Invoice.id < before)
    fields.check()
    return list((await session.scalars(query)).all())


def build(me: SignedIn, customer_id: str, number: str, date: dt.date, due: dt.date, lines: list[Line]) -> Invoice:
    """Make an invoice from its lines: net, tax and total."""
    net = sum(line.total for line in lines)
    return Invoice(
        tenant_id=me.tenant_id,
        customer_id=customer_id,
        number=number,
        date=date,
        due=due,
        net=net,
        tax=ppn(net),
        total=net + ppn(net),
        created_by=me.account_id,
        lines=[
            InvoiceLine(
                tenant_id=me.tenant_id,
                product_id=line.product.id,
                position=position,
                description=line.product.name,
                quantity=line.quantity,
                unit_price=line.price,
                net=line.total,
            )
            for position, line in enumerate(lines, 1)
        ],
    )


async def listing(request: Request) -> Response:
    """GET /api/invoices?customer_id=&status=&limit=&before=."""
    me = await signed_in(request)
    async with database(request) as session:
        found = await newest(request, session, me)
    return Answer({"invoices": [brief(invoice) for invoice in found]})


async def show(request: Request) -> Response:
    """GET /api/invoices/{id}."""
    me = await signed_in(request)
    async with database(request) as session:
        return Answer(full(*await load(session, me, path_id(request))))


async def create(request: Request) -> Response:
    """POST /api/invoices {customer_id, date?, due?, lines: [{product_id | sku, quantity, unit_price?}]}."""
    me = await signed_in(request)
    fields = await json_fields(request)
    customer_id = fields.text("customer_id", 36)
    date = fields.date("date", default=today())
    due = fields.date("due", default=date + TERMS)
    if due < date:
        fields.wrong("due", "This must not be before the date of the invoice.")
    async with database(request) as session:
        lines = await read_lines(session, me, fields, "unit_price")
        known = select(Customer.id).where(Customer.tenant_id == me.tenant_id, Customer.id == customer_id)
        if await session.scalar(known) is None:
            fields.wrong("customer_id", "There is no such customer.")
        fields.check()
        number = await take_number(session, me.tenant_id, f"invoice:{date:%Y}")
        invoice = build(me, customer_id, f"INV/{date:%Y/%m}/{number:05}", date, due, lines)
        session.add(invoice)
        await session.flush()
        answer = full(*await load(session, me, invoice.id))
        await session.commit()
    return Answer(answer, 201, {"Location": f"/api/invoices/{invoice.id}"})


async def _settle(session: AsyncSession, me: SignedIn, invoice_id: str, *, paid: int = 0, credited: int = 0) -> None:
    """Add to what was paid or credited, in one statement: two clerks at once cannot settle more than is open."""
    after = Invoice.paid + Invoice.credited + paid + credited
    statement = (
        update(Invoice)
        .where(Invoice.tenant_id == me.tenant_id, Invoice.id == invoice_id, after <= Invoice.total)
        .values(
            paid=Invoice.paid + paid,
            credited=Invoice.credited + credited,
            status=case((after == Invoice.total, "paid"), else_="open"),
        )
        .returning(Invoice.id)
        .execution_options(synchronize_session=False)
    )
    if await session.scalar(statement) is None:
        invoice = await session.get(Invoice, (me.tenant_id, invoice_id))
        if invoice is None:
            raise not_found()
        rest = invoice.total - invoice.paid - invoice.credited
        raise conflict(f"The open amount of this invoice is {pages.rupiah(rest)}.")


async def pay(request: Request) -> Response:
    """POST /api/invoices/{id}/payments {amount, method, date?}."""
    me = await signed_in(request)
    fields = await json_fields(request)
    invoice_id = path_id(request)
    payment = Payment(
        tenant_id=me.tenant_id,
        invoice_id=invoice_id,
        date=fields.date("date", default=today()),
        method=fields.choice("method", METHODS),
        amount=fields.whole("amount", 1, LARGEST_AMOUNT),
        received_by=me.account_id,
    )
    fields.check()
    async with database(request) as session:
        await _settle(session, me, invoice_id, paid=payment.amount)
        session.add(payment)
        await session.flush()
        answer = full(*await load(session, me, invoice_id))
        await session.commit()
    return Answer(answer, 201)


async def credit(request: Request) -> Response:
    """POST /api/invoices/{id}/credit-notes {amount, reason, date?}."""
    me = await signed_in(request)
    fields = await json_fields(request)
    invoice_id = path_id(request)
    date = fields.date("date", default=today())
    amount = fields.whole("amount", 1, LARGEST_AMOUNT)
    reason = fields.text("reason", 200)
    fields.check()
    async with database(request) as session:
        await _settle(session, me, invoice_id, credited=amount)
        number = await take_number(session, me.tenant_id, f"credit_note:{date:%Y}")
        session.add(
            CreditNote(
                tenant_id=me.tenant_id,
                invoice_id=invoice_id,
                number=f"CN/{date:%Y/%m}/{number:05}",
                date=date,
                amount=amount,
                reason=reason,
                created_by=me.account_id,
            )
        )
        await session.flush()
        answer = full(*await load(session, me, invoice_id))
        await session.commit()
    return Answer(answer, 201)


async def list_page(request: Request) -> Response:
    """GET /invoices: the latest."""
    me = await signed_in(request)
    async with database(request) as session:
        found = await newest(request, session, me)
    status = request.query_params.get("status", "")
    return pages.render(request, "invoices.html", {"invoices": found, "status": status})


async def show_page(request: Request) -> Response:
    """GET /invoices/{id}."""
    me = await signed_in(request)
    async with database(request) as session:
        invoice, payments, credit_notes = await load(session, me, path_id(request))
    values = {"invoice": invoice, "payments": payments, "credit_notes": credit_notes}
    return pages.render(request, "invoice.html", values)


routes = [
    Route("/api/invoices", listing, methods=["GET"]),
    Route("/api/invoices", create, methods=["POST"]),
    Route("/api/invoices/{id}", show, methods=["GET"]),
    Route("/api/invoices/{id}/payments", pay, methods=["POST"]),
    Route("/api/invoices/{id}/credit-notes", credit, methods=["POST"]),
    Route("/invoices", list_page, methods=["GET"]),
    Route("/invoices/{id}", show_page, methods=["GET"]),
]
