import json
from typing import Any

import sqlalchemy as sa
from fastapi.testclient import TestClient
from httpx2 import Response

from .conftest import Header


def bayar(client: TestClient, isi: dict[str, Any], tanda: str | None = None) -> Response:
    from apotek.pembayaran import tanda_tangan

    body = json.dumps(isi).encode()
    return client.post("/pembayaran/callback", content=body, headers={"X-Signature": tanda or tanda_tangan(body)})


def test_a_signed_payment_counts_once(
    client: TestClient, apoteker: Header, resep_baru: dict[str, Any], db: sa.Engine
) -> None:
    isi = {"referensi": "PAY-001", "nomor": resep_baru["nomor"], "jumlah": 5000, "pembayar": "Zulaika Basri"}
    for _ in range(2):
        answer = bayar(client, isi)
        assert (answer.status_code, answer.json()) == (200, {"status": "lunas"})
    assert client.get(f"/resep/{resep_baru['id']}", headers=apoteker).json()["status"] == "lunas"
    with db.begin() as connection:
        rows = connection.execute(sa.text("SELECT jumlah, pembayar FROM pembayaran WHERE referensi = 'PAY-001'"))
        assert [tuple(row) for row in rows] == [(5000, "Zulaika Basri")]


def test_a_wrong_signature_changes_nothing(
    client: TestClient, apoteker: Header, resep_baru: dict[str, Any], db: sa.Engine
) -> None:
    isi = {"referensi": "PAY-002", "nomor": resep_baru["nomor"], "jumlah": 5000}
    assert bayar(client, isi, tanda="0" * 64).status_code == 401
    assert client.post("/pembayaran/callback", json=isi).status_code == 422
    assert client.get(f"/resep/{resep_baru['id']}", headers=apoteker).json()["status"] == "baru"
    with db.begin() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM pembayaran WHERE referensi = 'PAY-002'")) == 0


def test_unknown_prescriptions_and_bodies(client: TestClient) -> None:
    assert bayar(client, {"referensi": "PAY-003", "nomor": "R-0", "jumlah": 1}).status_code == 404
    assert bayar(client, {"referensi": "PAY-003"}).status_code == 400
