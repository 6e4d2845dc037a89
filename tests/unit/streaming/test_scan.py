"""Reading a folder: what is found, what is opened, what is reported."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from iceflix.streaming.cache import Cache
from iceflix.streaming.library import Entry, Format
from iceflix.streaming.prober import BadFile
from iceflix.streaming.progress import Silent
from iceflix.streaming.scan import Outcome, Scanner, being_written
from iceflix.streaming.walk import walk
from tests.conftest import wait_until
from tests.unit.streaming.samples import FORMAT

SETTLE = 0.05


@dataclass
class Notes(Silent):
    """Listens to a scan, and is its progress display as well."""

    ready_paths: dict[str, Entry] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    read: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ready(self, path: str, entry: Entry) -> None:
        """Take note of a video."""
        with self.lock:
            self.ready_paths[path] = entry

    def skipped(self, path: str, reason: str) -> None:
        """Take note of something else."""
        with self.lock:
            self.reasons[path] = reason

    def advance(self, size: int) -> None:
        """Count the bytes that are read."""
        with self.lock:
            self.read += size


class Reader:  # pylint: disable=too-few-public-methods
    """Stands for the reader process: knows a file by its first bytes."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def examine(self, path: str) -> Format:
        """A video begins with VIDEO."""
        self.asked.append(path)
        with Path(path).open("rb") as stream:
            head = stream.read(5)
        if head != b"VIDEO":
            raise BadFile("not a video", lasting=head != b"CRASH")
        return FORMAT


