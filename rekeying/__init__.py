"""Keys are replaced while the application runs, and values are moved to the newest ones."""
