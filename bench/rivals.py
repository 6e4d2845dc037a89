"""The servers that IceFlix is compared with, and the floor that none of them can go below."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from bench.clip import clip
from bench.machine import ROOT, BenchError, need
from bench.meter import family
from bench.rtsp import is_served, play
from bench.services import wait_for
from bench.viewers import AUDIO_CLOCK, FRAME_RATE, HERE, Viewers, build

_START_SECONDS = 20.0
_NOBODY = 65534
FLOOR = "floor: packets alone, in C"


class Server(Protocol):
    """Something that sends the clip to many viewers."""

    name: str

    @property
    def pids(self) -> list[int]:
        """All its processes, now."""

    def streaming(self, viewers: Viewers) -> contextlib.AbstractContextManager[None]:
        """One stream for each viewer for the time of a ``with``. Raises BenchError."""


class Programs:
    """A program for each viewer, or one for all of them: ``commands`` says which."""

    def __init__(self, name: str, commands: Callable[[Viewers], list[list[str]]]) -> None:
        self.name = name
        self._commands = commands
        self._pids: list[int] = []

    @property
    def pids(self) -> list[int]:
        """All of them."""
        return self._pids

    @contextlib.contextmanager
    def streaming(self, viewers: Viewers) -> Iterator[None]:
        """Run them for the time of a ``with``."""
        with _processes(self._commands(viewers)) as self._pids:
            yield


def floor() -> Server:
    """A packet sender in C (floor.c): what sending alone costs."""

    def commands(viewers: Viewers) -> list[list[str]]:
        numbers = (viewers.first_port, viewers.count, FRAME_RATE, AUDIO_CLOCK)
        return [[str(build("floor.c")), *map(str, numbers)]]

    return Programs(FLOOR, commands)


def ffmpeg() -> Server:
    """``ffmpeg -re -c copy -f rtp``, a process for each stream. Raises BenchError."""
    start = [need("ffmpeg", "ffmpeg"), "-v", "quiet", "-nostdin", "-re", "-stream_loop", "-1"]
    start += ["-i", str(clip())]

    def command(port: int) -> list[str]:
        found = [*start]
        for track, to in (("v", port), ("a", port + 2)):
            found += ["-map", f"0:{track}:0", "-c", "copy", "-f", "rtp", f"rtp://{HERE}:{to}"]
        return found

    def commands(viewers: Viewers) -> list[list[str]]:
        return [command(viewers.port(number)) for number in range(viewers.count)]

    return Programs("FFmpeg, a process each", commands)


class RtspServer:
    """A server whose viewers come by RTSP; it is started with the first of them."""

    name = ""

    def __init__(self) -> None:
        self._roots: list[int] = []

    @property
    def pids(self) -> list[int]:
        """All its processes."""
        return family(self._roots)

    def _command(self, port: int, folder: Path) -> list[str]:
        """Start what serves rtsp://127.0.0.1:PORT/clip."""
        raise NotImplementedError

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """The server, for the time of a ``with``; gives the video's URL. Raises BenchError."""
        # Some servers will not run as root: they run as somebody who must see the file.
        with tempfile.TemporaryDirectory(prefix="iceflix-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            port = _free_tcp_port()
            url = f"rtsp://{HERE}:{port}/clip"
            with _processes([self._command(port, folder)], folder) as self._roots:
                wait_for(lambda: is_served(url), f"{self.name} offers the video", _START_SECONDS)
                yield url
        self._roots = []

    @contextlib.contextmanager
    def streaming(self, viewers: Viewers) -> Iterator[None]:
        """A server for all."""
        ports = [viewers.port(number) for number in range(viewers.count)]
        with contextlib.ExitStack() as stack:
            url = stack.enter_context(self.serving())
            asking = stack.enter_context(ThreadPoolExecutor(4))
            for viewer in asking.map(lambda port: play(url, port), ports):
                stack.callback(viewer.close)
            yield


class GstRtspServer(RtspServer):
    """GStreamer's RTSP server."""

    name = "GStreamer's RTSP server"

    def _command(self, port: int, folder: Path) -> list[str]:
        return [sys.executable, str(ROOT / "bench" / "rtsp_server.py"), str(clip()), str(port)]


class VlcServer(RtspServer):
    """VLC's server for video on demand (VLM, vod)."""

    name = "VLC, video on demand"

    def __init__(self) -> None:
        super().__init__()
        self._program = need("cvlc", "vlc-bin")

    def _command(self, port: int, folder: Path) -> list[str]:
        video, orders = folder / "clip.mp4", folder / "orders.vlm"
        shutil.copyfile(clip(), video)
        orders.write_text(f'new clip vod enabled\nsetup clip input "{video}"\n', encoding="utf-8")
        command = [self._program, "-q", "-I", "dummy", "--vlm-conf", str(orders)]
        # Not --rtsp-host: version 3 makes the address a part of the path then.
        command += ["--rtsp-port", str(port), "--no-stats"]
        if os.geteuid() == 0:
            drop = ["setpriv", "--clear-groups", f"--reuid={_NOBODY}", f"--regid={_NOBODY}"]
            command = [*drop, "env", f"HOME={folder}", *command]
        return command


@contextlib.contextmanager
def _processes(commands: list[list[str]], folder: Path = ROOT) -> Iterator[list[int]]:
    """Run them for the time of a ``with``; gives their process numbers."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            started.append(
                subprocess.Popen(
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        yield [process.pid for process in started]
    except OSError as error:
        raise BenchError(f"{commands[0][0]} cannot be started: {error}") from error
    finally:
        for process in started:
            process.kill()
        for process in started:
            process.wait()


def _free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])
