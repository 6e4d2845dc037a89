"""Titles and tags in the database. Every edit is on the disk when its method returns (V23)."""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

import sqlalchemy as sa

from iceflix.catalog.database import Database, Question, TooMany, size
from iceflix.catalog.schema import FOLDED, tag, title
from iceflix.catalog.text import MAX_TAGS, exact_key, folded, searchable
from iceflix.runtime.errors import InvalidRequest, UnknownMedia

_CHUNK = 500  # values in one IN (...)
_RECENT = 10_000  # titles
_RARE = (1000, 100_000)  # beyond so many titles, tags count as equally frequent

_TITLE = (
    sa.select(title.c.number, title.c.name, tag.c.label)
    .select_from(sa.outerjoin(title, tag, tag.c.title == title.c.number))
    .where(title.c.id == sa.bindparam("id"))
    .order_by(tag.c.position)
)
_NUMBER = sa.select(title.c.number).where(title.c.id == sa.bindparam("id"))
_NUMBERS = sa.select(title.c.id, title.c.number).where(
    title.c.id.in_(sa.bindparam("ids", expanding=True))
)
_FOLDED = sa.select(FOLDED).where(title.c.number == sa.bindparam("number"))
_BY_NAME = sa.select(title.c.number, title.c.name_key, title.c.id).where(
    title.c.name_key == sa.bindparam("key")
)
_TAGS_OF = sa.select(tag.c.key, tag.c.position).where(tag.c.title == sa.bindparam("number"))
_TAGGED = sa.select(tag.c.title, title.c.name_key, title.c.id).join_from(
    tag, title, tag.c.title == title.c.number
)
_WITH_ONE = _TAGGED.where(tag.c.key == sa.bindparam("key"))
_NUMBERS_WITH_ONE = sa.select(tag.c.title).where(tag.c.key == sa.bindparam("key"))
_WITH_ANY = sa.select(title.c.number, title.c.name_key, title.c.id).where(
    title.c.number.in_(
        sa.select(tag.c.title).where(tag.c.key.in_(sa.bindparam("keys", expanding=True)))
    )
)
_other = tag.alias("other")
_HAS_ALL = sa.and_(
    tag.c.key == sa.bindparam("rarest"),
    sa.select(sa.func.count())
    .where(
        _other.c.title == tag.c.title,
        _other.c.key.in_(sa.bindparam("others", expanding=True)),
    )
    .scalar_subquery()
    == sa.bindparam("wanted"),
)
_WITH_ALL = _TAGGED.where(_HAS_ALL)
_NUMBERS_WITH_ALL = sa.select(tag.c.title).where(_HAS_ALL)
_FREQUENCY = sa.select(sa.func.count()).select_from(
    sa.select(tag.c.title)
    .where(tag.c.key == sa.bindparam("key"))
    .limit(sa.bindparam("most"))
    .subquery()
)


@dataclass(frozen=True)
class Title:
    """A medium as people know it. ``number`` is the database's."""

    number: int
    name: str
    tags: tuple[str, ...]


@dataclass
class _Recent:
    """Titles that were read since the last commit, by whomever it was.

    A reader that is overtaken by a commit puts what it has read where nobody looks any more.
    """

    _version: tuple[int, int] = (0, 0)
    _titles: dict[str, Title] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def titles(self, version: tuple[int, int]) -> dict[str, Title]:
        """What is known of this version of the database; the caller adds what it reads."""
        with self._lock:
            if version != self._version or len(self._titles) >= _RECENT:
                self._version, self._titles = version, {}
            return self._titles

    def some(self, media_id: str) -> Title | None:
        """The title as it was once, if it is still known."""
        return self._titles.get(media_id)


@dataclass(frozen=True)
class Counts:
    """How much there is."""

    titles: int
    tags: int


