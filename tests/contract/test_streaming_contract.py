"""StreamProvider's and StreamController's contract, on the servants and over the wire."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.communicator import initialize
from iceflix.runtime.errors import NotAuthorized
from iceflix.runtime.settings import Settings
from iceflix.streaming.controller import Controller, Objects
from iceflix.streaming.library import Medium
from iceflix.streaming.lifetime import Limits
from iceflix.streaming.provider import Announcer, Provider
from iceflix.streaming.sender import Target
from iceflix.streaming.servant import ControllerServant, ProviderServant, RevocationServant
from tests.conftest import wait_until
from tests.unit.streaming.fakes import World

ONE = "a" * 64
HUGE = "x" * 400_000
LOCAL = "127.0.0.1"


class Shelves:
    """The world's media."""

    def __init__(self, world: World) -> None:
        self._world = world

    def find(self, media_id: str) -> Medium | None:
        """One of them."""
        return self._world.media.get(media_id)

    def media(self) -> list[Medium]:
        """All of them."""
        return list(self._world.media.values())


class Stand:  # pylint: disable=too-few-public-methods
    """A provider with controllers in a server of its own."""

    def __init__(self, home: Path, world: World) -> None:
        self.world = world
        self.announced: list[str] = []
        self.server = initialize(Settings.of(home))
        self.adapter = self.server.createObjectAdapterWithEndpoints("StreamProvider", "tcp")
        self.adapter.activate()
        self.servants: dict[str, ControllerServant] = {}
        self.workers = ThreadPoolExecutor(2)
        objects = Objects(self._add, lambda proxy: self.adapter.remove(proxy.ice_getIdentity()))
        # pylint: disable=protected-access  # the world's controllers become real objects
        self.world.controllers._objects = objects
        announcer = Announcer(lambda found: self.announced.append(found.id), self.workers)
        provider = Provider(Shelves(world), self._check, announcer)
        self.provider = ProviderServant(provider, world.controllers.open)

    def close(self) -> None:
        """End the server."""
        self.world.controllers.close()
        self.workers.shutdown()
        self.server.destroy()

    def _add(self, controller: Controller) -> Ice.ObjectPrx:
        servant = ControllerServant(controller)
        proxy = self.adapter.addWithUUID(servant)
        self.servants[str(proxy)] = servant
        return proxy

    def _check(self, token: str) -> None:
        if token not in self.world.valid:
            raise NotAuthorized("no")


class Face:
    """The operations of the contract, by either way."""

    def __init__(self, stand: Stand, ice: Ice.Communicator, direct: bool) -> None:
        self.stand = stand
        self._direct = direct
        info = SimpleNamespace(remoteAddress=LOCAL, localAddress=LOCAL, underlying=None)
        self._current = cast(
            Ice.Current, SimpleNamespace(con=SimpleNamespace(getInfo=lambda: info))
        )
        proxy = ice.stringToProxy(str(stand.adapter.addWithUUID(stand.provider)))
        self._proxy = IceFlix.StreamProviderPrx.checkedCast(proxy)

    def get_stream(self, media_id: str, token: str) -> Any:
        """getStream; what comes back answers the controller's operations."""
        if self._direct:
            found = self.stand.provider.getStream(media_id, token, self._current)
            return self.stand.servants[str(found)]
        assert self._proxy is not None
        return self._proxy.getStream(media_id, token)

    def get_sdp(self, controller: Any, token: str, port: int) -> str:
        """getSDP."""
        more = (self._current,) if self._direct else ()
        return str(controller.getSDP(token, port, *more))

    def control(self, controller: Any) -> Any:
        """What answers control's operations, once it has been asked whether it does."""
        if self._direct:
            return controller
        found = IceFlix.PlaybackControlPrx.checkedCast(controller)
        assert found is not None
        return found

    def rtsp_url(self, controller: Any, token: str) -> str:
        """rtspUrl."""
        more = (self._current,) if self._direct else ()
        return str(controller.rtspUrl(token, *more))

    def is_available(self, media_id: str) -> bool:
        """isAvailable."""
        if self._direct:
            return self.stand.provider.isAvailable(media_id, self._current)
        assert self._proxy is not None
        return self._proxy.isAvailable(media_id)

    def reannounce(self) -> None:
        """reannounceMedia."""
        if self._direct:
            self.stand.provider.reannounceMedia(self._current)
        else:
            assert self._proxy is not None
            self._proxy.reannounceMedia()


