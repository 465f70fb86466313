import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from legacy.models import Pelanggan, Provinsi, Riwayat

NEW = {"nama": "Joko", "alamat": "Jl. Kenanga 3", "no_hp": "081234567890", "email": "joko@example.com"}


def test_list_shows_the_own_company_only(pemilik: TestClient, lain: TestClient, pelanggan: Pelanggan) -> None:
    page = pemilik.get("/pelanggan", params={"q": pelanggan.nama}).text
    for text in (pelanggan.nama, pelanggan.alamat, pelanggan.no_hp, pelanggan.email, "1 pelanggan."):
        assert text in page
    assert "0 pelanggan." in lain.get("/pelanggan", params={"q": pelanggan.nama}).text


def test_search_and_order(kasir: TestClient, session: Session, surabaya) -> None:
    for number, nama in enumerate(("Zainal Kubis", "Agus Kubis", "Made kubisono")):
        data = NEW | {"nama": nama, "email": f"kubis{number}@example.com", "no_hp": f"0857000000{number}"}
        session.add(Pelanggan(perusahaan_id=surabaya.id, **data))
    session.commit()
    page = kasir.get("/pelanggan?q=KUBIS").text
    places = [page.index(nama) for nama in ("Agus Kubis", "Made kubisono", "Zainal Kubis")]
    assert places == sorted(places)
    for q in ("08570000001", "Kubis1@example.com"):
        assert "1 pelanggan." in kasir.get("/pelanggan", params={"q": q}).text
    assert "0 pelanggan." in kasir.get("/pelanggan?q=0857000000").text


def test_pages_of_the_list(pemilik: TestClient, session: Session, surabaya) -> None:
    count = session.query(Pelanggan).filter_by(perusahaan_id=surabaya.id).count()
    session.add_all(
        Pelanggan(perusahaan_id=surabaya.id, **NEW | {"email": f"halaman{number}@example.com"})
        for number in range(max(26 - count, 0))
    )
    session.commit()
    first, second = pemilik.get("/pelanggan").text, pemilik.get("/pelanggan?halaman=2").text
    assert first.count("<tr>") == 26
    assert "halaman=2" in first
    assert 1 < second.count("<tr>") <= 26


def test_form_posts_back_what_it_showed(kasir: TestClient, session: Session, pelanggan: Pelanggan, form_fields) -> None:
    pelanggan.provinsi = session.query(Provinsi).filter_by(nama="Jawa Timur").one()
    session.commit()
    before = {name: getattr(pelanggan, name) for name in ("nama", "email", "nik", "npwp", "tgl_lahir", "provinsi_id")}
    fields = form_fields(kasir.get(f"/pelanggan/{pelanggan.id}/ubah").text)
    assert fields["nama"] == pelanggan.nama
    assert fields["nik"] == "3578014501900003"
    assert fields["tgl_lahir"] == "1990-01-05"

    answer = kasir.post(f"/pelanggan/{pelanggan.id}/ubah", data=fields | {"no_hp": "08999000111"})
    assert answer.status_code == 303, answer.text
    session.refresh(pelanggan)
    assert pelanggan.no_hp == "08999000111"
    assert pelanggan.alamat == "Jl. Pahlawan 17, Surabaya"
    assert {name: getattr(pelanggan, name) for name in before} == before


def test_new_customer_and_access_log(kasir: TestClient, session: Session) -> None:
    form = NEW | {"email": "baru@example.com", "nik": "", "npwp": "", "tgl_lahir": "", "provinsi_id": ""}
    answer = kasir.post("/pelanggan/baru", data=form)
    assert answer.status_code == 303, answer.text
    row = session.query(Pelanggan).filter_by(email="baru@example.com").one()
    assert (row.nik, row.npwp, row.tgl_lahir, row.provinsi_id) == (None, None, None, None)
    assert kasir.get(answer.headers["location"]).status_code == 200
    log = session.query(Riwayat).filter_by(pelanggan_id=row.id).order_by(Riwayat.id).all()
    assert [entry.aksi for entry in log] == ["baru", "lihat"]


@pytest.mark.parametrize(
    "field, value",
    [("nama", ""), ("email", "bukan e-mail"), ("nik", "123"), ("no_hp", "abc"), ("tgl_lahir", "kemarin")],
)
def test_bad_input_is_shown_again(kasir: TestClient, session: Session, pelanggan: Pelanggan, field, value) -> None:
    before = getattr(pelanggan, field)
    form = NEW | {"email": "perbaikan@example.com", field: value}
    answer = kasir.post(f"/pelanggan/{pelanggan.id}/ubah", data=form)
    assert answer.status_code == 422
    assert "galat" in answer.text
    assert "Jl. Kenanga 3" in answer.text
    session.refresh(pelanggan)
    assert getattr(pelanggan, field) == before


def test_an_email_is_used_once_per_company(
    kasir: TestClient, lain: TestClient, session: Session, pelanggan: Pelanggan
) -> None:
    form = NEW | {"email": pelanggan.email}
    assert "sudah dipakai" in kasir.post("/pelanggan/baru", data=form).text
    assert lain.post("/pelanggan/baru", data=form).status_code == 303
    session.add(Pelanggan(perusahaan_id=pelanggan.perusahaan_id, **form))
    with pytest.raises(IntegrityError):
        session.commit()


def test_other_companies_get_404(lain: TestClient, session: Session, pelanggan: Pelanggan) -> None:
    assert lain.get(f"/pelanggan/{pelanggan.id}").status_code == 404
    assert lain.get(f"/pelanggan/{pelanggan.id}/ubah").status_code == 404
    assert lain.post(f"/pelanggan/{pelanggan.id}/ubah", data=NEW).status_code == 404
    assert lain.get("/pelanggan/999999").status_code == 404
    assert session.query(Riwayat).filter_by(pelanggan_id=pelanggan.id).count() == 0