class Store:
    """All methods raise StoreError when the database does not work, and change nothing then."""

    def __init__(self, database: Database, answer_bytes: int) -> None:
        """``answer_bytes``: how large the list of ids that a search returns may be on the wire."""
        self._database = database
        self._answer_bytes = answer_bytes
        self._recent = _Recent()

    # -- edits

    def register(self, announced: Mapping[str, str]) -> dict[str, int]:
        """Make titles of those ids that are new, with these names; returns the numbers of all.

        A name counts once: a known title keeps the one it has (V25).
        """
        with self._database.read() as connection:
            numbers = _numbers(connection, announced)
        if len(numbers) < len(announced):
            with self._database.write() as connection:
                numbers |= _numbers(connection, announced.keys() - numbers.keys())
                fresh = [media_id for media_id in announced if media_id not in numbers]
                if fresh:
                    _insert(connection, {media_id: announced[media_id] for media_id in fresh})
                    added = _numbers(connection, fresh)
                    self._database.index.add(
                        connection, [(added[i], folded(announced[i])) for i in fresh]
                    )
                    numbers |= added
        return numbers

    def rename(self, media_id: str, name: str) -> None:
        """Give the title another name. Raises UnknownMedia."""
        with self._database.write() as connection:
            number = _number(connection, media_id)
            before = connection.scalar(_FOLDED, {"number": number}) or ""
            change = sa.update(title).where(title.c.number == number)
            connection.execute(change.values(**_keys(name)))
            after = folded(name)
            if before != after:
                self._database.index.change(connection, number, before, after)

    def add_tags(self, media_id: str, labels: Iterable[str]) -> int:
        """Add those that the title has not, in this order; returns how many had no room (V32).

        Of two spellings of a tag the first one stays. Raises UnknownMedia.
        """
        wanted: dict[str, str] = {}
        for label in labels:
            wanted.setdefault(exact_key(label), label)
        with self._database.write() as connection:
            number = _number(connection, media_id)
            rows = connection.execute(_TAGS_OF, {"number": number}).all()
            present = {key for key, _ in rows}
            position = max((place for _, place in rows), default=0) + 1
            missing = [key for key in wanted if key not in present]
            room = max(0, MAX_TAGS - len(present))
            values = [
                {"title": number, "key": key, "label": wanted[key], "position": position + place}
                for place, key in enumerate(missing[:room])
            ]
            if values:
                connection.execute(sa.insert(tag), values)
        return len(missing) - len(values)

    def remove_tags(self, media_id: str, labels: Iterable[str]) -> None:
        """Remove those that the title has, however they are spelt (V33). Raises UnknownMedia."""
        keys = {exact_key(label) for label in labels}
        with self._database.write() as connection:
            number = _number(connection, media_id)
            rows = connection.execute(_TAGS_OF, {"number": number})
            for some in _chunks(key for key, _ in rows.all() if key in keys):
                connection.execute(sa.delete(tag).where(tag.c.title == number, tag.c.key.in_(some)))

    # -- questions

    def title(self, media_id: str, version: tuple[int, int] | None = None) -> Title | None:
        """The title with this id, its tags in the order in which they were added.

        As it is now; with a ``version``, as it was when that was asked for, or newer.
        """
        version = version or self._database.version()
        titles = {} if version is None else self._recent.titles(version)
        title_now = titles.get(media_id)
        if title_now is None and searchable(media_id):
            with self._database.read() as connection:
                rows = connection.execute(_TITLE, {"id": media_id}).all()
            if rows:
                number, name, first = rows[0]
                tags = () if first is None else tuple(label for _, _, label in rows)
                title_now = titles[media_id] = Title(number, name, tags)
        return title_now

    def remembered(self, media_id: str) -> Title | None:
        """The title as it was a while ago, without a look at the database; None: not known."""
        return self._recent.some(media_id)

    def version(self) -> tuple[int, int] | None:
        """What changes with every edit; None where it is not known (Database.version)."""
        return self._database.version()

    def require(self, media_id: str) -> None:
        """Raise UnknownMedia unless there is a title with this id."""
        with self._database.read() as connection:
            _number(connection, media_id)

    def named(self, name: str) -> list[str]:
        """The ids of the titles with this name, in whatever case (V29). Raises InvalidRequest."""
        if not searchable(name):
            return []
        key = {"key": exact_key(name)}
        with self._database.read() as connection:
            return self._answer(connection, Question(_BY_NAME, key))

    def containing(self, part: str) -> list[str]:
        """The ids of the titles with this in the name, whatever the case and the accents (V29).

        With ``""``, of all. Raises InvalidRequest.
        """
        if not searchable(part):
            return []
        with self._database.read() as connection:
            question = self._database.index.containing(connection, folded(part))
            return self._answer(connection, question)

    def with_any(self, labels: Sequence[str]) -> list[str]:
        """The ids of the titles that have any of these tags (V30). Raises InvalidRequest."""
        keys = {exact_key(label) for label in labels if searchable(label)}
        if len(keys) == 1:
            return self._with_one(*keys)
        found: set[str] = set()
        with self._database.read() as connection:
            for some in _chunks(keys):
                found.update(self._lines(connection, Question(_WITH_ANY, {"keys": some})))
        if sum(map(size, ids := _ids(found))) > self._answer_bytes:
            raise _too_many()
        return ids

    def with_all(self, labels: Sequence[str]) -> list[str]:
        """The ids of the titles that have all of these tags; of none if there are none (V30).

        Raises InvalidRequest.
        """
        keys = {exact_key(label) for label in labels if searchable(label)}
        if not 0 < len(keys) <= MAX_TAGS or not all(map(searchable, labels)):
            return []
        if len(keys) == 1:
            return self._with_one(*keys)
        with self._database.read() as connection:
            frequency = _frequency(connection, keys)
            rarest = min(frequency, key=lambda key: (frequency[key], key))
            if not frequency[rarest]:
                return []
            others = list(keys - {rarest})
            values = {"rarest": rarest, "others": others, "wanted": len(others)}
            return self._answer(connection, Question(_WITH_ALL, values, _NUMBERS_WITH_ALL))

    def counts(self) -> Counts:
        """How many titles and different tags there are."""
        with self._database.read() as connection:
            titles = connection.scalar(sa.select(sa.func.count()).select_from(title)) or 0
            tags = connection.scalar(sa.select(sa.func.count(sa.distinct(tag.c.key)))) or 0
        return Counts(titles, tags)

    # -- inside

    def _with_one(self, key: str) -> list[str]:
        with self._database.read() as connection:
            return self._answer(connection, Question(_WITH_ONE, {"key": key}, _NUMBERS_WITH_ONE))

    def _answer(self, connection: sa.Connection, question: Question) -> list[str]:
        """The ids by (name key, id)."""
        return _ids(self._lines(connection, question))

    def _lines(self, connection: sa.Connection, question: Question) -> list[str]:
        try:
            return self._database.lines(connection, question, self._answer_bytes)
        except TooMany:
            raise _too_many() from None


