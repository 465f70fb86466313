"""A person whose rows have children is deleted: the ORM empties the children's subject, and the database says no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import ForeignKey, String, create_engine, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from amanah import Guard, Personal, declare, migrations
from amanah.errors import SealedWriteRefused

if TYPE_CHECKING:
    from pathlib import Path

BILLING = "essential.service.payment_processing"


def models() -> Any:
    """A patient, and prescriptions that belong to one."""

    class Base(DeclarativeBase):
        pass

    class Patient(Base):
        __tablename__ = "patient"
        id: Mapped[int] = mapped_column(primary_key=True)
        prescriptions: Mapped[list[Prescription]] = relationship()

    class Prescription(Base):
        __tablename__ = "prescription"
        id: Mapped[int] = mapped_column(primary_key=True)
        patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"))
        diagnosis: Mapped[str] = mapped_column(String(50))

    Base.Patient, Base.Prescription = Patient, Prescription  # type: ignore[attr-defined]
    return Base


@pytest.mark.filterwarnings("ignore:Amanah:RuntimeWarning")
def test_the_database_itself_refuses_to_empty_a_subject(database_url: str, tmp_path: Path) -> None:
    """The application gets the IntegrityError for which it has an answer; another subject stays refused."""
    base, engine = models(), create_engine(database_url)
    sealed = {"diagnosis": Personal(category="user.health_and_medical")}
    guard = Guard.development(
        metadata=base.metadata, engine=engine, identify=lambda _: None, routes=[], fixed_tenant="clinic",
        declarations=[declare("prescription", subject="patient_id", columns=sealed)], state=tmp_path / "state",
    )  # fmt: skip
    migrations.upgrade(guard.engine.url)
    base.metadata.create_all(guard.engine)
    guard.create_tenant("clinic", "Clinic", template="blank", admin="boss")
    with guard.engine.begin() as connection:
        for action in ("read", "create", "update", "delete"):
            guard.policies.add_rule(connection, "clinic", role="owner", object="*", action=action, purpose="*")
    with guard.access(tenant="clinic", actor="boss", purpose=BILLING, reason="test"), Session(engine) as session:
        for number in (1, 2):
            session.add(base.Patient(id=number, prescriptions=[base.Prescription(diagnosis="ISPA")]))
        session.commit()
        session.delete(session.get_one(base.Patient, 1))
        with pytest.raises(IntegrityError):
            session.flush()
        session.rollback()
        for moved in (update(base.Prescription).values(patient_id=2), update(base.Prescription).values(id=None)):
            with pytest.raises(SealedWriteRefused):
                session.execute(moved)
        session.rollback()
        assert {one.patient_id for one in session.query(base.Prescription)} == {1, 2}
    guard.close()
    engine.dispose()
