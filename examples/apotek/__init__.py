"""Apotek Sehat: the backend of one pharmacy."""
