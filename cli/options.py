"""Arguments and options that several commands share, and the exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

WRONG: Final = 1
"""Done, and the answer is that something is wrong."""
NOT_DONE: Final = 2
"""Wrong use, or an error."""
TYPER: Final[dict[str, Any]] = {"no_args_is_help": True, "pretty_exceptions_enable": False, "add_completion": False}

TenantId = Annotated[str, typer.Argument(metavar="TENANT", help="The tenant's id.")]
MemberId = Annotated[str, typer.Argument(metavar="MEMBER", help="The application's account id.")]
Tenant = Annotated[str, typer.Option(metavar="TENANT", help="The tenant's id.")]
PolicyFolder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="The folder of the policy's *.toml.", file_okay=False)
]
ConsoleAddress = Annotated[
    str, typer.Option(envvar="AMANAH_CONSOLE", help="Address of the console, put before the link that is printed.")
]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
