"""The doctor: what it finds, and what it leaves alone."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, date, datetime
from string import Formatter

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    update,
)

from amanah import Personal, database, declare, guessed, public, route, shared
from amanah.access_policies.purposes import Purpose
from amanah.audit.checkpoints import SignerKey
from amanah.audit.entries import Entry, new_event_id, now_us
from amanah.audit.models import heartbeat
from amanah.audit.sequencer import Sequencer
from amanah.audit.staging import Staging, stage
from amanah.encryption.environment_provider import EnvironmentKeyProvider
from amanah.encryption.file_provider import FileKeyProvider
from amanah.errors import KeysUnavailable
from amanah.guard import create_keys
from amanah.middleware.checks import CHECKS
from amanah.middleware.declare import build
from amanah.middleware.doctor import LEVELS, Installation, diagnose, protections
from amanah.middleware.fields import Register
from amanah.middleware.hooks import Gate
from amanah.middleware.installation_checks import _operation
from amanah.middleware.observing import Observing
from amanah.middleware.personal_names import guesses
from amanah.settings import Settings
from amanah.tenants.models import tenant
from amanah.testing import MemoryKeys


def table(name, *columns, metadata=None, tenant=True):
    """A table with a key that the tenant leads, and text columns, or those given."""
    metadata = MetaData() if metadata is None else metadata
    key = [Column("tenant_id", String(64), primary_key=True)] if tenant else []
    named = [Column(one, String(100)) if isinstance(one, str) else one for one in columns]
    return Table(name, metadata, *key, Column("id", String(36), primary_key=True), *named)


def looks(table_name, *columns):
    """The columns that look personal, with their categories."""
    return {one.column: one.category for one in guesses(table(table_name, *columns), ())}


def found(metadata, *declarations, routes=(), fixed_tenant=None, **rest):
    """The findings, as (id, subject) → finding."""
    register = build(metadata, declarations, "tenant_id", fixed_tenant=fixed_tenant)
    listed = [one for said in declarations for one in (said if isinstance(said, list) else [said])]
    told = diagnose(register, metadata, routes, declarations=listed, **rest).findings
    for one in told:
        assert one.facts.keys() | {"subject"} >= names_in(one.check.message + one.check.remedy), one.id
    return {(one.id, one.subject): one for one in told}


def names_in(text):
    """The placeholders of a message."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column, category",
    [
        ("email", "user.contact.email"),
        ("emailAddress", "user.contact.email"),
        ("alamat_surel", "user.contact.email"),
        ("no_hp", "user.contact.phone_number"),
        ("no_telp", "user.contact.phone_number"),
        ("nomor_wa", "user.contact.phone_number"),
        ("phone2", "user.contact.phone_number"),
        ("nik", "user.government_id"),
        ("no_ktp", "user.government_id"),
        ("npwp", "user.government_id"),
        ("bpjs_number", "user.health_and_medical.insurance_beneficiary_id"),
        ("tanggal_lahir", "user.demographic.date_of_birth"),
        ("tempat_lahir", "user.demographic.date_of_birth"),
        ("jenis_kelamin", "user.demographic.gender"),
        ("diagnosis", "user.health_and_medical"),
        ("keluhan", "user.health_and_medical"),
        ("delivery_lat", "user.location"),
        ("longitude", "user.location"),
        ("shipping_address", "user.contact.address"),
        ("alamat_rumah", "user.contact.address"),
        ("no_rekening", "user.financial.bank_account"),
        ("bank_account_number", "user.financial.bank_account"),
        ("ip_address", "user.device.ip_address"),
        ("last_login_ip", "user.device.ip_address"),
        ("user_agent", "user.device"),
        ("customer_name", "user.name"),
        ("nama_pelanggan", "user.name"),
        ("first_name", "user.name"),
    ],
)
def test_a_personal_column_is_recognised_in_any_table(column, category):
    """In English and Indonesian, whatever the table is called."""
    assert looks("record", column) == {column: category}


@pytest.mark.parametrize(
    "column",
    [
        "name",
        "display_name",
        "email_verified",
        "email_id",
        "email_template",
        "phone_type",
        "address_id",
        "password_hash",
        "token_hash",
        "file_name",
        "product_name",
        "nama_barang",
        "host_name",
        "shipping_fee",
        "status",
        "number",
        "relationship",
        "translation",
        "platform",
        "hippo",
        "mobile_app",
        "description",
        "slip_number",
        "tips",
        "sextant",
    ],
)
def test_an_innocent_name_is_left_alone(column):
    """Parts of words, foreign keys, hashes, flags and things are not personal."""
    assert looks("record", column) == {}


