"""``iceflix media``: what it says, and with which exit code."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iceflix.runtime.errors import SetupError
from iceflix.runtime.settings import Settings
from iceflix.streaming.commands import media
from tests.media.clips import Clips

pytestmark = pytest.mark.slow


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    clips = Clips(tmp_path)
    shutil.copy(clips.get("plain.mp4"), folder / 'it\'s "one".mp4')
    shutil.copy(clips.get("vp8.webm"), folder / "two.webm")
    (folder / "notes.txt").write_text("hello\n" * 100)
    return folder


def _run(home: Path, *arguments: str) -> Result:
    settings = Settings.of(home, {"Media.SettleSeconds": "0.05"})
    return CliRunner().invoke(media, list(arguments), obj=settings)


def test_check_tells_what_would_be_announced_and_what_not(folder: Path, tmp_path: Path) -> None:
    """Exit code 1: there is something to mend."""
    for arguments in (["check"], ["scan", str(folder)]):
        done = _run(tmp_path, *arguments)
        assert done.exit_code == 1
        lines = done.stdout.splitlines()
        assert len(lines) == 2
        assert 'it\'s "one".mp4  (3.0 s, 192x108, H.264, AAC)' in lines[0]
        assert lines[1].endswith("VP8 transcoded, Vorbis transcoded)") and "two.webm" in lines[1]
        assert "notes.txt: not a video (text/plain)" in done.stderr
    (folder / "notes.txt").unlink()
    assert _run(tmp_path, "check").exit_code == 0


def test_json(folder: Path, tmp_path: Path) -> None:
    """For scripts; ``list`` shows what was read, and opens nothing."""
    assert json.loads(_run(tmp_path, "list", "--json").stdout) == []
    found = json.loads(_run(tmp_path, "check", "--json").stdout)
    assert {video["title"] for video in found["videos"]} == {'it\'s "one"', "two"}
    assert found["skipped"][0]["reason"] == "not a video (text/plain)"
    listed = json.loads(_run(tmp_path, "list", "--json").stdout)
    assert {video["id"] for video in listed} == {video["id"] for video in found["videos"]}
    (folder / "two.webm").unlink()
    assert len(_run(tmp_path, "list").stdout.splitlines()) == 1


def test_nothing_there(tmp_path: Path) -> None:
    """A sentence each."""
    assert "no videos have been read" in _run(tmp_path, "list").stderr
    reloaded = _run(tmp_path, "reload")
    assert reloaded.exit_code == 3 and "No StreamProvider runs here" in reloaded.stderr
    wrong = Settings.of(tmp_path, {"Media.Folder": str(tmp_path / "nowhere")})
    done = CliRunner().invoke(media, ["check"], obj=wrong)
    assert isinstance(done.exception, SetupError)
    assert "does not exist" in str(done.exception)
    (tmp_path / "nowhere").touch()
    done = CliRunner().invoke(media, ["check"], obj=wrong)
    assert "is not a folder; set Media.Folder" in str(done.exception)
    (tmp_path / "nowhere").unlink()
    assert _run(tmp_path, "check", str(tmp_path / "nowhere")).exit_code == 2
