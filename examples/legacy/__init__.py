"""Sinar Abadi: customers, invoices, stock and workshop of a few companies."""