def test_the_name_of_a_thing_is_not_personal_and_that_of_a_person_is():
    """The table decides what a bare name is."""
    assert looks("product", "name") == looks("tbl_kategori", "nama") == looks("stores", "name") == {}
    for person in ("customer", "customers", "tbl_pasien", "UserProfile", "staff"):
        assert looks(person, "name") == {"name": "user.name"}
    assert looks("registration", "name", "nik") == {"name": "user.name", "nik": "user.government_id"}


def test_a_shop_may_have_an_address_and_a_telephone():
    """Contact data of things are not reported; of persons they are."""
    assert looks("store", "address", "phone", "latitude", "email") == {}
    assert set(looks("courier", "address", "phone", "city")) == {"address", "phone", "city"}
    assert set(looks("store_manager", "phone", "name")) == {"phone", "name"}


def test_types_that_cannot_hold_it_are_left_alone():
    """A flag, a moment and a foreign key say nothing personal by themselves."""
    metadata = MetaData()
    table("address_book", metadata=metadata, tenant=False)
    columns = (
        Column("email", Boolean),
        Column("phone_changed", DateTime),
        Column("address", String(36), ForeignKey("address_book.id")),
        Column("birth", Date),
    )
    assert [one.column for one in guesses(table("record", *columns, metadata=metadata), ())] == ["birth"]


# -- tables and columns ------------------------------------------------------------------------------------------------


def test_an_undeclared_personal_column_is_an_error_with_its_declaration():
    """The remedy can be pasted."""
    metadata = MetaData()
    table("customer", "phone", "nickname", metadata=metadata)
    phone = Personal(category="user.contact.phone_number")
    all_found = found(metadata, declare("customer", subject="id", columns={"phone": phone}))
    one = all_found["AMN-D001", "customer.nickname"]
    assert (one.level, one.advice()) == (
        "error",
        'Declare it: declare("customer", columns={"nickname": Personal(category="user.name")}).',
    )
    assert ("AMN-D001", "customer.phone") not in all_found


def test_a_personal_column_in_a_shared_table_is_an_error():
    """Declaring a table shared does not hide what is in it."""
    metadata = MetaData()
    table("country", "name", metadata=metadata, tenant=False)
    table("newsletter", "email", metadata=metadata, tenant=False)
    assert set(found(metadata, shared("country", "newsletter"))) == {("AMN-D013", "newsletter.email")}


def test_a_name_that_says_less_is_a_warning_of_its_own():
    """A city in a table of persons may be somebody's."""
    metadata = MetaData()
    table("courier", "city", metadata=metadata)
    assert {key: one.level for key, one in found(metadata).items()} == {("AMN-D012", "courier.city"): "warning"}


def test_gaps_of_a_declaration_are_found():
    """No subject, a key without tenant, values not bound to their row, free text, a password in clear, no tenant."""
    metadata = MetaData()
    Table(
        "patient",
        metadata,
        Column("tenant_id", String(64)),
        Column("id", Integer, primary_key=True),
        Column("nik", String(16)),
        Column("catatan", Text),
        Column("password", String(40)),
        Column("password_changed_at", DateTime),
    )
    table("log", "text", metadata=metadata, tenant=False)
    declaration = declare("patient", columns={"nik": Personal(category="user.government_id")})
    register = build(metadata, [declaration], "tenant_id")
    register.tables["patient"].bound_to_row = False
    assert {(one.id, one.subject) for one in diagnose(register, metadata, []).findings} == {
        ("AMN-D002", "patient.password"),
        ("AMN-D003", "patient.catatan"),
        ("AMN-D004", "log"),
        ("AMN-D005", "patient"),
        ("AMN-D006", "patient"),
        ("AMN-D007", "patient"),
    }


@pytest.mark.parametrize(
    "column, finding",
    [
        (Column("password", String(40)), "AMN-D002"),
        (Column("sandi", String(200)), "AMN-D060"),
        (Column("kata_sandi", String(255)), "AMN-D060"),
        (Column("password_hash", String(97)), "AMN-D060"),
        (Column("sandi_hash", LargeBinary), "AMN-D060"),
        (Column("password_reset_at", String(100)), None),
        (Column("password_id", Integer), None),
    ],
)
def test_what_people_sign_in_with_is_not_taken_for_what_it_is_not(column, finding):
    """No hash fits into 40 characters; where one fits it is a remark that it is shown."""
    metadata = MetaData()
    table("akun", column, metadata=metadata)
    ids = {id_ for id_, _ in found(metadata)}
    assert ids & {"AMN-D002", "AMN-D060"} == ({finding} if finding else set())


