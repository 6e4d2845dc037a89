"""First scan beside hashlib on all cores; rescan of unchanged files; noticing changes."""

import contextlib
import hashlib
import logging
import os
import queue
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bench import single
from bench.frame import Figure, Goal, Table, ratio_of
from bench.machine import ROOT, say
from iceflix.runtime.scheduler import Scheduler
from iceflix.streaming.cache import Cache
from iceflix.streaming.librarian import Desk, Librarian, Pace
from iceflix.streaming.library import Entry, Format, Medium
from iceflix.streaming.prober import ProberPool
from iceflix.streaming.progress import Silent
from iceflix.streaming.scan import Scanner
from iceflix.streaming.shelf import Shelf
from iceflix.streaming.walk import walk

SAMPLE = ROOT / "samples" / "iceflix-sample.mp4"
MEBIBYTE = 1 << 20
CORES = os.cpu_count() or 1
UNCHANGED = 10_000
_WANTED_SHARE = 0.90
_WANTED_SECONDS = 0.5
_SETTLE_SECONDS = 0.2


@dataclass(frozen=True)
class Kind:
    """Some files of one size."""

    name: str
    files: int
    mebibytes: int

    @property
    def gibibytes(self) -> float:
        """All of them."""
        return self.files * self.mebibytes / 1024


KINDS = (Kind("films", 12, 2048), Kind("episodes", 16, 512), Kind("clips", 60, 4))
QUICK = (Kind("films", 4, 2048), Kind("clips", 20, 4))


def measure(quick: bool) -> Sequence[Table]:
    """Measure; raises BenchError with a sentence for a person when it cannot."""
    with quiet():
        rounds = 1 if quick else 3
        return [first_scans(QUICK if quick else KINDS, rounds), rescans(3 if quick else 9)]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the library's log lines."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


# -- the first scan


def first_scans(kinds: Sequence[Kind], rounds: int) -> Table:
    """Every kind of files: digested by hashlib alone, and scanned, in turns."""
    rows, goals = [], []
    for kind in kinds:
        say(f"{kind.files} files of {kind.mebibytes} MiB ...")
        with folder_of(kind) as folder:
            theirs, ours = [], []
            for _ in range(rounds):
                theirs.append(cost_of(digest_all, folder))
                ours.append(cost_of(scan_all, folder))
        share = ratio_of([cost.seconds for cost in theirs], [cost.seconds for cost in ours])
        rows.append(
            (
                f"{kind.name}: {kind.files} of {kind.mebibytes} MiB",
                Figure.of([kind.gibibytes / cost.seconds for cost in theirs]),
                Figure.of([kind.gibibytes / cost.seconds for cost in ours]),
                share,
                ratio_of([cost.processor for cost in theirs], [cost.processor for cost in ours]),
            )
        )
        if kind.name == "films":
            what = f"first scan of files of {kind.mebibytes} MiB, of hashlib's rate on all cores"
            goals.append(Goal(what, _WANTED_SHARE, share.median))
    return Table(
        "First scan",
        "Files of equal size, all videos by their beginning, the rest a hole in a memory disk, so "
        "that no disk is measured. hashlib: `hashlib.file_digest` on as many threads as there are "
        "processors, nothing else. The scan does all that a service does: it starts its readers, "
        "recognises each file in GStreamer, digests it, and keeps what it has found. Recognising "
        "costs about the same for a file of any size: the smaller the files, the more of the time "
        "it is. The last column compares processor time, which depends less on what else runs.",
        ("files", "hashlib, GiB/s", "scan, GiB/s", "share", "share by processor time"),
        tuple(rows),
        tuple(goals),
    )


