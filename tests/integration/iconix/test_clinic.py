import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from iconix.seed import DEMO_ACCOUNTS, DEMO_PATIENT_ID
from iconix.web import today

CHILD = {
    "name": "Aisyah Putri",
    "birth_date": f"{dt.date.today().year - 5}-03-02",  # noqa: DTZ011 - years suffice
    "gender": "female",
    "nik": "3273014203210001",
    "bpjs_number": "0001234567890",
    "address": "Jl. Dago No. 3, Bandung",
}
GUARDIAN = {"relation": "mother", "name": "Siti Nurjanah", "phone": "0812 9999 0000", "nik": "3273014507920002"}


def csrf(page: str) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', page)[1]


@pytest.fixture
def desk(client):
    """The pages, signed in as the receptionist."""
    form = client.get("/login")
    account = next(one for one in DEMO_ACCOUNTS if one.role == "receptionist")
    values = {"email": account.email, "password": account.password, "csrf": csrf(form.text)}
    assert client.post("/login", data=values).status_code == 303
    return client


def test_child_is_registered_with_a_guardian_and_not_without(sign_in):
    """Nobody under 18 is registered without an adult who answers for the child."""
    api = sign_in("pendaftaran@klinik-melati")
    alone = api.post("/api/patients", json=CHILD)
    assert (alone.status_code, list(alone.json()["fields"])) == (422, ["guardian_name"])
    created = api.post("/api/patients", json=CHILD | {"guardians": [GUARDIAN]})
    assert created.status_code == 201, created.text
    patient = api.get(created.headers["location"]).json()
    assert patient["record_number"].startswith("RM-")
    assert patient["guardians"][0]["name"] == "Siti Nurjanah"
    assert patient["guardians"][0]["phone"] == "+6281299990000"
    found = api.get("/api/patients", params={"nik": CHILD["nik"]}).json()["patients"]
    assert [one["id"] for one in found] == [patient["id"]]


def test_nik_belongs_to_one_patient(sign_in):
    """A second patient with the same NIK is refused, at registration and later, and nothing is kept of the attempt."""
    api = sign_in("pendaftaran@klinik-melati")
    adult = CHILD | {"birth_date": "1990-03-02"}
    assert api.post("/api/patients", json=adult).status_code == 201
    again = api.post("/api/patients", json=adult)
    assert (again.status_code, list(again.json()["fields"])) == (422, ["nik"])
    assert api.patch(f"/api/patients/{DEMO_PATIENT_ID}", json={"nik": adult["nik"]}).status_code == 409
    assert (
        api.patch(f"/api/patients/{DEMO_PATIENT_ID}", json={"phone": "08123456789"}).json()["phone"] == "+628123456789"
    )


def test_patient_is_registered_by_the_form_in_both_languages(desk):
    """The form speaks the reader's language, keeps what was typed when something is wrong, and registers."""
    english = desk.get("/clinic/register", headers={"Accept-Language": "en-GB,en;q=0.9,id;q=0.5"})
    indonesian = desk.get("/clinic/register", headers={"Accept-Language": "id-ID,id;q=0.9,en;q=0.5"})
    assert ("Patient registration" in english.text, english.headers["content-language"]) == (True, "en")
    assert ("Pendaftaran pasien" in indonesian.text, indonesian.headers["content-language"]) == (True, "id")
    form = CHILD | {"csrf": csrf(english.text)}
    alone = desk.post("/clinic/register", data=form, headers={"Accept-Language": "id"})
    assert alone.status_code == 422
    assert "Anak memerlukan wali." in alone.text
    assert 'value="Aisyah Putri"' in alone.text
    guarded = form | {f"guardian_{name}": value for name, value in GUARDIAN.items()}
    registered = desk.post("/clinic/register", data=guarded)
    assert registered.status_code == 303, registered.text
    page = desk.get(registered.headers["location"])
    assert "Siti Nurjanah" in page.text
    assert desk.post("/clinic/register", data=guarded).status_code == 422  # the NIK is known now
    assert desk.get("/clinic/patients", params={"nik": CHILD["nik"]}).text.count(">RM-") == 1


def test_form_of_another_site_is_refused(desk):
    """A form without the session's token changes nothing."""
    assert desk.post("/clinic/register", data=CHILD | {"csrf": "x"}).status_code == 403
    assert desk.post("/clinic/register", data=CHILD).status_code == 403
    assert desk.post("/api/patients", json=CHILD | {"birth_date": "1990-01-01"}).status_code == 403


def test_visit_takes_complaint_diagnosis_and_prescription(sign_in):
    """The desk opens a visit; the doctor adds the findings; lists leave the medical part out."""
    api = sign_in("pendaftaran@klinik-melati")
    doctor = api.get("/api/doctors").json()["doctors"][0]
    opened = api.post(
        "/api/visits", json={"patient_id": DEMO_PATIENT_ID, "doctor_id": doctor["id"], "complaint": "Demam"}
    )
    assert opened.status_code == 201, opened.text
    path = opened.headers["location"]
    api = sign_in("dokter@klinik-melati")
    found = {"diagnosis": "J06.9", "prescription": "Parasetamol 500 mg 3x1", "status": "closed"}
    assert api.patch(path, json=found).status_code == 200
    visit = api.get(path).json()
    assert visit == opened.json() | found
    listed = api.get("/api/visits", params={"patient_id": DEMO_PATIENT_ID}).json()["visits"][0]
    assert listed["id"] == visit["id"]
    assert "diagnosis" not in listed
    assert api.post("/api/visits", json={"patient_id": doctor["id"], "doctor_id": doctor["id"]}).status_code == 422


def test_queue_gives_each_patient_a_number_of_the_day(sign_in, app):
    """Numbers of a day begin at 1 and are given once, also to patients who come at the same moment."""
    api = sign_in("pendaftaran@klinik-melati")
    patients = [one["id"] for one in api.get("/api/patients?limit=6").json()["patients"]]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda one: api.post("/api/queue", json={"patient_id": one}), patients))
    assert {answer.status_code for answer in answers} == {201}
    queue = api.get("/api/queue").json()
    assert queue["date"] == today().isoformat()
    assert [one["number"] for one in queue["tickets"]] == list(range(1, len(patients) + 1))
    first = queue["tickets"][0]["id"]
    assert api.post(f"/api/queue/{first}/done").status_code == 409
    assert api.post(f"/api/queue/{first}/call").json()["status"] == "called"
    assert api.post(f"/api/queue/{first}/call").status_code == 409
    assert api.post(f"/api/queue/{first}/done").json()["status"] == "done"
    assert len(api.get("/api/queue?date=2026-10-31").json()["tickets"]) == 12


def test_queue_page_calls_the_next_patient(desk):
    """At the desk the same is done with buttons."""
    page = desk.get(f"/clinic/patients/{DEMO_PATIENT_ID}")
    token = csrf(page.text)
    assert desk.post("/clinic/queue", data={"csrf": token, "patient_id": DEMO_PATIENT_ID}).status_code == 303
    page = desk.get("/clinic/queue")
    ticket = re.search(r'name="ticket_id" value="([^"]+)"', page.text)[1]
    values = {"csrf": token, "ticket_id": ticket, "status": "called"}
    assert desk.post("/clinic/queue", data=values).status_code == 303
    assert 'value="done"' in desk.get("/clinic/queue").text
