"""One run a home: the lock with a name, and who comes while another run leaves."""

import fcntl
import os
from pathlib import Path

import pytest

from iceflix.ops.guard import Occupied
from iceflix.ops.supervisor import sole_run


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "supervisor.pid"


def test_the_file_says_who_runs_and_goes_with_the_run(tmp_path: Path, file: Path) -> None:
    """Also with one that fails; nobody else comes in meanwhile."""
    with sole_run(tmp_path):
        assert file.read_text() == f"{os.getpid()}\n"
        told = rf"already runs on .* \(process {os.getpid()}\)"
        with pytest.raises(Occupied, match=told), sole_run(tmp_path):
            pass
        assert file.read_text() == f"{os.getpid()}\n", "the refused one harms nothing"
    assert not file.exists()
    with pytest.raises(ValueError, match="failed"), sole_run(tmp_path):
        raise ValueError("failed")
    assert not file.exists()


def test_what_a_killed_run_left_is_taken_over(tmp_path: Path, file: Path) -> None:
    """Its lock went with it; its number, however long, is replaced."""
    file.parent.mkdir()
    file.write_text("4194304194304\n")
    with sole_run(tmp_path):
        assert file.read_text() == f"{os.getpid()}\n"


def test_a_file_of_another_run_is_not_removed(tmp_path: Path, file: Path) -> None:
    """Somebody deleted ours by hand, and another run has made its own."""
    with sole_run(tmp_path):
        file.unlink()
        file.write_text("another's\n")
    assert file.read_text() == "another's\n"
    with sole_run(tmp_path):
        file.unlink()
    assert not file.exists()


def test_who_opens_the_file_of_a_run_that_ends_begins_anew(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was locked without a name would keep the next run from nothing."""
    lock = fcntl.flock
    ended: list[Path] = []

    def flock(handle: int, operation: int) -> None:
        if not ended:  # the other run ends between our opening the file and our locking it
            ended.append(file)
            file.unlink()
        lock(handle, operation)

    file.parent.mkdir()
    file.touch()
    monkeypatch.setattr(fcntl, "flock", flock)
    with sole_run(tmp_path):
        assert ended
        assert file.read_text() == f"{os.getpid()}\n"
        with pytest.raises(Occupied), sole_run(tmp_path):
            pass
    assert not file.exists()
