"""The tables of ICONIX."""

from .base import Base, now
from .clinic import Doctor, Guardian, Patient, QueueTicket, Visit
from .company import Account, Company, LoginToken, NumberSeries
from .orders import CodAssignment, CodOrder, CodOrderLine, Courier, Settlement, Store
from .sales import (
    CreditNote,
    Customer,
    Invoice,
    InvoiceLine,
    Payment,
    Product,
    Purchase,
    PurchaseLine,
    Supplier,
)

__all__ = [
    "Account",
    "Base",
    "CodAssignment",
    "CodOrder",
    "CodOrderLine",
    "Company",
    "Courier",
    "CreditNote",
    "Customer",
    "Doctor",
    "Guardian",
    "Invoice",
    "InvoiceLine",
    "LoginToken",
    "NumberSeries",
    "Patient",
    "Payment",
    "Product",
    "Purchase",
    "PurchaseLine",
    "QueueTicket",
    "Settlement",
    "Store",
    "Supplier",
    "Visit",
    "now",
]
