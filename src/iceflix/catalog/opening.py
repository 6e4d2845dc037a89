"""From the value of Catalog.File to a database."""

from pathlib import Path

from iceflix.catalog.database import BUSY_SECONDS, Database
from iceflix.catalog.sqlite import SqliteDatabase


def is_server(place: str) -> bool:
    """Whether this value of Catalog.File is the address of a server, not a file."""
    return "://" in place


def open_database(place: str | Path, busy_seconds: float = BUSY_SECONDS) -> Database:
    """The database in this file or, with ``postgresql+psycopg://``, on this server.

    Nothing is opened yet. Raises SetupError for an address that is none.
    """
    if isinstance(place, Path) or not is_server(place):
        return SqliteDatabase(Path(place), busy_seconds)
    # pylint: disable-next=import-outside-toplevel  # who has SQLite needs no psycopg
    from iceflix.catalog.postgres import PostgresDatabase  # noqa: PLC0415

    return PostgresDatabase(place, busy_seconds)
