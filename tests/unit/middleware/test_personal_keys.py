"""Row keys and subjects that are personal themselves: a NIK as primary key must stand in the trail as a keyed token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from amanah import Personal, declare
from tests import sql_world

if TYPE_CHECKING:
    from pathlib import Path

NIK = "3174012345678901"


@pytest.mark.xfail(
    strict=True, raises=TypeError, reason="declare() has no personal_key= yet: the middleware is to get it"
)
def test_a_personal_key_is_a_token_in_the_trail(worlds: None, sqlite_database: str, tmp_path: Path) -> None:
    """Neither the row's key nor the subject of any entry is the identity number, and both are found by its token."""

    class Base(DeclarativeBase):
        pass

    class Resident(Base):
        __tablename__ = "resident"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        nik: Mapped[str] = mapped_column(String(16), primary_key=True)
        name: Mapped[str] = mapped_column(Personal(String, category="user.name"))

    declared = [declare("resident", resource="customer", subject="nik", personal_key=True)]  # type: ignore[call-arg]
    made = type("Models", (), {"Base": Base, "Resident": Resident})
    world = sql_world.build(sqlite_database, tmp_path, made=made, declared=declared)
    with world.session() as session:
        session.add(Resident(nik=NIK, name="Ana"))
        session.commit()
    (change,) = world.changes("a")
    token = world.guard.keyring.cipher("a").lasting_token("trail.row", NIK.encode()).hex()
    assert (change["rows"], change["subjects"]) == ([token], [token])
    world.close()
