"""What every committed file has to be like, and the launchers in particular (V77)."""

import os
import re
import subprocess

import pytest

from tests.arch.files import committed, texts
from tests.conftest import ROOT

LAUNCHERS = ("run_icestorm", "run_iceflix", "run_client", "add_user", "reload_media", "run_tests")
# Somebody's own folders: true on one machine only.
_OWN_FOLDERS = re.compile(rb"(?<![\w.$}])/(?:home|Users|root|work)/[A-Za-z0-9_]")
_INDEXES = re.compile(rb"https?://|--(?:extra-)?index-url|--find-links|--trusted-host|file:")
_SAMPLE_BYTES = 5_000_000


def test_lines_end_with_a_line_feed() -> None:
    """Everywhere, and the last one too."""
    for file in texts():
        content = file.read_bytes()
        assert b"\r" not in content, file
        assert not content or content.endswith(b"\n"), file


def test_no_file_names_somebodys_own_folders() -> None:
    """Nothing in the project depends on where somebody keeps it."""
    for file in texts():
        assert not _OWN_FOLDERS.search(file.read_bytes()), file


def test_what_begins_with_an_interpreter_can_be_executed() -> None:
    """And nothing else can."""
    for file in committed():
        executable = os.access(file, os.X_OK)
        assert executable == file.read_bytes().startswith(b"#!"), file


def test_the_locks_pin_everything_and_name_no_index() -> None:
    """Every package has one version and hashes; where packages come from is the machine's."""
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-bench.lock"):
        content = (ROOT / name).read_bytes()
        assert not _INDEXES.search(content), name
        for requirement in re.split(rb"\n(?=\S)", content.strip()):
            assert re.match(rb"[a-z0-9-]+==\S+ \\\n    --hash=sha256:", requirement), requirement


def test_the_development_lock_contains_the_other() -> None:
    """Set-up for tests changes nothing that the services use."""
    runs, develops = (
        set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runs and runs < develops


def test_the_sample_video_is_small() -> None:
    """V77: at most 5 MB."""
    assert 0 < (ROOT / "samples/iceflix-sample.mp4").stat().st_size <= _SAMPLE_BYTES


def test_the_licence_is_whole() -> None:
    """An open-source licence, with its text."""
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("MIT License") and "WITHOUT WARRANTY OF ANY KIND" in text


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_launcher_says_what_it_does(name: str) -> None:
    """--help works at once: no set-up, no services."""
    asked = subprocess.run(
        [ROOT / name, "--help"], capture_output=True, text=True, check=True, timeout=10
    )
    assert asked.stdout.startswith(f"Usage: ./{name}")
    assert "launch.bash" not in asked.stdout and asked.stderr == ""
