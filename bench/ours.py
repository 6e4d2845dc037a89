"""IceFlix as a server of streams: the real service, asked as a client asks."""

import contextlib
import functools
import hashlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.clip import clip
from bench.machine import BenchError
from bench.meter import family
from bench.services import Services, attempt, login
from bench.viewers import Viewers
from iceflix.contract import Ice, IceFlix
from iceflix.farm.launch import Running

_RENEW_SECONDS = 20.0
_MOST_STREAMS = "1000"


@dataclass
class Playing:
    """One viewer's playback, and when its token was renewed last (monotonic seconds)."""

    controller: IceFlix.StreamControllerPrx
    renewed: float


class Ours:
    """A StreamProvider and an Authenticator on a platform of their own; ``name`` for tables."""

    def __init__(self, services: Services, name: str, sender: str) -> None:
        """Start the provider. ``sender``: the property Stream.Sender. Raises BenchError."""
        self.name = name
        self._services = services
        media = services.home / "media" / clip().name
        if not media.exists():
            media.symlink_to(clip())
        self._auth, self._authenticator = _authenticator(services)
        properties = {
            "Stream.Sender": sender,
            "Stream.Max": _MOST_STREAMS,
            "Media.SettleSeconds": "0.1",
            "Media.CacheFile": str(services.home / f"library-{sender}.json"),
        }
        self._service = services.start(f"streaming-{sender}", "streaming", properties)
        proxy = services.proxy(self._service)
        self.provider = IceFlix.StreamProviderPrx.uncheckedCast(proxy)
        self.media_id = _digest()
        attempt(self._try, f"{name} plays the video")

    @property
    def pids(self) -> list[int]:
        """The provider's process and its helpers."""
        return family([self._service.pid])

    @property
    def platform_pids(self) -> list[int]:
        """The same with the Authenticator."""
        return family([self._service.pid, self._auth.pid])

    def token(self) -> str:
        """A new token."""
        return login(self._authenticator)

    def play(self, port: int) -> Playing:
        """Have the video sent to this port, as a client does it. Raises BenchError."""
        return Playing(self.ask(self.token(), port), time.monotonic())

    def ask(self, token: str, port: int) -> IceFlix.StreamControllerPrx:
        """The two calls that make a stream. Raises BenchError."""
        try:
            controller = self.provider.getStream(self.media_id, token)
            assert controller is not None
            controller.getSDP(token, port)
        except Ice.Exception as error:
            raise BenchError(f"{self.name} refused a stream: {type(error).__name__}") from error
        return controller

    @contextlib.contextmanager
    def streaming(self, viewers: Viewers, leave_out: int = 0) -> Iterator[None]:
        """One stream for each viewer, all tokens kept alive, for the time of a ``with``.

        The first ``leave_out`` viewers get none. Raises BenchError.
        """
        playing: list[Playing] = []
        over = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(playing, over), daemon=True)
        renewer.start()
        try:
            for number in range(leave_out, viewers.count):
                playing.append(self.play(viewers.port(number)))
            yield
        finally:
            over.set()
            renewer.join()
            for each in playing:  # one after the other, as viewers leave
                with contextlib.suppress(Ice.Exception):
                    each.controller.stop()

    def _renew(self, playing: list[Playing], over: threading.Event) -> None:
        while not over.wait(0.1):
            for each in list(playing):
                if time.monotonic() - each.renewed > _RENEW_SECONDS and not over.is_set():
                    # A stream that cannot be kept alive ends, which the viewers will notice.
                    with contextlib.suppress(Ice.Exception):
                        each.controller.refreshAuthentication(self.token())
                        each.renewed = time.monotonic()

    def _try(self) -> None:
        controller = self.provider.getStream(self.media_id, self.token())
        assert controller is not None
        controller.stop()


@functools.cache
def _digest() -> str:
    with clip().open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _authenticator(services: Services) -> tuple[Running, IceFlix.AuthenticatorPrx]:
    running = next((p for p in services.running() if p.kind == "auth"), None)
    running = running or services.start("auth", "auth")
    return running, services.authenticator(running)