def _too_many() -> InvalidRequest:
    return InvalidRequest(
        "more titles match than fit into one answer; ask for a longer part of the name or for"
        " further tags"
    )


def _ids(lines: Iterable[str]) -> list[str]:
    """The ids of these titles, by (name key, id)."""
    return [line.partition("\0")[2] for line in sorted(lines)]


def _keys(name: str) -> dict[str, str | None]:
    """The columns that depend on a title's name."""
    key, bare = exact_key(name), folded(name)
    return {"name": name, "name_key": key, "folded": None if bare == key else bare}


def _frequency(connection: sa.Connection, keys: Iterable[str]) -> dict[str, int]:
    """How many titles have each of these tags; exact for the rarest, unless all are everywhere."""
    counted: dict[str, int] = {}
    for most in _RARE:
        for key in keys:
            counted[key] = connection.scalar(_FREQUENCY, {"key": key, "most": most}) or 0
        if min(counted.values()) < most:
            break
    return counted


def _insert(connection: sa.Connection, names: Mapping[str, str]) -> None:
    rows = [{"id": media_id, **_keys(name)} for media_id, name in names.items()]
    connection.execute(sa.insert(title), rows)


def _number(connection: sa.Connection, media_id: str) -> int:
    number = connection.scalar(_NUMBER, {"id": media_id}) if searchable(media_id) else None
    if number is None:
        raise UnknownMedia(media_id)
    return int(number)


def _numbers(connection: sa.Connection, ids: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in _chunks(ids):
        found.update((row[0], row[1]) for row in connection.execute(_NUMBERS, {"ids": some}))
    return found


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(values)
    while some := list(islice(remaining, _CHUNK)):
        yield some
