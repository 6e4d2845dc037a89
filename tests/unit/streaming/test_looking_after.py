"""The library looks after itself: nobody asks, and it becomes true (V73)."""

import errno
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from watchdog.observers.inotify_c import InotifyFD

from iceflix.streaming import librarian
from iceflix.streaming.cache import Cache
from iceflix.streaming.librarian import Pace
from iceflix.streaming.watch import Watcher
from tests.conftest import wait_until
from tests.unit.streaming.house import LARGE, SETTLE, House


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    (folder / "first").mkdir(parents=True)
    (folder / "first" / "one.mp4").write_text("1")
    return folder


@pytest.fixture(name="house")
def _house(folder: Path, tmp_path: Path) -> Iterator[House]:
    """It watches, and never reads the folder again unless something happens."""
    house = House(folder, tmp_path / "library.json", Pace(SETTLE))
    house.librarian.start()
    house.await_titles("one")
    yield house
    house.close()


def test_new_files_are_announced(house: House) -> None:
    """Also in new folders, at any depth, made quickly one after the other; each once."""
    (house.folder / "two.mp4").write_text("2")
    deep = house.folder / "a" / "b" / "c"
    deep.mkdir(parents=True)
    (deep / "three.mp4").write_text("3")
    house.await_titles("one", "two", "three")
    (deep / "four.mp4").write_text("4")
    house.await_titles("one", "two", "three", "four")
    house.await_announced("one", "two", "three", "four")


def test_a_copy_is_announced_when_it_is_complete(house: House) -> None:
    """Not while it is written, however long that takes; then soon."""
    with (house.folder / "two.mp4").open("w") as writer:
        for _ in range(5):
            writer.write("more")
            writer.flush()
            threading.Event().wait(2 * SETTLE)  # it rests for longer than files must
        assert len(house.announced) == 1
    house.await_announced("one", "two")
    assert house.announced[-1].stamp.size == len("more") * 5


def test_a_download_that_is_renamed_when_complete(house: House) -> None:
    """Announced as what it is in the end, and digested once."""
    part = house.folder / "two.mp4.part"
    with part.open("w") as writer:
        writer.write("whole")
        writer.flush()
        house.librarian.rescan()
        part.rename(house.folder / "two.mp4")
    house.await_titles("one", "two")
    house.await_announced("one", "two")


def test_a_long_scan_holds_nothing_up(house: House) -> None:
    """While a large file is read, others come, move and go; it is announced in the end."""
    house.count.large.clear()
    (house.folder / "large.mp4").write_bytes(bytes(LARGE))
    wait_until(lambda: house.count.read >= LARGE)
    (house.folder / "two.mp4").write_text("2")
    house.await_titles("one", "two")
    (house.folder / "two.mp4").rename(house.folder / "three.mp4")
    house.await_titles("one", "three")
    (house.folder / "first" / "one.mp4").unlink()
    wait_until(lambda: len(house.librarian.media()) == 1)
    house.librarian.rescan()
    house.count.large.set()
    house.await_titles("large", "three")
    house.await_announced("large", "one", "three", "two")


def test_deleted_files_are_gone(house: House) -> None:
    """One by one, and with their folder."""
    (house.folder / "two.mp4").write_text("2")
    house.await_titles("one", "two")
    (house.folder / "two.mp4").unlink()
    wait_until(lambda: len(house.librarian.media()) == 1)
    shutil.rmtree(house.folder / "first")
    wait_until(lambda: not house.librarian.media())


def test_a_renamed_file_is_the_same_medium(house: House) -> None:
    """Neither gone nor read again; announced under its new name, for those who show that."""
    (before,) = house.librarian.media()
    read = house.count.read
    (house.folder / "first" / "one.mp4").rename(house.folder / "renamed.mp4")
    with structlog.testing.capture_logs() as logs:
        house.await_titles("renamed")
    assert house.ids() == {before.id}
    house.await_announced("one", "renamed")
    assert house.count.read == read
    assert not {log["event"] for log in logs} & {"title gone", "new title"}


def test_a_renamed_folder_keeps_its_media(house: House) -> None:
    """And is watched under its new name; a folder moved away is not watched any more."""
    read = house.count.read
    (house.folder / "first").rename(house.folder / "second")
    wait_until(lambda: "second" in house.librarian.media()[0].path)
    assert house.count.read == read
    (house.folder / "second" / "two.mp4").write_text("2")
    house.await_titles("one", "two")
    aside = house.folder.parent / "aside"
    (house.folder / "second").rename(aside)
    wait_until(lambda: not house.librarian.media())
    (aside / "three.mp4").write_text("3")
    read = house.count.read
    aside.rename(house.folder / "back")
    house.await_titles("one", "two", "three")
    assert house.count.read == read + 1  # what was known is not read again


