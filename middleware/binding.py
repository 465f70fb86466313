"""A transaction of PostgreSQL belongs to one tenant: the seam between an access and row-level security.

1. Whose it is goes out with BEGIN, in the same message, and holds for this transaction only: a pooler that gives the
   connection to somebody else after it (PgBouncer, ``pool_mode=transaction``) gives nothing away.
2. It is taken from the access and from nowhere else. Without an access it is said to be nobody's, so that a setting
   which somebody left on the connection does not count, and no row is seen.
3. Before each statement the transaction is bound to the access that is open now, where it was begun under another one
   or under none.

What is bound are two settings, which the policies of ``op.enable_row_security`` read. How they are said is `_said`
alone. Citus, which distributes PostgreSQL's tables by tenant, does not send a SET LOCAL to its workers unless a setting
of its own says so: where a server knows that setting it is said first. It is asked once for each engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.sql.elements import ReleaseSavepointClause, RollbackToSavepointClause
from sqlalchemy.util import await_only

from ..database import SIGN_IN_SETTING, TENANT_SETTING
from ..errors import AutocommitRefused, InvalidInput
from .access import current
from .raw_driver import bare, clear, cleared_no_more
from .shape import refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection, Dialect

    from .fields import Protected

Bound = tuple[str, str]
"""The tenant, and "on" for sign-in; "" for none."""

_NOBODY: Final[Bound] = ("", "")
_UNKNOWN: Final[Bound] = ("?", "?")
"""Equal to nothing that is wanted: said anew before the next statement."""
_KEY: Final = "amanah.bound"
"""Where, in what the pool keeps of a connection, it stands to whom its transaction is bound; None in AUTOCOMMIT."""

_TO_WORKERS: Final = "SET LOCAL citus.propagate_set_commands = 'local'; "
_ASK_CITUS: Final = "SELECT current_setting('citus.propagate_set_commands', true) IS NOT NULL"
_CITUS: Final = "amanah.citus"
"""Where, in what the pool keeps of a connection, it stands whether it leads to a coordinator of Citus."""

_OF_SAVEPOINTS: Final = (RollbackToSavepointClause, ReleaseSavepointClause)
_FORCED: Final = "SELECT relrowsecurity FROM pg_catalog.pg_class WHERE oid = to_regclass({name}) AND relrowsecurity"


def bind_dialect(dialect: Dialect) -> None:
    """Have each transaction that ``dialect`` (of one engine) begins bound. Other databases than PostgreSQL: nothing."""
    if dialect.name != "postgresql" or getattr(dialect.do_begin, "amanah", False):
        return
    in_two_phases = dialect.do_begin_twophase
    to_citus: list[bool] = []

    def do_begin(connection: Any) -> None:
        if autocommitted(connection.dbapi_connection):
            connection.info[_KEY] = None
            return
        connection.info[_KEY] = _UNKNOWN  # until it has been said
        if not to_citus:
            to_citus.append(_is_citus(connection.dbapi_connection))
        connection.info[_CITUS] = to_citus[0]
        wanted = _wanted()
        _begin(connection.dbapi_connection, _said(wanted, citus=to_citus[0]))
        connection.info[_KEY] = wanted

    def do_begin_twophase(connection: Connection, xid: Any) -> None:
        connection.info[_KEY] = _UNKNOWN
        in_two_phases(connection, xid)
        if connection.info[_KEY] == _UNKNOWN:  # the driver began by itself
            _bind(connection, _wanted())

    do_begin.amanah = True  # type: ignore[attr-defined]
    dialect.do_begin = do_begin  # type: ignore[method-assign, assignment]
    dialect.do_begin_twophase = do_begin_twophase  # type: ignore[method-assign]


def see_all(dialect: Dialect) -> None:
    """For Amanah's own work on the rows of all tenants: where the role sees a part of them, that is an error.

    ``dialect`` is of an engine that nobody protects. The error is PostgreSQL's (`RowsHidden` names the remedy).
    """
    if dialect.name == "postgresql":

        def do_begin(connection: Any) -> None:
            if not autocommitted(connection.dbapi_connection):
                citus = _is_citus(connection.dbapi_connection)
                _begin(connection.dbapi_connection, f"{_TO_WORKERS if citus else ''}SET LOCAL row_security = off")

        dialect.do_begin = do_begin  # type: ignore[method-assign, assignment]


def follow(connection: Connection, context: Any) -> None:
    """Bind the open transaction to the access that is open now, if that is another one than it is bound to."""
    info = connection.info
    bound = info.get(_KEY)
    if bound is None or bound == (wanted := _wanted()) or (wanted == _NOBODY and bound != _UNKNOWN):
        return
    if getattr(getattr(context, "compiled", None), "statement", None).__class__ in _OF_SAVEPOINTS:
        return  # the transaction may have failed, and takes nothing else
    info[_KEY] = _UNKNOWN
    _bind(connection, wanted)


def forget(connection: Connection) -> None:
    """A roll-back to a savepoint took back what was said since; who is bound is said anew before the next statement."""
    if connection.info.get(_KEY) is not None:
        connection.info[_KEY] = _UNKNOWN


def demand_transaction(connection: Connection, tables: Iterable[Protected]) -> None:
    """Refuse a statement in AUTOCOMMIT on tables with row-level security: bound to nobody, it would see no row.

    Raises `AutocommitRefused`.
    """
    if connection.info.get(_KEY, _NOBODY) is not None:
        return
    for table in tables:
        quote = connection.dialect.identifier_preparer.quote
        name = "'" + ".".join(map(quote, filter(None, [table.table.schema, table.name]))).replace("'", "''") + "'"
        cursor = connection.connection.cursor()
        clear(connection, cursor)
        try:
            cursor.execute(_FORCED.format(name=name))
            found = cursor.fetchone()
        finally:
            cleared_no_more(connection)
            cursor.close()
        if found:
            refuse(AutocommitRefused())


def autocommitted(raw: Any) -> bool:
    """Whether the driver's own connection leaves each statement to be committed by the database."""
    return getattr(raw, "autocommit", False) is True


