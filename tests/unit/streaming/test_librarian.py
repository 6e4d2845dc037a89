"""The library while the service runs: it answers at once and becomes true soon."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from iceflix.streaming.librarian import Pace
from tests.conftest import wait_until
from tests.unit.streaming.house import SETTLE, House


@pytest.fixture(name="house")
def _house(tmp_path: Path) -> Iterator[House]:
    folder = tmp_path / "media"
    folder.mkdir()
    house = House(folder, tmp_path / "library.json", Pace(SETTLE, watch=False))
    yield house
    house.close()


def test_every_title_is_announced_once(house: House) -> None:
    """Also when two files hold the same (V37, V39)."""
    (house.folder / "one.mp4").write_text("1")
    (house.folder / "copy.mp4").write_text("1")
    (house.folder / "two.mp4").write_text("2")
    house.librarian.start()
    wait_until(lambda: len(house.announced) == 2)
    house.librarian.rescan()
    wait_until(lambda: len(house.ids()) == 2)
    (house.folder / "three.mp4").write_text("3")
    house.librarian.rescan()
    wait_until(lambda: len(house.announced) == 3)
    assert house.announced[-1].title == "three"


def test_questions_do_not_wait_for_the_scan(house: House) -> None:
    """What is not read yet is not there yet."""
    house.gate.clear()
    (house.folder / "one.mp4").write_text("1")
    house.librarian.start()
    assert house.librarian.find("0" * 64) is None
    assert not house.librarian.media()
    house.gate.set()
    wait_until(lambda: len(house.announced) == 1)


def test_a_file_that_disappears_is_not_available(house: House) -> None:
    """At once, without anybody telling (V41)."""
    file = house.folder / "one.mp4"
    file.write_text("1")
    house.librarian.start()
    wait_until(lambda: len(house.announced) == 1)
    (media_id,) = house.ids()
    file.unlink()
    assert house.librarian.find(media_id) is None
    wait_until(lambda: not house.librarian.media())
    file.write_text("1")
    house.librarian.rescan()
    wait_until(lambda: house.librarian.find(media_id) is not None)
    assert [medium.id for medium in house.announced] == [media_id] * 2


def test_a_copy_stands_in_for_a_file_that_disappears(house: House) -> None:
    """The medium is still here."""
    for name in ("one.mp4", "copy.mp4"):
        (house.folder / name).write_text("1")
    house.librarian.start()
    wait_until(lambda: len(house.announced) == 1)
    (media_id,) = house.ids()
    for name in ("one.mp4", "copy.mp4"):
        found = house.librarian.find(media_id)
        assert found is not None
        if name == "one.mp4":
            Path(found.path).unlink()
    assert len(house.announced) == 1


def test_content_replaced_in_place_is_another_title(house: House) -> None:
    """The old one is gone, the new one is announced, without a reload if somebody asks."""
    file = house.folder / "one.mp4"
    file.write_text("1")
    house.librarian.start()
    wait_until(lambda: len(house.announced) == 1)
    old = house.announced[0].id
    file.write_text("22")
    assert house.librarian.find(old) is None
    wait_until(lambda: len(house.announced) == 2)
    assert house.librarian.find(old) is None
    assert house.ids() == {house.announced[1].id}


def test_a_file_is_announced_when_its_writer_is_done(house: House) -> None:
    """Whole, and without being told again (V73)."""
    with (house.folder / "one.mp4").open("w") as writer:
        writer.write("half")
        writer.flush()
        house.librarian.start()
        threading.Event().wait(5 * SETTLE)
        assert not house.announced
        writer.write(" and half")
    wait_until(lambda: len(house.announced) == 1)
    found = house.librarian.find(house.announced[0].id)
    assert found is not None and found.stamp.size == len("half and half")


def test_problems_are_reported_once(house: House) -> None:
    """Not at every rescan."""
    (house.folder / "empty.mp4").touch()
    (house.folder / "1.mp4").write_text("1")
    with structlog.testing.capture_logs() as logs:
        house.librarian.start()
        for number in range(1, 4):
            wait_until(lambda number=number: len(house.announced) == number)  # type: ignore[misc]
            (house.folder / f"{number + 1}.mp4").write_text(str(number + 1))
            house.librarian.rescan()
        wait_until(lambda: len(house.announced) == 4)
    skipped = [log for log in logs if log["event"] == "file skipped"]
    assert [(Path(log["path"]).name, log["reason"]) for log in skipped] == [("empty.mp4", "empty")]


def test_a_folder_that_vanishes_takes_its_titles_along_and_brings_them_back(house: House) -> None:
    """A disk that is unmounted and mounted again: nothing is read twice."""
    (house.folder / "one.mp4").write_text("1")
    house.librarian.start()
    wait_until(lambda: len(house.announced) == 1)
    aside = house.folder.with_name("aside")
    house.folder.rename(aside)
    house.librarian.rescan()
    wait_until(lambda: not house.librarian.media())
    aside.rename(house.folder)
    house.librarian.rescan()
    wait_until(lambda: len(house.librarian.media()) == 1)
