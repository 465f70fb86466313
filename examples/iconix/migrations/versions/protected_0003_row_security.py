"""Let PostgreSQL hold the tenants' rows apart as well: row-level security on every table with rows of tenants.

On SQLite it does nothing. The application then connects as a role that is no superuser and has no BYPASSRLS.
"""

from alembic import op

revision = "protected_0003"
down_revision = "protected_0002"
branch_labels = None
depends_on = None

TABLES = (
    "cod_assignment",
    "cod_order",
    "cod_order_line",
    "courier",
    "credit_note",
    "customer",
    "doctor",
    "guardian",
    "invoice",
    "invoice_line",
    "number_series",
    "patient",
    "payment",
    "product",
    "purchase",
    "purchase_line",
    "queue_ticket",
    "settlement",
    "store",
    "supplier",
    "visit",
)
SIGN_IN = ("account", "login_token")
"""Where somebody who signs in is looked for before their tenant is known."""


def upgrade() -> None:
    """Turn it on."""
    _know_the_operations()
    op.lock_tables([*TABLES, *SIGN_IN])
    for table in TABLES:
        op.enable_row_security(table, tenant="tenant_id")
    for table in SIGN_IN:
        op.enable_row_security(table, tenant="tenant_id", sign_in=True)


def downgrade() -> None:
    """Turn it off."""
    _know_the_operations()
    op.lock_tables([*TABLES, *SIGN_IN])
    for table in TABLES:
        op.disable_row_security(table, tenant="tenant_id")
    for table in SIGN_IN:
        op.disable_row_security(table, tenant="tenant_id", sign_in=True)


def _know_the_operations() -> None:
    """Import what gives op Amanah's operations: not before they are needed, for the bare app has no Amanah."""
    import amanah.operations  # noqa: F401