@pytest.fixture(name="face", params=["direct", "wire"])
def _face(request: pytest.FixtureRequest, tmp_path: Path, ice: Ice.Communicator) -> Iterator[Face]:
    with World(Limits()) as world:
        stand = Stand(tmp_path, world)
        yield Face(stand, ice, request.param == "direct")
        stand.close()


def test_each_call_gives_a_controller_of_its_own(face: Face) -> None:
    """V40, V43: distinct objects, distinct and stable topics that exist at once."""
    first, second = (face.get_stream(ONE, "A") for _ in range(2))
    topics = [controller.getSyncTopic() for controller in (first, second)]
    assert topics == [controller.getSyncTopic() for controller in (first, second)]
    assert len(set(topics)) == 2
    assert face.stand.world.topics == topics


@pytest.mark.parametrize("token", ["", "B", "a", "A ", HUGE])
@pytest.mark.parametrize("media_id", [ONE, "", "b" * 64, HUGE])
def test_the_token_is_looked_at_first(face: Face, media_id: str, token: str) -> None:
    """V40: both wrong is Unauthorized."""
    with pytest.raises(IceFlix.Unauthorized):
        face.get_stream(media_id, token)
    assert not face.stand.world.topics


@pytest.mark.parametrize("media_id", ["", "b" * 64, ONE.upper(), HUGE, "ñ\0'%"])
def test_unknown_media(face: Face, media_id: str) -> None:
    """V40, V41: the exception carries the id that was asked for."""
    with pytest.raises(IceFlix.WrongMediaId) as caught:
        face.get_stream(media_id, "A")
    assert caught.value.id == media_id
    assert not face.is_available(media_id)
    assert face.is_available(ONE)


def test_get_sdp_sends_to_the_caller(face: Face) -> None:
    """V44: the address of the connection, the port of the argument."""
    controller = face.get_stream(ONE, "A")
    text = face.get_sdp(controller, "A", 5005)
    assert f"c=IN IP4 {LOCAL}\r\n" in text and "m=video 5005 RTP/AVP 96\r\n" in text
    assert face.stand.world.sender.streams[0].targets == [Target(LOCAL, 5005)]


@pytest.mark.parametrize("token", ["", "B", HUGE])
def test_controllers_take_valid_tokens_only(face: Face, token: str) -> None:
    """V44, V48."""
    controller = face.get_stream(ONE, "A")
    with pytest.raises(IceFlix.Unauthorized):
        face.get_sdp(controller, token, 5004)
    with pytest.raises(IceFlix.Unauthorized):
        controller.refreshAuthentication(token)
    assert not face.stand.world.sender.streams


@pytest.mark.parametrize("port", [-(2**31), -1, 0, 80, 1023, 65536, 2**31 - 1])
def test_impossible_ports_get_a_sentence(face: Face, port: int) -> None:
    """The documented exemption from V34; the token still comes first."""
    controller = face.get_stream(ONE, "A")
    with pytest.raises(Ice.UnknownException) as caught:
        face.get_sdp(controller, "A", port)
    assert "the port must be between 1024 and 65535" in caught.value.unknown
    with pytest.raises(IceFlix.Unauthorized):
        face.get_sdp(controller, "B", port)


def test_refresh(face: Face) -> None:
    """V48: the new token is the one that is watched."""
    controller = face.get_stream(ONE, "A")
    face.get_sdp(controller, "A", 5004)
    face.stand.world.valid.add("B")
    controller.refreshAuthentication("B")
    face.stand.world.renew("C")
    RevocationServant(face.stand.world.controllers.revoked).revoke("A", None)
    assert not face.stand.world.rung
    RevocationServant(face.stand.world.controllers.revoked).revoke("B", None)
    wait_until(lambda: len(face.stand.world.rung) == 1)


