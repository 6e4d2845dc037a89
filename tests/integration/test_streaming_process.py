"""The streaming service as a process: signals, reload_media, and nothing that outlives it."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from iceflix.contract import Ice, IceFlix
from tests.conftest import (
    ProcessStarter,
    ServiceProcess,
    command,
    wait_until,
)
from tests.media.clips import Clips
from tests.media.foreign import Foreigners, drain, take
from tests.media.receiver import Receiver

pytestmark = [pytest.mark.slow, pytest.mark.serial]

Start = Callable[[], ServiceProcess]


def stream_provider(process: ServiceProcess, ice: Ice.Communicator) -> IceFlix.StreamProviderPrx:
    """The StreamProvider of this process, once it is ready."""
    return IceFlix.StreamProviderPrx.uncheckedCast(ice.stringToProxy(process.proxy()))


def has_read(process: ServiceProcess) -> int:
    """How many bytes it has read from files so far."""
    lines = Path(f"/proc/{process.popen.pid}/io").read_text("ascii").splitlines()
    return int(lines[0].removeprefix("rchar: "))


def media(home: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run ``iceflix media`` to its end."""
    return command(home, "media", *arguments)


@pytest.fixture(name="start")
def _start(tmp_path: Path, start_process: ProcessStarter, clips: Clips) -> Start:
    """Start StreamProviders of one home."""
    (tmp_path / "media").mkdir()
    shutil.copy(clips.get("long.mp4"), tmp_path / "media" / "Long.mp4")
    return functools.partial(start_process, "streaming", "--Media.SettleSeconds=0.1")


def _play(
    provider: IceFlix.StreamProviderPrx, media_id: str, foreigners: Foreigners, port: int
) -> IceFlix.StreamControllerPrx:
    token = foreigners.authenticator.issue()
    controller = provider.getStream(media_id, token)
    assert controller is not None
    controller.getSDP(token, port)
    return controller


def test_reload_media_announces_what_is_new_without_interruption(
    start: Start, foreigners: Foreigners, clips: Clips
) -> None:
    """V73, X24: exactly one newMedia, the stream has no gap, the process is the same."""
    announced = foreigners.listen("MediaAnnouncements", IceFlix.StreamAnnounces, "newMedia")
    process = start()
    provider = stream_provider(process, foreigners.ice)
    first = take(announced)[1]
    foreigners.accepted(provider, first)
    with Receiver() as receiver:
        _play(provider, first, foreigners, receiver.port)
        wait_until(lambda: len(receiver.packets) > 5)
        shutil.copy(clips.get("plain.mp4"), process.home / "media" / "España.mp4")
        done = media(process.home, "reload")
        assert (done.returncode, f"process {process.popen.pid} " in done.stdout) == (0, True)
        new = [event[1:3] for event in drain(announced, 2)]
        assert len(new) == 1 and new[0][1] == "España"
        gaps = [after.arrival - before.arrival for before, after in pairwise(receiver.packets)]
        assert receiver.lost == 0 and max(gaps) < 0.5
    assert process.popen.poll() is None and provider.isAvailable(new[0][0])
    listed = json.loads(media(process.home, "list", "--json").stdout)
    assert {video["title"] for video in listed} == {"Long", "España"}


def test_without_a_service_reload_says_so(tmp_path: Path) -> None:
    """Exit code 3; a stranger's process that has got the number is left alone."""
    done = media(tmp_path, "reload")
    assert done.returncode == 3 and "No StreamProvider runs here" in done.stderr
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / "streaming-x.pid").write_text(f"{stranger.pid}\n")
        (tmp_path / "run" / "streaming-y.pid").write_text("nonsense")
        assert media(tmp_path, "reload").returncode == 3
        assert stranger.poll() is None
        stranger.kill()


def test_reannouncing_reads_no_file(start: Start, foreigners: Foreigners) -> None:
    """V42: however large a file is, in less than a second, now and after a restart."""
    announced = foreigners.listen("MediaAnnouncements", IceFlix.StreamAnnounces, "newMedia")
    process = start()
    stream_provider(process, foreigners.ice)
    take(announced)
    size = 256 << 20
    with (process.home / "media" / "Long.mp4").open("ab") as big:
        big.write((1).to_bytes(4, "big") + b"free" + size.to_bytes(8, "big"))
        big.truncate(big.tell() - 16 + size)
    process.popen.send_signal(signal.SIGUSR1)
    found = take(announced, 60)[1]
    for again in (process, start()):
        provider = stream_provider(again, foreigners.ice)
        if again is not process:
            assert take(announced)[1] == found
        before, began = has_read(again), time.monotonic()
        provider.reannounceMedia()
        assert time.monotonic() - began < 1
        assert take(announced, 1)[1] == found
        assert has_read(again) - before < 1 << 20
        assert again.popen.poll() is None


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_sent_by_the_dead(
    start: Start, foreigners: Foreigners, ending: signal.Signals
) -> None:
    """V52: the packets stop with the process; told to end, it does so soon and tidily."""
    announced = foreigners.listen("MediaAnnouncements", IceFlix.StreamAnnounces, "newMedia")
    process = start()
    provider = stream_provider(process, foreigners.ice)
    found = take(announced)[1]
    foreigners.accepted(provider, found)
    with Receiver() as receiver:
        topic = _play(provider, found, foreigners, receiver.port).getSyncTopic()
        wait_until(lambda: len(receiver.packets) > 5)
        children = psutil.Process(process.popen.pid).children(recursive=True)
        process.popen.send_signal(ending)
        process.popen.wait(5)
        assert receiver.silent_for(0.5, 2)
    assert not any(child.is_running() for child in children)
    if ending is signal.SIGTERM:
        assert process.popen.returncode == 0
        assert topic not in foreigners.broker.manager.retrieveAll()


def test_the_reader_dies_with_the_service(tmp_path: Path) -> None:
    """Also when the service is killed while a file is being looked into."""
    pipe = tmp_path / "never.mp4"
    os.mkfifo(pipe)  # the reader waits for it for ever
    code = (
        "import sys, threading\n"
        "from iceflix.streaming.prober import Prober\n"
        f"threading.Thread(target=Prober().examine, args=[{str(pipe)!r}]).start()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as service:
        found: list[psutil.Process] = []

        def reading() -> bool:
            found[:] = psutil.Process(service.pid).children()
            return bool(found) and "iceflix.streaming.probe" in found[0].cmdline()

        wait_until(reading)
        wait_until(lambda: found[0].nice() > 0, 10, "it has begun to read")
        service.kill()
        service.wait()
    wait_until(lambda: not found[0].is_running() or found[0].status() == psutil.STATUS_ZOMBIE)
