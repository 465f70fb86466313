"""ICONIX: sales, a clinic's front desk and cash-on-delivery orders for small companies in Indonesia."""
