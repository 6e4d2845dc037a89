"""The player against real packets: GStreamer sends, we receive, ffprobe judges."""

import stat
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from iceflix.client.outputs import File, Program, Window
from iceflix.client.ports import TOGETHER, Ports
from iceflix.client.receiver import Receiver
from iceflix.client.sentences import ClientError, Sentence
from tests.conftest import wait_until
from tests.unit.client.rtp import frames, make_clip, sending, streams

SECONDS = 3.0


@pytest.fixture(name="clip", scope="module")
def _clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", SECONDS)


class Ending:
    """Waits for the end of a stream."""

    def __init__(self) -> None:
        self.reasons: list[Sentence | None] = []
        self._over = threading.Event()

    def __call__(self, reason: Sentence | None) -> None:
        self.reasons.append(reason)
        self._over.set()

    def wait(self, seconds: float = 20.0) -> Sentence | None:
        """The reason."""
        assert self._over.wait(seconds), "the stream did not end"
        return self.reasons[0]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_recording_holds_every_frame(tmp_path: Path, clip: Path, suffix: str) -> None:
    """A recording holds every frame, although sending began before the player did."""
    target = tmp_path / f"out{suffix}"
    receiver = Receiver(File(target))
    ending = Ending()
    port = receiver.bind("127.0.0.1")
    with sending(clip, port, SECONDS) as sender:
        sdp = sender.sdp
        sender.play()
        receiver.start(sdp, ending)
        wait_until(lambda: receiver.statistics().bits_per_second > 10_000)
        assert ending.wait() is None
    statistics = receiver.statistics()
    receiver.stop()
    assert statistics.lost == 0
    assert statistics.packets > 50
    assert 0 < statistics.position < SECONDS + 0.2
    assert frames(target) == frames(clip)
    assert streams(target) == {"h264", "aac"}
    assert not [file for file in tmp_path.iterdir() if file != target], "no temporary file"


@pytest.mark.slow
def test_stopping_early_completes_the_file(tmp_path: Path, clip: Path) -> None:
    """Stopping early completes the file."""
    target = tmp_path / "out.mp4"
    receiver = Receiver(File(target))
    with sending(clip, receiver.bind("127.0.0.1")) as sender:
        receiver.start(sender.sdp, Ending())
        sender.play()
        wait_until(lambda: receiver.statistics().position > 1)
        receiver.stop()
    assert 20 < frames(target) <= frames(clip)


@pytest.mark.slow
def test_a_window_pauses_and_goes_on(clip: Path) -> None:
    """A window pauses and goes on."""
    receiver = Receiver(Window("fakesink sync=true", "fakesink sync=true"))
    ending = Ending()
    with sending(clip, receiver.bind("127.0.0.1"), SECONDS) as sender:
        receiver.start(sender.sdp, ending)
        sender.play()
        wait_until(lambda: receiver.statistics().position > 0.5)
        receiver.pause(True)
        held = receiver.statistics()
        assert held.paused
        # The server sends to the end meanwhile: everything is kept.
        wait_until(lambda: receiver.statistics().silence > 2)
        assert receiver.statistics().position == pytest.approx(held.position, abs=0.1)
        assert not ending.reasons
        receiver.pause(False)
        assert ending.wait() is None
        assert receiver.statistics().position == pytest.approx(SECONDS, abs=0.2)
    receiver.stop()


_LISTENER = """
import re, select, socket, sys
sdp = open(sys.argv[1]).read()
ports = [int(port) for port in re.findall(r"m=\\w+ (\\d+)", sdp)]
import time; time.sleep(1)
sockets = []
for port in ports:
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", port))
    sockets.append(one)
out = open(sys.argv[2], "w")
first = {}
while True:
    for one in select.select(sockets, [], [])[0]:
        packet = one.recv(65536)
        words = [packet[2:4], packet[8:12], packet[4:8]]
        words = [str(int.from_bytes(word, "big")) for word in words]
        out.write(f"{sockets.index(one)} {' '.join(words)}\\n")
        out.flush()
"""


