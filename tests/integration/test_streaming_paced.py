"""The paced sender beside the one of GStreamer: decoders see no difference."""

import contextlib
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from iceflix.streaming.library import Medium
from iceflix.streaming.paced import wire
from iceflix.streaming.paced.sender import PacedSender
from iceflix.streaming.paced.stream import PacedStream
from iceflix.streaming.pipeline import GstSender, GstStream
from iceflix.streaming.sender import Order, Sender, Stream, Target
from tests.conftest import wait_until
from tests.media.clips import Clips, frame_digests
from tests.media.hevc import sound as sound_in
from tests.media.hevc import write_h265
from tests.media.playing import HERE, End, free_port, medium
from tests.media.receiver import Receiver

pytestmark = pytest.mark.slow

_X264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 25"
_X265 = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -g 25 -x265-params log-level=none"
# Name -> ffmpeg's options before its second input, and its output options.
FILMS = {
    "b-frames": ("", f"{_X264} -bf 3 -c:a aac"),
    "low delay": ("", f"{_X264} -tune zerolatency -c:a aac -ar 48000 -ac 2"),
    "silent": ("", f"{_X264} -bf 2 -an"),
    "slices and delimiters": ("", f"{_X264} -x264-params slices=4:aud=1 -c:a aac"),
    "variable rate": ("", f"{_X264} -bf 2 -vf select=gt(mod(n\\,7)\\,2) -fps_mode vfr -c:a aac"),
    "large pictures": ("", f"{_X264} -vf scale=640:360 -qp 1 -c:a aac"),
    "late sound": ("-itsoffset 0.4", f"{_X264} -bf 2 -c:a aac"),
    "early sound": ("-itsoffset -0.4", f"{_X264} -bf 2 -c:a aac"),
    "mp3": ("", f"{_X264} -c:a libmp3lame"),
    "opus": ("", f"{_X264} -c:a libopus"),
    "h265": ("", f"{_X265} -tag:v hvc1 -c:a aac"),
    "index in front": ("", f"{_X264} -bf 2 -c:a aac -movflags +faststart"),
}


@pytest.fixture(name="films", scope="module")
def _films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, films = tmp_path_factory.mktemp("films"), {}
    for name, (before, after) in FILMS.items():
        films[name] = folder / f"{name}.mp4"
        command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-threads", "1", "-f", "lavfi"]
        command += ["-i", "testsrc2=s=192x108:r=25:d=3", *before.split(), "-f", "lavfi"]
        command += ["-i", "sine=f=440:r=44100:d=3", *after.split(), str(films[name])]
        subprocess.run(command, check=True, timeout=60)
    return films


@pytest.fixture(name="sender")
def _sender() -> Iterator[PacedSender]:
    sender = PacedSender(GstSender())
    yield sender
    sender.close()


@dataclass(frozen=True)
class Shown:
    """What a receiver got of a film: every frame's digest, the sound's bytes."""

    kind: type
    lost: int
    frames: list[str]
    sound: bytes
    reason: str


@dataclass(frozen=True)
class Playing:
    """A film that is being played."""

    found: Medium
    stream: Stream
    end: End
    pictures: Receiver
    sound: Receiver

    def shown(self, file: Path) -> Shown:
        """Wait for the end and decode what came; ``file`` is made."""
        reason = self.end.wait(30)
        assert self.pictures.silent_for(0.3, 5) and self.sound.silent_for(0.3, 5)
        if self.found.format.tracks[0].encoding == "H265":
            frames = frame_digests(write_h265(self.pictures.packets, file), "hevc")
        else:
            frames = frame_digests(self.pictures.write_h264(file), "h264")
        heard = sound_in(self.sound.packets, self.found.format.tracks[-1].encoding)
        lost = self.pictures.lost + (self.sound.lost if self.sound.packets else 0)
        return Shown(type(self.stream), lost, frames, heard, reason)


