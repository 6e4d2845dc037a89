"""``scripts/setup`` where something is missing. The real thing is tried on fresh machines."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, wait_until

pytestmark = pytest.mark.slow
FILES = ("scripts", "pyproject.toml", "requirements.lock", "requirements-dev.lock", "run_client")
NOBODY = 65534


@pytest.fixture(name="clone")
def _clone(tmp_path: Path) -> Path:
    """The files of a clone that set-up reads, in a folder with a blank in its name."""
    clone = tmp_path / "a clone"
    clone.mkdir()
    for name in FILES:
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, clone / name)
    (tmp_path / "bin").mkdir()
    return clone


def _tool(clone: Path, name: str, script: str) -> None:
    """Put a program of ours before the system's."""
    file = clone.parent / "bin" / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def _without_packages(clone: Path) -> None:
    _tool(clone, "dpkg-query", "exit 1")
    _tool(clone, "dpkg", "exit 0")


def _setup(clone: Path, *, path: str = "", user: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(  # the callers wait for it
        [clone / "scripts/setup", "run"],
        env={**os.environ, "PATH": f"{clone.parent / 'bin'}:{path or os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        user=user,
    )


def _said(process: subprocess.Popen[str]) -> tuple[int, str]:
    with process:
        _, err = process.communicate(timeout=30)
    return process.returncode, err


def test_done_once_it_does_nothing() -> None:
    """No word, no write, no time to speak of."""
    stamp = ROOT / ".venv/.ready-run"
    before = stamp.stat().st_mtime_ns
    best = 1e9
    for _ in range(5):
        began = time.monotonic()
        asked = subprocess.run([ROOT / "scripts/setup", "run"], capture_output=True, check=True)
        best = min(best, time.monotonic() - began)
        assert asked.stdout == asked.stderr == b""
    assert stamp.stat().st_mtime_ns == before
    assert best < 0.5


def test_launchers_work_from_anywhere(tmp_path: Path) -> None:
    """By a link, from another folder, with a home whose name is relative and odd."""
    link = tmp_path / "add"
    link.symlink_to(ROOT / "add_user")
    (tmp_path / "rich.py").write_text("raise SystemExit('the wrong module')")
    asked = subprocess.run(
        [link, "--Auth.File=users, all.json", "ana", "--", "--Auth.File=x"],
        cwd=tmp_path,
        env={**os.environ, "ICEFLIX_HOME": "a home, #1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 3, asked.stderr  # no Authenticator runs there
    assert str(tmp_path / "a home, #1") in asked.stderr
    assert "ana" in (tmp_path / "users, all.json").read_text()


def test_apt_fails(clone: Path) -> None:
    """The reason, and what to type."""
    _without_packages(clone)
    _tool(clone, "apt-get", "echo 'E: no route to the mirror' >&2; exit 100")
    _tool(clone, "sudo", 'case $1 in -n) exit 0;; esac; exec "$@"')
    code, said = _said(_setup(clone))
    assert code == 1
    assert "apt-get could not install them" in said and "E: no route to the mirror" in said
    assert re.search(r"apt-get install --no-install-recommends python3-venv .*libav", said)
    assert not (clone / ".venv").exists()


def test_neither_root_nor_sudo(clone: Path) -> None:
    """What somebody else has to type."""
    _without_packages(clone)
    _tool(clone, "apt-get", "exit 1")
    for name in ("bash", "cat", "id", "dirname", "readlink", "sha256sum", "flock", "awk", "sed"):
        (clone.parent / "bin" / name).symlink_to(shutil.which(name) or name)
    user = None
    if os.geteuid() == 0:
        user = NOBODY
        for folder in clone.parents:
            if folder == Path(tempfile.gettempdir()) or folder == folder.parent:
                break
            folder.chmod(folder.stat().st_mode | 0o755)
        subprocess.run(["chown", "-R", str(NOBODY), clone], check=True)
    code, said = _said(_setup(clone, path="/nowhere", user=user))
    assert code == 1, said
    assert "there is no sudo here" in said
    assert "As root, type:  apt-get update && apt-get install" in said


def test_no_debian(clone: Path) -> None:
    """One sentence."""
    for name in ("bash", "cat", "id", "dirname", "readlink", "sha256sum", "flock", "awk", "sed"):
        (clone.parent / "bin" / name).symlink_to(shutil.which(name) or name)
    code, said = _said(_setup(clone, path="/nowhere"))
    assert code == 1
    assert "this is not a Debian system" in said


def test_two_at_once_wait_for_each_other(clone: Path) -> None:
    """The second begins when the first has ended, and says why it waits."""
    _without_packages(clone)
    go, began = clone.parent / "go", clone.parent / "began"
    _tool(
        clone, "apt-get", f"echo x >>'{began}'; while ! test -e '{go}'; do sleep 0.05; done; exit 1"
    )
    _tool(clone, "sudo", 'case $1 in -n) exit 0;; esac; exec "$@"')
    first = _setup(clone)
    wait_until(began.exists)
    second = _setup(clone)
    assert second.stderr is not None
    waiting = second.stderr.readline()
    assert "another set-up is at work here; waiting for it" in waiting
    assert began.read_text() == "x\n"
    go.touch()
    assert _said(first)[0] == _said(second)[0] == 1
    assert began.read_text() == "x\nx\n"


def test_an_interrupted_one_is_begun_anew(clone: Path) -> None:
    """Half an environment is removed, and what was asked for comes through from a launcher."""
    (clone / ".venv/bin").mkdir(parents=True)
    (clone / ".venv/.unfinished").touch()
    _tool(clone, "dpkg-query", "echo 'ii '")
    (clone / "requirements.lock").write_text("nothing==1 --hash=sha256:00\n")
    asked = subprocess.run(
        [clone / "run_client"],
        env={**os.environ, "PATH": f"{clone.parent / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert "removing the environment in .venv, which is incomplete" in asked.stderr
    assert "making the Python environment" in asked.stderr
    assert "pip could not install the packages of requirements.lock" in asked.stderr
    assert (clone / ".venv/.unfinished").exists()
    assert not list((clone / ".venv").glob(".ready-*"))