def test_a_declared_secret_is_no_finding():
    """It is governed, so the policy says who reads it."""
    metadata = MetaData()
    table("akun", "sandi_hash", metadata=metadata)
    hidden = Personal(category="user.authorization.password", sealed=False, platform=True)
    assert "AMN-D060" not in {id_ for id_, _ in found(metadata, declare("akun", columns={"sandi_hash": hidden}))}


@pytest.mark.parametrize("platform, told", [(False, {("AMN-D061", "akun.email")}), (True, set())])
def test_a_login_that_cannot_see_what_it_searches_is_a_warning(platform, told):
    """A column by which people sign in is withheld before their tenant is known, unless it is the platform's."""
    metadata = MetaData()
    table("akun", "email", "nama", metadata=metadata)
    columns = {
        "email": Personal(category="user.contact.email", sealed=False, platform=platform),
        "nama": Personal(category="user.name", sealed=False),
    }
    findings = found(metadata, declare("akun", subject="id", sign_in=True, columns=columns))
    assert {key for key in findings if key[0] == "AMN-D061"} == told


@pytest.mark.parametrize("basis, told", [("consent", {("AMN-D062", "surat")}), ("contract", set())])
def test_persons_who_cannot_be_asked_for_a_consent_are_found(basis, told):
    """Where a register has a purpose on consent: tables with personal columns that say about whom they are are fine."""
    metadata = MetaData()
    columns = {"nama": Personal(category="user.name", sealed=False)}
    for name in ("surat", "pelanggan"):
        table(name, "nama", metadata=metadata)
    said = [declare("surat", columns=columns), declare("pelanggan", subject="id", columns=columns)]
    register = {"toko-a": [Purpose("marketing.communications.email", "promosi", basis)]}
    findings = found(metadata, *said, purposes=register)
    assert {key for key in findings if key[0] == "AMN-D062"} == told


def test_a_foreign_key_without_the_tenant_is_remarked():
    """One that carries it is not, nor one that leads to the tenant, to a shared table, or is the way to the parent."""
    metadata = MetaData()
    Table("buyer", metadata, Column("id", Integer, primary_key=True), Column("tenant_id", String(64)))
    table("unit", "note", metadata=metadata, tenant=False)
    Table(
        "sale",
        metadata,
        Column("tenant_id", String(64), primary_key=True),
        Column("id", Integer, primary_key=True),
        Column("buyer_id", Integer, ForeignKey("buyer.id")),
        Column("payer_id", Integer),
        Column("unit_id", Integer, ForeignKey("unit.id")),
        ForeignKeyConstraint(["tenant_id", "payer_id"], ["buyer.tenant_id", "buyer.id"]),
    )
    Table(
        "line",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("buyer_id", Integer, ForeignKey("buyer.id")),
    )
    findings = found(metadata, *shared("unit"), declare("line", via="buyer_id"))
    assert {key for key in findings if key[0] == "AMN-D063"} == {("AMN-D063", "sale")}
    assert findings["AMN-D063", "sale"].facts["key"] == "buyer_id"


def test_a_table_that_is_well_declared_has_no_finding():
    """Nothing is reported for its own sake."""
    metadata = MetaData()
    table("customer", "phone", metadata=metadata)
    phone = Personal(category="user.contact.phone_number")
    declaration = declare("customer", subject="id", columns={"phone": phone})
    assert found(metadata, declaration, routes=[route("GET /c", "customer", "read", ["billing"])]) == {}


# -- routes and purposes -----------------------------------------------------------------------------------------------


