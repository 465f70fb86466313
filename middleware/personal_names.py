"""Which columns look personal by their names, in English and Indonesian, and which category they probably have.

A name is taken apart into words (``customerPhone``, ``no_hp``), and read in the context of its table: ``product.name``
is no person's name, ``store.address`` is a shop's, ``customer.city`` is somebody's. It is a guess for `doctor` to
report, never a reason to let somebody see something.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import Boolean, Date, DateTime, Text, Time

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Column, Table


@dataclass(frozen=True, slots=True)
class Guess:
    """A column that looks personal. ``sure``: a column of that name hardly ever is anything else."""

    column: str
    category: str
    sure: bool = True


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_STRONG: Final = (
    ("user.contact.email", _words("email mail surel")),
    (
        "user.contact.phone_number",
        _words("phone telephone telp telepon telpon hp handphone msisdn whatsapp mobile"),
    ),
    ("user.government_id", _words("nik ktp npwp passport paspor ssn kk sim")),
    ("user.health_and_medical.insurance_beneficiary_id", _words("bpjs jkn")),
    ("user.demographic.date_of_birth", _words("birth birthdate birthday birthplace dob lahir ultah")),
    ("user.demographic.gender", _words("gender sex kelamin")),
    ("user.demographic.religious_belief", _words("religion agama")),
    ("user.demographic.marital_status", _words("marital")),
    (
        "user.health_and_medical",
        _words(
            "diagnosis diagnosa diagnoses complaint keluhan anamnesis anamnesa prescription resep allergy allergies "
            "alergi medis symptom symptoms gejala"
        ),
    ),
    ("user.location", _words("latitude longitude lat lng lon lintang bujur coordinates koordinat geolocation")),
    ("user.contact.address", _words("address alamat")),
    ("user.financial.account_number", _words("rekening iban norek")),
    ("user.employment.salary", _words("salary gaji")),
    ("user.biometric", _words("fingerprint biometric")),
    ("user.account.username", _words("username")),
    ("user.name", _words("fullname firstname lastname surname nickname")),
    ("user.device.ip_address", _words("ip ipaddress ipaddr")),
)
_PHRASES: Final = (
    ("user.financial.account_number", _words("bank account")),
    ("user.financial.credit_card", _words("card number")),
    ("user.device", _words("user agent")),
    ("user.contact.phone_number", _words("no wa")),
    ("user.contact.phone_number", _words("nomor wa")),
    ("user.health_and_medical", _words("medical history")),
)
_NAMES: Final = _words("name nama names")
_PERSON_PARTS: Final = _words("first last full middle maiden family given lengkap depan belakang panggilan")
_PERSONS: Final = _words(
    "customer pelanggan client klien patient pasien guardian wali doctor dokter nurse perawat courier kurir "
    "driver supir user pengguna account akun member anggota person people orang employee karyawan pegawai staff "
    "contact kontak recipient penerima sender pengirim buyer pembeli seller penjual owner pemilik student siswa "
    "teacher guru profile profil lead subscriber pelapor applicant pelamar visitor tamu guest "
    "passenger penumpang mother ibu father ayah author parent orangtua spouse beneficiary debtor borrower "
    "resident warga citizen cashier kasir manager"
)
_THINGS: Final = _words(
    "product produk store toko shop outlet branch cabang warehouse gudang company perusahaan organization "
    "organisation organisasi tenant category kategori brand merek item barang city kota province provinsi country "
    "negara region bank department departemen unit file template setting config configuration role permission "
    "currency tag series event plan holiday menu page report queue device server host domain vendor hospital "
    "clinic klinik school sekolah office kantor"
)
_NOT_CONTENT: Final = _words(
    "hash hashed digest verified confirmed confirm count counts total enabled disabled id ids uuid type kind "
    "format template status optin optout ix index token sent required provider class validated is has can allow "
    "fee price cost limit quota visible length domain"
)
_PLACES: Final = ("user.contact", "user.location", "user.government_id", "user.financial", "user.name")
"""Categories that a thing can have too: a shop has an address and a telephone."""

_WEAK: Final = (
    ("user.contact.address.city", _words("city kota kabupaten kecamatan kelurahan")),
    ("user.contact.address.postal_code", _words("zip postal postcode kodepos")),
    ("user.demographic.age", _words("age umur usia")),
    ("user.biometric", _words("photo foto selfie avatar")),
    ("user.employment", _words("occupation pekerjaan")),
)
_IN_A_PERSON: Final = (
    ("user.government_id", _words("tax id")),
    ("user.government_id", _words("tax number")),
    ("user.government_id", _words("national id")),
    ("user.health_and_medical.record_id", _words("record number")),
)
_FREE: Final = _words("note notes remark remarks comment comments catatan keterangan memo description deskripsi")
_SECRETS: Final = _words("password passwd pwd passphrase sandi katasandi")
_SECRET_IS_FINE: Final = _NOT_CONTENT | _words("reset changed expires expiry at salt policy hint attempts history")
_ONLY_PERSONS: Final = (
    "user.demographic",
    "user.health_and_medical",
    "user.government_id",
)
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_A_WORD: Final = re.compile(r"[^a-z]+")


def words(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case and without digits: ``customerPhone2`` gives customer and phone."""
    return tuple(part for part in _NOT_A_WORD.split(_HUMP.sub("_", name).lower()) if part)


