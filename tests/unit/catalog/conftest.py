"""Databases for the catalogue's tests: every one of them on SQLite and on PostgreSQL."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.catalog.database import Database
from iceflix.catalog.opening import open_database
from iceflix.catalog.sqlite import SqliteDatabase
from iceflix.catalog.store import Store
from tests.postgres import ENGINES, NewDatabase

ANSWER_BYTES = 1_000_000


@pytest.fixture(name="empty_database", scope="session")
def _empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema and nothing in it, to be copied."""
    file = tmp_path_factory.mktemp("catalogue") / "empty.db"
    database = SqliteDatabase(file)
    database.prepare()
    database.close()
    return file


@pytest.fixture(name="file")
def _file(empty_database: Path, tmp_path: Path) -> Path:
    """A database file of the test's own."""
    return Path(shutil.copy(empty_database, tmp_path / "catalog.db"))


@pytest.fixture(name="sqlite")
def _sqlite(file: Path) -> Iterator[SqliteDatabase]:
    """That file, open."""
    database = SqliteDatabase(file)
    yield database
    database.close()


@pytest.fixture(name="place", params=ENGINES)
def _place(request: pytest.FixtureRequest) -> str:
    """A value of Catalog.File: a database of the test's own."""
    if request.param == "sqlite":
        return str(request.getfixturevalue("file"))
    new: NewDatabase = request.getfixturevalue("new_postgres")
    return new()


@pytest.fixture(name="database")
def _database(place: str) -> Iterator[Database]:
    """That database, open."""
    database = open_database(place)
    yield database
    database.close()


@pytest.fixture(name="store")
def _store(database: Database) -> Store:
    """A store in it."""
    return Store(database, ANSWER_BYTES)
