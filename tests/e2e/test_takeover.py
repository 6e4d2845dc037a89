"""A video server is killed or hangs while it sends: another one that has the title goes on."""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from iceflix.client import vocabulary as v
from iceflix.client.description import parse
from iceflix.client.engine import Said
from iceflix.client.outputs import File
from iceflix.client.receiver import Receiver
from iceflix.client.sentences import Sentence
from iceflix.client.session import Options, Session, digest
from iceflix.contract import Ice, IceFlix
from iceflix.runtime.settings import Settings
from tests.conftest import ROOT, wait_until
from tests.e2e.conftest import Platform
from tests.unit.client.rtp import SAMPLE, frames, streams

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Witness(Receiver):
    """A receiver that notes where each server began, and what had arrived by then; seconds."""

    def __init__(self, target: Path) -> None:
        super().__init__(File(target))
        self.joints: list[tuple[float, float]] = []

    def start(self, source: str, ended: Callable[[Sentence | None], None]) -> None:
        """Begin."""
        self.joints.append((0.0, parse(source).start))
        super().start(source, ended)

    def rejoin(self, source: str) -> None:
        """Go on."""
        self.joints.append((self.statistics().position, parse(source).start))
        super().rejoin(source)


@pytest.fixture(name="servers")
def _servers(platform: Platform) -> Iterator[list[int]]:
    """Two video servers with the same file; the process ids."""
    long = platform.home / "media" / "long.mp4"
    command = ["ffmpeg", "-v", "error", "-stream_loop", "2", "-i", str(SAMPLE), "-c", "copy"]
    subprocess.run([*command, str(long)], check=True, timeout=60)
    subprocess.run([platform.command("reload_media")], check=True, timeout=60)
    first = platform.pid("streaming")
    with subprocess.Popen(
        [str(ROOT / ".venv/bin/iceflix"), "serve", "streaming", *platform.properties[1:]],
        env=platform.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as second:
        wait_until(lambda: len(list((platform.home / "run").glob("streaming-*.pid"))) == 2, 30)
        yield [first, second.pid]
        second.send_signal(signal.SIGCONT)
        second.kill()


def _sender(platform: Platform, ice: Ice.Communicator) -> int:
    """The process id of the server that sends a stream."""
    found: list[int] = []

    def look() -> bool:
        for file in (platform.home / "run").glob("streaming-*.json"):
            facts = json.loads(file.read_text("utf-8"))
            identity, _, endpoints = str(facts["proxy"]).partition(" ")
            facet = ice.stringToProxy(f"{identity} -f operations {endpoints}")
            with contextlib.suppress(Ice.LocalException):
                if IceFlix.OperationsPrx.uncheckedCast(facet).status().details["streams"] == "1":
                    found.append(facts["pid"])
        return bool(found)

    wait_until(look, 20, "somebody sends")
    return found[0]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_another_server_goes_on(  # pylint: disable=too-many-locals  # a story
    platform: Platform,
    servers: list[int],
    ice: Ice.Communicator,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    """Frames go on from where they were, in the same file; the user is told."""
    target = tmp_path / "out.mkv"
    receiver = Witness(target)
    heard: list[Said] = []
    settings = Settings.of(tmp_path, {"IceStorm.TopicManager.Proxy": platform.topic_manager})
    with Session(Options.of(settings)) as session:
        session.subscribe(heard.append)
        session.connect(platform.main).result(20)
        session.sign_in("demo", digest("iceflix")).result(20)
        wait_until(lambda: session.search_name("long", exact=True).result(20).titles, 30)
        session.select(session.view.results[0]).result(5)
        session.play(receiver, v.Wish(start=20.0)).result(20)
        wait_until(lambda: receiver.statistics().received > 3, 30)
        victim = _sender(platform, ice)
        assert victim in servers
        os.kill(victim, number)
        wait_until(lambda: len(receiver.joints) == 2, 30)
        received = receiver.statistics().received
        wait_until(lambda: receiver.statistics().received > received + 3, 30)
        if number is signal.SIGSTOP:
            os.kill(victim, signal.SIGCONT)  # what it sends now must not disturb
            received = receiver.statistics().received
            wait_until(lambda: receiver.statistics().received > received + 2, 30)
        assert _sender(platform, ice) != victim
        session.stop().result(20)
    began, (before, after) = receiver.joints[0][1], receiver.joints[1]
    assert 17 < began <= 20.05
    assert after <= before + 0.5, "nothing is left out"
    assert after > before - 5, "not more than a group of pictures comes twice"
    said = [str(one.sentence) for one in heard if isinstance(one, v.Notice)]
    assert said == ["The video server has died; going on from another one."]
    assert streams(target) == {"h264", "aac"}
    assert frames(target) > 150
