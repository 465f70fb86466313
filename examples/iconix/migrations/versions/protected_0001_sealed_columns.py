"""Make room for sealed values: bytes instead of text, and a 16-byte column beside each one that is searched.

The values themselves are not converted, because only a program that holds the keys could do it: this revision is for a
database without rows, and refuses any other.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

revision = "protected_0001"
down_revision = None
branch_labels = ("protected",)
depends_on = "iconix_0004"

SEALED: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
    "account": {"email": sa.String(254)},
    "customer": {
        "name": sa.String(120),
        "phone": sa.String(20),
        "email": sa.String(254),
        "nik": sa.String(16),
        "tax_id": sa.String(16),
        "address": sa.String(300),
        "bank_account": sa.String(60),
    },
    "supplier": {"bank_account": sa.String(60)},
    "patient": {
        "name": sa.String(120),
        "nik": sa.String(16),
        "bpjs_number": sa.String(13),
        "birth_date": sa.Date(),
        "phone": sa.String(20),
        "address": sa.String(300),
    },
    "guardian": {"name": sa.String(120), "phone": sa.String(20), "nik": sa.String(16)},
    "visit": {"complaint": sa.Text(), "diagnosis": sa.Text(), "prescription": sa.Text(), "notes": sa.Text()},
    "cod_order": {
        "customer_name": sa.String(120),
        "phone": sa.String(20),
        "address": sa.String(300),
        "latitude": sa.Float(),
        "longitude": sa.Float(),
    },
}
REQUIRED = {
    ("account", "email"),
    ("customer", "name"),
    ("patient", "name"),
    ("patient", "birth_date"),
    ("guardian", "name"),
    *(("cod_order", column) for column in SEALED["cod_order"]),
}
# Indexes (and unique constraints) on values, each to be moved to the column beside: table, columns, unique
INDEXES = [
    ("account", ("email",), False),
    ("account", ("tenant_id", "email"), True),
    ("customer", ("tenant_id", "phone"), False),
    ("customer", ("tenant_id", "email"), False),
    ("customer", ("tenant_id", "nik"), False),
    ("patient", ("tenant_id", "nik"), True),
    ("patient", ("tenant_id", "phone"), False),
    ("patient", ("tenant_id", "bpjs_number"), False),
    ("cod_order", ("tenant_id", "phone"), False),
]


def drop_index(batch: BatchOperations, table: str, columns: tuple[str, ...], *, unique: bool) -> None:
    """Drop an index, or a unique constraint, by the name that the app's naming convention gives."""
    name = op.f("_".join(["uq" if unique else "ix", table, *columns]))
    if unique:
        batch.drop_constraint(name, type_="unique")
    else:
        batch.drop_index(name)


def create_index(batch: BatchOperations, table: str, columns: tuple[str, ...], *, unique: bool) -> None:
    """Create an index, or a unique constraint, by the name that the app's naming convention gives."""
    name = op.f("_".join(["uq" if unique else "ix", table, *columns]))
    if unique:
        batch.create_unique_constraint(name, list(columns))
    else:
        batch.create_index(name, list(columns))


# Two columns of tokens beside each searched one: one for each of two index keys, while one is exchanged for the other
SLOTS = ("_ix", "_ix2")


def beside(columns: tuple[str, ...], slot: str) -> tuple[str, ...]:
    """Return the same columns with the searched one replaced by a column beside it."""
    return (*columns[:-1], f"{columns[-1]}{slot}")


def create_beside(batch: BatchOperations, table: str, columns: tuple[str, ...], *, unique: bool) -> None:
    """Index the columns beside: the first ones under the name of the index that was moved, the second under another."""
    for slot, suffix in zip(SLOTS, ("", "_ix2"), strict=True):
        name = op.f("_".join(["uq" if unique else "ix", table, *columns]) + suffix)
        if unique:
            batch.create_unique_constraint(name, list(beside(columns, slot)))
        else:
            batch.create_index(name, list(beside(columns, slot)))


def drop_beside(batch: BatchOperations, table: str, columns: tuple[str, ...], *, unique: bool) -> None:
    """Drop the indexes over the columns beside."""
    for suffix in ("", "_ix2"):
        name = op.f("_".join(["uq" if unique else "ix", table, *columns]) + suffix)
        if unique:
            batch.drop_constraint(name, type_="unique")
        else:
            batch.drop_index(name)


def refuse_rows() -> None:
    """Stop before anything is lost: a column's type can change only where there is nothing in it."""
    connection = op.get_bind()
    for table in SEALED:
        if connection.scalar(sa.select(sa.literal(1)).select_from(sa.table(table)).limit(1)):
            message = (
                f"The table {table} already has rows, and their values cannot be turned into sealed ones (or back) by "
                "a migration. Apply the branch `protected` to an empty database, then bring in the rows."
            )
            raise RuntimeError(message)


def upgrade() -> None:
    """Turn values into bytes, and move indexes and unique constraints to the columns beside."""
    refuse_rows()
    for table, columns in SEALED.items():
        moved = [(names, unique) for owner, names, unique in INDEXES if owner == table]
        with op.batch_alter_table(table) as batch:
            for names, unique in moved:
                drop_index(batch, table, names, unique=unique)
            for column, plain in columns.items():
                batch.alter_column(
                    column,
                    existing_type=plain,
                    type_=sa.LargeBinary(),
                    existing_nullable=(table, column) not in REQUIRED,
                    postgresql_using="NULL::bytea",
                )
            for column in dict.fromkeys(names[-1] for names, _ in moved):
                for slot in SLOTS:
                    batch.add_column(sa.Column(f"{column}{slot}", sa.LargeBinary(16), nullable=True))
            for names, unique in moved:
                create_beside(batch, table, names, unique=unique)


def downgrade() -> None:
    """Turn bytes back into values, and move indexes and unique constraints back."""
    refuse_rows()
    for table, columns in SEALED.items():
        moved = [(names, unique) for owner, names, unique in INDEXES if owner == table]
        with op.batch_alter_table(table) as batch:
            for names, unique in moved:
                drop_beside(batch, table, names, unique=unique)
            for column in dict.fromkeys(names[-1] for names, _ in moved):
                for slot in SLOTS:
                    batch.drop_column(f"{column}{slot}")
            for column, plain in columns.items():
                using = {"DATE": "date", "FLOAT": "double precision"}.get(str(plain), "text")
                batch.alter_column(
                    column,
                    existing_type=sa.LargeBinary(),
                    type_=plain,
                    existing_nullable=(table, column) not in REQUIRED,
                    postgresql_using=f"NULL::{using}",
                )
            for names, unique in moved:
                create_index(batch, table, names, unique=unique)
