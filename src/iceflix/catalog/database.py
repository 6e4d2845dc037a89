"""The catalogue's database file: connections, transactions, schema revision, plain errors.

SQLite in WAL mode with ``synchronous=FULL``: what ``write`` has committed survives a kill and a
power cut (V23). Readers never wait for the writer. Every process that has the same file sees what
another one committed at once, and ``BEGIN IMMEDIATE`` lets no update get lost between them (V35,
V36).
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from iceflix.catalog import schema
from iceflix.runtime.errors import ServiceError, SetupError
from iceflix.runtime.files import exclusive_lock

BUSY_SECONDS = 5.0  # patience with another process that is writing
_MIGRATIONS = Path(__file__).parent / "migrations"
_IDLE_READERS = 4
_ERRORS = (SQLAlchemyError, sqlite3.Error)
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


class StoreError(ServiceError):
    """The database does not do now what it should; nothing was changed."""


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


class Database:
    """One database file. Thread-safe: any number of readers, one writer at a time."""

    def __init__(self, file: Path, busy_seconds: float = BUSY_SECONDS) -> None:
        self.file = file
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
            with self._plainly():
                connection = self._engine.connect()
        try:
            yield connection
        except _ERRORS as error:
            connection.close()
            raise self._plain(error) from error
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
            raise StoreError(f"the database {self.file} is busy; try again")
        try:
            with (
                self._plainly(),
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
        try:
            return self._watch.version()
        except _ERRORS as error:
            raise self._plain(error) from error

    def close(self) -> None:
        """Close what is open. Whoever is in the middle of something finishes it."""
        self._watch.close()
        while self._readers:
            self._readers.pop().close()
        self._engine.dispose()

    # -- schema

    def revision(self) -> str | None:
        """The schema's revision; None for a database without anything in it.

        Raises StoreError, and SetupError for a database of another program.
        """
        master = sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")
        with self.read() as connection:
            names = set(connection.scalars(master))
            if schema.version.name in names:
                return connection.scalar(sa.select(schema.version.c.version_num))
        if names:
            raise SetupError(f"{self.file} is a database of another program; name another file")
        return None

    def prepare(self) -> None:
        """Bring the schema to what this program works with. Raises SetupError, StoreError.

        Alembic, which takes long to load, is only loaded when there is something to do.
        """
        if self._current():
            with self.write():
                pass  # it can be written
            return
        with exclusive_lock(self.file):  # several may start on a new file at the same time
            if not self._current():
                self._upgrade()

    def _current(self) -> bool:
        revision = self.revision()
        if revision not in (None, *schema.KNOWN):
            raise SetupError(
                f"{self.file} has schema {revision}, made by a newer IceFlix; this one knows"
                f" schemas up to {schema.HEAD}. Use the newer program or another file"
            )
        return revision == schema.HEAD

    def _upgrade(self) -> None:
        # pylint: disable=import-outside-toplevel  # loading it takes longer than a whole start
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415

        with self.read() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL").close()
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with self.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    # -- errors

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            yield
        except _ERRORS as error:
            raise self._plain(error) from error

    def _plain(self, error: Exception) -> StoreError:
        """A sentence for a person."""
        cause = error.orig if isinstance(error, DBAPIError) else error
        name = getattr(cause, "sqlite_errorname", "")
        reason = _REASONS.get("_".join(name.split("_")[:2]), str(cause)[:200])
        return StoreError(f"the database {self.file} does not work: {reason}")


def _prepare(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # transactions begin when we say so, not when pysqlite thinks
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("writes"):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
