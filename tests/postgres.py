"""A PostgreSQL of the tests' own: started once a session, by whoever runs the tests."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from iceflix.catalog.postgres import PostgresDatabase

ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
_NOBODY = 65534
_OWNER = "owner"
_TEMPLATE = "catalogue_template"
_SETTINGS = {
    "fsync": "off",  # no test cuts the power
    "shared_buffers": "16MB",
    "max_connections": "80",
    "listen_addresses": "127.0.0.1",
    "unix_socket_permissions": "0777",
    "autovacuum": "off",
}
_DOORS = """
local all all trust
host all all 127.0.0.1/32 scram-sha-256
"""


def _programs() -> Path:
    """Where Debian keeps initdb and pg_ctl."""
    (*_, newest) = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return newest.parent


def _as_somebody() -> list[str]:
    """What comes before a command: PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass(frozen=True)
class Role:
    """Somebody that the server knows."""

    name: str
    password: str


class Server:
    """A server in a temporary folder, on a socket there and on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="iceflix-postgresql-"))
        self.port = _free_port()
        if os.geteuid() == 0:
            os.chown(self.folder, _NOBODY, _NOBODY)
        self.folder.chmod(0o755)
        data = self.folder / "data"
        self._run(
            "initdb",
            *("--pgdata", str(data), "--username", _OWNER, "--auth", "trust"),
            *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
        )
        with (data / "postgresql.conf").open("a", encoding="utf-8") as config:
            config.writelines(f"{key} = '{value}'\n" for key, value in _SETTINGS.items())
            config.write(f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n")
        (data / "pg_hba.conf").write_text(_DOORS, encoding="utf-8")
        self.start()
        self._do(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(_TEMPLATE)))
        database = PostgresDatabase(self.address(_TEMPLATE))
        database.prepare()
        database.close()

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = str(self.folder / "log")
        self._control("start", "-w", "-l", log)

    def stop(self) -> None:
        """Stop it at once; what was committed stays."""
        self._control("stop", "-w", "-m", "immediate")

    def close(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self.folder)

    def address(self, database: str) -> str:
        """The value of Catalog.File for one of its databases."""
        return f"postgresql+psycopg://{_OWNER}@/{database}?host={self.folder}&port={self.port}"

    def address_of(self, role: Role, database: str) -> str:
        """The same by TCP, with a password."""
        door = f"{role.name}:{role.password}@127.0.0.1:{self.port}"
        return f"postgresql+psycopg://{door}/{database}"

    def new_database(self, *, empty: bool = False) -> str:
        """The name of a new database: with the newest schema, or with nothing in it."""
        name = f"catalogue_{secrets.token_hex(6)}"
        template = sql.Identifier("template1" if empty else _TEMPLATE)
        command = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._do(command.format(sql.Identifier(name), template))
        return name

    def new_role(self, database: str, *rights: str) -> Role:
        """Somebody with these rights in a database."""
        role = Role(f"role_{secrets.token_hex(6)}", secrets.token_hex(8))
        name = sql.Identifier(role.name)
        self._do(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(role.password))
        )
        for right in rights:
            self.execute(database, sql.SQL("GRANT {} TO {}").format(sql.SQL(right), name))
        return role

    def execute(self, database: str, command: sql.Composed) -> None:
        """Do something as the owner."""
        with psycopg.connect(
            host=str(self.folder), port=self.port, user=_OWNER, dbname=database, autocommit=True
        ) as connection:
            connection.execute(command)

    def drop(self, database: str) -> None:
        """Remove a database; whoever uses it is thrown out."""
        command = sql.SQL("DROP DATABASE {} WITH (FORCE)")
        self._do(command.format(sql.Identifier(database)))

    def _do(self, command: sql.Composed) -> None:
        self.execute("postgres", command)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [*_as_somebody(), str(_programs() / program), *arguments],
            cwd=self.folder,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


NewDatabase = Callable[..., str]


@pytest.fixture(name="postgres", scope="session")
def _postgres() -> Iterator[Server]:
    """A running server."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(name="new_postgres")
def _new_postgres(postgres: Server) -> Iterator[NewDatabase]:
    """Make databases of the test's own: ``new_postgres()`` is the value of Catalog.File."""
    made: list[str] = []

    def new(*, empty: bool = False) -> str:
        made.append(postgres.new_database(empty=empty))
        return postgres.address(made[-1])

    yield new
    for name in made:
        postgres.drop(name)
