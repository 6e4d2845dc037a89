"""The database file: schema, start, and what is said when it does not work."""

import shutil
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from iceflix.catalog import schema
from iceflix.catalog.database import StoreError
from iceflix.catalog.sqlite import SqliteDatabase
from iceflix.catalog.store import Store
from iceflix.catalog.text import exact_key, folded, grams
from iceflix.runtime.errors import SetupError

MIGRATIONS = Path(schema.__file__).parent / "migrations"


@pytest.fixture(name="database")
def _database(sqlite: SqliteDatabase) -> SqliteDatabase:
    """Here, a file."""
    return sqlite


def _raw(file: Path, *statements: str) -> None:
    """Do something to the file behind our back."""
    connection = sqlite3.connect(file)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_new_file_gets_the_newest_schema(tmp_path: Path) -> None:
    """A new file gets the newest schema."""
    database = SqliteDatabase(tmp_path / "ñ %20 new.db")
    assert database.revision() is None
    database.prepare()
    assert database.revision() == schema.HEAD
    database.prepare()
    database.close()
    with sqlite3.connect(database.file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_commits_are_synced(database: SqliteDatabase) -> None:
    """V23: FULL, or the end of a WAL may be lost with the power."""
    with database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    with database.write() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_the_revisions_are_those_that_the_program_knows() -> None:
    """The revisions are those that the program knows."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    revisions = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(revisions)) == schema.KNOWN
    assert scripts.get_current_head() == schema.HEAD


def test_the_migrations_make_the_tables_that_the_program_works_with(
    database: SqliteDatabase,
) -> None:
    """The migrations make the tables that the program works with."""

    def of_ours(_item: object, name: str | None, *_more: Any) -> bool:
        """Of ours."""
        # Alembic knows neither full-text tables nor indexes of a part of a table.
        return not (name or "").startswith(("title_trigram", "title_gram", "title_short"))

    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": of_ours})
        assert compare_metadata(context, schema.metadata) == []


def test_what_takes_long_to_load_is_loaded_when_needed(file: Path, python: str) -> None:
    """Alembic for migrations, psycopg for a server."""
    program = """
import sys
from pathlib import Path
from iceflix.catalog.opening import open_database
database = open_database(Path(sys.argv[1]))
database.prepare()
print(int("alembic" in sys.modules), int("psycopg" in sys.modules))
"""
    for database, expected in ((file, b"0 0\n"), (file.parent / "new.db", b"1 0\n")):
        assert subprocess.check_output([python, "-c", program, str(database)]) == expected


def test_a_newer_schema_is_left_alone(file: Path) -> None:
    """A newer schema is left alone."""
    _raw(file, "UPDATE alembic_version SET version_num = '9999'")
    before = file.read_bytes()
    database = SqliteDatabase(file)
    with pytest.raises(SetupError, match="made by a newer IceFlix"):
        database.prepare()
    database.close()
    assert file.read_bytes() == before


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """The database of another program is left alone."""
    file = tmp_path / "other.db"
    _raw(file, "CREATE TABLE songs (name)")
    before = file.read_bytes()
    database = SqliteDatabase(file)
    with pytest.raises(SetupError, match="of another program"):
        database.prepare()
    database.close()
    assert file.read_bytes() == before


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """What is no database is left alone."""
    file = tmp_path / "notes.txt"
    file.write_text("Buy milk.\n" * 1000)
    with pytest.raises(StoreError, match="is not a database; name another file"):
        SqliteDatabase(file).prepare()
    assert file.read_text() == "Buy milk.\n" * 1000


@pytest.mark.parametrize("name", [".", "no/such/folder/catalog.db"])
def test_a_place_where_no_file_can_be(tmp_path: Path, name: str) -> None:
    """A place where no file can be."""
    with pytest.raises(StoreError, match="cannot be opened; name a file in a folder"):
        SqliteDatabase(tmp_path / name).prepare()
    assert not (tmp_path / "no").exists()


def test_a_locked_database(file: Path) -> None:
    """A locked database."""
    Store(SqliteDatabase(file), 1000).register({"a": "Uno"})
    database = SqliteDatabase(file, busy_seconds=0.05)
    store = Store(database, 1000)
    other = sqlite3.connect(file)
    other.execute("BEGIN IMMEDIATE")
    for action in (database.prepare, lambda: store.rename("a", "Dos")):
        with pytest.raises(StoreError, match="locked by another program; try again"):
            action()
    assert store.named("uno") == ["a"]
    other.close()
    database.prepare()
    store.rename("a", "Dos")
    assert store.named("dos") == ["a"]
    database.close()


def test_a_failed_edit_changes_nothing(database: SqliteDatabase, store: Store) -> None:
    """A failed edit changes nothing."""
    store.register({"a": "Uno"})
    store.add_tags("a", ["x"])
    with pytest.raises(StoreError), database.write() as connection:
        connection.execute(sa.update(schema.title).values(name="Half"))
        connection.execute(sa.text("INSERT INTO nowhere VALUES (1)"))
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        connection.execute(sa.delete(schema.tag))
        raise ZeroDivisionError
    title = store.title("a")
    assert title is not None
    assert (title.name, title.tags) == ("Uno", ("x",))
    store.add_tags("a", ["y"])


def test_a_damaged_database_says_so(file: Path) -> None:
    """A damaged database says so."""
    database = SqliteDatabase(file)
    store = Store(database, 10_000_000)
    store.register({f"id{n}": f"Film {n}" for n in range(5000)})
    database.close()
    content = bytearray(file.read_bytes())
    content[4096 * 3 : -4096] = b"\xaa" * (len(content) - 4096 * 4)
    file.write_bytes(content)
    with pytest.raises(StoreError, match="it is damaged; put a backup in its place"):
        store.containing("")
    database.close()


def test_a_disk_that_takes_no_more_loses_nothing(file: Path, python: str) -> None:
    """What was there stays, what did not fit is refused, and later all goes on."""
    program = """
import resource, sys
from pathlib import Path
from iceflix.catalog.database import StoreError
from iceflix.catalog.sqlite import SqliteDatabase
from iceflix.catalog.store import Store
store = Store(SqliteDatabase(Path(sys.argv[1])), 1000)
store.register({"a": "Uno"})
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
stored = 0
try:
    for n in range(10_000):
        store.add_tags("a", [f"{n:0100}"])
        stored += 1
        if stored == 900:
            store.remove_tags("a", [f"{m:0100}" for m in range(900)])
except StoreError as error:
    print("the disk does not" in str(error))
assert stored < 10_000
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
store.rename("a", "Dos")
print(stored % 900 == len(store.title("a").tags), store.named("dos"))
"""
    output = subprocess.check_output([python, "-c", program, str(file)], text=True)
    assert output.split("\n")[:2] == ["True", "True ['a']"]


def test_a_copy_is_a_backup(file: Path, tmp_path: Path) -> None:
    """A copy is a backup."""
    database = SqliteDatabase(file)
    Store(database, 1000).register({"a": "Uno"})
    database.close()
    assert not list(tmp_path.glob("*-wal"))  # a closed database is one file
    copy = SqliteDatabase(Path(shutil.copy(file, tmp_path / "copy.db")))
    assert Store(copy, 1000).named("uno") == ["a"]
    copy.close()


def test_the_version_changes_with_every_commit(database: SqliteDatabase, store: Store) -> None:
    """Whoever commits, and through whatever connection; a new connection starts afresh."""
    other = Store(SqliteDatabase(database.file), 1000)
    seen = {database.version()}
    for n in range(3):
        assert database.version() in seen
        other.register({f"other{n}": "Uno"})
        assert database.version() not in seen
        seen.add(database.version())
        store.register({f"own{n}": "Uno"})
        assert database.version() not in seen
        seen.add(database.version())
    database.close()
    assert database.version() not in seen


def test_a_database_of_the_first_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    """Names, tags and what is found by them stay as they are."""
    database = SqliteDatabase(tmp_path / "old.db")
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    names = ["España", "Espana", "100 % puro", "c_d", "\uffff fin", "Ÿ"]
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for number, name in enumerate(names, 1):
            connection.execute(
                sa.insert(schema.title).values(
                    number=number, id=f"id{number}", name=name, name_key=exact_key(name)
                )
            )
            for table, column, text in (
                ("title_trigram", "folded", folded(name)),
                ("title_gram", "grams", grams(folded(name))),
            ):
                insert = f"INSERT INTO {table} (rowid, {column}) VALUES (?, ?)"
                connection.exec_driver_sql(insert, (number, text))
        connection.execute(sa.insert(schema.tag).values(title=1, key="x", label="X", position=1))
    assert database.revision() == "0001"
    database.prepare()
    assert database.revision() == schema.HEAD
    store = Store(database, 10_000)
    assert store.containing("espan") == store.containing("ñ a".replace(" ", "")) == ["id2", "id1"]
    assert store.containing("0 %") == ["id3"]
    assert store.containing("\ufffd fi") == store.containing("\uffff f") == ["id5"]
    assert store.containing("y") == ["id6"]
    title = store.title("id1")
    assert title is not None and title.tags == ("X",)
    store.rename("id1", "Otro")
    assert store.containing("spa") == store.containing("span") == ["id2"]
    with database.read() as connection:
        kept = connection.scalars(sa.select(schema.title.c.folded).order_by(schema.title.c.number))
        assert kept.all() == [None, None, None, None, "\ufffd fin", "y"]
    database.close()
