"""Databases for the catalogue's tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from iceflix.catalog.database import Database
from iceflix.catalog.store import Store

ANSWER_BYTES = 1_000_000


@pytest.fixture(name="empty_database", scope="session")
def _empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema and nothing in it, to be copied."""
    file = tmp_path_factory.mktemp("catalogue") / "empty.db"
    database = Database(file)
    database.prepare()
    database.close()
    return file


@pytest.fixture(name="file")
def _file(empty_database: Path, tmp_path: Path) -> Path:
    """A database of the test's own."""
    return Path(shutil.copy(empty_database, tmp_path / "catalog.db"))


@pytest.fixture(name="database")
def _database(file: Path) -> Iterator[Database]:
    """That database, open."""
    database = Database(file)
    yield database
    database.close()


@pytest.fixture(name="store")
def _store(database: Database) -> Store:
    """A store in it."""
    return Store(database, ANSWER_BYTES)
