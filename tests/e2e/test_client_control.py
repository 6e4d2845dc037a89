"""The client controls playbacks of the real video server: seek, pause, RTSP."""

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from iceflix.client import vocabulary as v
from iceflix.client.outputs import File
from iceflix.client.player import Statistics
from iceflix.client.receiver import Receiver
from iceflix.client.session import Options, Session, digest
from iceflix.runtime.settings import Settings
from tests.conftest import ROOT, wait_until
from tests.e2e.conftest import Platform
from tests.unit.client.rtp import frames, streams

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def figures(session: Session) -> Statistics:
    """What the session says of the stream."""
    statistics = session.statistics()
    assert statistics is not None
    return statistics


def test_seeking_and_pausing(platform: Platform, tmp_path: Path) -> None:
    """Positions are the server's; nothing comes in a pause; no packet is lost over a seek."""
    target = tmp_path / "out.mkv"
    settings = Settings.of(tmp_path, {"IceStorm.TopicManager.Proxy": platform.topic_manager})
    with Session(Options.of(settings)) as session:
        session.connect(platform.main).result(20)
        session.sign_in("demo", digest("iceflix")).result(20)
        wait_until(lambda: session.search_name("sample").result(20).titles, 30)
        session.select(session.view.results[0]).result(5)
        session.play(Receiver(File(target)), v.Wish(start=5.0)).result(20)
        assert session.view.playing is not None and session.view.playing.seekable
        wait_until(lambda: figures(session).received > 1, 30)
        duration = figures(session).duration
        assert duration is not None and 5 < duration < 3600
        session.pause(True).result(10)
        wait_until(lambda: figures(session).silence > 1, 20)
        assert figures(session).paused
        held = figures(session).position
        assert 5 < held < duration
        session.pause(False).result(10)
        wait_until(lambda: figures(session).position > held + 0.5, 20)
        session.seek(0.0).result(10)
        assert figures(session).position < held
        received = figures(session).received
        wait_until(lambda: figures(session).received > received + 1.5, 20)
        assert figures(session).lost == 0
        session.stop().result(20)
    assert streams(target) == {"h264", "aac"}
    assert frames(target) > 60


def test_a_url_that_others_play(platform: Platform, tmp_path: Path) -> None:
    """FFmpeg plays what ``iceflix play --rtsp`` prints, over TCP, until Ctrl-C."""
    password = tmp_path / "password"
    password.write_text("iceflix\n")
    script = platform.command(".venv/bin/iceflix")
    search = [script, "search", "iceflix-sample", "--json", f"--main={platform.main}"]
    wait_until(lambda: json.loads(subprocess.check_output(search)), 30, "it is announced")
    command = [script, "play", "iceflix-sample", "--rtsp", "--user=demo"]
    command += [f"--password-file={password}", f"--main={platform.main}", "--attempts=10"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "LANG": "C"}
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert url.startswith("rtsp://127.0.0.1:")
        probe = ["ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_entries"]
        probe += ["stream=codec_name", "-of", "csv=p=0", url]
        done = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=True)
        assert set(done.stdout.split()) == {"h264", "aac"}
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    gone = subprocess.run(probe, capture_output=True, text=True, timeout=60, check=False)
    assert gone.returncode != 0, "the URL ends with the playback"
