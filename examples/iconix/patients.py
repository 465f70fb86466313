"""Registering patients, at the desk by a form and by the API; a child needs a guardian."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only, selectinload
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from iconix import pages
from iconix.auth import SignedIn, signed_form, signed_in
from iconix.inputs import Fields, Invalid, changed, invalid
from iconix.models import Doctor, Guardian, Patient, Visit
from iconix.numbering import take_number
from iconix.web import Answer, conflict, database, json_fields, not_found, page_size, path_id, today

GENDERS = ("female", "male")
RELATIONS = ("mother", "father", "guardian")
ADULT = 18
KNOWN = "There is a patient with this NIK already."


def _birth_date(fields: Fields) -> dt.date:
    day = fields.date("birth_date")
    if day > today():
        fields.wrong("birth_date", "This date is in the future.")
    return day


READERS: dict[str, Callable[[Fields], Any]] = {
    "name": lambda fields: fields.text("name", 120),
    "nik": lambda fields: fields.digits("nik", 16),
    "bpjs_number": lambda fields: fields.digits("bpjs_number", 13),
    "birth_date": _birth_date,
    "gender": lambda fields: fields.choice("gender", GENDERS),
    "phone": lambda fields: fields.phone("phone"),
    "address": lambda fields: fields.maybe_text("address", 300),
}
FORM = (*READERS, "guardian_relation", "guardian_name", "guardian_phone", "guardian_nik")


def is_child(birth_date: dt.date) -> bool:
    """Tell whether somebody born on that day is under 18 today."""
    day = today()
    age = day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))
    return age < ADULT


def brief(patient: Patient) -> dict[str, object]:
    """Return what a list shows."""
    return {
        "id": patient.id,
        "record_number": patient.record_number,
        "name": patient.name,
        "birth_date": patient.birth_date,
        "gender": patient.gender,
    }


def full(patient: Patient) -> dict[str, object]:
    """Return everything that the desk knows of a patient; guardians must be loaded."""
    return {
        **brief(patient),
        "nik": patient.nik,
        "bpjs_number": patient.bpjs_number,
        "phone": patient.phone,
        "address": patient.address,
        "guardians": [
            {"id": one.id, "relation": one.relation, "name": one.name, "phone": one.phone, "nik": one.nik}
            for one in patient.guardians
        ],
        "created_at": patient.created_at,
    }


def _read_guardian(me: SignedIn, fields: Fields, prefix: str = "") -> Guardian:
    return Guardian(
        tenant_id=me.tenant_id,
        relation=fields.choice(f"{prefix}relation", RELATIONS, default="guardian"),
        name=fields.text(f"{prefix}name", 120),
        phone=fields.phone(f"{prefix}phone"),
        nik=fields.digits(f"{prefix}nik", 16),
    )


def _read(me: SignedIn, fields: Fields, guardians: list[Guardian]) -> Patient:
    """Make a patient from the fields, without a record number yet."""
    values = {name: read(fields) for name, read in READERS.items()}
    if "birth_date" not in fields.problems and is_child(values["birth_date"]) and not guardians:
        fields.wrong("guardian_name", "A child needs a guardian.")
    fields.check()
    return Patient(tenant_id=me.tenant_id, guardians=guardians, **values)


async def register(session: AsyncSession, me: SignedIn, patient: Patient) -> None:
    """Give the patient the next record number and keep it; Invalid where the NIK is known."""
    patient.record_number = f"RM-{await take_number(session, me.tenant_id, 'patient'):06}"
    session.add(patient)
    try:
        await session.commit()
    except IntegrityError:
        invalid("nik", KNOWN)


async def find(session: AsyncSession, me: SignedIn, patient_id: str) -> Patient:
    """Return a patient with guardians, or raise 404."""
    patient = await session.get(Patient, (me.tenant_id, patient_id), options=[selectinload(Patient.guardians)])
    if patient is None:
        raise not_found()
    return patient


async def search(request: Request, session: AsyncSession, me: SignedIn) -> list[Patient]:
    """Return the newest patients, or those with a NIK, BPJS, phone or record number; `before=` turns the page."""
    limit = page_size(request)
    fields = Fields(request.query_params)
    query = (
        select(Patient)
        .where(Patient.tenant_id == me.tenant_id)
        .options(load_only(Patient.record_number, Patient.name, Patient.birth_date, Patient.gender))
        .order_by(Patient.id.desc())
        .limit(limit)
    )
    if nik := fields.digits("nik", 16):
        query = query.where(Patient.nik == nik)
    if bpjs_number := fields.digits("bpjs_number", 13):
        query = query.where(Patient.bpjs_number == bpjs_number)
    if phone := fields.phone("phone"):
        query = query.where(Patient.phone == phone)
    if record_number := fields.maybe_text("record_number", 20):
        query = query.where(Patient.record_number == record_number)
    if before := fields.maybe_text("before", 36):
        query = query.where(Patient.id < before)
    fields.check()
    return list((await session.scalars(query)).all())


async def listing(request: Request) -> Response:
    """GET /api/patients?nik=&bpjs_number=&phone=&record_number=&limit=&before=."""
    me = await signed_in(request)
    async with database(request) as session:
        found = await search(request, session, me)
    return Answer({"patients": [brief(patient) for patient in found]})


async def show(request: Request) -> Response:
    """GET /api/patients/{id}."""
    me = await signed_in(request)
    async with database(request) as session:
        return Answer(full(await find(session, me, path_id(request))))


async def create(request: Request) -> Response:
    """POST /api/patients {name, birth_date, gender, nik?, bpjs_number?, phone?, address?, guardians?: [...]}."""
    me = await signed_in(request)
    fields = await json_fields(request)
    guardians = (
        [_read_guardian(me, one) for one in fields.items("guardians", 4)] if fields.data.get("guardians") else []
    )
    patient = _read(me, fields, guardians)
    async with database(request) as session:
        await register(session, me, patient)
    return Answer(full(patient), 201, {"Location": f"/api/patients/{patient.id}"})


async def change(request: Request) -> Response:
    """PATCH /api/patients/{id}: only the fields that are sent."""
    me = await signed_in(request)
    fields = await json_fields(request)
    async with database(request) as session:
        patient = await find(session, me, path_id(request))
        values = changed(fields, READERS, patient)
        fields.check()
        for name, value in values.items():
            setattr(patient, name, value)
        try:
            await session.commit()
        except IntegrityError:
            raise conflict(KNOWN) from None
    return Answer(full(patient))


async def register_page(request: Request) -> Response:
    """GET /clinic/register: the form."""
    await signed_in(request)
    return _form(request, dict.fromkeys(FORM), {})


def _form(request: Request, values: dict[str, Any], wrong: dict[str, Any]) -> Response:
    context = {"values": values, "wrong": wrong, "genders": GENDERS, "relations": RELATIONS}
    return pages.render(request, "register.html", context, status=422 if wrong else 200)


async def register_by_form(request: Request) -> Response:
    """POST /clinic/register."""
    me = await signed_in(request)
    fields = await signed_form(request, me)
    try:
        with_guardian = any(fields.data.get(f"guardian_{name}") for name in ("name", "phone", "nik"))
        patient = _read(me, fields, [_read_guardian(me, fields, "guardian_")] if with_guardian else [])
        async with database(request) as session:
            await register(session, me, patient)
    except Invalid as error:
        return _form(request, {**dict.fromkeys(FORM), **fields.data}, error.problems)
    return RedirectResponse(f"/clinic/patients/{patient.id}", 303)


async def list_page(request: Request) -> Response:
    """GET /clinic/patients: the newest, or the ones that were searched for."""
    me = await signed_in(request)
    wrong: dict[str, Any] = {}
    found: list[Patient] = []
    async with database(request) as session:
        try:
            found = await search(request, session, me)
        except Invalid as error:
            wrong = error.problems
    values = {"patients": found, "nik": request.query_params.get("nik", ""), "wrong": wrong}
    return pages.render(request, "patients.html", values, status=422 if wrong else 200)


async def show_page(request: Request) -> Response:
    """GET /clinic/patients/{id}: the patient, without what was said to the doctor."""
    me = await signed_in(request)
    async with database(request) as session:
        patient = await find(session, me, path_id(request))
        visits = (await session.execute(_visits_of(me, patient.id))).all()
    return pages.render(request, "patient.html", {"patient": patient, "visits": visits})


def _visits_of(me: SignedIn, patient_id: str) -> Any:
    doctor = (Doctor.tenant_id == Visit.tenant_id) & (Doctor.id == Visit.doctor_id)
    return (
        select(Visit.id, Visit.date, Visit.status, Doctor.speciality)
        .join(Doctor, doctor)
        .where(Visit.tenant_id == me.tenant_id, Visit.patient_id == patient_id)
        .order_by(Visit.date.desc())
        .limit(20)
    )


routes = [
    Route("/api/patients", listing, methods=["GET"]),
    Route("/api/patients", create, methods=["POST"]),
    Route("/api/patients/{id}", show, methods=["GET"]),
    Route("/api/patients/{id}", change, methods=["PATCH"]),
    Route("/clinic/register", register_page, methods=["GET"]),
    Route("/clinic/register", register_by_form, methods=["POST"]),
    Route("/clinic/patients", list_page, methods=["GET"]),
    Route("/clinic/patients/{id}", show_page, methods=["GET"]),
]
