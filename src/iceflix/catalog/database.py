"""The catalogue's database: what SQLite and PostgreSQL have in common.

Whatever the engine: what ``write`` has committed survives a kill and a power cut (V23), every
process that has the same database sees what another one committed at once, and one writes at a
time, so that no update gets lost between them (V35, V36).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from iceflix.catalog import schema
from iceflix.runtime.errors import ServiceError, SetupError

BUSY_SECONDS = 5.0  # patience with another process that is writing
_MIGRATIONS = Path(__file__).parent / "migrations"


class StoreError(ServiceError):
    """The database does not do now what it should; nothing was changed."""


class Question(NamedTuple):
    """Which titles are looked for.

    ``statement`` selects (number, name key, id). Where ``numbers`` is given, it selects the numbers
    of the same titles without a look at the titles themselves, which is much quicker.
    """

    statement: sa.Select[int, str, str]
    values: dict[str, Any]
    numbers: sa.Select[int] | None = None


class Index(ABC):
    """How titles are found by a part of the name. Folded names are made by ``text.folded``."""

    @abstractmethod
    def containing(self, connection: sa.Connection, part: str) -> Question:
        """The question for the titles with this in their folded name."""

    @abstractmethod
    def add(self, connection: sa.Connection, titles: Iterable[tuple[int, str]]) -> None:
        """Take up new titles, given as (number, folded name)."""

    @abstractmethod
    def change(self, connection: sa.Connection, number: int, before: str, after: str) -> None:
        """A title has another folded name now."""


class TooMany(Exception):
    """More titles than there is room for. Not an error yet: the store says what it means."""


class Database(ABC):
    """Thread-safe: any number of readers, one writer at a time."""

    index: Index
    errors: tuple[type[Exception], ...]  # what the engine raises

    def __init__(self, place: str) -> None:
        """``place``: what people call it, without any password."""
        self.place = place

    @abstractmethod
    def read(self) -> AbstractContextManager[sa.Connection]:
        """A connection for queries; each statement sees the newest commit. Raises StoreError."""

    @abstractmethod
    def write(self) -> AbstractContextManager[sa.Connection]:
        """A transaction; committed, on the disk, when the block ends well. Raises StoreError."""

    @abstractmethod
    def lines(self, connection: sa.Connection, question: Question, room: int) -> list[str]:
        """Each title that answers it as ``line(name key, id)``, in no order.

        ``room``: bytes on the wire that their ids may have (``size``). Raises TooMany, mostly
        before all of them are read.
        """

    @abstractmethod
    def version(self) -> tuple[int, int] | None:
        """What changes with every commit, whichever process made it. Raises StoreError.

        None where asking for it would cost as much as reading a title.
        """

    @abstractmethod
    def plain(self, error: Exception) -> StoreError:
        """A sentence for a person about one of ``errors``."""

    @contextmanager
    def plainly(self) -> Iterator[None]:
        """Turn the engine's errors into StoreErrors."""
        try:
            yield
        except self.errors as error:
            raise self.plain(error) from error

    @abstractmethod
    def close(self) -> None:
        """Close what is open. Whoever is in the middle of something finishes it."""

    # -- schema

    @abstractmethod
    def tables(self) -> set[str]:
        """The names of all tables. Raises StoreError."""

    @abstractmethod
    def prepare(self) -> None:
        """Bring the schema to what this program works with. Raises SetupError, StoreError."""

    def revision(self) -> str | None:
        """The schema's revision; None for a database without anything in it.

        Raises StoreError, and SetupError for a database of another program.
        """
        names = self.tables()
        if schema.version.name in names:
            with self.read() as connection:
                return connection.scalar(sa.select(schema.version.c.version_num))
        if names:
            raise SetupError(f"{self.place} is a database of another program; name another one")
        return None

    def current(self) -> bool:
        """Whether the schema is the newest. Raises SetupError for a newer one, StoreError."""
        revision = self.revision()
        if revision not in (None, *schema.KNOWN):
            raise SetupError(
                f"{self.place} has schema {revision}, made by a newer IceFlix; this one knows"
                f" schemas up to {schema.HEAD}. Use the newer program or another database"
            )
        return revision == schema.HEAD


def upgrade(connection: sa.Connection) -> None:
    """Run the migrations that are missing.

    Alembic, which takes long to load, is only loaded when there is something to do.
    """
    # pylint: disable=import-outside-toplevel  # loading it takes longer than a whole start
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def size(media_id: str) -> int:
    """Bytes of an id in a list on the wire: at most 5 bytes of length stand before a string."""
    return len(media_id.encode()) + 5


def line(name_key: str, media_id: str) -> str:
    """A title as one text that sorts as (name key, id) does: neither of them has a NUL."""
    return f"{name_key}\0{media_id}"
