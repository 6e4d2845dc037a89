"""The catalogue on a server: PostgreSQL with its extension pg_trgm.

``write`` takes a lock of the whole database first, so that one catalogue writes at a time, as with
a file. Connections are tried before they are used: after a restart of the server all goes on.
Loaded only when Catalog.File is the address of a server.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from iceflix.catalog.database import (
    BUSY_SECONDS,
    Database,
    Index,
    Question,
    StoreError,
    TooMany,
    line,
    size,
    upgrade,
)
from iceflix.catalog.schema import FOLDED, title
from iceflix.runtime.errors import SetupError

_DRIVER = "postgresql+psycopg"
_EXAMPLE = f"{_DRIVER}://USER@HOST/DATABASE"
_CONNECT_SECONDS = 5
_STATEMENT_SECONDS = 10.0  # more than BUSY_SECONDS: waiting for another writer is part of it
_HANG_SECONDS = 2.0  # beyond that, for the server to say so itself
_IDLE_CONNECTIONS = 5
_LOCK = 0x1CEF11C5  # any number that no other program takes
_PAGE = 10_000  # rows taken at once
_USUAL = 64 + 5  # bytes of a SHA-256 in an answer
_LEAST = 1 + 5  # bytes of the shortest id in an answer
_TABLES = sa.text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
_EVERYTHING = sa.select(title.c.number, title.c.name_key, title.c.id)
_CONTAINING = _EVERYTHING.where(FOLDED.like(sa.bindparam("pattern")))
_ASIDE = "look at Catalog.File"
# What libpq says while it connects (there are no codes then), and what that means.
_UNCONNECTED = (
    (
        r"password authentication failed|no password supplied|authentication failed",
        f"the server does not accept this user and password; {_ASIDE} or PGPASSFILE",
    ),
    (r"database \".*\" does not exist", "there is no such database; let its owner type createdb"),
    (r"role \".*\" does not exist", f"the server does not know this user; {_ASIDE}"),
    (r"no pg_hba.conf entry", "the server lets nobody in from here; change its pg_hba.conf"),
    (
        r"could not translate host name|Name or service not known|failed to resolve host",
        f"there is no such host; {_ASIDE}",
    ),
    (
        r"starting up|shutting down|in recovery|too many (clients|connections)|"
        r"connection slots are reserved",
        "the server takes no more connections now; try again",
    ),
    (
        r"refused|No such file|timeout|timed out|unreachable|closed the connection",
        "the server does not answer; start it, or look at Catalog.File",
    ),
)
_REASONS = {
    "42501": "this user may not do that; let the database's owner grant it",
    "53100": "the server's disk is full; free some space",
    "57014": "it took too long; try again",
    "55P03": "it is locked by another program; try again when that one has finished",
    "57P01": "the server is going down; try again",
    "57P02": "the server is going down; try again",
    "57P03": "the server takes no connections now; try again",
    "25006": "it cannot be written now: the server is a read-only copy; name the main one",
    "XX001": "it is damaged; put a backup in its place",
    "XX002": "it is damaged; put a backup in its place",
}
_NO_EXTENSION = (
    "{place} has not the extension pg_trgm, and this user cannot add it: as an administrator of the"
    ' server, install PostgreSQL\'s additional modules and say "CREATE EXTENSION pg_trgm" in that'
    " database"
)
_NO_ROOM = "{place}: this user may not make tables there; make it the owner of the database"


class PostgresIndex(Index):
    """pg_trgm keeps its index itself; parts of one or two letters are looked for everywhere."""

    def containing(self, connection: sa.Connection, part: str) -> Question:
        """The question for the titles with this in their folded name; with ``""``, for all."""
        if not part:
            return Question(_EVERYTHING, {})
        pattern = re.sub(r"([\\%_])", r"\\\1", part)
        return Question(_CONTAINING, {"pattern": f"%{pattern}%"})

    def add(self, connection: sa.Connection, titles: Iterable[tuple[int, str]]) -> None:
        """Do nothing: the server does it."""

    def change(self, connection: sa.Connection, number: int, before: str, after: str) -> None:
        """Do nothing: the server does it."""


class _Connection(psycopg.Connection[Any]):
    """Waits so many seconds for an answer, not for ever: a frozen server says nothing at all."""

    patience: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Run what psycopg waits for. Raises OperationalError, and is closed then."""
        began = time.monotonic()
        patience = self.patience if timeout is None else timeout
        try:
            return super().wait(gen, interval, patience)
        except psycopg.Error as error:
            if patience is None or time.monotonic() - began < patience:
                raise
            self.close()  # a late answer must not be taken for that of the next statement
            raise psycopg.OperationalError("the server timed out") from error


