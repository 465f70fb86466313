"""The persons whom rows are about: erasing them, by plan and with a ledger, and the epochs of their secrets."""
