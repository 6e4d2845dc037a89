"""A platform that speaks the Slice and does what a test tells it to."""

# pylint: disable=invalid-name,unused-argument  # the Slice contract fixes names and parameters

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from iceflix.client.player import Statistics
from iceflix.client.sentences import Sentence
from iceflix.client.session import Options, Session
from iceflix.contract import Ice, IceFlix, IceStorm
from iceflix.runtime.settings import Settings

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"


@dataclass
class Calls:
    """What was called, in order: ``(operation, arguments)``; ``fail`` says what to raise."""

    made: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    fail: dict[str, Callable[[], BaseException | None]] = field(default_factory=dict)
    delay: dict[str, threading.Event] = field(default_factory=dict)

    def note(self, operation: str, *arguments: Any) -> None:
        """Remember a call, wait if told to, fail if told to."""
        self.made.append((operation, arguments))
        self.at.append(time.monotonic())
        if operation in self.delay:
            self.delay[operation].wait(10)
        error = self.fail[operation]() if operation in self.fail else None
        if error is not None:
            raise error

    def of(self, operation: str) -> list[tuple[Any, ...]]:
        """The arguments of every call of an operation."""
        return [arguments for name, arguments in self.made if name == operation]


class FakeMain(IceFlix.Main):
    """Hands out whatever it is given."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.authenticator: IceFlix.AuthenticatorPrx | None = None
        self.catalog: IceFlix.MediaCatalogPrx | None = None

    def getAuthenticator(
        self, current: Ice.Current | None = None
    ) -> IceFlix.AuthenticatorPrx | None:
        """Return the authenticator."""
        self.calls.note("getAuthenticator")
        return self.authenticator

    def getCatalogService(
        self, current: Ice.Current | None = None
    ) -> IceFlix.MediaCatalogPrx | None:
        """Return the catalogue."""
        self.calls.note("getCatalogService")
        return self.catalog


class FakeAuthenticator(IceFlix.Authenticator):
    """Knows ana, whose password is secreto."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.tokens: list[str] = []
        self.users = {"ana": hashlib.sha256(b"secreto").hexdigest()}

    def refreshAuthorization(
        self, user: str, password_hash: str, current: Ice.Current | None = None
    ) -> str:
        """Issue a token."""
        self.calls.note("refreshAuthorization", user, password_hash)
        if self.users.get(user) != password_hash:
            raise IceFlix.Unauthorized
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        return self.tokens[-1]

    def isAuthorized(self, authentication: str, current: Ice.Current | None = None) -> bool:
        """Tell whether it is the latest."""
        return authentication == self.tokens[-1]


