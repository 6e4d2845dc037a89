"""The catalogue: searches and edits at 10^3 to 10^6 titles, beside LIKE in bare SQLite."""

import os
import random
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from bench import catalogue_build, single
from bench.catalogue_titles import patterns, short_patterns
from bench.frame import Cell, Chart, Figure, Goal, Table
from bench.machine import say
from bench.services import Services
from iceflix.catalog.opening import open_database
from iceflix.catalog.store import Store
from iceflix.catalog.text import folded
from iceflix.contract import Ice, IceFlix
from iceflix.runtime.errors import InvalidRequest

_ROOM = 1000 * 1024  # Catalog.AnswerKilobytes as it is unless set
_TURNS = 3
_FEW = 1000  # hits
_SERVER = os.environ.get("BENCH_POSTGRESQL", "")  # the address of an empty database
_METHOD = """Made-up titles (bench/catalogue_titles.py: 31 letters on average, words as frequent as
in a language, two tags on average), taken up in thousands as announcements are. Each question is
asked in {turns} turns, of which the best counts, so that the percentiles tell of the questions and
not of what else the machine does; over up to {asked} questions of a kind, in milliseconds: median /
99th percentile, and in brackets the same of processor time, without waits. Measured is the store:
the query, and the list of ids made and sorted by name. "Part" is three letters and more: beginnings
of words, words, two words, any letters of a name, and misspelt words. More ids than fit into
Catalog.AnswerKilobytes (1000 KB: 14,840) are refused with a sentence, and that is timed as well.
"One or two letters" and "two tags" are of any number of hits, refused ones among them. Tags are
added in a transaction each, synced to the disk. Bare LIKE is `LIKE '%part%'` in SQLite without an
index, at most 14,841 hits."""


_ICE_METHOD = (
    "The service as a process: seconds from its start to its first answer, with the start of"
    " Python and Ice; its resident memory after the searches; and searches by calls to it, the"
    " list of ids unmarshalled, as above."
)


@dataclass
class Timed:
    """Milliseconds of one kind of question; ``spent``: of this thread on a processor."""

    kind: str
    best: dict[object, float] = field(default_factory=dict)
    spent: dict[object, float] = field(default_factory=dict)

    def time(self, what: object, call: Callable[[], object]) -> object:
        """Call, keep the time if it is the best; an answer that is refused is an answer."""
        began, began_at_work = time.perf_counter(), time.thread_time()
        try:
            answer = call()
        except InvalidRequest:
            answer = None
        worked = (time.thread_time() - began_at_work) * 1000
        self.keep(what, (time.perf_counter() - began) * 1000, worked)
        return answer

    def keep(self, what: object, took: float, worked: float) -> None:
        """Keep these times if they are the best."""
        self.best[what] = min(took, self.best.get(what, took))
        self.spent[what] = min(worked, self.spent.get(what, worked))

    def cell(self) -> Cell:
        """Median / 99th percentile; in brackets, of processor time."""
        if not self.best:
            return None
        took, spent = ([_percentile(of, share) for share in (0.5, 0.99)] for of in self.both())
        return f"{took[0]:.2f} / {took[1]:.2f} ({spent[0]:.2f} / {spent[1]:.2f})"

    def both(self) -> tuple[list[float], list[float]]:
        """All best times, and those on a processor, in order."""
        return sorted(self.best.values()), sorted(self.spent.values())

    def high(self) -> float | None:
        """The 99th percentile; None when nothing was timed."""
        return _percentile(self.both()[0], 0.99) if self.best else None


def _percentile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


KINDS = (
    "exact name",
    "part, at most 1000 hits",
    "part, more hits",
    "part, too many hits",
    "one or two letters",
    "a tag, at most 1000 hits",
    "a tag, more or too many",
    "two tags",
    "a title by its id",
    "addTags",
    "bare LIKE",
)
_GOALS = (
    ("exact name", 3.0),
    ("part, at most 1000 hits", 10.0),
    ("one or two letters", 50.0),
    ("a tag, at most 1000 hits", 3.0),
    ("a title by its id", 3.0),
    ("addTags", 10.0),
)


def measure(quick: bool) -> Sequence[Table]:
    """Measure up to 10^5 titles when quick, else up to 10^6. Raises BenchError."""
    sizes = [10**power for power in range(3, 6 if quick else 7)]
    asked = 100 if quick else 300
    method = _METHOD.format(turns=_TURNS, asked=asked)
    results = {size: _of_file(size, asked) for size in sizes}
    tables = [_growth("SQLite", method, results), _through_ice(sizes[-1])]
    if _SERVER:
        size = sizes[-2]
        database = open_database(_SERVER)
        catalogue_build.fill(database, size)
        on_server = {size: _questions(Store(database, _ROOM), size, asked)}
        tables.append(_growth("PostgreSQL", "As above.", on_server))
    return tables


def _of_file(size: int, asked: int) -> dict[str, Timed]:
    file = catalogue_build.built(size)
    database = open_database(file)
    try:
        timed = _questions(Store(database, _ROOM), size, asked)
    finally:
        database.close()
    timed["bare LIKE"] = _peer(file, size)
    return timed