@dataclass
class Place:
    """A media folder and what reads it."""

    folder: Path
    cache_file: Path
    reader: Reader
    maker: str = "test"

    def scanner(self, settle: float = SETTLE) -> Scanner:
        """A new one, as after a restart."""
        cache = Cache(self.cache_file, self.folder, lambda: self.maker)
        return Scanner(cache, self.reader.examine, threads=2, settle_seconds=settle)

    def write(self, name: str, content: bytes = b"VIDEO") -> Path:
        """Make a file that has rested for a long time."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    def scan(self, scanner: Scanner | None = None) -> tuple[Notes, Outcome]:
        """Scan until no file is fresh any more."""
        scanner = scanner or self.scanner()
        while True:
            notes = Notes()
            outcome = scanner.scan(walk(str(self.folder)), notes, notes)
            if not outcome.unsettled:
                return notes, outcome
            threading.Event().wait(SETTLE)


@pytest.fixture(name="place")
def _place(tmp_path: Path) -> Place:
    folder = tmp_path / "media"
    folder.mkdir()
    return Place(folder, tmp_path / "library.json", Reader())


@pytest.fixture(name="writer")
def _writer(place: Place) -> Iterator[int]:
    """A descriptor through which somebody writes media/busy.mp4."""
    handle = os.open(place.folder / "busy.mp4", os.O_WRONLY | os.O_CREAT)
    yield handle
    os.close(handle)


def test_digests_are_those_of_sha256sum(place: Place) -> None:
    """Lower-case hexadecimal, of the bytes (V38)."""
    file = place.write("one.mp4", b"VIDEO" + os.urandom(300_000))
    notes, _ = place.scan()
    told = subprocess.run(["sha256sum", file], check=True, capture_output=True, text=True)
    assert notes.ready_paths[str(file)].digest == told.stdout.split()[0]
    assert notes.ready_paths[str(file)].digest == hashlib.sha256(file.read_bytes()).hexdigest()


def test_names_of_all_sorts_in_folders_of_all_depths(place: Place) -> None:
    """Quotes, emoji, line ends, bytes that are no UTF-8; recursive; links followed (V37)."""
    names = ['a/b/c/it\'s "it".mp4', "España 🎬.mkv", "two\nlines.ts", os.fsdecode(b"\xff.mov")]
    for number, name in enumerate(names):
        place.write(name, b"VIDEO%d" % number)
    (place.folder / "link.mp4").symlink_to('a/b/c/it\'s "it".mp4')
    notes, _ = place.scan()
    wanted = {str(place.folder / name) for name in [*names, "link.mp4"]}
    assert set(notes.ready_paths) == wanted
    again, _ = place.scan()
    assert again.ready_paths == notes.ready_paths
    assert again.read == 0


def test_loops_of_links_end(place: Place) -> None:
    """Each folder is entered once."""
    place.write("a/one.mp4")
    (place.folder / "a" / "up").symlink_to("..")
    (place.folder / "a" / "self").symlink_to("self")
    notes, _ = place.scan()
    assert len(notes.ready_paths) == 1
    assert "self" in "".join(notes.reasons)


def test_what_is_no_video_is_reported_and_skipped(place: Place) -> None:
    """One bad file does not abort the scan (V37)."""
    place.write("good.mp4")
    place.write("notes.txt", b"hello")
    place.write("empty.mp4", b"")
    os.mkfifo(place.folder / "pipe.mp4")
    (place.folder / "nothing.mp4").symlink_to("nowhere")
    notes, _ = place.scan()
    assert [Path(path).name for path in notes.ready_paths] == ["good.mp4"]
    assert {Path(path).name: reason for path, reason in notes.reasons.items()} == {
        "notes.txt": "not a video",
        "empty.mp4": "empty",
        "pipe.mp4": "not a regular file",
        "nothing.mp4": "a link to nothing",
    }


def test_unreadable_files_and_folders_are_reported(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions do not stop root, so the refusal is played."""
    place.write("good.mp4")
    place.write("closed.mp4")
    place.write("closed/one.mp4")
    really_open, really_scan = os.open, os.scandir

    def refuse_open(path: str, *args: int, **kwargs: int) -> int:
        if str(path).endswith("closed.mp4"):
            raise PermissionError(13, "Permission denied")
        return really_open(path, *args, **kwargs)

    def refuse_scan(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return really_scan(path)

    monkeypatch.setattr(os, "open", refuse_open)
    monkeypatch.setattr(os, "scandir", refuse_scan)
    notes, _ = place.scan()
    assert [Path(path).name for path in notes.ready_paths] == ["good.mp4"]
    assert set(notes.reasons.values()) == {"Permission denied"}
    assert len(notes.reasons) == 2


def test_a_missing_folder_is_a_problem_not_a_crash(place: Place) -> None:
    """A disk that is not there."""
    place.folder.rmdir()
    notes, outcome = place.scan()
    assert not notes.ready_paths
    assert outcome.listing.problems == {str(place.folder): "No such file or directory"}


def test_unchanged_files_are_not_opened_again(place: Place) -> None:
    """Not even after a restart: videos and useless files alike (V42)."""
    for number in range(20):
        place.write(f"{number}.mp4", b"VIDEO%d" % number)
    place.write("notes.txt", b"hello")
    first, _ = place.scan()
    assert first.read > 0
    place.reader.asked.clear()
    second, _ = place.scan()
    assert second.ready_paths == first.ready_paths
    assert second.reasons == first.reasons
    assert second.read == 0 and not place.reader.asked


def test_a_changed_file_is_read_again(place: Place) -> None:
    """Even when its size is the same."""
    file = place.write("one.mp4", b"VIDEO1")
    first, _ = place.scan()
    threading.Event().wait(0.02)
    file.write_bytes(b"VIDEO2")
    second, _ = place.scan()
    assert first.ready_paths[str(file)].digest != second.ready_paths[str(file)].digest


def test_passing_problems_are_not_kept(place: Place) -> None:
    """A decoder may be installed, a reader may have crashed for another reason."""
    place.write("one.mp4", b"CRASH")
    place.scan()
    place.reader.asked.clear()
    place.scan()
    assert place.reader.asked


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"layout": 1, "maker": "test"}', b"\xff"])
def test_a_damaged_cache_is_rebuilt(place: Place, damage: bytes) -> None:
    """It is a convenience and never a reason not to start."""
    place.write("one.mp4")
    first, _ = place.scan()
    place.cache_file.write_bytes(damage)
    second, _ = place.scan()
    assert first.ready_paths == second.ready_paths


def test_a_cache_that_cannot_be_written_is_a_log_line(place: Place) -> None:
    """The videos are there all the same."""
    place.cache_file.mkdir()
    place.write("one.mp4")
    notes, _ = place.scan()
    assert len(notes.ready_paths) == 1


def test_providers_of_different_folders_share_a_cache_file(place: Place, tmp_path: Path) -> None:
    """Neither forgets what the other has read."""
    other = Place(tmp_path / "other", place.cache_file, place.reader)
    place.write("one.mp4")
    other.write("two.mp4")
    for one in (place, other):
        scanner = one.scanner()
        _, outcome = one.scan(scanner)
        scanner.forget_others(outcome.listing)
    place.reader.asked.clear()
    place.scan()
    other.scan()
    assert not place.reader.asked