class FakeCatalog(IceFlix.MediaCatalog):
    """Titles by id; ``absent`` ones have no provider, ``disowned`` ones are denied."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.titles: dict[str, tuple[str, list[str]]] = {}
        self.absent: set[str] = set()
        self.disowned: set[str] = set()
        self.provider: IceFlix.StreamProviderPrx | None = None
        self.others: list[IceFlix.StreamProviderPrx] = []  # given first, once each

    def getTile(self, media_id: str, current: Ice.Current | None = None) -> IceFlix.Media:
        """Look up."""
        self.calls.note("getTile", media_id)
        if media_id in self.disowned or media_id not in self.titles:
            raise IceFlix.WrongMediaId(media_id)
        if media_id in self.absent:
            raise IceFlix.TemporaryUnavailable
        name, tags = self.titles[media_id]
        provider = self.others.pop(0) if self.others else self.provider
        return IceFlix.Media(media_id, provider, IceFlix.MediaInfo(name, tags))

    def getTilesByName(
        self, name: str, exact: bool, current: Ice.Current | None = None
    ) -> list[str]:
        """Search."""
        self.calls.note("getTilesByName", name, exact)
        found = self.titles.items()
        return [key for key, (it, _) in found if (name == it if exact else name in it)]

    def getTilesByTags(
        self, tags: list[str], every: bool, current: Ice.Current | None = None
    ) -> list[str]:
        """Search."""
        self.calls.note("getTilesByTags", tags, every)
        test = all if every else any
        return [key for key, (_, own) in self.titles.items() if test(tag in own for tag in tags)]

    def renameTile(
        self,
        media_id: str,
        name: str,
        authentication: str,
        current: Ice.Current | None = None,
    ) -> None:
        """Rename."""
        self.calls.note("renameTile", media_id, name, authentication)
        self.titles[media_id] = (name, self.titles[media_id][1])

    def addTags(
        self,
        media_id: str,
        tags: list[str],
        authentication: str,
        current: Ice.Current | None = None,
    ) -> None:
        """Add."""
        self.calls.note("addTags", media_id, tags, authentication)
        self.titles[media_id][1].extend(tags)

    def removeTags(
        self,
        media_id: str,
        tags: list[str],
        authentication: str,
        current: Ice.Current | None = None,
    ) -> None:
        """Remove."""
        self.calls.note("removeTags", media_id, tags, authentication)
        name, own = self.titles[media_id]
        self.titles[media_id] = (name, [tag for tag in own if tag not in tags])


class FakeController(IceFlix.StreamController):
    """One stream that sends nothing."""

    def __init__(self, calls: Calls, topic: str) -> None:
        self.calls = calls
        self.topic = topic

    def getSDP(self, authentication: str, port: int, current: Ice.Current | None = None) -> str:
        """Describe."""
        self.calls.note("getSDP", authentication, port)
        return SDP + f"m=video {port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"

    def getSyncTopic(self, current: Ice.Current | None = None) -> str:
        """Name."""
        self.calls.note("getSyncTopic")
        return self.topic

    def refreshAuthentication(
        self, authentication: str, current: Ice.Current | None = None
    ) -> None:
        """Take a token."""
        self.calls.note("refreshAuthentication", authentication)

    def stop(self, current: Ice.Current | None = None) -> None:
        """End."""
        self.calls.note("stop")
        assert current is not None
        with contextlib.suppress(Ice.NotRegisteredException):
            current.adapter.remove(current.id)


class FakeControl(FakeController, IceFlix.PlaybackControl):
    """A controller that can be told what to do. It sends nothing, and goes by no clock."""

    def __init__(self, calls: Calls, topic: str) -> None:
        super().__init__(calls, topic)
        self.at = 0.0
        self.paused = False

    def getSDP(self, authentication: str, port: int, current: Ice.Current | None = None) -> str:
        """Describe, and say from where on."""
        described = super().getSDP(authentication, port, current)
        return described.replace("m=video", f"a=range:npt={self.at}-90\r\nm=video")

    def startAt(self, seconds: float, current: Ice.Current | None = None) -> None:
        """Begin there."""
        self.calls.note("startAt", seconds)
        self.at = seconds

    def pause(self, current: Ice.Current | None = None) -> None:
        """Wait."""
        self.calls.note("pause")
        self.paused = True

    def resume(self, current: Ice.Current | None = None) -> None:
        """Go on."""
        self.calls.note("resume")
        self.paused = False

    def seek(self, seconds: float, current: Ice.Current | None = None) -> float:
        """Go to the whole second before."""
        self.calls.note("seek", seconds)
        self.at = float(int(seconds))
        return self.at

    def state(self, current: Ice.Current | None = None) -> IceFlix.PlaybackState:
        """Tell."""
        self.calls.note("state")
        return IceFlix.PlaybackState(
            position=self.at, duration=90.0, sending=False, paused=self.paused, seekable=True
        )

    def tracks(self, current: Ice.Current | None = None) -> list[IceFlix.MediaTrack]:
        """Tell."""
        return []

    def rtspUrl(self, authentication: str, current: Ice.Current | None = None) -> str:
        """Give a URL."""
        self.calls.note("rtspUrl", authentication)
        return "rtsp://127.0.0.1:8554/unguessable"


class FakeProvider(IceFlix.StreamProvider):
    """Makes controllers."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.controller: type[FakeController] = FakeController
        self.proxies: list[Ice.ObjectPrx] = []

    def getStream(
        self,
        media_id: str,
        authentication: str,
        current: Ice.Current | None = None,
    ) -> IceFlix.StreamControllerPrx:
        """Make one."""
        self.calls.note("getStream", media_id, authentication)
        assert current is not None
        controller = self.controller(self.calls, f"sync-{Ice.generateUUID()}")
        self.proxies.append(current.adapter.addWithUUID(controller))
        return IceFlix.StreamControllerPrx.uncheckedCast(self.proxies[-1])

    def isAvailable(self, media_id: str, current: Ice.Current | None = None) -> bool:
        """Say yes."""
        return True

    def reannounceMedia(self, current: Ice.Current | None = None) -> None:
        """Do nothing."""


