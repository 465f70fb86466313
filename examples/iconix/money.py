"""Money is whole rupiah."""

PPN_PERCENT = 11  # value-added tax
LARGEST_AMOUNT = 10**12


def ppn(net: int) -> int:
    """Return the tax on a net amount, rounded to the nearest rupiah."""
    return (net * PPN_PERCENT + 50) // 100
