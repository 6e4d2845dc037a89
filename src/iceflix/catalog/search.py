"""Finding titles by a part of the name: how SQLite's full-text indexes are written and asked.

Three letters and more are a phrase of trigrams, which is exact; one and two letters are looked up
in an index of letters and pairs, since no trigram index knows them.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from iceflix.catalog.schema import title
from iceflix.catalog.text import folded, gram, grams

_trigram = sa.table("title_trigram", sa.column("rowid"), sa.column("folded", sa.Text))
_gram = sa.table(
    "title_gram", sa.column("title_gram"), sa.column("rowid"), sa.column("grams", sa.Text)
)

_EVERYTHING = sa.select(title.c.name_key, title.c.id)
_BY_PHRASE = _EVERYTHING.select_from(
    sa.join(_trigram, title, title.c.number == _trigram.c.rowid)
).where(_trigram.c.folded.match(sa.bindparam("words")))
_BY_GRAM = _EVERYTHING.select_from(sa.join(_gram, title, title.c.number == _gram.c.rowid)).where(
    _gram.c.title_gram.match(sa.bindparam("words"))
)
_FOLDED_OF = sa.select(_trigram.c.folded).where(_trigram.c.rowid == sa.bindparam("number"))


def containing(query: str) -> tuple[sa.Select[str, str], dict[str, str]]:
    """The statement that selects (name key, id) of the titles containing the query, unordered.

    With nothing left of the query after folding, that is all of them.
    """
    wanted = folded(query)
    if not wanted:
        return _EVERYTHING, {}
    if len(wanted) < 3:
        return _BY_GRAM, {"words": _quoted(gram(wanted))}
    return _BY_PHRASE, {"words": _quoted(wanted)}


def add(connection: sa.Connection, titles: Iterable[tuple[int, str]]) -> None:
    """Index new titles, given as (number, name)."""
    texts = [(number, folded(name)) for number, name in titles]
    connection.execute(
        _trigram.insert(), [{"rowid": number, "folded": text} for number, text in texts]
    )
    connection.execute(
        sa.insert(_gram), [{"rowid": number, "grams": grams(text)} for number, text in texts]
    )


def change(connection: sa.Connection, number: int, name: str) -> None:
    """Index a title under its new name."""
    before = connection.scalar(_FOLDED_OF, {"number": number}) or ""
    after = folded(name)
    if before == after:
        return
    connection.execute(sa.update(_trigram).where(_trigram.c.rowid == number).values(folded=after))
    # An index that keeps no text must be told what to delete.
    connection.execute(
        sa.insert(_gram).values(title_gram="delete", rowid=number, grams=grams(before))
    )
    connection.execute(sa.insert(_gram).values(rowid=number, grams=grams(after)))


def _quoted(words: str) -> str:
    """A phrase in the full-text query language; nothing in it is an operator."""
    return '"' + words.replace('"', '""') + '"'
