"""Break-glass as an application offers it: on a route of its own, for whoever is signed in."""

from __future__ import annotations

import warnings

import pytest
from anyio import to_thread
from sqlalchemy import MetaData, create_engine
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from amanah import Actor, Guard, Identity, migrations, route
from amanah.tenants.emergencies import Emergency


def login(connection):
    """The application's login."""
    name = connection.headers.get("x-user")
    return name and Identity("klinik", Actor(name, strength="password"))


@pytest.fixture
def clinic(database_url, tmp_path):
    """A guard and its application, as the how-to has it."""

    async def take(request):
        taken = await to_thread.run_sync(guard.break_glass, "doctor", request.query_params.get("reason", ""))
        return JSONResponse({"ends_at": taken.ends_at}, headers={"Amanah-Policy-Version": str(taken.version)})

    async def patient(_request):
        return JSONResponse("a patient")

    migrations.upgrade(database_url)
    engine = create_engine(database_url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        guard = Guard.development(
            metadata=MetaData(),
            engine=engine,
            identify=login,
            state=tmp_path / "state",
            routes=[
                route("POST /emergency", "emergency", "create", ["emergency"]),
                route("GET /patient", "patient", "read", ["care"]),
            ],
        )
    guard.create_tenant("klinik", "Klinik", template="blank", admin="owner")
    with guard.engine.begin() as connection:
        for key, alias in (("x.care", "care"), ("x.emergency", "emergency")):
            guard.policies.add_purpose(connection, "klinik", key, alias=alias, legal_basis="vital_interest")
        for role, resource, action, purpose in (
            ("nurse", "emergency", "create", "emergency"),
            ("doctor", "patient", "read", "care"),
        ):
            guard.policies.add_role(connection, "klinik", role)
            rule = {"object": resource, "action": action, "purpose": purpose}
            guard.policies.add_rule(connection, "klinik", role=role, **rule)
        guard.directory.add_member(connection, "klinik", "sari")
        guard.directory.grant(connection, "klinik", "sari", "nurse", reason="test", granted_by="owner")
        guard.directory.emergencies.allow(connection, "klinik", Emergency("doctor", "nurse", 60))
    app = guard.wrap(Starlette(routes=[Route("/emergency", take, methods=["POST"]), Route("/patient", patient)]))
    with TestClient(app, headers={"x-user": "sari"}) as client:
        yield client
    engine.dispose()
    guard.close()


def test_a_nurse_takes_the_doctor_s_role(clinic):
    """Refused before, without a reason, and a second time; let in afterwards, by a version that she can name."""
    assert clinic.get("/patient").json()["code"] == "forbidden"
    assert clinic.post("/emergency").json()["code"] == "invalid-input"
    taken = clinic.post("/emergency?reason=unconscious+in+the+hall")
    assert taken.status_code == 200
    version = {"Amanah-Policy-Version": taken.headers["amanah-policy-version"]}
    assert clinic.get("/patient", headers=version).json() == "a patient"
    again = clinic.post("/emergency?reason=x")
    assert (again.status_code, again.json()["code"]) == (409, "emergency-taken")
