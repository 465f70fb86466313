"""The waiting queue of a day: patients take a number and are called."""

import datetime as dt

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from iconix import pages
from iconix.auth import SignedIn, signed_form, signed_in
from iconix.inputs import Fields
from iconix.models import Doctor, Patient, QueueTicket, now
from iconix.numbering import take_number
from iconix.web import Answer, conflict, database, json_fields, not_found, path_id, query_date, today


def as_json(ticket: QueueTicket) -> dict[str, object]:
    """Return a place in the queue; the patient must be loaded."""
    return {
        "id": ticket.id,
        "date": ticket.date,
        "number": ticket.number,
        "status": ticket.status,
        "patient": {"id": ticket.patient_id, "name": ticket.patient.name},
        "doctor_id": ticket.doctor_id,
        "taken_at": ticket.taken_at,
        "called_at": ticket.called_at,
    }


async def of_day(session: AsyncSession, me: SignedIn, date: dt.date) -> list[QueueTicket]:
    """Return the queue of a day, in the order of the numbers."""
    query = (
        select(QueueTicket)
        .where(QueueTicket.tenant_id == me.tenant_id, QueueTicket.date == date)
        .options(joinedload(QueueTicket.patient, innerjoin=True).load_only(Patient.name))
        .order_by(QueueTicket.number)
    )
    return list((await session.scalars(query)).all())


async def _find(session: AsyncSession, me: SignedIn, ticket_id: str) -> QueueTicket:
    query = (
        select(QueueTicket)
        .where(QueueTicket.tenant_id == me.tenant_id, QueueTicket.id == ticket_id)
        .options(joinedload(QueueTicket.patient, innerjoin=True).load_only(Patient.name))
        .execution_options(populate_existing=True)
    )
    ticket = (await session.scalars(query)).first()
    if ticket is None:
        raise not_found()
    return ticket


async def take(session: AsyncSession, me: SignedIn, fields: Fields) -> QueueTicket:
    """Give a patient the next number of today."""
    patient_id = fields.text("patient_id", 36)
    doctor_id = fields.maybe_text("doctor_id", 36)
    for table, name, wish in ((Patient, "patient_id", patient_id), (Doctor, "doctor_id", doctor_id)):
        known = select(table.id).where(table.tenant_id == me.tenant_id, table.id == wish)
        if wish and await session.scalar(known) is None:
            fields.wrong(name, "There is no such record.")
    fields.check()
    date = today()
    number = await take_number(session, me.tenant_id, f"queue:{date}")
    ticket = QueueTicket(tenant_id=me.tenant_id, date=date, number=number, patient_id=patient_id, doctor_id=doctor_id)
    session.add(ticket)
    return ticket


async def advance(session: AsyncSession, me: SignedIn, ticket_id: str, status: str) -> None:
    """Call a patient who waits, or finish with one who was called; 409 for anything else."""
    before = {"called": "waiting", "done": "called"}[status]
    statement = (
        update(QueueTicket)
        .where(QueueTicket.tenant_id == me.tenant_id, QueueTicket.id == ticket_id, QueueTicket.status == before)
        .values({"status": status} | ({"called_at": now()} if status == "called" else {}))
        .returning(QueueTicket.id)
        .execution_options(synchronize_session=False)
    )
    if await session.scalar(statement) is None:
        await _find(session, me, ticket_id)
        raise conflict("This patient was called already." if status == "called" else "This patient was not called yet.")


async def listing(request: Request) -> Response:
    """GET /api/queue?date=."""
    me = await signed_in(request)
    date = query_date(request)
    async with database(request) as session:
        tickets = await of_day(session, me, date)
    return Answer({"date": date, "tickets": [as_json(ticket) for ticket in tickets]})


async def create(request: Request) -> Response:
    """POST /api/queue {patient_id, doctor_id?}: take a number."""
    me = await signed_in(request)
    fields = await json_fields(request)
    async with database(request) as session:
        ticket = await take(session, me, fields)
        await session.flush()
        answer = as_json(await _find(session, me, ticket.id))
        await session.commit()
    return Answer(answer, 201)


async def _advance(request: Request, status: str) -> Response:
    me = await signed_in(request)
    async with database(request) as session:
        await advance(session, me, path_id(request), status)
        answer = as_json(await _find(session, me, path_id(request)))
        await session.commit()
    return Answer(answer)


async def call(request: Request) -> Response:
    """POST /api/queue/{id}/call."""
    return await _advance(request, "called")


async def finish(request: Request) -> Response:
    """POST /api/queue/{id}/done."""
    return await _advance(request, "done")


async def show_page(request: Request) -> Response:
    """GET /clinic/queue?date=."""
    me = await signed_in(request)
    date = query_date(request)
    async with database(request) as session:
        tickets = await of_day(session, me, date)
    return pages.render(request, "queue.html", {"date": date, "tickets": tickets})


async def change_by_form(request: Request) -> Response:
    """POST /clinic/queue: take a number (patient_id), or call or finish a ticket (ticket_id, status)."""
    me = await signed_in(request)
    fields = await signed_form(request, me)
    async with database(request) as session:
        if fields.given("ticket_id"):
            ticket_id = fields.text("ticket_id", 36)
            status = fields.choice("status", ("called", "done"))
            fields.check()
            await advance(session, me, ticket_id, status)
        else:
            await take(session, me, fields)
        await session.commit()
    return RedirectResponse("/clinic/queue", 303)


routes = [
    Route("/api/queue", listing, methods=["GET"]),
    Route("/api/queue", create, methods=["POST"]),
    Route("/api/queue/{id}/call", call, methods=["POST"]),
    Route("/api/queue/{id}/done", finish, methods=["POST"]),
    Route("/clinic/queue", show_page, methods=["GET"]),
    Route("/clinic/queue", change_by_form, methods=["POST"]),
]
