"""The words by which personal columns and tables about persons are recognised, in English and Indonesian.

Nothing but lists: how they are applied is in `personal_names`.
"""

from __future__ import annotations

from typing import Final


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STRONG: Final = (
    ("user.contact.email", _words("email mail surel")),
    (
        "user.contact.phone_number",
        _words("phone telephone telp telepon telpon notelp nohp hp handphone ponsel msisdn whatsapp mobile"),
    ),
    ("user.government_id", _words("nik noktp ktp npwp passport paspor ssn kk sim nopol")),
    ("user.health_and_medical.insurance_beneficiary_id", _words("bpjs jkn")),
    ("user.demographic.date_of_birth", _words("birth birthdate birthday birthplace dob lahir ultah tgllahir")),
    ("user.demographic.gender", _words("gender sex kelamin")),
    ("user.demographic.religious_belief", _words("religion agama")),
    ("user.demographic.marital_status", _words("marital perkawinan pernikahan")),
    ("user.demographic.race_ethnicity", _words("ethnicity suku")),
    (
        "user.health_and_medical",
        _words(
            "diagnosis diagnosa diagnoses complaint keluhan anamnesis anamnesa prescription resep allergy allergies "
            "alergi medis symptom symptoms gejala penyakit obatobatan dosis dosage"
        ),
    ),
    ("user.location", _words("latitude longitude lat lng lon lintang bujur coordinates koordinat geolocation")),
    ("user.contact.address", _words("address alamat")),
    ("user.financial.bank_account", _words("rekening iban norek")),
    ("x.user.financial.salary", _words("salary gaji upah honor wage income penghasilan tunjangan")),
    ("user.biometric", _words("fingerprint biometric")),
    ("user.account.username", _words("username")),
    ("user.name", _words("fullname firstname lastname surname nickname namalengkap")),
    ("user.device.ip_address", _words("ip ipaddress ipaddr")),
)
PHRASES: Final = (
    ("user.financial.bank_account", _words("bank account")),
    ("user.financial.credit_card", _words("card number")),
    ("user.device", _words("user agent")),
    ("user.contact.phone_number", _words("no wa")),
    ("user.contact.phone_number", _words("nomor wa")),
    ("user.health_and_medical", _words("medical history")),
    ("user.health_and_medical", _words("blood type")),
    ("user.health_and_medical", _words("golongan darah")),
    ("user.health_and_medical", _words("aturan pakai")),
    ("user.government_id", _words("no polisi")),
    ("user.government_id", _words("nomor polisi")),
    ("user.government_id", _words("plat nomor")),
    ("user.government_id", _words("license plate")),
    ("user.government_id", _words("licence plate")),
    ("user.name", _words("atas nama")),
    ("user.name", _words("diterima dari")),
    ("user.name", _words("received from")),
)
PARTIES: Final = _words("pembayar penyetor payer payee penerima recipient pengirim sender pelapor pemohon")
"""Of a text column of that name the value is somebody's name."""
NAMES: Final = _words("name nama names")
PERSON_PARTS: Final = _words("first last full middle maiden family given lengkap depan belakang panggilan")
PERSONS: Final = _words(
    "customer pelanggan client klien patient pasien guardian wali doctor dokter nurse perawat courier kurir "
    "driver supir user pengguna account akun member anggota person people orang employee karyawan pegawai staff "
    "contact kontak recipient penerima sender pengirim buyer pembeli seller penjual owner pemilik student siswa "
    "teacher guru profile profil lead subscriber pelapor applicant pelamar visitor tamu guest "
    "passenger penumpang mother ibu father ayah author parent orangtua spouse beneficiary debtor borrower "
    "resident warga citizen cashier kasir manager"
)
THINGS: Final = _words(
    "product produk store toko shop outlet branch cabang warehouse gudang company perusahaan organization "
    "organisation organisasi tenant category kategori brand merek item barang city kota province provinsi country "
    "negara region bank department departemen unit file template setting config configuration role permission "
    "currency tag series event plan holiday menu page report queue device server host domain vendor hospital "
    "clinic klinik school sekolah office kantor"
)
NOT_CONTENT: Final = _words(
    "hash hashed digest verified confirmed confirm count counts total enabled disabled id ids uuid type kind "
    "format template status optin optout ix index token sent required provider class validated is has can allow "
    "fee price cost limit quota visible length domain"
)
PLACES: Final = ("user.contact", "user.location", "user.government_id", "user.financial", "user.name")
"""Categories that a thing can have too: a shop has an address and a telephone."""

MESSAGES: Final = _words("pesan message sms outbox notification notifikasi surat mail email whatsapp chat")
IN_A_MESSAGE: Final = (
    ("user.contact", _words("tujuan to recipient destination nomor number")),
    ("user.content", _words("isi body text teks content message pesan")),
)
WEAK: Final = (
    ("user.contact.address.city", _words("city kota kabupaten kecamatan kelurahan")),
    ("user.contact.address.postal_code", _words("zip postal postcode kodepos")),
    ("user.demographic.age_range", _words("age umur usia")),
    ("user.biometric", _words("photo foto selfie avatar")),
    ("user.job_title", _words("occupation pekerjaan profesi jabatan")),
)
IN_A_PERSON: Final = (
    ("user.government_id", _words("tax id")),
    ("user.government_id", _words("tax number")),
    ("user.government_id", _words("national id")),
    ("user.health_and_medical.record_id", _words("record number")),
)
FREE: Final = _words(
    "note notes remark remarks comment comments catatan keterangan memo description deskripsi teks text isi body "
    "komentar riwayat"
)
STAFF: Final = _words(
    "user pengguna account akun doctor dokter nurse perawat courier kurir driver supir employee karyawan pegawai staff "
    "teacher guru cashier kasir manager author seller penjual mechanic mekanik"
)
REFERENCES: Final = _words(
    "province provinsi city kota kabupaten kecamatan kelurahan country negara region wilayah currency satuan unit "
    "language bahasa timezone holiday"
)
LOGINS: Final = _words("email mail surel username login phone hp telepon")
TEXT_ONLY: Final = ("user.name", "user.contact.email", "user.contact.address", "user.account.username")
"""What no number or identifier can hold."""
SECRETS: Final = _words("password passwd pwd passphrase sandi katasandi")
SECRET_IS_FINE: Final = NOT_CONTENT | _words("reset changed expires expiry at salt policy hint attempts history")
ONLY_PERSONS: Final = (
    "user.demographic",
    "user.health_and_medical",
    "user.government_id",
)
