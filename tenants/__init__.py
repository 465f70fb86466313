"""Who: tenants, members, grants of roles, and the check that what is remembered of them is current."""