def test_names_that_only_one_side_knows_are_found():
    """A resource without table, a purpose without register, a purpose without route."""
    metadata = MetaData()
    table("customer", metadata=metadata)
    routes = [
        route("GET /c", "customer", "read", ["billing"]),
        route("GET /i", "invioce", "read", ["bilings"]),
        route("GET /trail", "amanah.trail", "read", ["essential.legal_obligation"]),
    ]
    register = [
        Purpose("essential.service.payment_processing", "billing", "contract"),
        Purpose("essential.legal_obligation", "compliance", "legal_obligation"),
        Purpose("essential.fraud_detection", "fraud", "legitimate_interest"),
        Purpose("essential.service.authentication", "authentication", "contract"),
    ]
    assert set(found(metadata, routes=routes, purposes={"toko-a": register})) == {
        ("AMN-D008", "invioce"),
        ("AMN-D009", "bilings"),
        ("AMN-D010", "fraud"),
    }
    assert set(found(metadata, routes=routes)) == {("AMN-D008", "invioce")}


def test_each_guess_that_nobody_confirmed_is_found():
    """Of a declaration, of each shared table, of a route; the purpose TODO says so once, and not that it is unknown."""
    metadata = MetaData()
    table("customer", metadata=metadata)
    table("country", metadata=metadata, tenant=False)
    table("currency", metadata=metadata, tenant=False)
    said = [guessed(declare("customer", subject="id")), guessed(shared("country", "currency"))]
    routes = [
        guessed(route("GET /c", "customer", "read", ["TODO"])),
        route("GET /c/{id}", "customer", "read", ["billing", "TODO"]),
        guessed(public("GET /health")),
        route("POST /c", "customer", "create", ["billing"]),
    ]
    register = [Purpose("essential.service.payment_processing", "billing", "contract")]
    assert set(found(metadata, *said, routes=routes, purposes={"toko-a": register})) == {
        ("AMN-D011", "customer"),
        ("AMN-D011", "country"),
        ("AMN-D011", "currency"),
        ("AMN-D011", "GET /c"),
        ("AMN-D011", "GET /health"),
        ("AMN-D014", "GET /c"),
        ("AMN-D014", "GET /c/{id}"),
    }


def test_what_a_guard_only_observes_is_found_until_it_is_over():
    """Each resource that is not enforced yet, of tables and of routes; after the last day only that it has passed."""
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    metadata = MetaData()
    for name in ("customer", "invoice"):
        table(name, metadata=metadata)
    register = build(metadata, [], "tenant_id")
    routes = [route("GET /r", "report", "read", ["billing"]), public("GET /health")]
    Observing(date(2026, 1, 31), ["invoice"], clock=lambda: now[0]).take_in(register, routes)

    def told():
        return {(one.id, one.subject) for one in diagnose(register, metadata, routes).findings} - {
            ("AMN-D008", "report")
        }

    assert told() == {("AMN-D018", "customer"), ("AMN-D018", "report")}
    now[0] = datetime(2026, 2, 1, tzinfo=UTC)
    assert told() == {("AMN-D019", "Guard.observing")}


# -- the installation --------------------------------------------------------------------------------------------------


@pytest.fixture
def place(filled_migrated, tmp_path, database_url):
    """A production installation: migrated, with keys, checkpoints beside the database."""
    settings = Settings.in_folder(tmp_path / "state")
    create_keys(settings)
    engine = database.own_engine(database_url)
    trail = database.own_engine(database.trail_url(database_url))
    yield Installation(engine, trail, settings, FileKeyProvider(settings.key_file), development=False)
    trail.dispose()
    engine.dispose()


def test_what_production_should_not_have_is_a_warning(place):
    """A key file as provider and SQLite, or a superuser of PostgreSQL."""
    ids = {one.id: one.level for one in found(MetaData(), place=place).values()}
    assert ids["AMN-D028"] == "warning"
    if place.engine.dialect.name == "sqlite":
        assert ids["AMN-D027"] == "warning"
        assert "AMN-D026" not in ids
    else:
        assert "AMN-D027" not in ids
        assert ids["AMN-D026"] == "warning"  # the tests connect as superuser


def test_what_matters_in_production_only_is_left_out_at_home_unless_asked_for(place):
    """A development guard has none of it; ``production`` looks, and that it is for development is then an error."""
    at_home = replace(place, development=True)
    diagnosis = diagnose(Register(), MetaData(), [], place=at_home)
    assert diagnosis.findings == ()
    assert {one.id for one in CHECKS.values() if one.production} <= diagnosis.left_out
    levels = {one.id: one.level for one in found(MetaData(), place=at_home, production=True).values()}
    assert (levels["AMN-D028"], levels["AMN-D029"]) == ("warning", "error")
    assert "AMN-D029" not in {id_ for id_, _ in found(MetaData(), place=place)}