def test_files_that_are_gone_are_forgotten_after_a_month(place: Place) -> None:
    """The cache does not grow for ever; but their disk may only have been away."""
    file = place.write("one.mp4")
    place.write("two.mp4")
    place.scan()
    file.unlink()
    listing = walk(str(place.folder))

    def cache() -> Cache:
        return Cache(place.cache_file, place.folder, lambda: "test")

    for day, known in ((0, 2), (20, 2), (31, 1), (32, 1)):
        later = cache()
        later.keep_only(listing.found, day * 86400.0)
        later.save()
        assert len(cache().entries()) == known
    place.write("one.mp4")
    back = cache()
    back.keep_only({}, 0.0)
    back.keep_only(listing.found, 20 * 86400.0)  # it is there again: the time begins anew
    back.keep_only({}, 31 * 86400.0)
    assert len(back.entries()) == 1


@pytest.mark.parametrize("move", [Path.rename, Path.hardlink_to, Path.symlink_to])
def test_a_file_under_another_name_is_not_read_again(
    place: Place, move: Callable[[Path, Path], object]
) -> None:
    """Renamed, also while the service was off; linked."""
    file, other = place.write("one.mp4"), place.folder / "deep" / "two.mkv"
    other.parent.mkdir()
    first, _ = place.scan()
    move(*((file, other) if move is Path.rename else (other, file)))
    place.reader.asked.clear()
    second, _ = place.scan()
    assert second.ready_paths[str(other)] == first.ready_paths[str(file)]
    assert second.read == 0 and not place.reader.asked


def test_a_time_that_many_files_have_tells_nothing(place: Place) -> None:
    """The inode of a file that is gone goes to the next one: of equal size and time, perhaps."""
    one = place.write("one.mp4", b"VIDEO1")
    os.utime(one, ns=(1, 5_000_000_000))
    place.scan()
    two = place.folder / "two.mp4"
    one.rename(two)  # the same inode, as if it had been given away
    two.write_bytes(b"VIDEO2")
    os.utime(two, ns=(1, 5_000_000_000))
    again, _ = place.scan()
    assert again.ready_paths[str(two)].digest == hashlib.sha256(b"VIDEO2").hexdigest()


def test_digests_of_an_older_cache_are_used(place: Place) -> None:
    """Formats had no languages then: they are found out anew, and nothing is digested."""
    place.write("one.mp4")
    first, _ = place.scan()
    content = json.loads(place.cache_file.read_bytes())
    del content["absent"]
    for fields in content["files"].values():
        del fields[4]["choices"]
    place.cache_file.write_text(json.dumps({**content, "layout": 1}))
    place.reader.asked.clear()
    second, _ = place.scan()
    assert second.ready_paths == first.ready_paths
    assert second.read == 0 and len(place.reader.asked) == 1
    assert json.loads(place.cache_file.read_bytes())["layout"] == 2


def test_what_is_no_video_is_not_digested_to_its_end(place: Place) -> None:
    """However large: as soon as that is known, its digest is given up."""
    size = 1 << 40
    with place.write("archive.mp4", b"ZIP").open("ab") as archive:
        archive.truncate(size)
    place.write("one.mp4")
    notes, _ = place.scan(place.scanner(settle=0.001))
    assert list(notes.reasons.values()) == ["not a video"]
    assert len(notes.ready_paths) == 1 and notes.read < size / 10


def test_the_next_file_is_recognised_while_one_is_digested(place: Place) -> None:
    """Also with a single thread for each: neither waits for the other."""
    place.write("a.mp4", b"VIDEO" + bytes(1 << 20))
    second = place.write("b.mp4")
    recognised = threading.Event()
    together: list[bool] = []

    class Slow(Notes):
        """Holds the first digest up until the second file has been recognised."""

        def advance(self, size: int) -> None:
            """Wait."""
            together.append(recognised.wait(10))

    def examine(path: str) -> Format:
        if path == str(second):
            recognised.set()
        return FORMAT

    cache = Cache(place.cache_file, place.folder, lambda: "test")
    scanner = Scanner(cache, examine, threads=1, settle_seconds=0)
    notes = Slow()
    scanner.scan(walk(str(place.folder)), notes, notes)
    assert len(notes.ready_paths) == 2 and all(together)


@pytest.mark.slow
def test_a_rescan_of_ten_thousand_files_opens_none(place: Place) -> None:
    """Neither files nor anything else but the folders (V42)."""
    for number in range(10_000):
        folder = place.folder / f"{number // 1000}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.mp4").touch()
    place.write("one.mp4")
    scanner = place.scanner()
    place.scan(scanner)
    opened = _opened_by(lambda: place.scan(scanner))
    assert not [path for path in opened if str(path).endswith(".mp4")]
    assert len(opened) == len(list(place.folder.iterdir()))  # the folders themselves