def _wanted() -> Bound:
    access = current()
    if access is None or access.closed:
        return _NOBODY
    if access.kind == "sign_in":
        return "", "on"
    return access.tenant or "", ""


def _said(bound: Bound, *, citus: bool) -> str:
    tenant, sign_in = bound
    said = f"SET LOCAL {TENANT_SETTING} = {_literal(tenant)}; SET LOCAL {SIGN_IN_SETTING} = {_literal(sign_in)}"
    return _TO_WORKERS + said if citus else said


def _literal(value: str) -> str:
    """SET takes no parameters. As the SQL standard does not say what a backslash is, PostgreSQL is told (``E``).

    Raises `InvalidInput` for what is not ASCII: in some encodings a quote can hide in a letter.
    """
    if not value.isascii() or "\0" in value:
        raise InvalidInput(detail=f"{value!r:.80} is no tenant id")
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _bind(connection: Connection, wanted: Bound) -> None:
    """In the open transaction: a message of its own."""
    _send(connection.connection.dbapi_connection, _said(wanted, citus=bool(connection.info.get(_CITUS))))
    connection.info[_KEY] = wanted


# -- the drivers -----------------------------------------------------------------------------------------------------


def _begin(raw: Any, more: str) -> None:
    """Send BEGIN and ``more`` in one message. A driver that nobody knows here sends ``more`` in its own."""
    driver = _driver(raw)
    if _is_psycopg(driver):
        _psycopg(raw, driver, f"{_begin_of(driver)}; {more}")
    elif _is_asyncpg(driver):
        real = raw._connection  # noqa: SLF001 - SQLAlchemy's adapter begins on what stands here
        raw._connection = _SaysMore(real, more)  # noqa: SLF001
        try:
            await_only(raw._start_transaction())  # noqa: SLF001
        finally:
            raw._connection = real  # noqa: SLF001
    else:
        _send(raw, more)