@pytest.mark.parametrize(
    "url, silent",
    [
        ("postgresql+psycopg://app@db.example/app", True),
        ("postgresql+psycopg://app@/app?host=db.example", True),
        ("postgresql+psycopg://app@db.example/app?connect_timeout=5", False),
        ("postgresql+psycopg://app@localhost/app", False),
        ("postgresql+psycopg://app@/app", False),
        ("postgresql+psycopg://app@/app?host=/run/postgresql", False),
        ("sqlite:///app.db", False),
    ],
)
def test_a_database_elsewhere_needs_a_time_limit(place, monkeypatch, url, silent):
    """Said in the URL or in libpq's variable; one's own machine answers or refuses at once."""
    monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    away = replace(place, engine=create_engine(url))
    assert ("AMN-D038" in {one.id for one in _operation(away)}) == silent
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "5")
    assert "AMN-D038" not in {one.id for one in _operation(away)}


@pytest.mark.parametrize(
    "url, told",
    [
        ("postgresql+psycopg://app@db.example/app", True),
        ("postgresql+psycopg://app@db.example/app?sslmode=prefer", True),
        ("postgresql+psycopg://app@db.example/app?sslmode=require", False),
        ("postgresql+psycopg://app@/app?host=/run/postgresql", False),
        ("postgresql+psycopg://app@localhost/app", False),
    ],
)
def test_a_way_to_the_database_in_the_clear_is_a_warning(place, monkeypatch, url, told):
    """Where it leads to another machine and nobody demands TLS."""
    monkeypatch.delenv("PGSSLMODE", raising=False)
    away = replace(place, engine=create_engine(url))
    assert ("AMN-D042" in {one.id for one in _operation(away)}) == told
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert "AMN-D042" not in {one.id for one in _operation(away)} or "prefer" in url


def test_secrets_open_to_others_or_missing_are_errors(place):
    """Both the key file and the signer's key are looked at, now and not when the guard was built."""
    place.settings.key_file.chmod(0o640)
    place.settings.signer_file.unlink()
    errors = {key for key, one in found(MetaData(), place=place).items() if one.level == "error"}
    assert errors == {("AMN-D030", str(place.settings.key_file)), ("AMN-D034", str(place.settings.signer_file))}


def test_keys_from_the_environment_are_no_key_file(place):
    """Another provider has no file to look at; that the process can read its key is told instead."""
    key = base64.b64encode(bytes(32)).decode()
    provider = EnvironmentKeyProvider(environment={"AMANAH_KEY": f"test:{key}"})
    ids = {one.id: one.level for one in found(MetaData(), place=replace(place, provider=provider)).values()}
    assert "AMN-D028" not in ids
    assert ids["AMN-D047"] == "warning"


def test_a_key_provider_that_names_no_key_is_an_error(place, monkeypatch):
    """It is away, or not the right one; the code leads to the page of errors. One that answers is none."""
    provider = MemoryKeys()
    assert not {"AMN-D028", "AMN-D047", "AMN-D048"} & {
        id_ for id_, _ in found(MetaData(), place=replace(place, provider=provider))
    }

    def away():
        raise KeysUnavailable

    monkeypatch.setattr(provider, "key_id", away)
    (told,) = (
        one for one in found(MetaData(), place=replace(place, provider=provider)).values() if one.id == "AMN-D048"
    )
    assert told.level == "error"
    assert "keys-unavailable" in told.told()


def test_an_engine_beside_the_guards_is_an_error(place):
    """Whoever made it and whether or not it has connected; the guard's and Amanah's own are none."""
    assert "AMN-D039" not in {id_ for id_, _ in found(MetaData(), place=place)}
    beside = create_engine(place.engine.url)
    told = found(MetaData(), place=place)
    assert told["AMN-D039", beside.url.drivername].level == "error"
    Gate(Register(), Staging(place.trail_engine)).protect(beside)
    assert "AMN-D039" not in {id_ for id_, _ in found(MetaData(), place=place)}


def test_a_database_that_is_not_ready_is_a_finding(tmp_path, place):
    """The rest is still told."""
    empty = create_engine(f"sqlite:///{tmp_path}/empty.db")
    other = Installation(empty, empty, place.settings, place.provider, development=False)
    ids = {id_ for id_, _ in found(MetaData(), place=other)}
    assert {"AMN-D021", "AMN-D028"} <= ids
    nowhere = create_engine(f"sqlite:///{tmp_path}/no/such/folder.db")
    other = Installation(nowhere, nowhere, place.settings, place.provider, development=False)
    assert "AMN-D020" in {id_ for id_, _ in found(MetaData(), place=other)}
    empty.dispose()
    nowhere.dispose()


