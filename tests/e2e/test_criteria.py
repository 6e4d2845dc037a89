"""Criteria X1 to X29, walked through by a client that has nothing of ours but the Slice file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from iceflix.contract import SLICE_FOLDER
from tests.conftest import ROOT
from tests.e2e.conftest import Platform

pytestmark = pytest.mark.slow  # it mostly waits for tokens to end


@pytest.mark.timeout(400)
def test_criteria(platform: Platform, tmp_path: Path) -> None:
    """Every criterion passes; what fails is told with its traceback."""
    video = tmp_path / "new.mp4"
    sample = ROOT / "samples" / "iceflix-sample.mp4"
    copy = ["ffmpeg", "-v", "error", "-i", str(sample), "-t", "2", "-c", "copy", str(video)]
    subprocess.run(copy, check=True)
    settings = {
        "main": platform.main,
        "topic_manager": platform.topic_manager,
        "user": "demo",
        "password": "iceflix",
        "media": str(platform.home / "media"),
        "new_video": str(video),
        "add_user": platform.command("add_user"),
        "reload_media": platform.command("reload_media"),
        "streaming_pid": str(platform.pid("streaming")),
    }
    walked = subprocess.run(
        [sys.executable, str(ROOT / "tests/e2e/foreign_client.py")]
        + [str(SLICE_FOLDER / "iceflix.ice")]
        + [f"{key}={value}" for key, value in settings.items()],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        check=False,
    )
    results = [json.loads(line) for line in walked.stdout.splitlines()]
    assert {result["criterion"] for result in results} == {f"X{n}" for n in range(1, 30)} - {
        "X3",
        "X5",
    }, walked.stderr
    failed = [result for result in results if not result["passed"]]
    assert not failed, "\n".join(f"{each['criterion']}: {each['detail']}" for each in failed)