@contextlib.contextmanager
def folder_of(kind: Kind) -> Iterator[Path]:
    """A folder with these files."""
    memory = Path("/dev/shm")  # noqa: S108  a folder of our own in it; its holes cost nothing
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        for number in range(kind.files):
            with (Path(name) / f"{number}.mp4").open("wb") as file:
                file.write(SAMPLE.read_bytes())
                rest = kind.mebibytes * MEBIBYTE - file.tell()
                file.write((1).to_bytes(4, "big") + b"free" + rest.to_bytes(8, "big"))
                file.write(number.to_bytes(8, "big"))
                file.truncate(kind.mebibytes * MEBIBYTE)
        yield Path(name)


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of processors, ended children included."""

    seconds: float
    processor: float


def cost_of(act: Callable[[Path], None], folder: Path) -> Cost:
    """What it costs to do this with a folder."""
    began, before = time.perf_counter(), os.times()
    act(folder)
    return Cost(time.perf_counter() - began, sum(os.times()[:4]) - sum(before[:4]))


def digest_all(folder: Path) -> None:
    """Have hashlib read everything."""

    def digest(file: Path) -> str:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    with ThreadPoolExecutor(CORES) as threads:
        list(threads.map(digest, sorted(folder.iterdir())))


def scan_all(folder: Path) -> None:
    """Scan a folder for the first time."""
    with tempfile.TemporaryDirectory() as place:
        probers = ProberPool()
        cache = Cache(Path(place) / "library.json", folder, lambda: "bench")
        scanner = Scanner(cache, probers.examine, threads=0, settle_seconds=0)
        try:
            listener = Shelf(lambda _medium: None)
            outcome = scanner.scan(walk(str(folder)), listener, Silent())
        finally:
            probers.close()
    if outcome.unsettled or listener.count() != len(list(folder.iterdir())):
        raise AssertionError("not every file was read")


# -- the rescan


@dataclass
class _Opened:
    """What this process opens, while somebody wants to know. Such a hook stays for ever."""

    active: bool = False
    names: list[str] = field(default_factory=list)

    def hear(self, event: str, details: tuple[object, ...]) -> None:
        """Take note of a file."""
        if self.active and event == "open" and str(details[0]).endswith(".mp4"):
            self.names.append(str(details[0]))


def rescans(rounds: int) -> Table:
    """Ten thousand files that are known: by the running service, and after a restart."""
    say(f"{UNCHANGED} unchanged files ...")
    opened = _Opened()
    sys.addaudithook(opened.hear)
    with tempfile.TemporaryDirectory() as name:
        folder, file = Path(name) / "media", Path(name) / "library.json"
        _fill(folder, file)
        again, restarted = [], []
        for _ in range(rounds):
            cache = Cache(file, folder, lambda: "bench")
            scanner = Scanner(cache, _refuse, threads=0, settle_seconds=0)
            shelf = Shelf(lambda _medium: None)
            opened.active = True
            restarted.append(_rescan(folder, scanner, shelf))
            again.append(_rescan(folder, scanner, shelf))
            opened.active = False
        noticed = _noticed(Path(name), rounds)
    what = f"rescan of {UNCHANGED} unchanged files"
    return Table(
        "Rescan",
        f"{UNCHANGED} files in 100 folders, all known. A rescan lists the folder, compares what it "
        "finds with what is known, and tells the library. After a restart the cache of formats and "
        "digests is read as well, and every title is new to the library. Files opened: as Python's "
        "audit hook tells. Noticed: from the moment at which a video has been moved into the "
        f"watched folder to its announcement, less the {_SETTLE_SECONDS:g} s for which it must "
        "rest.",
        ("what", "seconds", "files opened"),
        (
            ("rescan", Figure.of(again), len(opened.names)),
            ("first scan after a restart", Figure.of(restarted), len(opened.names)),
            ("a new file is noticed and announced", Figure.of(noticed), None),
        ),
        (
            Goal(what, _WANTED_SECONDS, Figure.of(again).median, "s", at_least=False),
            Goal(f"files that a {what} opens", 0, len(opened.names), "", at_least=False),
        ),
    )


def _fill(folder: Path, file: Path) -> None:
    probers = ProberPool()
    try:
        form = probers.examine(str(SAMPLE))
    finally:
        probers.close()
    for number in range(UNCHANGED):
        place = folder / str(number // 100)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.mp4").touch()
    cache = Cache(file, folder, lambda: "bench")
    for path, stamp in walk(str(folder)).found.items():
        cache.put(path, Entry(stamp, f"{stamp.inode:064x}", form))
    cache.save()


def _refuse(path: str) -> Format:
    raise AssertionError(f"{path} is known")


def _rescan(folder: Path, scanner: Scanner, shelf: Shelf) -> float:
    began = time.perf_counter()
    listing = walk(str(folder))
    known = scanner.recognise(listing, shelf)
    shelf.drop_vanished(listing, None, known.renamed)
    scanner.read(listing, known.unread, shelf, Silent())
    scanner.forget_others(listing)
    took = time.perf_counter() - began
    if known.unread or shelf.count() != UNCHANGED:
        raise AssertionError("not every file was known")
    return took


# -- how soon a change is noticed


def _noticed(place: Path, rounds: int) -> list[float]:
    """Seconds from a new file to its announcement, without the time for which it must rest."""
    folder = place / "watched"
    folder.mkdir()
    told: queue.SimpleQueue[Medium] = queue.SimpleQueue()
    scheduler, probers = Scheduler(), ProberPool()
    cache = Cache(place / "watched.json", folder, lambda: "bench")
    scanner = Scanner(cache, probers.examine, threads=0, settle_seconds=_SETTLE_SECONDS)
    desk = Desk(folder, scanner, probers.close, scheduler, Silent(), Pace(_SETTLE_SECONDS))
    librarian = Librarian(desk, Shelf(told.put))
    librarian.start()
    took = []
    try:
        for number in range(rounds):
            made = place / f"{number}.mp4"
            made.write_bytes(SAMPLE.read_bytes() + number.to_bytes(8, "big"))
            began = time.perf_counter()
            made.rename(folder / made.name)
            told.get(timeout=30)
            took.append(max(0.0, time.perf_counter() - began - _SETTLE_SECONDS))
    finally:
        librarian.stop()
        scheduler.stop()
    return took


if __name__ == "__main__":
    sys.exit(single.alone("library", measure))
