"""The database on a server: schema, restarts, and what is said when it does not work."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import sql

from iceflix.catalog import schema
from iceflix.catalog.database import Database, StoreError
from iceflix.catalog.opening import open_database
from iceflix.catalog.postgres import PostgresDatabase
from iceflix.catalog.store import Store
from iceflix.runtime.errors import InvalidRequest, SetupError
from tests.conftest import freeze
from tests.postgres import NewDatabase, Server

pytestmark = pytest.mark.slow


@pytest.fixture(name="place")
def _place(new_postgres: NewDatabase) -> str:
    """Here, a database on a server."""
    return new_postgres()


@pytest.fixture(name="empty")
def _empty(postgres: Server) -> Iterator[str]:
    """The name of a database with nothing in it."""
    name = postgres.new_database(empty=True)
    yield name
    postgres.drop(name)


def _failure(address: str) -> str:
    """What is said by a start that fails."""
    with pytest.raises((SetupError, StoreError)) as error:
        _prepare(address)
    return str(error.value)


def _prepare(address: str) -> None:
    database = open_database(address)
    try:
        database.prepare()
    finally:
        database.close()


def test_an_empty_database_gets_the_newest_schema(postgres: Server, empty: str) -> None:
    """Tables, indexes and the extension, once."""
    database = open_database(postgres.address(empty))
    assert database.revision() is None
    database.prepare()
    assert database.revision() == schema.HEAD
    database.prepare()
    assert Store(database, 1000).register({"a": "Uno"}) == {"a": 1}
    database.close()


def test_the_migrations_make_the_tables_that_the_program_works_with(database: Database) -> None:
    """The migrations make the tables that the program works with."""

    def of_ours(_item: object, name: str | None, *_more: Any) -> bool:
        # Alembic does not know indexes of expressions.
        return name != "title_by_trigram"

    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": of_ours})
        assert compare_metadata(context, schema.metadata) == []


def test_the_index_is_used(database: Database, store: Store) -> None:
    """A part of the name can be looked up; whether that is quicker, the server decides."""
    store.register({f"id{n}": f"Película número {n}" for n in range(3000)})
    plans: list[str] = []

    def explain(
        _connection: Any, cursor: Any, statement: str, parameters: Any, *_more: Any
    ) -> None:
        cursor.execute(f"EXPLAIN {statement}", parameters)
        plans.extend(line for (line,) in cursor.fetchall())

    with database.read() as connection:
        connection.execute(sa.text("SET enable_seqscan = off"))
        question = database.index.containing(connection, "mero 2345")
        sa.event.listen(connection, "before_cursor_execute", explain)
        assert [line[-6:] for line in database.lines(connection, question, 10**6)] == ["id2345"]
    assert "title_by_trigram" in "".join(plans)


def test_a_newer_schema_and_other_programs_are_left_alone(
    postgres: Server, place: str, empty: str
) -> None:
    """As with files."""
    database = open_database(place)
    with database.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    database.close()
    assert "made by a newer IceFlix" in _failure(place)
    postgres.execute(empty, sql.SQL("CREATE TABLE songs (name text)").format())
    assert "of another program" in _failure(postgres.address(empty))


@pytest.mark.parametrize(
    "address",
    [
        "postgresql://user:hush-hush@host/films",
        "mysql://user:hush-hush@host/films",
        "postgresql+psycopg://user:hush-hush@host",
        "postgresql+psycopg://user:hush-hush@host:port/films",
        "://hush-hush",
    ],
)
def test_what_is_no_address(address: str) -> None:
    """Said without the address, since a password may be in it."""
    said = _failure(address)
    assert "postgresql+psycopg://USER@HOST/DATABASE" in said
    assert "hush" not in said


def test_nobody_there(postgres: Server, tmp_path: Path) -> None:
    """Neither at a port nor at a socket, nor a host of that name."""
    for address in (
        "postgresql+psycopg://user:hush-hush@127.0.0.1:1/films",
        f"postgresql+psycopg://user@/films?host={tmp_path}&password=hush-hush",
    ):
        said = _failure(address)
        assert "the server does not answer; start it" in said
        assert "hush" not in said
    said = _failure("postgresql+psycopg://user:hush-hush@nowhere.invalid/films")
    assert "there is no such host" in said
    assert postgres.address("x")


def test_who_may_not_come_in(postgres: Server, empty: str) -> None:
    """A wrong password, an unknown user, a database that is not there."""
    role = postgres.new_role(empty)
    right = postgres.address_of(role, empty)
    wrong = right.replace(role.password, "hush-hush")
    for address in (wrong, right.replace(f":{role.password}", ""), wrong.replace(role.name, "eve")):
        said = _failure(address)
        assert "the server does not accept this user and password" in said
        assert "hush" not in said
    assert "there is no such database" in _failure(postgres.address_of(role, "nowhere"))
    assert "does not know this user" in _failure(postgres.address(empty).replace("owner@", "eve@"))


def test_rights_that_are_missing(postgres: Server, empty: str) -> None:
    """The extension and the tables; with both rights it works, without being anybody special."""
    tables_only = postgres.new_role(empty, "CREATE ON SCHEMA public")
    assert "extension pg_trgm" in (said := _failure(postgres.address_of(tables_only, empty)))
    assert tables_only.password not in said
    nothing = postgres.new_role(empty)
    assert "may not make tables there" in _failure(postgres.address_of(nothing, empty))
    both = postgres.new_role(empty, "CREATE ON SCHEMA public", f"CREATE ON DATABASE {empty}")
    _prepare(postgres.address_of(both, empty))


def test_no_password_in_what_people_see(postgres: Server, empty: str) -> None:
    """Neither from before the host nor from behind the question mark."""
    role = postgres.new_role(empty)
    for address in (
        f"postgresql+psycopg://{role.name}:{role.password}@127.0.0.1:{postgres.port}/{empty}",
        f"postgresql+psycopg://{role.name}@127.0.0.1:{postgres.port}/{empty}"
        f"?password={role.password}",
    ):
        database = open_database(address)
        shown = f"postgresql+psycopg://{role.name}@127.0.0.1:{postgres.port}/{empty}"
        assert database.place == shown
        assert database.tables() == set()
        database.close()


def test_after_a_restart_of_the_server_all_goes_on(postgres: Server, store: Store) -> None:
    """While it is away there is a sentence; afterwards nobody has to do anything."""
    store.register({"a": "Uno"})
    store.add_tags("a", ["x"])
    postgres.stop()
    try:
        with pytest.raises(StoreError, match="does not answer; start it"):
            store.title("a")
        with pytest.raises(StoreError, match="does not answer; start it"):
            store.rename("a", "Dos")
    finally:
        postgres.start()
    title = store.title("a")
    assert title is not None and title.tags == ("x",)
    store.rename("a", "Tres")
    assert store.named("tres") == ["a"]


def test_a_writer_that_takes_too_long(place: str, database: Database) -> None:
    """Another catalogue waits a while, then says so."""
    impatient = open_database(place, busy_seconds=0.05)
    store = Store(impatient, 1000)
    writing, enough = threading.Event(), threading.Event()

    def write() -> None:
        with database.write():
            writing.set()
            enough.wait(20)

    other = threading.Thread(target=write)
    other.start()
    assert writing.wait(10)
    with pytest.raises(StoreError, match="locked by another program; try again"):
        store.register({"a": "Uno"})
    enough.set()
    other.join()
    store.register({"a": "Uno"})
    assert store.named("uno") == ["a"]
    impatient.close()


def test_a_statement_that_takes_too_long(place: str) -> None:
    """The server ends it, a sentence is said, and the connection is of use again."""
    database = PostgresDatabase(place, statement_seconds=2.0)
    with pytest.raises(StoreError, match="it took too long; try again"), database.read() as reader:
        reader.execute(sa.text("SELECT pg_sleep(600)"))
    assert Store(database, 1000).named("uno") == []
    database.close()


def test_a_server_that_hangs(place: str) -> None:
    """Nobody waits for it for ever, and nothing of that connection is used again."""
    database = PostgresDatabase(place, statement_seconds=2.0)
    store = Store(database, 1000)
    store.register({"a": "Uno"})
    frozen: list[int] = []

    def ask() -> None:
        with database.read() as reader:
            frozen.append(reader.scalar(sa.text("SELECT pg_backend_pid()")) or 0)
            freeze(frozen[0])
            reader.execute(sa.text("SELECT 1"))

    try:
        with pytest.raises(StoreError, match="the server does not answer; start it"):
            ask()
        assert store.named("uno") == ["a"]
    finally:
        for process in frozen:
            os.kill(process, signal.SIGCONT)
    database.close()


def test_answers_of_short_ids(database: Database) -> None:
    """More of them fit than of ids that are a SHA-256."""
    store = Store(database, answer_bytes=6 * 100)
    store.register({chr(0x100 + n) if n > 90 else chr(33 + n): "Film" for n in range(90)})
    assert len(store.containing("film")) == 90
    store.register({f"more {n}": "Film" for n in range(10)})
    with pytest.raises(InvalidRequest, match="more titles match"):
        store.containing("film")
