"""What to try with the protected app, as data: `iconix.demo` prints it as curl lines, `iconix.tour` runs it."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

from iconix.seed import DEMO_ACCOUNTS, DEMO_CUSTOMER_ID, DEMO_PATIENT_ID, FOREIGN_CUSTOMER_ID

ACCOUNTS = {
    f"{one.role}@{one.tenant}": one
    for one in reversed(DEMO_ACCOUNTS)  # of two couriers the first
}
VARIABLES = {
    "KASIR": "cashier@sinar-jaya",
    "LAYANAN": "support@sinar-jaya",
    "KURIR": "courier@sinar-jaya",
    "AKUNTAN": "accountant@sinar-jaya",
    "DOKTER": "doctor@klinik-melati",
    "PENDAFTARAN": "receptionist@klinik-melati",
    "TETANGGA": "owner@toko-sebelah",
}
CUSTOMER = f"/api/customers/{DEMO_CUSTOMER_ID}"


@dataclass(frozen=True, slots=True)
class Step:
    """One request and what it should give. `{name}` in a path stands for what an earlier step `save`d."""

    title: str
    path: str
    told: str
    who: str | None = None  # a key of VARIABLES; "?" sends a forged token
    purpose: str | None = None
    method: str = "GET"
    language: str | None = None
    body: str | None = None
    status: int = 200
    sees: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    save: dict[str, tuple[str | int, ...]] = field(default_factory=dict)


STEPS = (
    Step("Anybody may ask whether the app is alive", "/health", "200", sees=('"status"',)),
    Step("Nobody is signed in", CUSTOMER, "401, not-identified", status=401, sees=("not-identified",)),
    Step("A forged token", CUSTOMER, "401", who="?", status=401),
    Step(
        "The cashier, for billing, sees the phone number and the last digits of the NIK",
        CUSTOMER,
        "200, phone +6281234567890, nik •••• 0001",
        who="KASIR",
        purpose="billing",
        sees=("+6281234567890", "•••• 0001"),
        hides=("3578081708850001",),
    ),
    Step(
        "Support, for support, sees a mask of the same row",
        CUSTOMER,
        "200, phone •••• 7890, name B. S.",
        who="LAYANAN",
        purpose="support",
        sees=("•••• 7890", "B. S."),
        hides=("+6281234567890", "Budi Santoso"),
    ),
    Step(
        "No purpose: the refusal names the missing fact",
        CUSTOMER,
        "403, purpose-missing, and the purposes that this route serves",
        who="KASIR",
        status=403,
        sees=("purpose-missing", "billing, support"),
        hides=("Budi",),
    ),
    Step(
        "The same in Indonesian",
        CUSTOMER,
        "403, in Indonesian",
        who="KASIR",
        language="id",
        status=403,
        sees=("purpose-missing", "tujuan"),
    ),
    Step(
        "A purpose that this route does not serve",
        CUSTOMER,
        "403, purpose-not-served",
        who="KASIR",
        purpose="reporting",
        status=403,
        sees=("purpose-not-served",),
    ),
    Step(
        "A role that has no business here",
        CUSTOMER,
        "403, forbidden",
        who="KURIR",
        purpose="billing",
        status=403,
        sees=("forbidden",),
    ),
    Step(
        "Search by phone number, although the column is encrypted",
        "/api/customers?phone=0812-3456-7890",
        "200, one customer",
        who="KASIR",
        purpose="billing",
        sees=(DEMO_CUSTOMER_ID,),
        hides=(FOREIGN_CUSTOMER_ID,),
    ),
    Step(
        "Whoever sees a mask may not find out by searching",
        "/api/customers?phone=0812-3456-7890",
        "403, field-probed",
        who="LAYANAN",
        purpose="support",
        status=403,
        sees=("field-probed",),
    ),
    Step(
        "A customer of another company: as if it did not exist",
        f"/api/customers/{FOREIGN_CUSTOMER_ID}",
        "404",
        who="KASIR",
        purpose="billing",
        status=404,
        hides=("Endang",),
    ),
    Step(
        "The neighbour sees its own customer",
        f"/api/customers/{FOREIGN_CUSTOMER_ID}",
        "200",
        who="TETANGGA",
        purpose="billing",
        sees=("Endang Purwanti",),
    ),
    Step(
        "A customer is added",
        "/api/customers",
        "201",
        who="KASIR",
        purpose="billing",
        method="POST",
        body='{"name": "Siti Aminah", "phone": "0813-9999-0001", "city": "Surabaya"}',
        status=201,
        sees=("Siti Aminah", "+6281399990001"),
        save={"customer": ("id",)},
    ),
    Step(
        "For promotions, which rest on consent, the only customer who gave it, and what promotions need of them",
        "/api/customers",
        "200, one customer: name and e-mail address",
        who="KASIR",
        purpose="promotions",
        sees=(f'{{"customers":[{{"id":"{DEMO_CUSTOMER_ID}"', "budi.santoso@example.co.id", '"city":null}]}'),
        hides=("Siti", "Surabaya", "+62"),
    ),
    Step(
        "For promotions, a customer who did not consent: as if it did not exist",
        "/api/customers/{customer}",
        "404",
        who="KASIR",
        purpose="promotions",
        status=404,
        hides=("Siti",),
    ),
    Step(
        "A body that is no JSON",
        "/api/customers",
        "400",
        who="KASIR",
        purpose="billing",
        method="POST",
        body="{name",
        status=400,
    ),
    Step(
        "Totals of a month: the accountant's only purpose here is reporting, so it is taken",
        "/api/reports/monthly?month=2026-10",
        "200, totals per product and per customer",
        who="AKUNTAN",
        sees=("products", "customers"),
    ),
    Step(
        "Visits of a patient",
        f"/api/visits?patient_id={DEMO_PATIENT_ID}&limit=1",
        "200",
        who="DOKTER",
        sees=("visits",),
        save={"visit": ("visits", 0, "id")},
    ),
    Step(
        "The doctor, for care, reads the diagnosis",
        "/api/visits/{visit}",
        "200, with complaint, diagnosis and prescription",
        who="DOKTER",
        purpose="care",
        hides=('"diagnosis":null',),
    ),
    Step(
        "The receptionist sees the visit, not the diagnosis",
        "/api/visits/{visit}",
        "200, diagnosis null",
        who="PENDAFTARAN",
        purpose="registration",
        sees=('"diagnosis":null',),
    ),
    Step(
        "The courier's orders",
        "/api/orders?limit=1",
        "200",
        who="KURIR",
        purpose="fulfilment",
        save={"order": ("orders", 0, "id")},
    ),
    Step(
        "The courier sees the point on the map",
        "/api/orders/{order}",
        "200, latitude and longitude in full",
        who="KURIR",
        purpose="fulfilment",
        sees=("latitude",),
    ),
    Step(
        "Support sees the district: one decimal of a degree",
        "/api/orders/{order}",
        "200, latitude and longitude rounded",
        who="LAYANAN",
        purpose="support",
        sees=("latitude", "••••"),
    ),
    Step(
        "A route that nobody declared",
        "/api/everything",
        "403, route-undeclared",
        who="KASIR",
        purpose="billing",
        status=403,
        sees=("route-undeclared",),
    ),
)


class Client:
    """Sends the steps to a server, remembering tokens and what was saved."""

    def __init__(self, base: str) -> None:
        """`base`: the server's address without a slash at the end."""
        self.base = base
        self.tokens = {"?": "forged"}
        self.saved: dict[str, str] = {}

    def token(self, who: str) -> str:
        """Sign in, once."""
        if who not in self.tokens:
            one = ACCOUNTS[VARIABLES[who]]
            body = json.dumps({"email": one.email, "password": one.password})
            _, answer = self._send("POST", "/api/login", {"Content-Type": "application/json"}, body)
            self.tokens[who] = json.loads(answer)["access_token"]
        return self.tokens[who]

    def run(self, step: Step) -> tuple[int, str]:
        """Send a step and return status and text of the answer."""
        headers = {}
        if step.who:
            headers["Authorization"] = f"Bearer {self.token(step.who)}"
        if step.purpose:
            headers["Amanah-Purpose"] = step.purpose
        if step.language:
            headers["Accept-Language"] = step.language
        if step.body is not None:
            headers["Content-Type"] = "application/json"
        status, answer = self._send(step.method, step.path.format(**self.saved), headers, step.body)
        for name, steps in step.save.items():
            found: Any = json.loads(answer)
            for part in steps:
                found = found[part]
            self.saved[name] = str(found)
        return status, answer

    def _send(self, method: str, path: str, headers: dict[str, str], body: str | None) -> tuple[int, str]:
        request = urllib.request.Request(  # noqa: S310 - our own loopback address
            self.base + path, data=None if body is None else body.encode(), headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def wrong(step: Step, status: int, answer: str) -> list[str]:
    """Return what in the answer is not as told; nothing, if all is well."""
    compact = answer.replace('": ', '":')
    found = [] if status == step.status else [f"status {status} instead of {step.status}"]
    found += [f"{text!r} is missing" for text in step.sees if text not in answer and text not in compact]
    found += [f"{text!r} should not be there" for text in step.hides if text in answer or text in compact]
    return found


def curl(step: Step, base: str, saved: dict[str, str]) -> str:
    """Write a step as a line to copy and paste."""
    parts = [f"curl -s '{base}{step.path.format(**saved)}'"]
    if step.method != "GET":
        parts.append(f"-X {step.method}")
    if step.who:
        token = "forged" if step.who == "?" else f"${step.who}"
        parts.append(f'-H "Authorization: Bearer {token}"')
    if step.purpose:
        parts.append(f"-H 'Amanah-Purpose: {step.purpose}'")
    if step.language:
        parts.append(f"-H 'Accept-Language: {step.language}'")
    if step.body is not None:
        parts.append(f"-H 'Content-Type: application/json' -d '{step.body}'")
    return " ".join(parts)


def sign_in_lines(base: str) -> list[str]:
    """Write the lines that put a token into a shell variable for each person."""
    lines = []
    for name, key in VARIABLES.items():
        one = ACCOUNTS[key]
        body = json.dumps({"email": one.email, "password": one.password})
        lines.append(
            f"{name}=$(curl -s {base}/api/login -H 'Content-Type: application/json' -d '{body}'"
            ' | sed \'s/.*access_token":"\\([^"]*\\).*/\\1/\')'
        )
    return lines
