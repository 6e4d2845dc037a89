"""Playing by RTSP: the server gives a URL, and whoever has it plays; we keep it valid."""

import shlex
import subprocess
import threading
import time
from collections.abc import Callable

from iceflix.client import programs
from iceflix.client.player import Statistics
from iceflix.client.sentences import ClientError, Sentence, say

_TICK_SECONDS = 0.2
# Over TCP, which gets through where UDP does not.
_PROGRAMS = {
    "vlc": ["vlc", "--quiet", "--play-and-exit", "--rtsp-tcp"],
    "cvlc": ["cvlc", "--quiet", "--play-and-exit", "--rtsp-tcp"],
    "mpv": ["mpv", "--really-quiet", "--rtsp-transport=tcp"],
    "ffplay": ["ffplay", "-loglevel", "error", "-autoexit", "-rtsp_transport", "tcp"],
}


class RtspPlayer:
    """A player (see ``player.Player``) that hands the URL to ``show``, and to a program if given.

    The URL is the last argument of the program, or where its command says ``{url}``.
    """

    def __init__(self, command: str, show: Callable[[str], None]) -> None:
        self._words = _PROGRAMS.get(command) or shlex.split(command)
        self._show = show
        self._process: subprocess.Popen[bytes] | None = None
        self._began = time.monotonic()
        self._stopping = threading.Event()

    def check(self) -> None:
        """Make sure that the program is installed. Raises ClientError."""
        if self._words:
            programs.check(self._words)

    def bind(self, address: str) -> int:
        """Nothing is sent to us."""
        del address
        return 0

    def start(self, source: str, ended: Callable[[Sentence | None], None]) -> None:
        """Show the URL and start the program. Raises ClientError."""
        self._began = time.monotonic()
        if not self._words:
            self._show(source)
            return
        words = [word.replace("{url}", source) for word in self._words]
        words = words if words != self._words else [*words, source]
        self._process = programs.start(words)
        arguments = (self._process, ended)
        threading.Thread(target=self._wait, args=arguments, name="rtsp", daemon=True).start()

    def _wait(
        self, process: "subprocess.Popen[bytes]", ended: Callable[[Sentence | None], None]
    ) -> None:
        while process.poll() is None:
            if self._stopping.wait(_TICK_SECONDS):
                return
        text = "{name} has failed (exit code {code})."
        failed = say(text, name=self._words[0], code=str(process.returncode))
        ended(failed if process.returncode else None)

    def pause(self, on: bool) -> None:
        """Whoever plays does that."""
        del on
        raise ClientError(say("The program that plays by RTSP is paused over there."))

    def suspend(self, on: bool) -> None:
        """It is between server and program."""

    def moved(self, position: float) -> None:
        """It is between server and program."""

    def rejoin(self, source: str) -> None:
        """Another server has another URL."""
        raise ClientError(say("The video server has died."))

    def stop(self) -> None:
        """End the program."""
        self._stopping.set()
        if self._process is not None:
            programs.end(self._process)

    def statistics(self) -> Statistics:
        """Nothing arrives here."""
        return Statistics(position=time.monotonic() - self._began)
