"""A sender of the sample video for tests of players: GStreamer, pass-through, as a server would."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from iceflix.client import gst

SAMPLE = Path(__file__).parents[3] / "samples" / "iceflix-sample.mp4"
_PIPELINE = (
    "filesrc location={file} ! qtdemux name=d "
    "d.video_0 ! queue ! h264parse ! rtph264pay name=video pt=96 config-interval=-1 "
    "! udpsink name=v host=127.0.0.1 port={port} "
    "d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=audio pt=97 "
    "! udpsink name=a host=127.0.0.1 port={audio}"
)
_FMTP = (
    *("packetization-mode", "sprop-parameter-sets", "streamtype", "mode", "config"),
    *("profile-level-id", "sizelength", "indexlength", "indexdeltalength"),
)


def make_clip(path: Path, seconds: float) -> Path:
    """The beginning of the sample as a file of its own, copied packet by packet."""
    command = ["ffmpeg", "-v", "error", "-i", str(SAMPLE), "-t", str(seconds), "-c", "copy"]
    subprocess.run([*command, str(path)], check=True, timeout=60)
    return path


def frames(path: Path) -> int:
    """How many pictures a file holds, by decoding them all."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0"]
    command += ["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", str(path)]
    done = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True)
    return int(done.stdout.strip().strip(","))


def streams(path: Path) -> set[str]:
    """The codecs in a file."""
    command = ["ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]
    done = subprocess.run([*command, str(path)], check=True, timeout=60, capture_output=True)
    return {line.strip(",") for line in done.stdout.decode().split()}


class Sender:
    """Prerolled when made, so that the description is known; ``play`` sends."""

    def __init__(self, file: Path, port: int, duration: float | None = None) -> None:
        self._gst = gst.load().Gst
        launch = _PIPELINE.format(file=file, port=port, audio=port + 2)
        self._pipeline = self._gst.parse_launch(launch)
        self._pipeline.set_state(self._gst.State.PAUSED)
        self._pipeline.get_state(10 * gst.SECOND)
        self._port = port
        self._duration = duration

    @property
    def sdp(self) -> str:
        """The description."""
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=sample", "c=IN IP4 127.0.0.1", "t=0 0"]
        if self._duration is not None:
            lines.append(f"a=range:npt=0-{self._duration}")
        for name, port in (("video", self._port), ("audio", self._port + 2)):
            pad = self._pipeline.get_by_name(name).get_static_pad("src")
            caps = pad.get_current_caps().get_structure(0)
            kind, rate = caps.get_value("payload"), caps.get_value("clock-rate")
            encoding = caps.get_value("encoding-name")
            lines.append(f"m={name} {port} RTP/AVP {kind}")
            lines.append(f"a=rtpmap:{kind} {encoding}/{rate}")
            given = [f"{key}={caps.get_value(key)}" for key in _FMTP if caps.has_field(key)]
            lines.append(f"a=fmtp:{kind} " + ";".join(given))
        return "".join(f"{line}\r\n" for line in lines)

    def play(self) -> None:
        """Send from the beginning."""
        self._pipeline.set_state(self._gst.State.PLAYING)

    def pause(self) -> None:
        """Hold the packets back."""
        self._pipeline.set_state(self._gst.State.PAUSED)

    def close(self) -> None:
        """Stop."""
        self._pipeline.set_state(self._gst.State.NULL)


@contextlib.contextmanager
def sending(file: Path, port: int, duration: float | None = None) -> Iterator[Sender]:
    """A sender that ends with the block."""
    sender = Sender(file, port, duration)
    yield sender
    sender.close()