def test_checkpoints_beside_a_sqlite_database_are_a_warning(place, tmp_path):
    """A backup of the folder brings both back; elsewhere they are fine."""
    beside = ("AMN-D033", str(place.settings.checkpoints))
    assert (beside in found(MetaData(), place=place)) == (place.engine.dialect.name == "sqlite")
    settings = replace(place.settings, checkpoints=tmp_path.parent / f"{tmp_path.name}-elsewhere")
    assert "AMN-D033" not in {id_ for id_, _ in found(MetaData(), place=replace(place, settings=settings))}


def test_a_trail_that_nobody_signs_is_a_warning(place):
    """Entries without any checkpoint, then a checkpoint that is old; a fresh installation and a fresh one are fine."""
    assert "AMN-D031" not in {id_ for id_, _ in found(MetaData(), place=place)}
    with place.engine.begin() as connection:
        stage(connection, [Entry(new_event_id(), now_us(), "toko-a", new_event_id(), "access")])
    assert "1 entries" in found(MetaData(), place=place)["AMN-D031", "trail"].told()
    sequencer = Sequencer(place.engine, place.trail_engine, SignerKey.load(place.settings.signer_file))
    sequencer.run_once()
    assert not {"AMN-D031", "AMN-D032"} & {id_ for id_, _ in found(MetaData(), place=place)}
    with place.trail_engine.begin() as connection:
        connection.execute(update(heartbeat).values(at=now_us() - 3 * 3_600_000_000))
    assert "3 hours" in found(MetaData(), place=place)["AMN-D032", "trail"].told()


# -- one fixed tenant --------------------------------------------------------------------------------------------------


def test_the_fixed_tenant_must_be_there_and_alone(place):
    """An application of one tenant whose tenant is missing answers nobody; a second tenant's members reach nothing."""
    metadata = MetaData()
    table("medicine", metadata=metadata, tenant=False)
    metadata.create_all(place.engine)
    every = {"AMN-D016", "AMN-D017"}

    def told():
        again = MetaData()
        table("medicine", metadata=again, tenant=False)
        return {key for key in found(again, place=place, fixed_tenant="apotek") if key[0] in every}

    def add(name, status="active"):
        row = {"id": name, "name": name, "status": status, "template": "blank", "created_at": 0}
        with place.engine.begin() as connection:
            connection.execute(tenant.insert().values(row))

    assert told() == {("AMN-D016", "apotek")}
    add("apotek")
    add("closed", "closed")
    assert told() == set()
    add("toko-b")
    assert told() == {("AMN-D017", "toko-b")}


# -- the report --------------------------------------------------------------------------------------------------------


def test_findings_come_gravest_first_and_in_words():
    """Errors before warnings before remarks, each with remedy, in both languages without a gap."""
    metadata = MetaData()
    table("customer", "email", "city", Column("notes", Text), metadata=metadata)
    register = build(metadata, [declare("customer", subject="id")], "tenant_id")
    told = diagnose(register, metadata, []).findings
    assert [one.level for one in told] == ["error", "warning", "info"]
    assert set(LEVELS) == {one.level for one in told}
    for one in told:
        for language in ("en", "id"):
            assert "{subject}" not in one.told(language) + one.advice(language)
            assert "{category}" not in one.told(language)
        assert str(one).startswith(f"{one.id} {one.level} {one.subject}: ")


def test_what_is_protected_is_listed():
    """Table, resource, tenant column, subject, and each column with how it is kept."""
    metadata = MetaData()
    table("customer", "phone", "city", metadata=metadata)
    columns = {
        "phone": Personal(category="user.contact.phone_number", search="exact"),
        "city": Personal(category="user.contact.address.city", sealed=False, mask="dots"),
    }
    register = build(metadata, [declare("customer", resource="client", subject="id", columns=columns)], "tenant_id")
    (one,) = protections(register)
    assert (one.table, one.resource, one.tenant, one.subject) == ("customer", "client", "tenant_id", "id")
    assert {(c.name, c.category, c.sealed, c.search, c.mask) for c in one.columns} == {
        ("phone", "user.contact.phone_number", True, True, "last4"),
        ("city", "user.contact.address.city", False, False, "dots"),
    }
