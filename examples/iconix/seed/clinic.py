"""The data of a clinic: doctors, patients with the guardians of children, visits, and a queue."""

import datetime as dt

from sqlalchemy.ext.asyncio import AsyncSession

from iconix.models import Doctor, Guardian, Patient, QueueTicket, Visit

from .people import DEMO_PATIENT_ID, person
from .source import Source, write

DOCTORS = (
    ("D01", "dr. Asep Gunawan", "Umum", "1"),
    ("D02", "dr. Maya Hidayat, Sp.A", "Anak", "2"),
    ("D03", "dr. Tatang Sobandi, Sp.PD", "Penyakit dalam", "3"),
    ("D04", "drg. Lilis Nurhayati", "Gigi", "4"),
)
CHILDREN_DOCTOR = 1

# What the patient says; what the doctor finds, by ICD-10; what is prescribed.
CASES = (
    (
        "Demam tiga hari, batuk berdahak",
        "J06.9 Infeksi saluran napas atas",
        "Parasetamol 500 mg 3x1, ambroksol 30 mg 3x1",
    ),
    ("Nyeri ulu hati setelah makan", "K29.7 Gastritis", "Omeprazol 20 mg 1x1, antasida sirup 3x10 ml"),
    ("Pusing, tengkuk terasa berat", "I10 Hipertensi primer", "Amlodipin 5 mg 1x1, kontrol 2 minggu"),
    ("Sering haus dan sering kencing", "E11.9 Diabetes melitus tipe 2", "Metformin 500 mg 2x1, diet rendah gula"),
    ("Diare lima kali sejak semalam", "A09 Gastroenteritis", "Oralit tiap buang air, zink 20 mg 1x1"),
    ("Gatal di lipatan siku", "L20.9 Dermatitis atopik", "Hidrokortison krim 1% 2x oles"),
    ("Sakit gigi geraham kiri bawah", "K02.9 Karies gigi", "Asam mefenamat 500 mg 3x1, rujuk tambal"),
    ("Sesak saat udara dingin", "J45.9 Asma", "Salbutamol inhaler bila sesak"),
    (
        "Nyeri pinggang setelah mengangkat barang",
        "M54.5 Nyeri punggung bawah",
        "Natrium diklofenak 50 mg 2x1, kompres hangat",
    ),
    ("Mata merah dan berair", "H10.9 Konjungtivitis", "Kloramfenikol tetes mata 4x1"),
    ("Batuk lebih dari dua minggu, berat badan turun", "R05 Batuk, dicurigai TB", "Rujuk pemeriksaan dahak"),
    ("Kontrol kehamilan 20 minggu", "Z34.9 Pengawasan kehamilan normal", "Tablet tambah darah 1x1, asam folat 1x1"),
)
NOTES = (None, None, "Alergi penisilin.", "Kontrol ulang satu minggu.", "Keluarga diberi penjelasan.")


async def seed_clinic(session: AsyncSession, source: Source, *, patients: int, visits: int) -> None:
    """Write doctors, patients, visits of a year, and the queue of the last day."""
    start = source.moment(source.until - dt.timedelta(days=366))
    doctors = [
        Doctor(tenant_id=source.tenant, id=source.key(start), code=code, name=name, speciality=speciality, room=room)
        for code, name, speciality, room in DOCTORS
    ]
    doctor_ids = [doctor.id for doctor in doctors]
    people = [_patient(source, day) for day in source.days(max(2, patients))]
    people[0].id = DEMO_PATIENT_ID
    facts = [(patient.id, patient.created_at, bool(patient.guardians)) for patient in people]
    await write(session, doctors)
    await write(session, people)
    await write(session, _visits(source, facts, doctor_ids, visits))
    await write(session, _queue(source, [patient_id for patient_id, _, _ in facts], doctor_ids))


def _patient(source: Source, day: dt.date) -> Patient:
    child = source.random.random() < 0.3  # noqa: PLR2004 - three in ten
    city = source.random.choice(("Bandung", "Bandung", "Bandung", "Cimahi"))
    who = person(source, city, 0, 17) if child else person(source, city)
    moment = source.moment(day)
    insured = source.random.random() < 0.8  # noqa: PLR2004 - four in five
    return Patient(
        tenant_id=source.tenant,
        id=source.key(moment),
        record_number=f"RM-{source.number('patient'):06}",
        name=who.name,
        nik=who.nik,
        bpjs_number=f"000{source.random.randrange(10**9, 10**10)}" if insured else None,
        birth_date=who.birth_date,
        gender=who.gender,
        phone=None if child else who.phone,
        address=who.address,
        created_at=moment,
        guardians=[_guardian(source, city, moment)] if child else [],
    )


def _guardian(source: Source, city: str, moment: dt.datetime) -> Guardian:
    adult = person(source, city, 24, 50)
    return Guardian(
        tenant_id=source.tenant,
        id=source.key(moment),
        relation="mother" if adult.gender == "female" else "father",
        name=adult.name,
        phone=adult.phone,
        nik=adult.nik,
    )


def _visits(
    source: Source, facts: list[tuple[str, dt.datetime, bool]], doctor_ids: list[str], count: int
) -> list[Visit]:
    chosen = [source.random.choice(facts) for _ in range(count)]
    rows = [_visit(source, one, at, doctor_ids, is_child=child) for one, at, child in chosen]
    return sorted(rows, key=lambda visit: visit.id)


def _visit(
    source: Source,
    patient_id: str,
    registered: dt.datetime,
    doctor_ids: list[str],
    *,
    is_child: bool,
) -> Visit:
    since = (source.until - registered.date()).days
    day = registered.date() + dt.timedelta(days=source.random.randint(0, max(0, since)))
    moment = source.moment(day)
    complaint, diagnosis, prescription = source.random.choice(CASES)
    return Visit(
        tenant_id=source.tenant,
        id=source.key(moment),
        patient_id=patient_id,
        doctor_id=doctor_ids[CHILDREN_DOCTOR] if is_child else source.random.choice(doctor_ids),
        date=day,
        status="closed",
        complaint=complaint,
        diagnosis=diagnosis,
        prescription=prescription,
        notes=source.random.choice(NOTES),
        created_at=moment,
    )


def _queue(source: Source, patient_ids: list[str], doctor_ids: list[str]) -> list[QueueTicket]:
    rows = []
    for patient_id in source.random.sample(patient_ids, min(12, len(patient_ids))):
        number = source.number(f"queue:{source.until}")
        taken = dt.datetime.combine(source.until, dt.time(7, 30), source.moment(source.until).tzinfo)
        taken += dt.timedelta(minutes=7 * number)
        status = "done" if number <= 5 else "called" if number == 6 else "waiting"  # noqa: PLR2004
        rows.append(
            QueueTicket(
                tenant_id=source.tenant,
                id=source.key(taken),
                date=source.until,
                number=number,
                patient_id=patient_id,
                doctor_id=source.random.choice(doctor_ids),
                status=status,
                taken_at=taken,
                called_at=None if status == "waiting" else taken + dt.timedelta(minutes=20),
            )
        )
    return rows