FIGURES = Statistics(1234, 5, 3.1e6, 61.5, 61.5, duration=90.0)


@dataclass
class FakePlayer:
    """A player without sound or picture."""

    # pylint: disable=too-many-instance-attributes  # what it is told, and what it tells

    port: int = 45678
    address: str = ""
    sdp: str = ""
    stopped: int = 0
    paused: bool = False
    figures: Statistics = FIGURES
    told: list[tuple[str, object]] = field(default_factory=list)
    ended: Callable[[Sentence | None], None] | None = None

    def bind(self, address: str) -> int:
        """Open nothing."""
        self.address = address
        return self.port

    def start(self, sdp: str, ended: Callable[[Sentence | None], None]) -> None:
        """Remember."""
        self.sdp, self.ended = sdp, ended

    def stop(self) -> None:
        """Count."""
        self.stopped += 1

    def pause(self, on: bool) -> None:
        """Remember."""
        self.paused = on

    def suspend(self, on: bool) -> None:
        """Remember."""
        self.told.append(("suspend", on))

    def moved(self, position: float) -> None:
        """Remember."""
        self.told.append(("moved", position))

    def rejoin(self, sdp: str) -> None:
        """Remember."""
        self.told.append(("rejoin", sdp))

    def statistics(self) -> Statistics:
        """Invent."""
        return replace(self.figures, paused=self.paused)


