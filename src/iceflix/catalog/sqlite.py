"""The catalogue in a file: SQLite in WAL mode with ``synchronous=FULL``.

What ``write`` has committed survives a power cut. Readers never wait for the writer, and
``BEGIN IMMEDIATE`` lets only one process write at a time.
"""

import functools
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from iceflix.catalog.database import (
    BUSY_SECONDS,
    Database,
    Question,
    StoreError,
    TooMany,
    upgrade,
)
from iceflix.catalog.search import SqliteIndex
from iceflix.runtime.files import exclusive_lock

_IDLE_READERS = 4
_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA cache_size=-8000",  # KiB, for each connection
    "PRAGMA journal_size_limit=67108864",  # a WAL that grew in a bulk load shrinks again
)
_REASONS = {
    "SQLITE_BUSY": "it is locked by another program; try again when that one has finished",
    "SQLITE_LOCKED": "it is locked by another program; try again when that one has finished",
    "SQLITE_FULL": "the disk is full; free some space",
    "SQLITE_CORRUPT": "it is damaged; put a backup in its place",
    "SQLITE_NOTADB": "it is not a database; name another file",
    "SQLITE_READONLY": "it cannot be written; change its owner or permissions",
    "SQLITE_PERM": "it cannot be written; change its owner or permissions",
    "SQLITE_CANTOPEN": "it cannot be opened; name a file in a folder that exists and is writable",
    "SQLITE_IOERR": "the disk does not read or write it; look at the disk",
}
_PAGE = 20_000  # titles read at once
_USUAL = 64  # letters of an id that is a SHA-256
_SHORT = 1000  # with so many shorter ids, their number says nothing any more
_MASTER = sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")
_SHORTER = sa.text(
    "SELECT count(*) FROM"
    " (SELECT 1 FROM title INDEXED BY title_short WHERE length(id) < 64 LIMIT :most)"
)


class _Watch:
    """A connection that is only asked whether anybody has committed anything."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: sa.Connection | None = None
        self._opened = 0

    def version(self) -> tuple[int, int]:
        """What changes with every commit; the numbers of different connections say nothing."""
        with self._lock:
            if self._connection is None:
                self._connection = self._engine.connect()
                self._opened += 1
            driver: Any = self._connection.connection.driver_connection
            return self._opened, int(driver.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the connection; ``version`` opens another one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


class SqliteDatabase(Database):
    """One database file."""

    errors = (SQLAlchemyError, sqlite3.Error)

    def __init__(self, file: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        super().__init__(str(file))
        self.file = file
        self.index = SqliteIndex()
        self._patience = 2 * busy_seconds  # with the other threads of this process
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(file)),
            connect_args={"timeout": busy_seconds},
            pool_size=_IDLE_READERS,
            max_overflow=-1,
        )
        sa.event.listen(self._engine, "connect", _prepare)
        sa.event.listen(self._engine, "begin", _begin)
        self._readers: deque[sa.Connection] = deque()
        self._writing = threading.Lock()
        self._watch = _Watch(self._engine)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection for queries; each statement sees the newest commit. Raises StoreError."""
        try:
            connection = self._readers.pop()
        except IndexError:
            with self.plainly():
                connection = self._engine.connect()
        try:
            yield connection
        except self.errors as error:
            connection.close()
            raise self.plain(error) from error
        except BaseException:
            connection.close()
            raise
        if len(self._readers) < _IDLE_READERS:
            self._readers.append(connection)
        else:
            connection.close()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction; committed, on the disk, when the block ends well. Raises StoreError."""
        if not self._writing.acquire(timeout=self._patience):
            raise StoreError(f"the database {self.place} is busy; try again")
        try:
            with (
                self.plainly(),
                self._engine.connect() as connection,
                connection.execution_options(writes=True).begin(),
            ):
                yield connection
        finally:
            self._writing.release()

    def version(self) -> tuple[int, int]:
        """What changes with every commit, whichever process made it. Raises StoreError.

        It costs a tenth of a query: SQLite looks at the write-ahead log's header in memory.
        """
        with self.plainly():
            return self._watch.version()

    def close(self) -> None:
        """Close what is open. Whoever is in the middle of something finishes it."""
        self._watch.close()
        while self._readers:
            self._readers.pop().close()
        self._engine.dispose()

    # -- questions

    def lines(self, connection: sa.Connection, question: Question, room: int) -> list[str]:
        """Each title that answers it, in no order. Raises TooMany.

        Pages keep memory bounded, and each of them comes as one text, joined by SQLite itself:
        sqlite3 hands every single row from thread to thread, which costs more than the search.
        """
        if question.numbers is not None and _surely_too_many(connection, question, room):
            raise TooMany
        most = min(_PAGE, room // (_USUAL + 5) + 1)
        page = _page(question.statement)
        found: list[str] = []
        after = -1
        while True:
            values = {**question.values, "after": after, "most": most}
            count, after, used, text = connection.execute(page, values).one()
            if not count:
                return found
            room -= used
            if room < 0:
                raise TooMany
            found += text.split("\0\0")
            if count < most:
                return found

    # -- schema

    def tables(self) -> set[str]:
        """The names of all tables. Raises StoreError."""
        with self.read() as connection:
            return set(connection.scalars(_MASTER))

    def prepare(self) -> None:
        """Bring the schema to what this program works with. Raises SetupError, StoreError."""
        if self.current():
            with self.write():
                pass  # it can be written
            return
        with exclusive_lock(self.file):  # several may start on a new file at the same time
            if self.current():
                return
            with self.read() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL").close()
            with self.write() as connection:
                upgrade(connection)

    def plain(self, error: Exception) -> StoreError:
        """A sentence for a person."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        name = getattr(cause, "sqlite_errorname", "")
        reason = _REASONS.get("_".join(name.split("_")[:2]), str(cause)[:200])
        return StoreError(f"the database {self.place} does not work: {reason}")


@functools.lru_cache(maxsize=32)
def _page(statement: sa.Select[int, str, str]) -> sa.Select[Any]:
    """(titles, last number, bytes of the ids, lines) of the next page of this statement."""
    number = statement.selected_columns[0]
    found = (
        statement.where(number > sa.bindparam("after"))
        .order_by(number)
        .limit(sa.bindparam("most"))
        .subquery()
    )
    last, name_key, media_id = found.columns
    nul = sa.literal_column("char(0)", sa.Text)
    nuls = sa.literal_column("char(0, 0)", sa.Text)
    return sa.select(
        sa.func.count(),
        sa.func.max(last),
        sa.func.sum(sa.func.length(sa.cast(media_id, sa.LargeBinary)) + 5),
        sa.func.group_concat(name_key + nul + media_id, nuls),
    )


def _surely_too_many(connection: sa.Connection, question: Question, room: int) -> bool:
    """Whether the ids are too many, told by how many there are.

    They are, if so many are not shorter than a SHA-256. What no provider of ours announces,
    shorter ids, may all be among them.
    """
    assert question.numbers is not None
    wanted = room // (_USUAL + 5) + 1
    if wanted > _PAGE:
        return False
    shorter = connection.scalar(_SHORTER, {"most": _SHORT}) or 0
    if shorter >= _SHORT:
        return False
    some = question.numbers.limit(wanted + shorter).subquery()
    count = connection.scalar(sa.select(sa.func.count()).select_from(some), question.values) or 0
    return count - shorter >= wanted


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin when we say so, not when pysqlite thinks
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