def test_stop_and_then_nothing(face: Face) -> None:
    """V49: whatever is called afterwards, the object does not exist."""
    controller = face.get_stream(ONE, "A")
    face.get_sdp(controller, "A", 5004)
    controller.stop()
    assert face.stand.world.sender.streams[0].stopped and not face.stand.world.topics
    calls: list[Callable[[], object]] = [
        controller.stop,
        lambda: face.get_sdp(controller, "A", 5004),
        lambda: controller.refreshAuthentication("A"),
    ]
    for call in calls:
        with pytest.raises(Ice.ObjectNotExistException):
            call()


def test_controllers_answer_control_as_well(face: Face) -> None:
    """One object: who knows StreamController only notices nothing."""
    controller = face.get_stream(ONE, "A")
    control = face.control(controller)
    state = control.state()
    assert (state.position, state.duration, state.sending, state.paused) == (0, 60, False, False)
    control.startAt(12.5)
    assert "a=range:npt=12.500-60.000\r\n" in face.get_sdp(controller, "A", 5004)
    control.pause()
    assert control.state().paused and control.state().sending and control.state().seekable
    assert control.seek(30.0) == 30.0
    control.resume()
    state = control.state()
    assert (state.position, state.paused, state.packets, state.bytes) == (30, False, 0, 0)
    picture, sound = control.tracks()
    assert (picture.media, picture.encoding, picture.payloadType) == ("video", "H264", 96)
    assert (picture.clockRate, picture.width, picture.height) == (90000, 1280, 720)
    assert (sound.media, sound.clockRate, sound.channels, sound.width) == ("audio", 48000, 2, 0)


def test_what_control_refuses(face: Face) -> None:
    """With a sentence; the token of an RTSP URL comes before everything else."""
    control = face.control(face.get_stream(ONE, "A"))
    calls: list[Callable[[], object]] = [control.pause, control.resume, lambda: control.seek(1.0)]
    for call in calls:
        with pytest.raises(IceFlix.ControlRefused) as caught:
            call()
        assert "call getSDP first" in caught.value.reason
    for seconds in (-1.0, 61.0, float("nan"), float("inf"), -1e308):
        with pytest.raises(IceFlix.ControlRefused) as caught:
            control.startAt(seconds)
        assert "no position" in caught.value.reason
    for token in ("", "B", HUGE):
        with pytest.raises(IceFlix.Unauthorized):
            face.rtsp_url(control, token)
    with pytest.raises(IceFlix.ControlRefused) as caught:
        face.rtsp_url(control, "A")
    assert "offers no RTSP" in caught.value.reason
    control.stop()
    for call in (*calls, control.state, control.tracks, lambda: face.rtsp_url(control, "A")):
        with pytest.raises(Ice.ObjectNotExistException):
            call()


def test_a_broken_medium_is_a_sentence_not_a_traceback(face: Face) -> None:
    """Nothing declared fits."""
    controller = face.get_stream(ONE, "A")
    face.stand.world.sender.broken = "no picture"
    with pytest.raises(Ice.UnknownException) as caught:
        face.get_sdp(controller, "A", 5004)
    assert caught.value.unknown.endswith("'One' cannot be played: no picture")
    assert "Traceback" not in caught.value.unknown


def test_reannouncing(face: Face) -> None:
    """V42."""
    face.reannounce()
    wait_until(lambda: face.stand.announced == [ONE])


def test_events_never_raise(face: Face) -> None:
    """V10: whatever is published."""
    servant = RevocationServant(face.stand.world.controllers.revoked)
    face.get_stream(ONE, "A")
    for token in ("", HUGE, "A", "ñ\0"):
        servant.revoke(token, None)
    RevocationServant(lambda _token: 1 / 0).revoke("A", None)  # type: ignore[arg-type]
