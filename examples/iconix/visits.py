"""Doctors and visits: what the patient said, what the doctor found and prescribed."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, load_only
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from iconix.auth import SignedIn, signed_in
from iconix.inputs import Fields, changed
from iconix.models import Doctor, Patient, Visit
from iconix.web import Answer, database, json_fields, not_found, page_size, path_id, today

LONGEST = 5000
STATES = ("open", "closed")
READERS: dict[str, Callable[[Fields], Any]] = {
    "complaint": lambda fields: fields.maybe_text("complaint", LONGEST),
    "diagnosis": lambda fields: fields.maybe_text("diagnosis", LONGEST),
    "prescription": lambda fields: fields.maybe_text("prescription", LONGEST),
    "notes": lambda fields: fields.maybe_text("notes", LONGEST),
    "status": lambda fields: fields.choice("status", STATES),
}


def brief(visit: Visit) -> dict[str, object]:
    """Return what a list shows; patient and doctor must be loaded."""
    return {
        "id": visit.id,
        "date": visit.date,
        "status": visit.status,
        "patient": {
            "id": visit.patient_id,
            "record_number": visit.patient.record_number,
            "name": visit.patient.name,
        },
        "doctor": {"id": visit.doctor_id, "name": visit.doctor.name},
    }


def full(visit: Visit) -> dict[str, object]:
    """Return a visit with its medical part."""
    return {
        **brief(visit),
        "complaint": visit.complaint,
        "diagnosis": visit.diagnosis,
        "prescription": visit.prescription,
        "notes": visit.notes,
    }


def _people() -> Any:
    return (
        joinedload(Visit.patient, innerjoin=True).load_only(Patient.record_number, Patient.name),
        joinedload(Visit.doctor, innerjoin=True).load_only(Doctor.name),
    )


async def find(session: AsyncSession, me: SignedIn, visit_id: str) -> Visit:
    """Return a visit with patient and doctor, or raise 404."""
    query = select(Visit).where(Visit.tenant_id == me.tenant_id, Visit.id == visit_id).options(*_people())
    visit = (await session.scalars(query)).first()
    if visit is None:
        raise not_found()
    return visit


async def list_doctors(request: Request) -> Response:
    """GET /api/doctors."""
    me = await signed_in(request)
    query = select(Doctor).where(Doctor.tenant_id == me.tenant_id, Doctor.active.is_(True)).order_by(Doctor.code)
    async with database(request) as session:
        found = (await session.scalars(query)).all()
    doctors = [
        {"id": one.id, "code": one.code, "name": one.name, "speciality": one.speciality, "room": one.room}
        for one in found
    ]
    return Answer({"doctors": doctors})


async def listing(request: Request) -> Response:
    """GET /api/visits?date=&patient_id=&limit=&before=: without the medical part."""
    me = await signed_in(request)
    limit = page_size(request)
    fields = Fields(request.query_params)
    query = (
        select(Visit)
        .where(Visit.tenant_id == me.tenant_id)
        .options(load_only(Visit.date, Visit.status, Visit.patient_id, Visit.doctor_id), *_people())
        .order_by(Visit.id.desc())
        .limit(limit)
    )
    if patient_id := fields.maybe_text("patient_id", 36):
        query = query.where(Visit.patient_id == patient_id)
    if fields.data.get("date"):
        query = query.where(Visit.date == fields.date("date"))
    if before := fields.maybe_text("before", 36):
        query = query.where(Visit.id < before)
    fields.check()
    async with database(request) as session:
        found = (await session.scalars(query)).all()
    return Answer({"visits": [brief(visit) for visit in found]})


async def show(request: Request) -> Response:
    """GET /api/visits/{id}."""
    me = await signed_in(request)
    async with database(request) as session:
        return Answer(full(await find(session, me, path_id(request))))


async def create(request: Request) -> Response:
    """POST /api/visits {patient_id, doctor_id, date?, complaint?}."""
    me = await signed_in(request)
    fields = await json_fields(request)
    visit = Visit(
        tenant_id=me.tenant_id,
        patient_id=fields.text("patient_id", 36),
        doctor_id=fields.text("doctor_id", 36),
        date=fields.date("date", default=today()),
        complaint=fields.maybe_text("complaint", LONGEST),
    )
    async with database(request) as session:
        for table, name in ((Patient, "patient_id"), (Doctor, "doctor_id")):
            known = select(table.id).where(table.tenant_id == me.tenant_id, table.id == getattr(visit, name))
            if await session.scalar(known) is None:
                fields.wrong(name, "There is no such record.")
        fields.check()
        session.add(visit)
        await session.flush()
        answer = full(await find(session, me, visit.id))
        await session.commit()
    return Answer(answer, 201, {"Location": f"/api/visits/{visit.id}"})


async def change(request: Request) -> Response:
    """PATCH /api/visits/{id} {complaint?, diagnosis?, prescription?, notes?, status?}."""
    me = await signed_in(request)
    fields = await json_fields(request)
    async with database(request) as session:
        visit = await find(session, me, path_id(request))
        values = changed(fields, READERS, visit)
        fields.check()
        for name, value in values.items():
            setattr(visit, name, value)
        await session.commit()
    return Answer(full(visit))


routes = [
    Route("/api/doctors", list_doctors, methods=["GET"]),
    Route("/api/visits", listing, methods=["GET"]),
    Route("/api/visits", create, methods=["POST"]),
    Route("/api/visits/{id}", show, methods=["GET"]),
    Route("/api/visits/{id}", change, methods=["PATCH"]),
]
