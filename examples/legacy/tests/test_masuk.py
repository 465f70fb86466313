import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from legacy.models import Pengguna


def test_login_and_logout(anonymous: TestClient, session: Session) -> None:
    wrong = anonymous.post("/login", data={"email": "kasir@surabaya.example.com", "sandi": "salah"})
    assert wrong.status_code == 401
    assert "salah" in wrong.text
    assert anonymous.get("/").headers["location"] == "/login"

    right = anonymous.post("/login", data={"email": " Kasir@Surabaya.example.com", "sandi": "rahasia123"})
    assert right.status_code == 303
    kasir = session.query(Pengguna).filter_by(email="kasir@surabaya.example.com").one()
    home = anonymous.get("/")
    assert home.status_code == 200
    assert kasir.nama in home.text
    assert "PT Sinar Abadi" in home.text

    anonymous.post("/logout")
    assert anonymous.get("/").status_code == 303


def test_passwords_are_hashed(session: Session) -> None:
    for user in session.query(Pengguna):
        assert user.sandi_hash.startswith("scrypt$")


def test_a_blocked_user_is_out_at_once(login, session: Session) -> None:
    client = login("gudang@semarang")
    user = session.query(Pengguna).filter_by(email="gudang@semarang.example.com").one()
    user.aktif = False
    session.commit()
    assert client.get("/api/saya").status_code == 401
    assert client.post("/login", data={"email": user.email, "sandi": "rahasia123"}).status_code == 401
    user.aktif = True
    session.commit()
    assert client.get("/api/saya").status_code == 200


def test_a_forged_cookie_is_nobody(anonymous: TestClient) -> None:
    anonymous.cookies.set("sinar", "eyJwZW5nZ3VuYV9pZCI6IDF9.aaaa.bbbb")
    assert anonymous.get("/api/saya").status_code == 401


@pytest.mark.parametrize(
    "path, roles",
    [
        ("/", {"pemilik", "kasir", "gudang", "akuntan"}),
        ("/pelanggan", {"pemilik", "kasir", "akuntan"}),
        ("/pelanggan/baru", {"pemilik", "kasir"}),
        ("/pelanggan/ekspor.csv", {"pemilik", "akuntan"}),
        ("/faktur", {"pemilik", "kasir", "akuntan"}),
        ("/karyawan", {"pemilik", "akuntan"}),
        ("/laporan/penjualan", {"pemilik", "akuntan"}),
        ("/laporan/piutang", {"pemilik", "akuntan"}),
        ("/api/pelanggan", {"pemilik", "kasir"}),
        ("/api/produk", {"pemilik", "kasir", "gudang", "akuntan"}),
        ("/api/servis", {"pemilik", "kasir", "gudang"}),
    ],
)
def test_pages_by_role(login, anonymous: TestClient, path: str, roles: set[str]) -> None:
    assert anonymous.get(path).status_code == (401 if path.startswith("/api") else 303)
    for role in ("pemilik", "kasir", "gudang", "akuntan"):
        assert login(f"{role}@malang").get(path).status_code == (200 if role in roles else 403), role
