"""The client's session and player against the real platform."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from iceflix.client import vocabulary as v
from iceflix.client.engine import Said
from iceflix.client.outputs import File
from iceflix.client.receiver import Receiver
from iceflix.client.session import Options, Session, digest
from iceflix.runtime.settings import Settings
from tests.conftest import wait_until
from tests.e2e.conftest import Platform
from tests.unit.client.rtp import SAMPLE, frames, streams

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
LIFETIMES_SECONDS = 4 * 30 + 5
SHORT_SECONDS = 12  # of a token, where a lifetime is only to pass
FRAME_RATE = 30


def session_on(home: Path, manager: str, **more: str) -> Session:
    """A client as it comes, with its own times unless others are given."""
    values = {f"Client.{name}": value for name, value in more.items()}
    settings = Settings.of(home, {"IceStorm.TopicManager.Proxy": manager, **values})
    return Session(Options.of(settings))


def signed_in(session: Session, platform: Platform) -> None:
    """Connect and sign in as the demonstration user."""
    session.connect(platform.main).result(20)
    session.sign_in("demo", digest("iceflix")).result(20)


def plays(session: Session) -> bool:
    """Whether something plays."""
    return session.view.playing is not None


def begin(session: Session, name: str, target: Path) -> None:
    """Record a title, as soon as it has been announced."""
    wait_until(lambda: session.search_name(name, exact=True).result(20).titles, 30)
    (title,) = session.search_name(name, exact=True).result(20).titles
    session.select(title).result(5)
    session.play(Receiver(File(target))).result(20)


def test_playing_and_editing_over_four_lifetimes(platform: Platform, tmp_path: Path) -> None:
    """One client hears the topics; another cannot, as behind a router: its clock is enough."""
    long = platform.home / "media" / "long.mp4"
    command = ["ffmpeg", "-v", "error", "-stream_loop", "2", "-i", str(SAMPLE), "-c", "copy"]
    subprocess.run([*command, str(long)], check=True, timeout=60)
    subprocess.run([platform.command("reload_media")], check=True, timeout=60)
    deaf_manager = "IceStorm/TopicManager:tcp -h 127.0.0.1 -p 1"
    with (
        session_on(tmp_path, platform.topic_manager) as session,
        session_on(tmp_path, deaf_manager) as deaf,
    ):
        heard: list[Said] = []
        recorded: dict[str, float] = {}  # seconds of each file
        for one, file in ((session, "heard.mkv"), (deaf, "deaf.mkv")):
            signed_in(one, platform)
            one.subscribe(heard.append)
            begin(one, "long", tmp_path / file)
            recorded[file] = -time.monotonic()
        began = time.monotonic()
        while time.monotonic() - began < LIFETIMES_SECONDS:
            assert plays(session) and plays(deaf), heard
            time.sleep(1)
        statistics = session.statistics()
        assert statistics is not None
        assert statistics.lost == 0
        session.rename("long, seen").result(10)  # nobody is asked for a password
        deaf.add_tags(["seen"]).result(10)
        for one, file in ((session, "heard.mkv"), (deaf, "deaf.mkv")):
            recorded[file] += time.monotonic()
            one.stop().result(20)
        assert not [said for said in heard if isinstance(said, v.Notice) and said.bad]
    for file, seconds in recorded.items():
        assert frames(tmp_path / file) == pytest.approx(seconds * FRAME_RATE, abs=90)
        assert streams(tmp_path / file) == {"h264", "aac"}


def test_a_main_that_dies_and_comes_back(platform: Platform, tmp_path: Path) -> None:
    """Playback goes on meanwhile; afterwards everything works as before."""
    with session_on(tmp_path, platform.topic_manager) as session:
        signed_in(session, platform)
        begin(session, "iceflix-sample", tmp_path / "out.mp4")
        hung = platform.pid("main")
        os.kill(hung, signal.SIGSTOP)
        wait_until(lambda: session.view.link is v.Link.LOST, 30)
        assert plays(session)
        assert session.search_name("sample").result(20).titles, "the catalogue is known"
        os.kill(hung, signal.SIGKILL)
        wait_until(lambda: session.view.link is v.Link.ONLINE, 60)
        assert plays(session)
        session.add_tags(["x"]).result(20)
        session.sign_out().result(20)
        assert not plays(session)
    assert frames(tmp_path / "out.mp4") > FRAME_RATE


@pytest.mark.parametrize("platform", [[f"--Auth.TokenSeconds={SHORT_SECONDS}"]], indirect=True)
def test_an_authenticator_that_dies_is_replaced(platform: Platform, tmp_path: Path) -> None:
    """Its successor has another address; the session finds it when it renews its token."""
    renew = str(SHORT_SECONDS * 2 // 3)
    with session_on(tmp_path, platform.topic_manager, RenewSeconds=renew) as session:
        signed_in(session, platform)
        wait_until(lambda: session.search_name("sample").result(20).titles, 30)
        (title,) = session.view.results
        session.select(title).result(5)
        os.kill(platform.pid("auth"), signal.SIGKILL)
        time.sleep(SHORT_SECONDS)  # the token that it gave expires
        session.add_tags(["still signed in"]).result(30)
        assert session.view.login.user == "demo"
        assert session.view.selection is not None
        assert "still signed in" in session.view.selection.tags
