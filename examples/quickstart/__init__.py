"""The smallest application worth protecting, and the same one protected."""
