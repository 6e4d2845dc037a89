"""Finding titles by a part of the name in SQLite's full-text indexes.

Four letters and more: the titles that have some of the part's trigrams, mostly the rarest; of
those, the titles that have the part itself. Three letters are a trigram, one and two are words of
an index of their own. Both indexes keep nothing but themselves: they are told what to delete.
"""

from collections import Counter
from collections.abc import Iterable

import sqlalchemy as sa

from iceflix.catalog.database import Index, Question
from iceflix.catalog.schema import FOLDED, title
from iceflix.catalog.text import gram, grams

_SAMPLE = 2000  # titles that tell how frequent a trigram is
_RAREST = 4  # trigrams that are asked for, and the first and the last
_LETTERS = 3

_trigram = sa.table(
    "title_trigram", sa.column("title_trigram"), sa.column("rowid"), sa.column("folded", sa.Text)
)
_gram = sa.table(
    "title_gram", sa.column("title_gram"), sa.column("rowid"), sa.column("grams", sa.Text)
)

_EVERYTHING = sa.select(title.c.number, title.c.name_key, title.c.id)
_NUMBERS = sa.select(title.c.number)
_NEWEST = sa.select(sa.func.max(title.c.number))
_FOLDED_OF = sa.select(FOLDED).where(title.c.number.in_(sa.bindparam("numbers", expanding=True)))

_BY_GRAM = (
    sa.select(_gram.c.rowid, title.c.name_key, title.c.id)
    .select_from(sa.join(_gram, title, title.c.number == _gram.c.rowid))
    .where(_gram.c.title_gram.match(sa.bindparam("words")))
)
_GRAM_NUMBERS = sa.select(_gram.c.rowid).where(_gram.c.title_gram.match(sa.bindparam("words")))
_BY_TRIGRAM = (
    sa.select(_trigram.c.rowid, title.c.name_key, title.c.id)
    .select_from(sa.join(_trigram, title, title.c.number == _trigram.c.rowid))
    .where(_trigram.c.title_trigram.match(sa.bindparam("words")))
)
_TRIGRAM_NUMBERS = sa.select(_trigram.c.rowid).where(
    _trigram.c.title_trigram.match(sa.bindparam("words"))
)
_BY_TRIGRAMS = _BY_TRIGRAM.where(sa.func.instr(FOLDED, sa.bindparam("part")) > 0)


class SqliteIndex(Index):
    """SQLite's full-text indexes, and how frequent trigrams are, by a sample.

    Nothing but speed depends on the sample, which is taken anew when the titles have doubled.
    """

    def __init__(self) -> None:
        self._sampled: tuple[int, Counter[str]] = (0, Counter())  # the newest title then

    def containing(self, connection: sa.Connection, part: str) -> Question:
        """The question for the titles with this in their folded name; with ``""``, for all."""
        if not part:
            return Question(_EVERYTHING, {}, _NUMBERS)
        if len(part) < _LETTERS:
            return Question(_BY_GRAM, {"words": _quoted(gram(part))}, _GRAM_NUMBERS)
        if len(part) == _LETTERS:
            return Question(_BY_TRIGRAM, {"words": _quoted(part)}, _TRIGRAM_NUMBERS)
        frequency = self._frequencies(connection)
        rarest = sorted(_trigrams(part), key=lambda trigram: (frequency[trigram], trigram))
        # The rarest may all be in one word: the ends tell of the others.
        chosen = dict.fromkeys([*rarest[:_RAREST], part[:_LETTERS], part[-_LETTERS:]])
        words = " AND ".join(map(_quoted, chosen))
        return Question(_BY_TRIGRAMS, {"words": words, "part": part})

    def add(self, connection: sa.Connection, titles: Iterable[tuple[int, str]]) -> None:
        """Take up new titles, given as (number, folded name)."""
        texts = list(titles)
        connection.execute(
            _trigram.insert(), [{"rowid": number, "folded": text} for number, text in texts]
        )
        connection.execute(
            _gram.insert(), [{"rowid": number, "grams": grams(text)} for number, text in texts]
        )

    def change(self, connection: sa.Connection, number: int, before: str, after: str) -> None:
        """A title has another folded name now."""
        gone = {"rowid": number, "folded": before}
        connection.execute(_trigram.insert().values(title_trigram="delete", **gone))
        gone = {"rowid": number, "grams": grams(before)}
        connection.execute(_gram.insert().values(title_gram="delete", **gone))
        self.add(connection, [(number, after)])

    def _frequencies(self, connection: sa.Connection) -> Counter[str]:
        newest = connection.scalar(_NEWEST) or 0
        then, counted = self._sampled
        if newest > 2 * then:
            counted = _frequencies(connection, newest)
            self._sampled = (newest, counted)
        return counted


def _frequencies(connection: sa.Connection, newest: int) -> Counter[str]:
    """In how many titles of a sample each trigram is."""
    counted: Counter[str] = Counter()
    numbers = list(range(1, newest + 1, max(1, newest // _SAMPLE)))
    for name in connection.scalars(_FOLDED_OF, {"numbers": numbers}):
        counted.update(_trigrams(name))
    return counted


def _trigrams(text: str) -> set[str]:
    return {text[place : place + _LETTERS] for place in range(len(text) - _LETTERS + 1)}


def _quoted(word: str) -> str:
    """A phrase in the full-text query language; nothing in it is an operator."""
    return '"' + word.replace('"', '""') + '"'
