"""Receipts: an access says that its change was committed, once the driver's commit has returned.

SQLAlchemy tells of a commit before it is made. The change's entry is staged then, inside the transaction; what says so
outside of it, in the access's next entry, must wait for the commit itself. So the dialect's ``do_commit`` is wrapped,
as its ``do_begin`` is by `binding`. A commit that fails leaves no receipt, and neither does a process that dies in
between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqlalchemy import Connection, Dialect

    from .access import Access

_KEY: Final = "amanah.staged"
"""Where, in what the pool keeps of a connection, the receipts stand of what its next commit commits."""


def remember(connection: Connection, receipts: list[tuple[Access, str]]) -> None:
    """The commit that is about to be made commits the changes of which these are receipts; none: no such change."""
    if receipts:
        connection.info[_KEY] = receipts
    else:
        connection.info.pop(_KEY, None)


def confirm_commits(dialect: Dialect) -> None:
    """Have each commit that ``dialect`` (of one engine) makes give the accesses their receipts."""
    if getattr(dialect.do_commit, "amanah", False):
        return
    commit, commit_twophase = dialect.do_commit, dialect.do_commit_twophase

    def do_commit(dbapi_connection: Any) -> None:
        commit(dbapi_connection)
        _confirm(dbapi_connection.info)

    def do_commit_twophase(connection: Connection, *arguments: Any, **named: Any) -> None:
        commit_twophase(connection, *arguments, **named)
        _confirm(connection.info)

    do_commit.amanah = True  # type: ignore[attr-defined]
    dialect.do_commit = do_commit  # type: ignore[method-assign]
    dialect.do_commit_twophase = do_commit_twophase  # type: ignore[method-assign]


def _confirm(info: dict[Any, Any]) -> None:
    for access, receipt in info.pop(_KEY, ()):
        access.committed(receipt)
