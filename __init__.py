"""Amanah: something entrusted to you."""