def guesses(table: Table, declared: Iterable[str], *, subject: str | None = None) -> list[Guess]:
    """The columns of ``table`` that look personal and are not among ``declared``, in the table's order.

    ``subject``: the table's declared subject; a table that has one is about persons.
    """
    known = set(declared)
    plain = [column for column in table.columns if _can_be_personal(column)]
    own = {column.name: _strong(column) for column in plain}
    about_persons = subject is not None or is_about_persons(table)
    about_persons |= any(category.startswith(_ONLY_PERSONS) for category in own.values() if category)
    about_things = not about_persons and bool(_head(table.name) & _THINGS)
    found = []
    for column in plain:
        if column.name in known:
            continue
        category = own[column.name]
        if category is not None and about_things and category.startswith(_PLACES):
            continue
        guess = Guess(column.name, category) if category else _in_context(column, about_persons=about_persons)
        if guess is not None:
            found.append(guess)
    return found


def is_about_persons(table: Table) -> bool:
    """Whether the table's name ends in a word for a person: ``customer``, ``tbl_pasien``, ``users``."""
    return bool(_head(table.name) & _PERSONS)


def free_texts(table: Table, declared: Iterable[str]) -> list[str]:
    """Undeclared columns into which people write whatever they like."""
    known = set(declared)
    return [
        column.name
        for column in table.columns
        if column.name not in known
        and not column.foreign_keys
        and isinstance(column.type, Text)
        and words(column.name)
        and words(column.name)[-1] in _FREE
    ]


def clear_passwords(table: Table) -> list[str]:
    """Columns that seem to hold passwords and not their hashes."""
    return [
        column.name
        for column in table.columns
        if not isinstance(column.type, Boolean | Date | DateTime)
        and not column.foreign_keys
        and set(words(column.name)) & _SECRETS
        and not set(words(column.name)) & _SECRET_IS_FINE
    ]


def _can_be_personal(column: Column[object]) -> bool:
    return not column.foreign_keys and not isinstance(column.type, Boolean | Time)


def _strong(column: Column[object]) -> str | None:
    """The category that the name alone says, whatever the table."""
    said = words(column.name)
    found = frozenset(said)
    for category, together in _PHRASES:
        if together <= found and not found & (_NOT_CONTENT - together):
            return category
    if found & _NOT_CONTENT or ("mail" in found and found & {"server", "subject", "queue"}):
        return None
    for category, any_of in _STRONG:
        if not found & any_of:
            continue
        if isinstance(column.type, Date | DateTime) and category != "user.demographic.date_of_birth":
            return None  # phone_changed_at
        if category == "user.contact.address" and found & {"ip", "email"}:
            continue
        if category == "user.contact.phone_number" and "mobile" in found and len(found - _words("mobile number no")):
            continue  # mobile_app
        return "user.device.ip_address" if "ip" in found else category
    return None


def _in_context(column: Column[object], *, about_persons: bool) -> Guess | None:
    """What the name says in a table about persons, or beside a word for a person."""
    said = words(column.name)
    found = frozenset(said)
    if isinstance(column.type, Date | DateTime):
        return None
    if found & _NAMES and not found & _NOT_CONTENT and not found & _THINGS:
        rest = found - _NAMES
        if rest & (_PERSON_PARTS | _PERSONS) or (about_persons and not rest - _words("display legal sort print")):
            return Guess(column.name, "user.name")
    if not about_persons:
        return None
    for category, together in _IN_A_PERSON:
        if together <= found:
            return Guess(column.name, category)
    if found & _NOT_CONTENT:
        return None
    for category, any_of in _WEAK:
        if found & any_of:
            return Guess(column.name, category, sure=False)
    return None


def _head(name: str) -> frozenset[str]:
    """The last word of a table's name as it is and in the singular: what a row of it is."""
    said = words(name)
    if not said:
        return frozenset()
    last = said[-1]
    forms = {last, last.removesuffix("s"), last.removesuffix("es")}
    if last.endswith("ies"):
        forms.add(f"{last[:-3]}y")
    return frozenset(forms)