class Platform:
    """One of each fake, in a communicator of its own."""

    # pylint: disable=too-many-instance-attributes

    def __init__(self, manager: str = "") -> None:
        arguments = ["--Ice.RetryIntervals=-1", "--Ice.ThreadPool.Server.Size=8"]
        arguments += ["--Ice.Warn.Connections=0", "--Ice.Warn.Dispatch=0"]
        self.ice = Ice.initialize([*arguments, "--Ice.Default.InvocationTimeout=5000"])
        self.manager = manager
        self.calls = Calls()
        self.main = FakeMain(self.calls)
        self.authenticator = FakeAuthenticator(self.calls)
        self.catalog = FakeCatalog(self.calls)
        self.provider = FakeProvider(self.calls)
        self.adapters: dict[str, Ice.ObjectAdapter] = {}
        self.main_proxy = self._publish("main", self.main)
        provider = self._publish("provider", self.provider)
        self.catalog.provider = IceFlix.StreamProviderPrx.uncheckedCast(provider)
        self.use(self.authenticator, self.catalog)

    def use(
        self, authenticator: FakeAuthenticator | None = None, catalog: FakeCatalog | None = None
    ) -> None:
        """Let Main hand these out from now on."""
        if authenticator is not None:
            proxy = self._publish("authenticator", authenticator)
            self.main.authenticator = IceFlix.AuthenticatorPrx.uncheckedCast(proxy)
        if catalog is not None:
            proxy = self._publish("catalog", catalog)
            self.main.catalog = IceFlix.MediaCatalogPrx.uncheckedCast(proxy)

    def another_provider(self, name: str, provider: FakeProvider) -> IceFlix.StreamProviderPrx:
        """One more provider, which the catalogue does not know."""
        return IceFlix.StreamProviderPrx.uncheckedCast(self._publish(name, provider))

    def _publish(self, name: str, servant: Ice.Object) -> Ice.ObjectPrx:
        """Every object has an adapter of its own, so that it can die alone."""
        self.kill(name)
        adapter = self.ice.createObjectAdapterWithEndpoints("", "tcp -h 127.0.0.1")
        self.adapters[name] = adapter
        proxy = adapter.add(servant, Ice.stringToIdentity(f"fake/{name}"))
        adapter.activate()
        return proxy

    def kill(self, name: str) -> None:
        """Nobody listens there any more."""
        adapter = self.adapters.pop(name, None)
        if adapter is not None:
            adapter.destroy()

    def revive_main(self) -> None:
        """Let Main listen again where it was."""
        endpoint = self.main_proxy.ice_getEndpoints()[0].toString()
        adapter = self.ice.createObjectAdapterWithEndpoints("", endpoint)
        adapter.add(self.main, Ice.stringToIdentity("fake/main"))
        adapter.activate()
        self.adapters["main"] = adapter

    @property
    def address(self) -> str:
        """Main's proxy as a person would give it."""
        return self.main_proxy.ice_toString()

    def topic(self, name: str) -> Ice.ObjectPrx:
        """The publisher of a topic of the broker."""
        manager = self.ice.stringToProxy(self.manager)
        topics = IceStorm.TopicManagerPrx.uncheckedCast(manager)
        try:
            return topics.create(name).getPublisher()
        except IceStorm.TopicExists:
            return topics.retrieve(name).getPublisher()

    def subscribers(self, name: str) -> int:
        """How many listen to a topic of the broker."""
        manager = self.ice.stringToProxy(self.manager)
        topics = IceStorm.TopicManagerPrx.uncheckedCast(manager)
        try:
            return len(topics.retrieve(name).getSubscribers())
        except IceStorm.NoSuchTopic:
            return 0

    def revoke(self, token: str) -> None:
        """Tell everybody that a token is not valid any more."""
        publisher = self.topic("AuthenticationStatus")
        IceFlix.TokenRevocationPrx.uncheckedCast(publisher).revoke(token)

    def request_authentication(self, topic: str) -> None:
        """Ask whoever plays for a token."""
        IceFlix.StreamerSyncPrx.uncheckedCast(self.topic(topic)).requestAuthentication()

    def close(self) -> None:
        """End everything."""
        self.ice.destroy()


@contextlib.contextmanager
def session_for(home: Path, manager: str = "", **properties: str) -> Iterator[Session]:
    """A session with short times; ``Client_TimeoutSeconds="1"`` sets a property."""
    values = {
        "Client.PauseSeconds": "0.05",
        "Client.TimeoutSeconds": "2",
        "Client.ProbeSeconds": "0.1",
        # Nobody listens there: sessions work without a broker.
        "IceStorm.TopicManager.Proxy": manager or "IceStorm/TopicManager:tcp -h 127.0.0.1 -p 1",
        **{key.replace("_", "."): value for key, value in properties.items()},
    }
    with Session(Options.of(Settings.of(home, values))) as session:
        yield session


class Tap:
    """A TCP relay that keeps everything that passes."""

    # pylint: disable=too-few-public-methods

    def __init__(self, port: int) -> None:
        self.seen = bytearray()
        self._target = ("127.0.0.1", port)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection(self._target)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError), source, sink:
            while block := source.recv(65536):
                self.seen += block
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Accept no more."""
        self._socket.close()


def port_of(proxy: Ice.ObjectPrx) -> int:
    """The TCP port in a proxy."""
    info = proxy.ice_getEndpoints()[0].getInfo()
    while not isinstance(info, Ice.IPEndpointInfo):
        assert info.underlying is not None
        info = info.underlying
    return info.port


def tapped(platform: Platform) -> Tap:
    """Let Main hand out an authenticator behind a tap."""
    proxy = platform.main.authenticator
    assert proxy is not None
    tap = Tap(port_of(proxy))
    through = platform.ice.stringToProxy(f"fake/authenticator:tcp -h 127.0.0.1 -p {tap.port}")
    platform.main.authenticator = IceFlix.AuthenticatorPrx.uncheckedCast(through)
    return tap
