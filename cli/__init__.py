"""The ``amanah`` command, one module for each group of commands.

`command` puts them together; `desk` is what every command works with; `places`, `terminal` and `options` are what the
desk and the commands share.
"""

from .command import app, main

__all__ = ["app", "main"]
