"""Hearing of changes from the real kernel; what it cannot do is told once."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from watchdog.observers.inotify_c import InotifyFD

from iceflix.streaming.walk import walk
from iceflix.streaming.watch import Watcher
from tests.conftest import wait_until


class Ears:
    """A watcher and what it heard."""

    def __init__(self) -> None:
        self.heard: set[str | None] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.watcher = Watcher(self._take)

    def _take(self, path: str | None) -> None:
        self.gate.wait(30)
        self.heard.add(path)

    def attend(self, folder: Path) -> None:
        """Watch a folder and all that is below it now."""
        listing = walk(str(folder), self.watcher.add)
        self.watcher.keep_only(listing.folders)

    def hear(self, *paths: Path) -> None:
        """Wait until these have been heard of, and begin anew."""
        wait_until(lambda: self.heard >= {str(path) for path in paths}, what=str(self.heard))
        self.heard.clear()


@pytest.fixture(name="ears")
def _ears() -> Iterator[Ears]:
    ears = Ears()
    yield ears
    ears.watcher.close()


def test_whatever_happens_to_files(ears: Ears, tmp_path: Path) -> None:
    """Written, moved, linked, changed in its mode, deleted."""
    ears.attend(tmp_path)
    one, two = tmp_path / "one", tmp_path / os.fsdecode(b"two \xff\n")
    one.write_text("1")
    ears.hear(one)
    one.rename(two)
    ears.hear(one, two)
    (tmp_path / "link").symlink_to(two)
    ears.hear(tmp_path / "link")
    two.chmod(0o600)
    ears.hear(two)
    two.unlink()
    ears.hear(two)


def test_reading_is_no_change(ears: Ears, tmp_path: Path) -> None:
    """Else every look would lead to the next one."""
    file = tmp_path / "one"
    file.write_text("1")
    ears.attend(tmp_path)
    file.read_text()
    list(tmp_path.iterdir())
    (tmp_path / "two").touch()
    wait_until(lambda: str(tmp_path / "two") in ears.heard)
    assert str(file) not in ears.heard and str(tmp_path) not in ears.heard


def test_folders_move_and_go(ears: Ears, tmp_path: Path) -> None:
    """Watched under their new names once they have been listed again, and no longer elsewhere."""
    media, outside = tmp_path / "media", tmp_path / "outside"
    (media / "a" / "deep").mkdir(parents=True)
    outside.mkdir()
    ears.attend(media)
    (media / "a").rename(media / "b")
    ears.hear(media / "a", media / "b")
    ears.attend(media)
    (media / "b" / "deep" / "one").touch()
    ears.hear(media / "b" / "deep" / "one")
    (media / "b").rename(outside / "c")
    ears.hear(media / "b")
    ears.attend(media)
    (outside / "c" / "two").touch()
    (media / "three").touch()
    wait_until(lambda: str(media / "three") in ears.heard)
    assert not any("two" in str(path) for path in ears.heard)
    (media / "three").unlink()
    media.rmdir()
    ears.hear(media)


def test_a_folder_in_anothers_place_is_watched(ears: Ears, tmp_path: Path) -> None:
    """The same name, another folder."""
    media = tmp_path / "media"
    media.mkdir()
    ears.attend(media)
    media.rename(tmp_path / "aside")
    media.mkdir()
    ears.hear(media)
    ears.attend(media)
    (media / "one").touch()
    ears.hear(media / "one")


def test_linked_folders_are_watched(ears: Ears, tmp_path: Path) -> None:
    """Under the link's name."""
    media, outside = tmp_path / "media", tmp_path / "outside"
    media.mkdir()
    outside.mkdir()
    (media / "link").symlink_to(outside)
    ears.attend(media)
    (outside / "one").touch()
    ears.hear(media / "link" / "one")


@pytest.mark.slow
def test_more_than_the_kernel_notes_down(ears: Ears, tmp_path: Path) -> None:
    """Its queue is limited: then anything may have changed, and what follows is heard again."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text("ascii"))
    ears.attend(tmp_path)
    ears.gate.clear()
    for number in range(most + 5000):  # never twice the same in a row: that would be one
        (tmp_path / str(number % 2)).touch()
    with structlog.testing.capture_logs() as logs:
        ears.gate.set()
        wait_until(lambda: None in ears.heard, 30)
    assert [log["event"] for log in logs] == [
        "too many changes at once, reading the media folder again"
    ]
    (tmp_path / "last").touch()
    ears.hear(tmp_path / "last")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.ENOMEM])
def test_a_limit_is_told_once(
    ears: Ears, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """With what to do; the rest is watched."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    really_add = InotifyFD.add_callback

    def add(kernel: InotifyFD, path: bytes, *rest: Any) -> int:
        if path != os.fsencode(tmp_path):
            raise OSError(number, "no more")
        return really_add(kernel, path, *rest)

    monkeypatch.setattr(InotifyFD, "add_callback", add)
    with structlog.testing.capture_logs() as logs:
        ears.attend(tmp_path)
        ears.attend(tmp_path)
    assert len(logs) == 1 and "Media.RescanSeconds" in logs[0]["event"]
    (tmp_path / "one").touch()
    ears.hear(tmp_path / "one")


def test_what_is_gone_or_closed_is_no_complaint(ears: Ears, tmp_path: Path) -> None:
    """Whoever reads the folder will tell."""
    with structlog.testing.capture_logs() as logs:
        ears.watcher.add(str(tmp_path / "gone"), (1, 1))
        ears.watcher.close()
        ears.watcher.add(str(tmp_path), (1, 2))
        ears.watcher.close()
    assert not logs and not ears.heard


@pytest.mark.slow
def test_the_real_limit(tmp_path: Path) -> None:
    """In a user namespace of its own, which has limits of its own."""
    for name in range(20):
        (tmp_path / str(name)).mkdir()
    script = (
        "import pathlib, sys\n"
        "from iceflix.streaming.walk import walk\n"
        "from iceflix.streaming.watch import Watcher\n"
        "pathlib.Path('/proc/sys/user/max_inotify_watches').write_text('5')\n"
        "watcher = Watcher(print)\n"
        "walk(sys.argv[1], watcher.add)\n"
        "watcher.close()\n"
    )
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if "unshare" in done.stderr:
        pytest.skip("no user namespaces here")
    said = done.stdout + done.stderr
    assert done.returncode == 0 and said.count("fs.inotify.max_user_watches") == 1