def _play_all(sender: Sender, films: dict[str, Path], folder: Path) -> dict[str, Shown]:
    """Play them at the same time, to their ends."""
    playing = {}
    with contextlib.ExitStack() as stack:
        stack.callback(sender.close)
        for name, file in films.items():
            pictures = stack.enter_context(Receiver(parity=0))
            sound = stack.enter_context(Receiver(pictures.port + 2))
            end, found = End(), medium(file)
            stream = sender.start(Order(found, Target(HERE, pictures.port)), end)
            playing[name] = Playing(found, stream, end, pictures, sound)
        return {name: one.shown(folder / f"{name}.es") for name, one in playing.items()}


@pytest.fixture(name="paced", scope="module")
def _paced(films: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shown]:
    return _play_all(PacedSender(GstSender()), films, tmp_path_factory.mktemp("paced"))


@pytest.fixture(name="piped", scope="module")
def _piped(films: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shown]:
    return _play_all(GstSender(), films, tmp_path_factory.mktemp("piped"))


@pytest.mark.parametrize("name", FILMS)
def test_decoders_get_the_same_from_both(
    name: str, films: dict[str, Path], paced: dict[str, Shown], piped: dict[str, Shown]
) -> None:
    """Every frame of the source bit by bit; the sound that GStreamer sends, to the last unit."""
    ours, theirs = paced[name], piped[name]
    assert (ours.kind, theirs.kind) == (PacedStream, GstStream)
    assert ours.reason == theirs.reason == "" and ours.lost == theirs.lost == 0
    assert ours.frames == frame_digests(films[name])
    # GStreamer repeats parameter sets between the slices of one picture: RTP's timestamps tell a
    # player that it is one, the elementary stream that is decoded here does not.
    assert theirs.frames == ours.frames or "slices" in name
    assert bool(ours.sound) == (name != "silent")
    # GStreamer keeps the very last unit, which is only partly within the film, to itself.
    assert ours.sound.startswith(theirs.sound)
    assert len(ours.sound) - len(theirs.sound) < 1500


@pytest.mark.parametrize("name", ["fragmented.mp4", "matroska.mkv", "transport.ts", "mpeg4.avi"])
def test_what_it_does_not_know_goes_to_the_other(
    name: str, clips: Clips, sender: PacedSender
) -> None:
    """Without a word, and it plays."""
    with Receiver() as receiver:
        stream = sender.start(Order(medium(clips.get(name)), Target(HERE, receiver.port)), End())
        assert isinstance(stream, GstStream)
        wait_until(lambda: len(receiver.packets) > 5)
        stream.stop()


def test_films_that_begin_between_key_frames_go_to_the_other(
    films: dict[str, Path], sender: PacedSender, tmp_path: Path
) -> None:
    """Cut without decoding: an edit list hides the pictures that are needed but not shown."""
    cut = tmp_path / "cut.mp4"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-ss", "0.5", "-i", str(films["b-frames"])]
    subprocess.run([*command, "-c", "copy", str(cut)], check=True, timeout=60)
    stream = sender.start(Order(medium(cut), Target(HERE, 40_000)), End())
    assert isinstance(stream, GstStream)
    stream.stop()


def test_threads_do_not_grow_with_the_streams(clips: Clips, sender: PacedSender) -> None:
    """One sends, a few may read; so many streams, so many files once."""
    found = medium(clips.get("long.mp4"))

    def begin() -> Stream:
        return sender.start(Order(found, Target(HERE, 40_000)), End())

    streams = [begin()]
    threads, files = threading.active_count(), _files(found)
    streams += [begin() for _ in range(40)]
    assert threading.active_count() <= threads + 4
    assert _files(found) == files == 1
    for stream in streams:
        stream.stop()
    wait_until(lambda: _files(found) == 0, what="who was still reading has finished")


def _files(found: Medium) -> int:
    """How often the medium's file is open."""
    links = []
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            links.append(str(file.readlink()))
    return links.count(found.path)


