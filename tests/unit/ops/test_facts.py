"""What services wrote about themselves."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from iceflix.ops import facts


def _write(home: Path, name: str, content: str) -> None:
    (home / "run").mkdir(exist_ok=True)
    (home / "run" / name).write_text(content)


def _entry(pid: int, started: float) -> str:
    return json.dumps(
        {"kind": "auth", "id": "f00", "pid": pid, "proxy": "f00:tcp", "started": started}
    )


def test_alive_and_stale(tmp_path: Path) -> None:
    """A process number that somebody else has got since is nobody of ours."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    _write(tmp_path, "auth-1.json", _entry(os.getpid(), time.time()))
    _write(tmp_path, "auth-2.json", _entry(gone.pid, time.time()))
    _write(tmp_path, "auth-3.json", _entry(os.getpid(), 1000.0))
    assert [found.alive for found in facts.read_all(tmp_path)] == [True, False, False]


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    """Half-written, of another kind, or none at all."""
    assert not facts.read_all(tmp_path)
    _write(tmp_path, "auth-1.json", "{")
    _write(tmp_path, "auth-2.json", "[1]")
    _write(tmp_path, "auth-3.json", '{"kind": "auth"}')
    _write(tmp_path, "auth-4.json", _entry(1, 0.0).replace('"pid": 1', '"pid": null'))
    assert not facts.read_all(tmp_path)
