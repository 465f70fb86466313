"""Orders of which couriers may meet their own only, a branch's lead those of the branch, and so on.

Loaded by the conftest.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, String, event, exists, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from amanah.middleware.declare import declare
from amanah.middleware.personal import Personal
from amanah.middleware.row_filters import RowFilter

if TYPE_CHECKING:
    from pathlib import Path

BILLING = "essential.service.payment_processing"
DECLARED = [
    declare("line", resource="orders"),
    declare("remark", via="order_id"),
    declare("orders", subject="id"),
]
MEMBERS = {
    "boss": ("boss",),
    "7": ("courier",),
    "8": ("courier",),
    "lead": ("lead",),
    "both": ("courier", "lead"),
    "apprentice": ("apprentice",),
    "stranger": ("stranger",),
}
RULES = [
    *(("boss", "*", action, BILLING, "allow") for action in ("read", "create", "update", "delete")),
    *(("courier", "orders", action, BILLING, "allow", "assigned") for action in ("read", "update", "delete")),
    ("courier", "orders", "create", BILLING, "allow"),
    ("courier", "remark", "read", BILLING, "allow"),
    ("courier", "shift", "read", BILLING, "allow", "own"),
    ("lead", "orders", "read", BILLING, "allow", "own_branch"),
    ("lead", "orders", "update", BILLING, "allow"),
    ("lead", "orders.*", "read", BILLING, "allow"),
    ("courier", "orders.customer", "read", BILLING, "allow"),
    ("apprentice", "orders", "read", BILLING, "allow"),
    ("apprentice", "orders", "update", BILLING, "allow"),
    ("apprentice", "orders", "read", BILLING, "deny", "secret"),
]


def models() -> SimpleNamespace:
    """The application's models, made anew: a guard ties them to itself."""

    class Base(DeclarativeBase):
        pass

    class Order(Base):
        __tablename__ = "orders"
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        courier: Mapped[str | None] = mapped_column(String(36))
        branch_id: Mapped[str] = mapped_column(String(36))
        note: Mapped[str | None] = mapped_column(String(80))
        customer: Mapped[str | None] = mapped_column(Personal(String, category="user.name"))
        lines: Mapped[list[Line]] = relationship(back_populates="order")

    class Line(Base):
        __tablename__ = "line"
        tenant_id: Mapped[str] = mapped_column(String(64), primary_key=True)
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"))
        order: Mapped[Order] = relationship(back_populates="lines")

    class Remark(Base):
        __tablename__ = "remark"
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"))

    class Branch(Base):
        __tablename__ = "branch"
        id: Mapped[str] = mapped_column(String(36), primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        lead: Mapped[str] = mapped_column(String(36))

    class Shift(Base):
        __tablename__ = "shift"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(64))
        worker: Mapped[int]

    names = dict(locals())
    return SimpleNamespace(**names)


def filters(m: SimpleNamespace) -> list[RowFilter]:
    """By a column, by EXISTS over other tables, by a constant, by a number."""
    orders, branch = m.Order.__table__, m.Branch.__table__

    def of_branch(table: Any, access: Any) -> Any:
        return exists().where(branch.c.id == table.c.branch_id, branch.c.lead == access.actor_id)

    def of_order(condition: Any) -> Any:
        return lambda line, access: line.c.order_id.in_(select(orders.c.id).where(condition(orders, access)))

    def assigned(table: Any, access: Any) -> Any:
        return table.c.courier == access.actor_id

    def secret(table: Any, _access: Any) -> Any:
        return table.c.note == "secret"

    def secret_line(line: Any, _access: Any) -> Any:
        note = select(orders.c.note).where(orders.c.id == line.c.order_id)
        return note.scalar_subquery() == "secret"

    return [
        RowFilter("assigned", "orders", assigned),
        RowFilter("assigned", "line", of_order(assigned)),
        RowFilter("own_branch", "orders", of_branch),
        RowFilter("own_branch", "line", of_order(of_branch)),
        RowFilter("secret", "orders", secret),
        RowFilter("secret", "line", secret_line),
        RowFilter("own", "shift", lambda shift, access: shift.c.worker == access.actor_id),
    ]


def build(url: str, folder: Path, *, filled: bool = False, **guarded: Any) -> Any:
    """Tenants ``a`` and ``b`` with the members of `MEMBERS`."""
    made = models()
    settings = {"row_filters": filters(made), **guarded}
    world = sys.modules["sql_world"].build(url, folder, declared=DECLARED, made=made, guarded=settings, filled=filled)
    if "sqlite" in url:
        event.listen(world.engine, "connect", lambda made, _record: made.execute("PRAGMA foreign_keys = ON"))
    if not filled:
        for tenant in ("a", "b"):
            with world.guard.engine.begin() as connection:
                _policy(world.guard, connection, tenant)
    return world


def _policy(guard: Any, connection: Any, tenant: str) -> None:
    policies, directory = guard.policies, guard.directory
    for role in ("courier", "lead", "apprentice", "stranger"):
        policies.add_role(connection, tenant, role)
    policies.add_rules(connection, tenant, [rule for rule in RULES if rule[0] != "boss"])
    for member, roles in MEMBERS.items():
        if member != "boss":
            directory.add_member(connection, tenant, member)
            for role in roles:
                directory.grant(connection, tenant, member, role, reason="test", granted_by="owner")


def seed(world: Any) -> None:
    """In ``a``: o1 and o2 of courier 7, o3 of 8, o5 of ``both``; 1, 3 and 5 in the north. In ``b``: t1."""
    m = world.m
    with world.session("a", "boss") as session:
        session.add_all([m.Branch(id="north", lead="lead"), m.Branch(id="south", lead="both")])
        for number, courier, branch, note in (
            ("o1", "7", "north", "open"),
            ("o2", "7", "south", "secret"),
            ("o3", "8", "north", "open"),
            ("o4", None, "south", None),
            ("o5", "both", "north", "open"),
        ):
            session.add(m.Order(id=number, courier=courier, branch_id=branch, note=note, customer=f"of {number}"))
            session.flush()
            session.add_all([m.Line(id=f"l{number}", order_id=number), m.Remark(id=f"r{number}", order_id=number)])
            session.flush()
        session.add_all([m.Shift(worker=7), m.Shift(worker=8)])
        session.commit()
    with world.session("b", "boss") as session:
        session.add(m.Branch(id="theirs", lead="lead"))
        session.add(m.Order(id="t1", courier="7", branch_id="north", note="open", customer="of t1"))
        session.commit()