def test_reports_come_to_the_port_above(clips: Clips, sender: PacedSender) -> None:
    """At once, for both tracks; the goodbye when it is stopped (RFC 3550, 6.4 and 6.6)."""
    port = free_port()
    with contextlib.ExitStack() as stack:
        ears = [stack.enter_context(socket.socket(type=socket.SOCK_DGRAM)) for _ in range(2)]
        for ear, above in zip(ears, (port + 1, port + 3), strict=True):
            ear.bind((HERE, above))
            ear.settimeout(10)
        stream = sender.start(Order(medium(clips.get("plain.mp4")), Target(HERE, port)), End())
        reports = [ear.recv(1500) for ear in ears]
        stream.stop()
        goodbyes = [ear.recv(1500) for ear in ears]
    now = time.time() + 2_208_988_800
    for report, goodbye in zip(reports, goodbyes, strict=True):
        assert report[1] == 200 and goodbye[1] == 200
        assert abs(struct.unpack_from(">I", report, 8)[0] - now) < 60
        assert struct.pack(">BBH", 0x81, 203, 1) + report[4:8] == goodbye[-8:]


def test_without_reports_there_are_none(clips: Clips) -> None:
    """A property turns them off."""
    port = free_port()
    sender = PacedSender(GstSender(), reports=False)
    with socket.socket(type=socket.SOCK_DGRAM) as ear:
        ear.bind((HERE, port + 1))
        ear.settimeout(0.3)
        stream = sender.start(Order(medium(clips.get("plain.mp4")), Target(HERE, port)), End())
        stream.stop()
        with pytest.raises(TimeoutError):
            ear.recv(1500)
    sender.close()


def test_a_kernel_that_cuts_nothing_up(
    films: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets go one by one; the pictures are the same."""
    monkeypatch.setattr(wire, "_UDP_SEGMENT", 0x7FFF)
    name = "large pictures"
    shown = _play_all(PacedSender(GstSender()), {name: films[name]}, tmp_path)[name]
    assert shown.lost == 0 and shown.frames == frame_digests(films[name])


def test_viewers_at_ipv6_addresses(clips: Clips, sender: PacedSender) -> None:
    """The same over the other family."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as receiver:
        try:
            receiver.bind(("::1", 0))
        except OSError:
            pytest.skip("no IPv6 here")
        receiver.settimeout(10)
        target = Target("::1", receiver.getsockname()[1])
        stream = sender.start(Order(medium(clips.get("plain.mp4")), target), End())
        assert receiver.recv(1500)[1] & 0x7F == 96
        stream.stop()


def test_a_place_to_which_there_is_no_way_costs_nothing(clips: Clips, sender: PacedSender) -> None:
    """Packets are lost, as they would be on the way; the stream can be moved."""
    found = medium(clips.get("plain.mp4"))
    with Receiver() as receiver:
        nowhere = Target("240.0.0.1", receiver.port)
        stream = sender.start(Order(found, nowhere), End())
        stream.retarget(Target(HERE, receiver.port))
        wait_until(lambda: len(receiver.packets) > 5)
        stream.stop()


def test_seeking_is_immediate(clips: Clips, sender: PacedSender) -> None:
    """The first packet of the new place comes before anybody notices."""
    found = medium(clips.get("long.mp4"))
    took = []
    with Receiver() as receiver:
        stream = sender.start(Order(found, Target(HERE, receiver.port)), End())
        for position in (5, 1, 9, 3, 7):
            time.sleep(0.1)
            came, began = len(receiver.packets), time.monotonic()
            stream.seek(position)
            wait_until(_more(receiver, came), 5)
            took.append(receiver.packets[came].arrival - began)
        stream.stop()
    assert sorted(took)[2] < 0.5  # about 0.001 on an idle machine


def _more(receiver: Receiver, than: int) -> Callable[[], bool]:
    return lambda: len(receiver.packets) > than
