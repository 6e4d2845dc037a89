"""Catalogues to be measured: made once, through the store, and kept."""

import functools
import itertools
import time
from pathlib import Path

import sqlalchemy as sa

from bench.catalogue_titles import Made, titles
from bench.machine import WORK, say
from iceflix.catalog import schema
from iceflix.catalog.database import Database
from iceflix.catalog.opening import open_database
from iceflix.catalog.store import Store
from iceflix.catalog.text import exact_key

_BATCH = 1000  # titles in a transaction, as the intake takes them


def built(size: int) -> Path:
    """The database of so many titles."""
    file = WORK / f"catalogue-{schema.HEAD}-{size}.db"
    if not file.exists():
        unfinished = file.with_suffix(".unfinished")
        for old in WORK.glob(f"{unfinished.name}*"):
            old.unlink()
        WORK.mkdir(parents=True, exist_ok=True)
        database = open_database(unfinished)
        fill(database, size)
        database.close()
        unfinished.rename(file)
    return file


def fill(database: Database, size: int) -> None:
    """Take up so many titles and their tags, unless they are there."""
    database.prepare()
    store = Store(database, 0)
    if store.counts().titles >= size:
        return
    began = time.monotonic()
    made = titles(size)
    while batch := list(itertools.islice(made, _BATCH)):
        numbers = store.register({one.media_id: one.name for one in batch})
        tags = [
            {
                "title": numbers[one.media_id],
                "key": exact_key(label),
                "label": label,
                "position": place,
            }
            for one in batch
            for place, label in enumerate(one.tags, 1)
        ]
        with database.write() as connection:
            connection.execute(sa.insert(schema.tag), tags)
    rate = size / (time.monotonic() - began)
    say(f"{size} titles taken up, {rate:.0f} a second")


@functools.cache
def some(size: int, number: int) -> list[Made]:
    """Some of them, evenly."""
    return list(itertools.islice(titles(size), 0, None, max(1, size // number)))[:number]
