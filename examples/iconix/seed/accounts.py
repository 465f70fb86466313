"""Who can sign in to the demo. These passwords are published: they are for a database of invented people."""

import uuid
from functools import cache
from typing import NamedTuple

from iconix.models import Account
from iconix.passwords import hash_password

from .source import Source


class DemoAccount(NamedTuple):
    """A login of the demo."""

    email: str
    password: str
    tenant: str
    role: str


DEMO_ACCOUNTS = (
    DemoAccount("pemilik@sinar-jaya.example", "pemilik-sinar-2026", "sinar-jaya", "owner"),
    DemoAccount("kasir@sinar-jaya.example", "kasir-sinar-2026", "sinar-jaya", "cashier"),
    DemoAccount("akuntan@sinar-jaya.example", "akuntan-sinar-2026", "sinar-jaya", "accountant"),
    DemoAccount("layanan@sinar-jaya.example", "layanan-sinar-2026", "sinar-jaya", "support"),
    DemoAccount("kurir@sinar-jaya.example", "kurir-sinar-2026", "sinar-jaya", "courier"),
    DemoAccount("kurir2@sinar-jaya.example", "kurir2-sinar-2026", "sinar-jaya", "courier"),
    DemoAccount("kepatuhan@sinar-jaya.example", "kepatuhan-sinar-2026", "sinar-jaya", "compliance_officer"),
    DemoAccount("pemilik@klinik-melati.example", "pemilik-melati-2026", "klinik-melati", "owner"),
    DemoAccount("pendaftaran@klinik-melati.example", "pendaftaran-melati-2026", "klinik-melati", "receptionist"),
    DemoAccount("dokter@klinik-melati.example", "dokter-melati-2026", "klinik-melati", "doctor"),
    DemoAccount("layanan@klinik-melati.example", "layanan-melati-2026", "klinik-melati", "support"),
    DemoAccount("kepatuhan@klinik-melati.example", "kepatuhan-melati-2026", "klinik-melati", "compliance_officer"),
    DemoAccount("pemilik@toko-sebelah.example", "pemilik-sebelah-2026", "toko-sebelah", "owner"),
)

NAMES = {
    "pemilik@sinar-jaya.example": "Hendra Wijaya",
    "kasir@sinar-jaya.example": "Sri Wahyuni",
    "akuntan@sinar-jaya.example": "Bambang Sutrisno",
    "layanan@sinar-jaya.example": "Dewi Lestari",
    "kurir@sinar-jaya.example": "Joko Prasetyo",
    "kurir2@sinar-jaya.example": "Agus Setiawan",
    "kepatuhan@sinar-jaya.example": "Ratna Kusuma",
    "pemilik@klinik-melati.example": "dr. Maya Hidayat",
    "pendaftaran@klinik-melati.example": "Rina Marlina",
    "dokter@klinik-melati.example": "dr. Asep Gunawan",
    "layanan@klinik-melati.example": "Yanti Suryani",
    "kepatuhan@klinik-melati.example": "Dadang Hermawan",
    "pemilik@toko-sebelah.example": "Slamet Riyadi",
}


def account_id(email: str) -> str:
    """Return the id of a demo account: always the same for the same address."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"mailto:{email}"))


@cache  # filling a second database in one process need not wait for the same hashes again
def _hash(password: str, salt: bytes) -> str:
    return hash_password(password, salt)


def accounts_of(tenant: str, source: Source) -> list[Account]:
    """Make a company's accounts."""
    return [
        Account(
            tenant_id=tenant,
            id=account_id(one.email),
            email=one.email,
            password_hash=_hash(one.password, source.random.randbytes(16)),
            display_name=NAMES[one.email],
            role=one.role,
        )
        for one in DEMO_ACCOUNTS
        if one.tenant == tenant
    ]