@pytest.mark.slow
def test_a_program_gets_everything_although_it_starts_late(tmp_path: Path, clip: Path) -> None:
    """A program gets everything although it starts late."""
    script, log = tmp_path / "listener.py", tmp_path / "log"
    script.write_text(_LISTENER)
    output = Program(f"{sys.executable} {script} {{sdp}} {log}")
    receiver = Receiver(output)
    with sending(clip, receiver.bind("127.0.0.1"), SECONDS) as sender:
        sdp = sender.sdp
        sender.play()
        receiver.start(sdp, Ending())
        folder = Path(output._folder)  # pylint: disable=protected-access
        assert stat.S_IMODE((folder / "stream.sdp").stat().st_mode) == 0o600
        wait_until(lambda: receiver.statistics().silence > 1, 20)
        received = receiver.statistics().packets
        wait_until(lambda: len(log.read_text().splitlines()) == received)
    receiver.stop()
    assert not folder.exists()
    numbers = [int(line.split()[1]) for line in log.read_text().splitlines() if line[0] == "0"]
    assert numbers == [(numbers[0] + count) % 65536 for count in range(len(numbers))]


@pytest.mark.slow
def test_a_program_that_ends_ends_the_stream(tmp_path: Path, clip: Path) -> None:
    """A program that ends ends the stream."""
    script = tmp_path / "failing.py"
    script.write_text("raise SystemExit(3)")
    receiver = Receiver(Program(f"{sys.executable} {script}"))
    ending = Ending()
    with sending(clip, receiver.bind("127.0.0.1")) as sender:
        receiver.start(sender.sdp, ending)
        assert "exit code 3" in str(ending.wait())
        with pytest.raises(ClientError, match="Only the window"):
            receiver.pause(True)
    receiver.stop()


@pytest.mark.slow
def test_silence_from_the_beginning_is_explained(clip: Path) -> None:
    """Silence from the beginning is explained."""
    receiver = Receiver(Window("fakesink", "fakesink"))
    ending = Ending()
    with sending(clip, receiver.bind("127.0.0.1")) as sender:
        receiver.start(sender.sdp, ending)
        assert "firewall" in str(ending.wait())
    receiver.stop()


def test_without_a_display_there_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a display there is advice."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ClientError, match="no display"):
        Receiver(Window()).bind("127.0.0.1")


def test_a_display_that_does_not_open_is_no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """A display that does not open is no display."""
    monkeypatch.setenv("DISPLAY", "127.0.0.1:77")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ClientError, match="no display"):
        Receiver(Window()).bind("127.0.0.1")


def test_files_are_not_overwritten(tmp_path: Path) -> None:
    """Files are not overwritten."""
    target = tmp_path / "there.mp4"
    target.write_bytes(b"precious")
    with pytest.raises(ClientError, match="exists already"):
        Receiver(File(target)).bind("127.0.0.1")
    receiver = Receiver(File(target, overwrite=True))
    receiver.bind("127.0.0.1")
    receiver.stop()
    assert target.read_bytes() == b"precious", "nothing was received: nothing is replaced"
    assert [file.name for file in tmp_path.iterdir()] == ["there.mp4"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("x.avi", "mp4"), ("no/such/folder/x.mp4", "cannot be written")],
)
def test_impossible_files(tmp_path: Path, name: str, words: str) -> None:
    """Impossible files."""
    with pytest.raises(ClientError, match=words):
        Receiver(File(tmp_path / name)).bind("127.0.0.1")


def test_missing_programs() -> None:
    """Missing programs."""
    with pytest.raises(ClientError, match="not installed"):
        Receiver(Program("no-such-player-anywhere")).bind("127.0.0.1")
    with pytest.raises(ClientError, match="not installed"):
        Receiver(Program(" ")).bind("127.0.0.1")


def test_nonsense_descriptions() -> None:
    """Nonsense descriptions."""
    for sdp in ("", "garbage", "v=0\r\nm=video 0 RTP/AVP 96\r\n"):
        receiver = Receiver(Window("fakesink", "fakesink"))
        receiver.bind("127.0.0.1")
        with pytest.raises(ClientError, match="no sense"):
            receiver.start(sdp, Ending())
        receiver.stop()


def test_other_ports_than_asked_for() -> None:
    """Other ports than asked for."""
    receiver = Receiver(Window("fakesink", "fakesink"))
    receiver.bind("127.0.0.1")
    with pytest.raises(ClientError, match="not asked"):
        receiver.start("v=0\r\nm=video 5 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", Ending())
    receiver.stop()


def test_ports_are_consecutive_and_given_back() -> None:
    """Ports are consecutive and given back."""
    ports = Ports.open("127.0.0.1")
    assert [one.getsockname()[1] for one in ports.sockets] == [
        ports.first + number for number in range(TOGETHER)
    ]
    with pytest.raises(ClientError, match="in use"):
        Ports.open("127.0.0.1", ports.first)
    ports.close()
    again = Ports.open("127.0.0.1", ports.first)
    again.close()


