"""Whole files, locks, planned calls, processes."""

import contextlib
import os
import queue
import subprocess
from pathlib import Path

import pytest

from iceflix.runtime.files import atomic_write, exclusive_lock
from iceflix.runtime.process import RunFiles
from iceflix.runtime.scheduler import Scheduler


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """A file is replaced whole."""
    file = tmp_path / "a"
    atomic_write(file, b"one", 0o600)
    atomic_write(file, b"two", 0o640)
    assert file.read_bytes() == b"two"
    assert file.stat().st_mode & 0o777 == 0o640
    assert _names(tmp_path) == ["a"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A link stays a link."""
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    atomic_write(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_nothing_is_left_of_a_failed_write(tmp_path: Path) -> None:
    """Nothing is left of a failed write."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):  # which one depends on the file system
        atomic_write(tmp_path / "folder", b"x")
    assert _names(tmp_path) == ["folder"]


def test_a_lock_keeps_others_out(tmp_path: Path, python: str) -> None:
    """A lock keeps others out."""
    file = tmp_path / "users.json"
    code = (
        "import sys; from pathlib import Path; from iceflix.runtime.files import exclusive_lock\n"
        "with exclusive_lock(Path(sys.argv[1])): print('in', flush=True)\n"
    )
    command = [python, "-c", code, str(file)]
    with contextlib.ExitStack() as locked:
        locked.enter_context(exclusive_lock(file))
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
            with pytest.raises(subprocess.TimeoutExpired):
                other.wait(1)
            locked.close()
            out, _ = other.communicate(timeout=20)
    assert out == b"in\n"


def test_planned_calls_come_in_order_and_survive_errors() -> None:
    """Planned calls come in order and survive errors."""
    scheduler = Scheduler()
    seen: queue.SimpleQueue[str] = queue.SimpleQueue()
    scheduler.after(0.02, lambda: seen.put("late"))
    scheduler.after(0.0, lambda: 1 / 0)
    scheduler.after(0.01, lambda: seen.put("early"))
    assert [seen.get(timeout=5), seen.get(timeout=5)] == ["early", "late"]
    scheduler.stop()


def test_repeated_calls_can_be_called_off() -> None:
    """Repeated calls can be called off."""
    scheduler = Scheduler()
    seen: queue.SimpleQueue[int] = queue.SimpleQueue()
    handle = scheduler.every(0.001, lambda: seen.put(1))
    for _ in range(3):
        seen.get(timeout=5)
    handle.cancel()
    scheduler.stop()


def test_run_files_come_go_and_are_swept(tmp_path: Path) -> None:
    """Run files come go and are swept."""
    (tmp_path / "run").mkdir()
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    (tmp_path / "run" / "auth-old.pid").write_text(f"{gone.pid}\n")
    files = RunFiles(tmp_path, "auth", "new")
    files.write("proxy")
    assert _names(tmp_path / "run") == ["auth-new.json", "auth-new.pid"]
    assert (tmp_path / "run" / "auth-new.pid").read_text() == f"{os.getpid()}\n"
    files.remove()
    assert not _names(tmp_path / "run")
