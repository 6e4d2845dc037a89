"""Nothing but what is meant for people reaches the terminal."""

import subprocess
import sys
from pathlib import Path

_SCRIPT = """
import os, sys
from iceflix.client.journal import quiet_libraries
with quiet_libraries():
    os.write(2, b"noise of a driver")
    print("one", file=sys.stderr)
    print("two", file=sys.__stderr__)
print("three", file=sys.stderr)
os.write(2, b"four")
"""

_LOGGER = """
import logging, sys
from pathlib import Path
from iceflix.client.journal import open_journal
from iceflix.runtime.settings import Settings
print(open_journal(Settings.of(Path(sys.argv[1]))))
logging.getLogger("x").error("for the makers")
logging.getLogger("x").info("for nobody")
"""


def _run(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True)


def test_libraries_are_not_heard() -> None:
    """What goes to the file descriptor is lost, what Python says is not."""
    assert _run(_SCRIPT).stderr == "one\ntwo\nthree\nfour"


def test_logs_go_to_a_file_that_appears_when_needed(tmp_path: Path) -> None:
    """And nothing of them to the terminal."""
    done = _run(_LOGGER, str(tmp_path))
    assert done.stderr == ""
    assert "for the makers" in Path(done.stdout.strip()).read_text(encoding="utf-8")
    assert "for nobody" not in Path(done.stdout.strip()).read_text(encoding="utf-8")


def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    """The client then keeps no journal."""
    (tmp_path / "logs").write_text("in the way")
    assert _run(_LOGGER, str(tmp_path)).stderr == ""