class PostgresDatabase(Database):
    """One database of a server."""

    errors = (SQLAlchemyError, psycopg.Error)

    def __init__(
        self,
        address: str,
        busy_seconds: float = BUSY_SECONDS,
        statement_seconds: float = _STATEMENT_SECONDS,
    ) -> None:
        """Raises SetupError unless the address is one.

        No statement takes longer than ``statement_seconds``, whether the server is slow or hangs;
        only the migrations take the time that they need.
        """
        url = _parsed(address)
        super().__init__(_shown(url))
        self.index = PostgresIndex()
        self._url = url.update_query_dict(
            {"connect_timeout": str(_CONNECT_SECONDS)} | dict(url.query)
        )
        self._engine = sa.create_engine(
            self._url,
            pool_size=_IDLE_CONNECTIONS,
            max_overflow=-1,
            pool_pre_ping=True,
            hide_parameters=True,
        )
        sa.event.listen(self._engine, "do_connect", _connector(statement_seconds))
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._patience = sa.text(f"SET LOCAL lock_timeout = {int(busy_seconds * 1000)}")

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for queries; each statement sees the newest commit. Raises StoreError."""
        with self.plainly(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction; committed, on the disk, when the block ends well. Raises StoreError."""
        with self.plainly(), self._engine.begin() as connection:
            connection.execute(self._patience)
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection

    def version(self) -> None:
        """Not known: asking the server takes as long as reading a title."""

    def close(self) -> None:
        """Close what is open. Whoever is in the middle of something finishes it."""
        self._engine.dispose()

    def lines(self, connection: sa.Connection, question: Question, room: int) -> list[str]:
        """Each title that answers it, in no order. Raises TooMany.

        Asked twice only when ids shorter than a SHA-256 leave room for more than expected.
        """
        for least in (_USUAL, _LEAST):
            most = room // least + 1
            found: list[str] = []
            used = 0
            statement = question.statement.limit(sa.bindparam("most"))
            with connection.execute(statement, {**question.values, "most": most}) as result:
                while rows := result.fetchmany(_PAGE):
                    used += sum(size(row[2]) for row in rows)
                    if used > room:
                        raise TooMany
                    found += [line(name_key, media_id) for _, name_key, media_id in rows]
            if len(found) < most:
                break
        return found

    # -- schema

    def tables(self) -> set[str]:
        """The names of all tables of the schema in use. Raises StoreError."""
        with self.read() as connection:
            return set(connection.scalars(_TABLES))

    def prepare(self) -> None:
        """Bring the schema to what this program works with. Raises SetupError, StoreError."""
        if self.current():
            with self.write():
                pass  # the server lets us in
            return
        patient = sa.create_engine(self._url, poolclass=sa.NullPool, hide_parameters=True)
        try:
            with patient.begin() as connection:  # several may start at the same time
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                if not self.current():
                    upgrade(connection)
        except self.errors as error:
            raise self._unprepared(error) from error

    def _unprepared(self, error: Exception) -> Exception:
        cause = error.orig if isinstance(error, DBAPIError) else error
        said, state = str(cause), getattr(cause, "sqlstate", None) or ""
        if "extension" in said and state in {"42501", "58P01", "0A000"}:
            return SetupError(_NO_EXTENSION.format(place=self.place))
        if state == "42501":
            return SetupError(_NO_ROOM.format(place=self.place))
        return self.plain(error)

    def plain(self, error: Exception) -> StoreError:
        """A sentence for a person; no password is in it."""
        cause: Any = error.orig if isinstance(error, DBAPIError) else error
        state = getattr(cause, "sqlstate", None)
        said = " ".join(str(cause).split())
        if state is None:
            known = (text for found, text in _UNCONNECTED if re.search(found, said))
            reason = next(known, said[:200])
        else:
            reason = _REASONS.get(state, said[:200])
        return StoreError(f"the database {self.place} does not work: {reason}")


def _connector(statement_seconds: float) -> Callable[..., _Connection]:
    """What makes the connections of an engine."""

    def connect(_dialect: Any, _record: Any, values: Any, options: Any) -> _Connection:
        connection = _Connection.connect(*values, **options)
        connection.patience = statement_seconds + _HANG_SECONDS
        limit = sql.SQL("SET statement_timeout = {}").format(int(statement_seconds * 1000))
        connection.execute(limit)
        connection.commit()
        return connection

    return connect


def _parsed(address: str) -> sa.URL:
    """The address, checked; no message repeats it, for there may be a password in it."""
    try:
        url = sa.make_url(address)
    except (ArgumentError, ValueError):
        raise SetupError(f"this is no address of a database; type {_EXAMPLE}") from None
    if url.drivername != _DRIVER or not url.database:
        raise SetupError(
            f"this is no address of a PostgreSQL database; a file's name or {_EXAMPLE} is wanted"
        )
    return url


def _shown(url: sa.URL) -> str:
    """The address as people may see it: no password, nor anything else behind the question mark."""
    host = url.host or url.query.get("host")
    return sa.URL.create(
        _DRIVER,
        username=url.username,
        host=host if isinstance(host, str) and not host.startswith("/") else None,
        port=url.port,
        database=url.database,
    ).render_as_string()