def _send(raw: Any, text: str) -> None:
    """Send ``text``, in the open transaction."""
    driver = _driver(raw)
    if _is_psycopg(driver):
        _psycopg(raw, driver, text)
    elif _is_asyncpg(driver):
        try:
            await_only(bare(driver, "execute")(text))
        except Exception as error:  # noqa: BLE001 - SQLAlchemy's adapter makes of it what it makes of all of them
            raw._handle_exception(error)  # noqa: SLF001
    else:
        cursor = raw.cursor()
        try:
            cursor.execute(text)
        finally:
            cursor.close()


def _is_citus(raw: Any) -> bool:
    """Whether the server knows Citus's setting. Asked outside of a transaction, where the driver is known here."""
    driver = _driver(raw)
    if _is_psycopg(driver):
        found: list[Any] = []
        _psycopg(raw, driver, _ASK_CITUS, found)
        return bool(found[0].get_value(0, 0) == b"t")
    if _is_asyncpg(driver):
        return bool(await_only(bare(driver, "fetchval")(_ASK_CITUS)))
    cursor = raw.cursor()
    try:
        cursor.execute(_ASK_CITUS)
        return bool(cursor.fetchone()[0])
    finally:
        cursor.close()


def _driver(raw: Any) -> Any:
    """The driver's connection within the adapter that makes an asynchronous one look synchronous."""
    return getattr(raw, "driver_connection", raw)


def _is_psycopg(driver: Any) -> bool:
    return type(driver).__module__.startswith("psycopg.") or hasattr(driver, "pgconn")


def _is_asyncpg(driver: Any) -> bool:
    return any(kind.__module__.startswith("asyncpg.") for kind in type(driver).__mro__)


def _begin_of(driver: Any) -> str:
    """The BEGIN that psycopg would send, by what was set on its connection."""
    words = ["BEGIN"]
    if driver.isolation_level is not None:
        words.append("ISOLATION LEVEL " + driver.isolation_level.name.replace("_", " "))
    if driver.read_only is not None:
        words.append("READ ONLY" if driver.read_only else "READ WRITE")
    if driver.deferrable is not None:
        words.append("DEFERRABLE" if driver.deferrable else "NOT DEFERRABLE")
    return " ".join(words)


def _psycopg(raw: Any, driver: Any, text: str, found: list[Any] | None = None) -> None:
    """Send ``text``; what it finds goes into ``found``.

    The driver begins with the first statement, unless the connection is in a transaction by then. Its own `execute`
    would send BEGIN first and alone.
    """
    from psycopg import errors, generators
    from psycopg.pq import ExecStatus

    def exchange() -> Any:
        driver.pgconn.send_query(text.encode("ascii"))
        for result in (yield from generators.execute(driver.pgconn)):
            if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                raise errors.error_from_result(result)
            if found is not None:
                found.append(result)

    if driver.closed:
        raise errors.OperationalError("the connection is closed")
    if driver is raw:
        with driver.lock:
            driver.wait(exchange())
    else:
        await_only(_waited_for(driver, exchange))


async def _waited_for(driver: Any, exchange: Callable[[], Any]) -> None:
    async with driver.lock:
        await driver.wait(exchange())


class _SaysMore:
    """A connection of asyncpg whose BEGIN says more. It belongs to one transaction; all else is the connection's."""

    __slots__ = ("_more", "_real")

    def __init__(self, real: Any, more: str) -> None:
        object.__setattr__(self, "_real", real)
        object.__setattr__(self, "_more", more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)

    def transaction(self, **options: Any) -> Any:
        """As the connection's own, which then speaks through this one."""
        return type(self._real).transaction(self, **options)

    async def execute(self, text: str, *arguments: Any, **options: Any) -> Any:
        """As the connection's own; BEGIN says more."""
        if text.startswith("BEGIN"):
            text = f"{text.rstrip('; ')}; {self._more};"
        return await bare(self._real, "execute")(text, *arguments, **options)


__all__ = ["Bound", "bind_dialect", "demand_transaction", "follow", "forget", "see_all"]