def _two_senders(clip: Path, receiver: Receiver, ending: Ending) -> None:
    """One sends a second and dies; another one, with numbers of its own, sends all of it."""
    port = receiver.bind("127.0.0.1")
    with sending(clip, port, SECONDS) as first:
        receiver.start(first.sdp, ending)
        first.play()
        wait_until(lambda: receiver.statistics().received > 1)
    receiver.suspend(True)
    wait_until(lambda: receiver.statistics().silence > 1)
    with sending(clip, port, SECONDS) as second:
        sdp = second.sdp
        second.play()
        receiver.rejoin(sdp)
        wait_until(lambda: receiver.statistics().position < 1)
        assert ending.wait() is None
    statistics = receiver.statistics()
    receiver.stop()
    assert statistics.position == pytest.approx(SECONDS, abs=0.3)
    assert statistics.received > SECONDS + 0.8
    assert statistics.lost == 0


def length(path: Path) -> float:
    """The length of a file, in seconds."""
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]
    done = subprocess.run([*command, str(path)], check=True, capture_output=True, text=True)
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_recording_goes_on_with_another_sender(tmp_path: Path, clip: Path, suffix: str) -> None:
    """The file has all that was sent; the picture stands still where nothing was."""
    target = tmp_path / f"out{suffix}"
    _two_senders(clip, Receiver(File(target)), Ending())
    assert frames(target) > frames(clip) + 20
    assert streams(target) == {"h264", "aac"}
    assert length(target) > SECONDS + 1


@pytest.mark.slow
def test_a_window_goes_on_with_another_sender(clip: Path) -> None:
    """A window goes on with another sender."""
    _two_senders(clip, Receiver(Window("fakesink sync=true", "fakesink sync=true")), Ending())


@pytest.mark.slow
def test_a_program_does_not_notice_another_sender(tmp_path: Path, clip: Path) -> None:
    """Its packets are numbered on."""
    script, log = tmp_path / "listener.py", tmp_path / "log"
    script.write_text(_LISTENER)
    _two_senders(clip, Receiver(Program(f"{sys.executable} {script} {{sdp}} {log}")), Ending())
    for track in "01":
        lines = [line.split() for line in log.read_text().splitlines() if line[0] == track]
        numbers = [int(line[1]) for line in lines]
        assert numbers == [(numbers[0] + count) % 65536 for count in range(len(numbers))]
        assert len({line[2] for line in lines}) == 1, "one source"
        stamps = [int(line[3]) for line in lines]
        steps = [(b - a + 2**31) % 2**32 - 2**31 for a, b in pairwise(stamps)]
        assert max(steps) < 3 * 90_000


def test_another_form_is_not_taken(clip: Path) -> None:
    """Another form is not taken."""
    receiver = Receiver(Window("fakesink", "fakesink"))
    with sending(clip, receiver.bind("127.0.0.1")) as sender:
        receiver.start(sender.sdp, Ending())
        with pytest.raises(ClientError, match="another form"):
            receiver.rejoin(sender.sdp.replace("pt=96", "").replace(" 96", " 98"))
        with pytest.raises(ClientError, match="no sense"):
            receiver.rejoin("garbage")
    receiver.stop()


def _paused_by_the_server(clip: Path, receiver: Receiver, suspension: float) -> None:
    """Send a second, nothing for a while, and the rest."""
    ending = Ending()
    with sending(clip, receiver.bind("127.0.0.1"), SECONDS) as sender:
        receiver.start(sender.sdp, ending)
        sender.play()
        wait_until(lambda: receiver.statistics().received > 1)
        receiver.suspend(True)
        sender.pause()
        wait_until(lambda: receiver.statistics().silence > suspension)
        receiver.suspend(False)
        sender.play()
        assert ending.wait() is None
        assert receiver.statistics().position == pytest.approx(SECONDS, abs=0.3)
        assert receiver.statistics().lost == 0
    receiver.stop()


@pytest.mark.slow
@pytest.mark.parametrize("suspension", [0.5, 2.0])
def test_a_server_pauses(tmp_path: Path, clip: Path, suspension: float) -> None:
    """What comes after a pause is shown as it comes, and no frame is missing from a file."""
    window = Window("fakesink sync=true", "fakesink sync=true")
    _paused_by_the_server(clip, Receiver(window), suspension)
    target = tmp_path / "out.mp4"
    _paused_by_the_server(clip, Receiver(File(target)), suspension)
    assert frames(target) == frames(clip)
    assert length(target) >= SECONDS - 0.3
