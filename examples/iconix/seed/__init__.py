"""Three companies to try things with: a trading company, a clinic, and one that must never be seen from the others."""

from .accounts import DEMO_ACCOUNTS, DemoAccount, account_id
from .people import DEMO_CUSTOMER_ID, DEMO_CUSTOMER_PHONE, DEMO_PATIENT_ID, FOREIGN_CUSTOMER_ID
from .tenants import TENANTS, seed, seed_shared, seed_tenant

__all__ = [
    "DEMO_ACCOUNTS",
    "DEMO_CUSTOMER_ID",
    "DEMO_CUSTOMER_PHONE",
    "DEMO_PATIENT_ID",
    "FOREIGN_CUSTOMER_ID",
    "TENANTS",
    "DemoAccount",
    "account_id",
    "seed",
    "seed_shared",
    "seed_tenant",
]
