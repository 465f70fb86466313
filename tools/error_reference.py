"""Write docs/reference/errors.md from amanah.errors, so that code and page never disagree.

python tools/error_reference.py            write the page
python tools/error_reference.py --check    change nothing; exit non-zero where the page is out of step
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from amanah.errors import (
    AmanahError,
    ConfigurationError,
    CopyNotWritten,
    InvalidInput,
    MigrationStopped,
    Refusal,
    RotationStopped,
    SealError,
    StatementRefused,
    StepNotDue,
    TrailDamaged,
    TrailWorkStopped,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "errors.md"

_HEAD = """# Errors

Every way in which Amanah says no has a class of its own in `amanah.errors`. All of them are `amanah.AmanahError`. The
`code` is stable: problem documents, the trail (`refusal`) and this page name it. Words in braces are filled in with
names from declarations and policies, never with personal values.

This page is written by `tools/error_reference.py` from the classes; a test keeps it in step. Change the class, then run
`python tools/error_reference.py`.
"""

_SECTIONS: tuple[tuple[type[AmanahError], str, str], ...] = (
    (
        Refusal,
        "Refusals",
        "The policy's or the gate's no to one request. Each is an entry in the trail before its answer leaves.",
    ),
    (
        StatementRefused,
        "Statements that cannot be kept safe",
        (
            "The application's developer must change the statement. They are raised where the statement is executed, "
            "before it reaches the database, and answered with 500 when a request runs into them."
        ),
    ),
    (
        Unavailable,
        "Something is away",
        "Nothing is wrong with the request. The client gets 503 and no data; `Retry-After` is 5 seconds.",
    ),
    (
        ConfigurationError,
        "Configuration",
        "Raised while the guard is built or by the `amanah` command; those with status 503 can also meet a request.",
    ),
    (SealError, "Sealed values", "A value in the database does not open. It is never handed out as it is."),
    (TrailDamaged, "The trail", "What verification, and whoever reads the log, raises."),
    (TrailWorkStopped, "Exports and recovery of the trail", "What stops `amanah audit`'s other commands."),
    (
        MigrationStopped,
        "Migrations",
        "What stops a step of sealing in the application's own migrations. The database is as it was before.",
    ),
    (StepNotDue, "Writing migrations", "What `amanah revision` answers with."),
    (RotationStopped, "Replacing keys", "What `amanah keys` and `amanah reencrypt` answer with. Nothing is half done."),
    (InvalidInput, "Administration", "Input to a command or to an act of administration."),
    (CopyNotWritten, "Reporting copies", "What stops `amanah report-copy`. An older copy stays as it was."),
)


def _below(kind: type[AmanahError]) -> Iterator[type[AmanahError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _below(child)


def _entry(kind: type[AmanahError]) -> str:
    summary = (kind.__doc__ or "").strip().partition("\n\n")[0]
    lines = [f"### `{kind.code}`", "", f"`{kind.__name__}`, status {kind.status}. {' '.join(summary.split())}", ""]
    for name, text in (("What", kind.what), ("Why", kind.why), ("Remedy", kind.remedy)):
        if text:
            lines.append(f"- {name}: {text}")
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page."""
    roots = [kind for kind, _, _ in _SECTIONS]
    parts = [_HEAD, "## The base\n", _entry(AmanahError)]
    for root, title, text in _SECTIONS:
        mine = [
            kind
            for kind in _below(root)
            if not any(kind in _below(o) for o in roots if issubclass(o, root) and o != root)
        ]
        parts += [f"## {title}\n", f"{text}\n", *map(_entry, mine)]
    return "\n".join(parts)


def main() -> int:
    """Run from the command line."""
    wanted = page()
    if "--check" in sys.argv[1:]:
        return int(not PAGE.exists() or PAGE.read_text("utf-8") != wanted)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
