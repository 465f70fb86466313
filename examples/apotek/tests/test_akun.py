import time

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from .conftest import Header


def test_me(client: TestClient, apoteker: Header) -> None:
    answer = client.get("/saya", headers=apoteker).json()
    assert answer | {"id": 0} == {
        "id": 0,
        "email": "sari@apoteksehat.co.id",
        "nama": "Sari Wulandari",
        "peran": "apoteker",
    }


@pytest.mark.parametrize(
    ("email", "sandi"), [("sari@apoteksehat.co.id", "salah"), ("tidak.ada@apoteksehat.co.id", "apotek-sehat")]
)
def test_wrong_password_and_unknown_email_look_alike(client: TestClient, email: str, sandi: str) -> None:
    answer = client.post("/token", data={"username": email, "password": sandi})
    assert (answer.status_code, answer.json()) == (401, {"detail": "Email atau sandi salah"})


def test_login_ignores_the_case_of_the_email_and_is_logged(client: TestClient, db: sa.Engine) -> None:
    answer = client.post("/token", data={"username": "Budi@ApotekSehat.co.id", "password": "apotek-sehat"})
    assert (answer.status_code, answer.json()["token_type"]) == (200, "bearer")
    with db.begin() as connection:
        last = connection.execute(sa.text("SELECT peristiwa, keterangan FROM log ORDER BY id DESC LIMIT 1")).one()
    assert tuple(last) == ("masuk", "budi@apoteksehat.co.id")


@pytest.mark.parametrize("path", ["/saya", "/pasien", "/pasien/1", "/pasien/ekspor.csv", "/dokter", "/log"])
def test_nothing_without_a_token(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_bad_tokens(client: TestClient) -> None:
    from joserfc import jwt
    from joserfc.jwk import OctKey

    from apotek.keamanan import TOKEN_KEY

    def token(key: OctKey, **claims: object) -> str:
        return jwt.encode({"alg": "HS256"}, claims, key)

    later = int(time.time()) + 60
    foreign = OctKey.import_key("kunci-orang-lain-yang-cukup-panjang-0123456789")
    bad = (
        "bukan-token",
        token(TOKEN_KEY, sub="1", exp=later - 120),
        token(TOKEN_KEY, sub="1"),
        token(TOKEN_KEY, sub="999999", exp=later),
        token(TOKEN_KEY, sub="satu", exp=later),
        token(foreign, sub="1", exp=later),
    )
    for one in bad:
        assert client.get("/saya", headers={"Authorization": f"Bearer {one}"}).status_code == 401, one


def test_only_an_admin_makes_accounts(client: TestClient, kasir: Header, admin: Header, db: sa.Engine) -> None:
    isi = {"email": "Dian@apoteksehat.co.id", "nama": "Dian Lestari", "sandi": "delapan-huruf", "peran": "kasir"}
    assert client.post("/akun", json=isi, headers=kasir).status_code == 403
    assert client.post("/akun", json=isi, headers=admin).json()["email"] == "dian@apoteksehat.co.id"
    assert client.post("/akun", json=isi, headers=admin).status_code == 409
    assert client.post("/akun", json=isi | {"email": "bukan email"}, headers=admin).status_code == 422
    login = {"username": "dian@apoteksehat.co.id", "password": "delapan-huruf"}
    token = client.post("/token", data=login).json()["access_token"]

    with db.begin() as connection:
        sandi = connection.scalar(sa.text("SELECT sandi FROM akun WHERE email = 'dian@apoteksehat.co.id'"))
        assert "delapan-huruf" not in sandi
        connection.execute(sa.text("UPDATE akun SET aktif = false WHERE email = 'dian@apoteksehat.co.id'"))
    assert client.post("/token", data=login).status_code == 401
    assert client.get("/saya", headers={"Authorization": f"Bearer {token}"}).status_code == 401
