"""Create cash-on-delivery orders."""

import sqlalchemy as sa
from alembic import op

revision = "iconix_0004"
down_revision = "iconix_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "store",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("code", sa.String(20), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("address", sa.String(300), nullable=False),
        sa.Column("city", sa.String(80), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("base_fee", sa.BigInteger(), nullable=False),
        sa.Column("fee_per_km", sa.BigInteger(), nullable=False),
        sa.Column("reach_km", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_store")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_store_tenant_id_code")),
    )
    op.create_table(
        "courier",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("code", sa.String(20), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("phone", sa.String(20), nullable=True),
        sa.Column("account_id", sa.String(36), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_courier")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["account.tenant_id", "account.id"],
            name=op.f("fk_courier_tenant_id_account_id"),
        ),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_courier_tenant_id_code")),
    )
    op.create_index("ix_courier_tenant_id_account_id", "courier", ["tenant_id", "account_id"])
    op.create_table(
        "settlement",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("courier_id", sa.String(36), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("expected", sa.BigInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("settled_by", sa.String(36), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_settlement")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "courier_id"],
            ["courier.tenant_id", "courier.id"],
            name=op.f("fk_settlement_tenant_id_courier_id"),
        ),
    )
    op.create_index("ix_settlement_tenant_id_courier_id_date", "settlement", ["tenant_id", "courier_id", "date"])
    op.create_table(
        "cod_order",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("number", sa.String(40), nullable=False),
        sa.Column("store_id", sa.String(36), nullable=False),
        sa.Column("courier_id", sa.String(36), nullable=True),
        sa.Column("settlement_id", sa.String(36), nullable=True),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("customer_name", sa.String(120), nullable=False),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.Column("address", sa.String(300), nullable=False),
        sa.Column("latitude", sa.Float(), nullable=False),
        sa.Column("longitude", sa.Float(), nullable=False),
        sa.Column("goods_total", sa.BigInteger(), nullable=False),
        sa.Column("fee", sa.BigInteger(), nullable=False),
        sa.Column("cash_due", sa.BigInteger(), nullable=False),
        sa.Column("cash_collected", sa.BigInteger(), nullable=True),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_cod_order")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "courier_id"],
            ["courier.tenant_id", "courier.id"],
            name=op.f("fk_cod_order_tenant_id_courier_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "settlement_id"],
            ["settlement.tenant_id", "settlement.id"],
            name=op.f("fk_cod_order_tenant_id_settlement_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "store_id"], ["store.tenant_id", "store.id"], name=op.f("fk_cod_order_tenant_id_store_id")
        ),
        sa.UniqueConstraint("tenant_id", "number", name=op.f("uq_cod_order_tenant_id_number")),
    )
    op.create_index(
        "ix_cod_order_tenant_id_courier_id_delivered_on", "cod_order", ["tenant_id", "courier_id", "delivered_on"]
    )
    op.create_index("ix_cod_order_tenant_id_phone", "cod_order", ["tenant_id", "phone"])
    op.create_index("ix_cod_order_tenant_id_settlement_id", "cod_order", ["tenant_id", "settlement_id"])
    op.create_index("ix_cod_order_tenant_id_store_id", "cod_order", ["tenant_id", "store_id"])
    op.create_table(
        "cod_order_line",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("order_id", sa.String(36), nullable=False),
        sa.Column("product_id", sa.String(36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("description", sa.String(120), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("unit_price", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_cod_order_line")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["cod_order.tenant_id", "cod_order.id"],
            name=op.f("fk_cod_order_line_tenant_id_order_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"],
            ["product.tenant_id", "product.id"],
            name=op.f("fk_cod_order_line_tenant_id_product_id"),
        ),
    )
    op.create_index("ix_cod_order_line_tenant_id_order_id", "cod_order_line", ["tenant_id", "order_id"])
    op.create_index("ix_cod_order_line_tenant_id_product_id", "cod_order_line", ["tenant_id", "product_id"])
    op.create_table(
        "cod_assignment",
        sa.Column("tenant_id", sa.String(64), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("order_id", sa.String(36), nullable=False),
        sa.Column("courier_id", sa.String(36), nullable=False),
        sa.Column("assigned_by", sa.String(36), nullable=True),
        sa.Column("assigned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_cod_assignment")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "courier_id"],
            ["courier.tenant_id", "courier.id"],
            name=op.f("fk_cod_assignment_tenant_id_courier_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["cod_order.tenant_id", "cod_order.id"],
            name=op.f("fk_cod_assignment_tenant_id_order_id"),
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_cod_assignment_tenant_id_courier_id", "cod_assignment", ["tenant_id", "courier_id"])
    op.create_index("ix_cod_assignment_tenant_id_order_id", "cod_assignment", ["tenant_id", "order_id"])


def downgrade() -> None:
    """Drop the tables, the newest first."""
    for name in ("cod_assignment", "cod_order_line", "cod_order", "settlement", "courier", "store"):
        op.drop_table(name)