def _questions(store: Store, size: int, asked: int) -> dict[str, Timed]:
    """Ask everything of a store; turns of all kinds follow one another."""
    say(f"catalogue of {size} titles")
    timed = {kind: Timed(kind) for kind in KINDS}
    chosen = catalogue_build.some(size, asked)
    names = [folded(one.name) for one in chosen]
    parts = patterns(names)
    letters = random.Random(5).sample(short := short_patterns(names), min(asked, len(short)))  # noqa: S311
    tags = sorted({tag for one in chosen for tag in one.tags})[:asked]
    for _ in range(_TURNS):
        for one in chosen:
            timed["exact name"].time(one, partial(store.named, one.name))
        for part in parts:
            _by_hits(timed, "part", part, partial(store.containing, part))
        for part in letters:
            timed["one or two letters"].time(part, partial(store.containing, part))
        for tag in tags:
            _by_hits(timed, "a tag", tag, partial(store.with_any, [tag]))
        for two in [one.tags[:2] for one in chosen if len(one.tags) > 1]:
            timed["two tags"].time(two, partial(store.with_all, two))
        for one in chosen[: asked // 4]:
            timed["addTags"].time(one, partial(store.add_tags, one.media_id, ["bench"]))
            store.remove_tags(one.media_id, ["bench"])
            timed["a title by its id"].time(one, partial(store.title, one.media_id))
    return timed


def _by_hits(
    timed: dict[str, Timed], kind: str, what: object, call: Callable[[], list[str]]
) -> None:
    """Time it under the number of its hits."""
    once = Timed(kind)
    answer = once.time(what, call)
    if isinstance(answer, list) and len(answer) <= _FEW:
        into = timed[f"{kind}, at most {_FEW} hits"]
    elif kind == "a tag":
        into = timed["a tag, more or too many"]
    else:
        into = timed["part, more hits" if answer is not None else "part, too many hits"]
    into.keep(what, once.best[what], once.spent[what])


def _peer(file: Path, size: int) -> Timed:
    """The same parts in bare SQLite, without any index; a few are enough."""
    timed = Timed("bare LIKE")
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    names = [folded(one.name) for one in catalogue_build.some(size, 20)]
    for _ in range(_TURNS):
        for part in patterns(names):
            timed.time(part, partial(_all, connection, part))
    connection.close()
    return timed


def _all(connection: sqlite3.Connection, part: str) -> list[tuple[str]]:
    query = "SELECT id FROM title WHERE coalesce(folded, name_key) LIKE ? LIMIT 14841"
    return connection.execute(query, [f"%{part}%"]).fetchall()


def _growth(engine: str, method: str, results: dict[int, dict[str, Timed]]) -> Table:
    biggest = max(results)
    rows = [
        (kind, *(results[size][kind].cell() for size in results))
        for kind in KINDS
        if any(results[size][kind].best for size in results)
    ]
    goals = [
        Goal(f"{engine}, {biggest:,} titles: {kind}, 99th percentile", wanted, got, "ms", False)
        for kind, wanted in _GOALS
        if (got := results[biggest][kind].high()) is not None
    ]
    series: dict[str, list[tuple[str | float, Figure | float]]] = {}
    for kind in KINDS:
        for size, timed in results.items():
            if (high := timed[kind].high()) is not None:
                series.setdefault(kind, []).append((float(size), high))
    file = f"catalogue-growth-{engine.lower()}"
    chart = Chart(file, "lines", "titles", "ms, 99th percentile", series, (True, True))
    columns = ("ms, median / 99th percentile", *(f"{size:,} titles" for size in results))
    return Table(
        f"Growth on {engine}",
        " ".join(method.split()),
        columns,
        tuple(rows),
        tuple(goals),
        None,
        (chart,) if len(results) > 1 else (),
    )


def _through_ice(size: int) -> Table:
    """The service as a process: its start, its memory, and searches by calls."""
    file = catalogue_build.built(size)
    parts = patterns([folded(one.name) for one in catalogue_build.some(size, 200)])
    timed = {kind: Timed(kind) for kind in KINDS}
    with Services() as services:
        began = time.perf_counter()
        running = services.start("catalog", "catalog", {"Catalog.File": str(file)})
        catalogue = IceFlix.MediaCatalogPrx.uncheckedCast(services.proxy(running))
        catalogue.getTilesByName(parts[0], True)
        start = time.perf_counter() - began
        for _ in range(_TURNS):
            for part in parts:
                _by_hits(timed, "part", part, partial(_ask, catalogue, part))
        memory = psutil.Process(running.pid).memory_info().rss / 2**20
    rows: list[tuple[Cell, ...]] = [("start, s", round(start, 2)), ("memory, MiB", round(memory))]
    rows += [(f"{kind}, ms", timed[kind].cell()) for kind in KINDS[1:4]]
    high = timed[KINDS[1]].high() or 0.0
    goals = (
        Goal(f"start at {size:,} titles", 2.0, start, "s", False),
        Goal(f"memory at {size:,} titles", 200.0, memory, "MiB", False),
        Goal("a part of the name through Ice, 99th percentile", 10.0, high, "ms", False),
    )
    return Table("Through Ice", _ICE_METHOD, ("", f"{size:,} titles"), tuple(rows), goals)


def _ask(catalogue: IceFlix.MediaCatalogPrx, part: str) -> list[str]:
    try:
        return catalogue.getTilesByName(part, False)
    except Ice.UnknownException as error:
        raise InvalidRequest("too many") from error


if __name__ == "__main__":
    sys.exit(single.alone("catalogue", measure))