def test_content_replaced_is_another_medium(house: House) -> None:
    """In place, or by a file that takes the name over."""
    file, other = house.folder / "first" / "one.mp4", house.folder.parent / "other"
    file.write_text("other")
    wait_until(lambda: len(house.announced) == 2 and len(house.ids()) == 1)
    other.write_text("third")
    other.rename(file)
    wait_until(lambda: len(house.announced) == 3 and house.ids() == {house.announced[2].id})


def test_links_are_followed(house: House, tmp_path: Path) -> None:
    """To files and to folders; what happens in a linked folder is noticed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "two.mp4").write_text("2")
    (house.folder / "link").symlink_to(outside)
    house.await_titles("one", "two")
    (outside / "three.mp4").write_text("3")
    house.await_titles("one", "two", "three")
    (house.folder / "link").unlink()
    house.await_titles("one")


def test_a_disk_that_comes_and_goes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its titles are gone and come back, without being read again; then all goes on."""
    monkeypatch.setattr(librarian, "_GLANCE_SECONDS", 0.1)
    house = House(folder, tmp_path / "library.json", Pace(SETTLE))
    house.librarian.start()
    house.await_titles("one")
    read, aside = house.count.read, tmp_path / "aside"
    folder.rename(aside)
    wait_until(lambda: not house.librarian.media())
    folder.mkdir()  # what remains of a share that is not mounted: an empty folder
    with structlog.testing.capture_logs() as logs:
        house.librarian.rescan()
        wait_until(lambda: "media folder read" in {log["event"] for log in logs})
    folder.rmdir()
    aside.rename(folder)
    house.await_titles("one")
    assert house.count.read == read
    (folder / "two.mp4").write_text("2")
    house.await_titles("one", "two")
    house.close()


def test_a_cache_among_the_media_does_not_keep_anybody_busy(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writing down that it is no video would change it, which would be noticed, and so on."""
    saved: list[object] = []
    really_save = Cache.save

    def save(cache: Cache) -> None:
        saved.append(cache)
        really_save(cache)

    monkeypatch.setattr(Cache, "save", save)
    house = House(folder, folder / "library.json", Pace(SETTLE))
    house.librarian.start()
    wait_until(lambda: "library" in house.titles())  # anything is a video here
    before = len(saved)
    threading.Event().wait(10 * SETTLE)
    assert len(saved) <= before + 4
    house.close()


def test_limits_of_the_kernel(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One warning; the folder is read again from time to time, and that is enough."""

    def refuse(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    monkeypatch.setattr(InotifyFD, "add_callback", refuse)
    house = House(folder, tmp_path / "library.json", Pace(SETTLE, rescan_seconds=0.2))
    with structlog.testing.capture_logs() as logs:
        house.librarian.start()
        house.await_titles("one")
        for number in range(3):
            (folder / f"more {number}.mp4").write_text(f"more {number}")
            wait_until(lambda number=number: len(house.announced) == number + 2)  # type: ignore[misc]
        (folder / "first" / "one.mp4").unlink()
        wait_until(lambda: len(house.librarian.media()) == 3)
    house.close()
    warnings = [log for log in logs if log["log_level"] == "warning"]
    assert len(warnings) == 1 and "fs.inotify.max_user_watches" in warnings[0]["event"]


def test_without_watching_the_periodic_reading_does(folder: Path, tmp_path: Path) -> None:
    """``Media.Watch=0``; with ``Media.RescanSeconds=0`` nothing is read unless asked."""
    for rescan in (0.2, 0.0):
        house = House(folder, tmp_path / "library.json", Pace(SETTLE, rescan, watch=False))
        house.librarian.start()
        wait_until(lambda house=house: house.librarian.media())  # type: ignore[misc]
        before = len(house.librarian.media())
        (folder / f"{rescan}.mp4").write_text(str(rescan))
        if not rescan:
            house.librarian.rescan()
        wait_until(lambda house=house, n=before: len(house.librarian.media()) == n + 1)  # type: ignore[misc]
        house.close()


def test_more_changes_than_can_be_noted(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever was lost: the folder is read again."""
    lost = threading.Event()

    def lose(watcher: Watcher, _event: object) -> None:
        if not lost.is_set():
            lost.set()
            watcher.on_queue_overflow()

    monkeypatch.setattr(Watcher, "on_event", lose)
    (house.folder / "two.mp4").write_text("2")
    house.await_titles("one", "two")
    assert lost.is_set()


def test_a_share_mounted_over_the_folder_is_noticed(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells of that: the librarian glances at the folder from time to time."""
    monkeypatch.setattr(librarian, "_GLANCE_SECONDS", 0.1)
    monkeypatch.setattr(Watcher, "add", lambda *_: None)  # hears nothing
    house = House(folder, tmp_path / "library.json", Pace(SETTLE))
    house.librarian.start()
    house.await_titles("one")
    other = tmp_path / "other"
    other.mkdir()
    (other / "two.mp4").write_text("2")
    folder.rename(tmp_path / "aside")
    wait_until(lambda: not house.librarian.media())
    other.rename(folder)
    house.await_titles("two")
    house.close()