def _opened_by(act: Callable[[], object]) -> list[object]:
    """What this process opens meanwhile: files and folders."""
    opened: list[object] = []
    listening = [opened]

    def hear(event: str, details: tuple[object, ...]) -> None:
        if listening and event in {"open", "os.scandir"}:
            opened.append(details[0])

    sys.addaudithook(hear)  # such a hook stays for ever, but need not listen
    act()
    listening.clear()
    return opened


def test_a_file_that_is_being_written_is_not_read(place: Place, writer: int) -> None:
    """However old its last change is: somebody has it open (V73)."""
    os.write(writer, b"VIDEO")
    os.utime(writer, (1, 1))
    scanner = place.scanner(settle=0.001)
    threading.Event().wait(0.01)
    notes = Notes()
    outcome = scanner.scan(walk(str(place.folder)), notes, notes)
    assert not notes.ready_paths
    assert outcome.unsettled == (str(place.folder / "busy.mp4"),)


def test_a_file_that_changed_just_now_is_not_read(place: Place) -> None:
    """Somebody may write it in pieces, opening it anew for each."""
    file = place.write("one.mp4")
    notes = Notes()
    scanner = place.scanner(settle=100)
    outcome = scanner.scan(walk(str(place.folder)), notes, notes)
    assert outcome.unsettled == (str(file),)
    assert not notes.ready_paths and not place.reader.asked


def test_a_file_that_changes_while_it_is_read_is_read_again(place: Place) -> None:
    """What was read is nobody's content."""
    file = place.write("one.mp4", b"VIDEO1")
    changed = threading.Event()

    class Changing(Notes):
        """Has the file change in the middle of its digest."""

        def advance(self, size: int) -> None:
            """Change it, the first time."""
            if not changed.is_set():
                changed.set()
                file.write_bytes(b"VIDEO22")

    scanner = place.scanner(settle=0.001)
    threading.Event().wait(0.01)
    notes = Changing()
    outcome = scanner.scan(walk(str(place.folder)), notes, notes)
    assert outcome.unsettled == (str(file),) and not notes.ready_paths
    again, _ = place.scan(scanner)
    assert again.ready_paths[str(file)].digest == hashlib.sha256(b"VIDEO22").hexdigest()


def test_a_writer_that_comes_during_the_question_kills_nobody(tmp_path: Path) -> None:
    """The kernel's signal for broken leases is deadly unless it is another one."""
    file = tmp_path / "one"
    file.write_bytes(b"x")
    enough = threading.Event()

    def write_again_and_again() -> None:
        while not enough.is_set():
            os.close(os.open(file, os.O_WRONLY))

    writer = threading.Thread(target=write_again_and_again)
    reader = os.open(file, os.O_RDONLY)
    try:
        assert not being_written(reader)
        held = os.open(file, os.O_WRONLY)
        assert being_written(reader)
        os.close(held)
        assert not being_written(reader)
        writer.start()
        answers = {being_written(reader) for _ in range(3000)}
        assert answers <= {True, False}
    finally:
        enough.set()
        writer.join()
        os.close(reader)


def test_a_scan_can_be_stopped_in_the_middle_of_a_file(place: Place) -> None:
    """The service ends at once, whatever the size of the file."""
    with place.write("big.mp4").open("ab") as big:
        big.truncate(1 << 40)
    place.write("small.mp4")
    scanner = place.scanner(settle=0.001)
    threading.Event().wait(0.01)
    notes = Notes()
    outcomes: list[Outcome] = []
    thread = threading.Thread(
        target=lambda: outcomes.append(scanner.scan(walk(str(place.folder)), notes, notes))
    )
    thread.start()
    wait_until(lambda: notes.read > 1 << 20)
    scanner.stop()
    thread.join(5)
    assert outcomes[0].cancelled
    assert str(place.folder / "big.mp4") not in notes.ready_paths


def test_the_formats_in_the_cache_are_as_they_were(place: Place) -> None:
    """Through JSON and back."""
    place.write("one.mp4")
    place.scan()
    (entry,) = Cache(place.cache_file, place.folder, lambda: "test").entries().values()
    assert entry.format == FORMAT


def test_another_gstreamer_looks_again_but_digests_stay(place: Place) -> None:
    """An update must not have terabytes read again."""
    place.write("one.mp4")
    place.write("notes.txt", b"hello")
    first, _ = place.scan()
    place.reader.asked.clear()
    place.maker = "another"
    second, _ = place.scan()
    assert second.ready_paths == first.ready_paths and second.reasons == first.reasons
    # What is no video may have been found out before it was read to its end.
    assert len(place.reader.asked) == 2 and second.read in {0, len(b"hello")}
    place.reader.asked.clear()
    third, _ = place.scan()
    assert third.ready_paths == first.ready_paths and not place.reader.asked
