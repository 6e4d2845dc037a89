"""RTSP: sessions, and the authority that they depend on."""

import contextlib
import gc
import os
import re
import socket
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.errors import SetupError
from iceflix.streaming.rtsp import RTP_PORTS
from iceflix.streaming.service import build
from tests.conftest import free_port, wait_until
from tests.media.clips import Clips
from tests.media.foreign import take
from tests.media.receiver import Receiver
from tests.media.rtspclient import RtspClient
from tests.media.staging import Stage, Staged, gone

pytestmark = [pytest.mark.slow, pytest.mark.serial]

TOKEN, GRACE = 2.0, 1.0
TCP = "RTP/AVP/TCP;unicast;interleaved={}-{}"
SHORT_LIVES = {"Auth.TokenSeconds": str(TOKEN), "Stream.GraceSeconds": str(GRACE)}


@pytest.fixture(name="service")
def _service(stage: Stage, clips: Clips) -> Iterator[Staged]:
    """Twenty seconds of video, tokens of two seconds."""
    with stage.play(clips.get("long.mp4"), SHORT_LIVES) as staged:
        yield staged


def test_pausing_and_positioning(service: Staged) -> None:
    """The server says from where it goes on: the key frame at or before."""
    with RtspClient(service.open().rtspUrl(service.token())) as player:
        assert player.set_up(TCP) == 200
        assert player.ask("PLAY", Range="npt=2.5-").headers["range"].startswith("npt=2-")
        wait_until(lambda: player.receive(0.05) > 10)
        assert player.ask("PAUSE").status == 200
        player.receive(0.3)
        assert player.receive(0.7) <= 1  # a report of RTCP may come at any time
        assert player.ask("PLAY", Range="npt=1.2-").headers["range"].startswith("npt=1-")
        wait_until(lambda: player.receive(0.05) > 10)
        assert player.ask("TEARDOWN").status == 200


def test_guesses_lead_nowhere(service: Staged) -> None:
    """And what is no RTSP at all does no harm."""
    url = service.open().rtspUrl(service.token())
    base, _, path = url.rpartition("/")
    assert len(path) >= 32
    for guess in ("", "x", path[:-1], path + "x", path.swapcase(), "../" + path, f"{path}/../x"):
        with RtspClient(url) as stranger:
            stranger.url = f"{base}/{guess}"
            assert stranger.ask("DESCRIBE").status in {0, 400, 404}, guess
            assert stranger.ask("SETUP", "/stream=0", Transport=TCP.format(0, 1)).status in {0, 404}
    place = (re.findall(r"//(.+):", url)[0], int(re.findall(r":(\d+)/", url)[0]))
    for garbage in (b"\0" * 1000, b"GET / HTTP/1.0\r\n\r\n", os.urandom(200_000), b"$\0\xff\xff"):
        with socket.create_connection(place) as stranger, contextlib.suppress(OSError):
            stranger.sendall(garbage)
    with RtspClient(url) as player:
        assert player.set_up(TCP) == 200


def test_packets_go_to_whoever_asked(service: Staged) -> None:
    """A destination in the request is not obeyed: this is no reflector."""
    with Receiver() as here, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind(("127.0.0.2", here.port))
        victim.settimeout(0.5)
        with RtspClient(service.open().rtspUrl(service.token())) as player:
            ways = f"client_port={here.port}-{here.port + 1}"
            transport = f"RTP/AVP;unicast;destination=127.0.0.2;{ways}"
            assert player.ask("DESCRIBE").status == 200
            assert player.ask("SETUP", "/stream=0", Transport=transport).status == 200
            player.ask("PLAY")
            wait_until(lambda: len(here.packets) > 5)
            with pytest.raises(TimeoutError):
                victim.recv(2000)


def test_it_listens_where_the_service_does(service: Staged) -> None:
    """On loopback, with everything that it opens."""
    with RtspClient(service.open().rtspUrl(service.token())) as player:
        player.set_up("RTP/AVP;unicast;client_port=4000{}-4000{}")
        ours = [
            each.laddr.ip
            for each in psutil.Process().net_connections("inet")
            if each.status == psutil.CONN_LISTEN or (each.type == socket.SOCK_DGRAM and each.laddr)
        ]
    assert ours and set(ours) == {"127.0.0.1"}


def test_on_the_network_the_url_names_the_address_that_was_called(
    stage: Stage, clips: Clips
) -> None:
    """With --lan there is more than one."""
    with stage.play(clips.get("long.mp4"), {"Ice.Default.Host": ""}) as service:
        control = service.open()
        connection = control.ice_getConnection()
        assert connection is not None
        called = connection.getInfo()
        while called.underlying is not None:
            called = called.underlying
        assert isinstance(called, Ice.IPConnectionInfo)
        url = control.rtspUrl(service.token())
        assert called.remoteAddress.removeprefix("::ffff:") in url
        with RtspClient(url) as player:
            _start(player, None, "tcp")


def test_ports_that_others_have_are_left_alone(service: Staged) -> None:
    """Several providers of a machine take theirs from the same range."""
    with contextlib.ExitStack() as others, Receiver() as receiver:
        for port in RTP_PORTS[0], RTP_PORTS[0] + 3:
            taken = others.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            with contextlib.suppress(OSError):  # another provider has it
                taken.bind(("127.0.0.1", port))
        with RtspClient(service.open().rtspUrl(service.token())) as player:
            _start(player, receiver, "udp")


def test_without_a_token_there_is_no_url(service: Staged) -> None:
    """The token is checked and bound as getSDP does it."""
    controller = service.open()
    for token in ("", "x"):
        with pytest.raises(IceFlix.Unauthorized):
            controller.rtspUrl(token)
    old, new = service.token(), service.token()
    url = controller.rtspUrl(old)
    assert controller.rtspUrl(new) == url
    sync = service.foreigners.listen(
        controller.getSyncTopic(), IceFlix.StreamerSync, "requestAuthentication"
    )
    service.foreigners.authenticator.expire(new)
    service.foreigners.revoke(new)
    assert take(sync, 1)[0] == "requestAuthentication"


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_session_ends_with_its_token(service: Staged, transport: str) -> None:
    """V47: after the grace, not before it and not much later."""
    token = service.token()
    controller = service.open(token)
    with Receiver() as receiver, RtspClient(controller.rtspUrl(token)) as player:
        heard = _start(player, receiver, transport)
        service.foreigners.authenticator.expire(token)
        service.foreigners.revoke(token)
        expired = time.monotonic()
        assert player.closed(GRACE + 2)
        assert GRACE - 0.2 < time.monotonic() - expired < GRACE + 1.5
        wait_until(lambda: gone(controller))
        assert receiver.silent_for(0.5, 3)
        assert transport == "tcp" or len(receiver.packets) > heard
        with RtspClient(player.url) as again:
            assert again.ask("DESCRIBE").status == 404


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_session_ends_with_its_playback(service: Staged, transport: str) -> None:
    """V49; and the sessions of another playback go on."""
    first, second = service.open(), service.open()
    urls = [controller.rtspUrl(service.token()) for controller in (first, second)]
    assert urls[0] != urls[1]
    with Receiver() as receiver, RtspClient(urls[0]) as player, RtspClient(urls[1]) as other:
        _start(player, receiver, transport)
        _start(other, receiver, "tcp")
        first.stop()
        assert player.closed(1)
        assert receiver.silent_for(0.5, 3)
        assert other.receive(0.02) > 0 and not other.closed(0.5)
        second.stop()
        assert other.closed(1)


def test_sessions_end_with_the_provider(service: Staged) -> None:
    """V52."""
    with RtspClient(service.open().rtspUrl(service.token())) as player:
        _start(player, None, "tcp")
        service.host.stop()
        assert player.closed(2)
        with pytest.raises(ConnectionError):
            RtspClient(player.url)


def test_repeated_sessions_leave_nothing(service: Staged) -> None:
    """No threads, no files; not even those that nobody ended."""

    def held() -> tuple[int, int]:
        gc.collect()
        process = psutil.Process()
        return process.num_threads(), process.num_fds()

    def once(transport: str) -> None:
        controller = service.open()
        with Receiver() as receiver, RtspClient(controller.rtspUrl(service.token())) as player:
            _start(player, receiver, transport)
            controller.stop()
            assert player.closed(2)

    for transport in ("tcp", "udp", "tcp", "udp"):
        once(transport)
    before = held()
    for transport in ("tcp", "udp") * 8:
        once(transport)
    wait_until(lambda: held()[1] <= before[1], 10, f"files: {before} before")
    wait_until(lambda: held()[0] <= before[0] + 2, 10, f"threads: {before} before")
    status = service.host.status()
    assert status.details["rtsp sessions"] == "0"


def test_many_connections_are_refused(stage: Stage, clips: Clips) -> None:
    """Not more than Stream.Max at once."""
    with stage.play(clips.get("long.mp4"), {"Stream.Max": "4"}) as service:
        url = service.open().rtspUrl(service.token())
        with contextlib.ExitStack() as crowd:
            players = [crowd.enter_context(RtspClient(url)) for _ in range(12)]
            assert [player.closed(0.2) for player in players].count(True) == 8
        with contextlib.ExitStack() as crowd:

            def admitted() -> bool:
                return crowd.enter_context(RtspClient(url)).ask("DESCRIBE").status == 200

            wait_until(admitted)


@pytest.mark.parametrize(
    ("setting", "sentence"), [("off", "offers no RTSP"), ("taken", "Stream.RtspPort must be")]
)
def test_it_can_be_off_or_impossible(
    stage: Stage, clips: Clips, setting: str, sentence: str
) -> None:
    """With a sentence in either case, and getSDP works as ever."""
    with socket.socket() as taken, Receiver() as receiver:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = str(taken.getsockname()[1]) if setting == "taken" else setting
        with stage.play(clips.get("long.mp4"), {"Stream.RtspPort": port}) as service:
            controller = service.open()
            with pytest.raises(IceFlix.ControlRefused, match=sentence):
                controller.rtspUrl(service.token())
            assert controller.getSDP(service.token(), receiver.port)


def test_an_impossible_setting_stops_the_start(stage: Stage) -> None:
    """And says which values there are."""
    stage.folder.mkdir()
    properties = {"Media.Folder": str(stage.folder), "Stream.RtspPort": "65536"}
    with pytest.raises(SetupError, match=r"Stream.RtspPort must be a port below 65536"):
        stage.make_host("streaming", build, properties)


def test_who_never_asks_pays_nothing(service: Staged) -> None:
    """No port, no thread."""
    assert not any(thread.name == "rtsp" for thread in threading.enumerate())
    service.open().rtspUrl(service.token())
    assert any(thread.name == "rtsp" for thread in threading.enumerate())


def _start(player: RtspClient, receiver: Receiver | None, transport: str) -> int:
    """Play; returns how many packets have come by UDP."""
    if transport == "tcp" or receiver is None:
        assert player.set_up(TCP) == 200
        assert player.ask("PLAY").status == 200
        wait_until(lambda: player.receive(0.01) > 0)
        return 0
    assert player.ask("DESCRIBE").status == 200
    ways = f"RTP/AVP;unicast;client_port={receiver.port}-{receiver.port + 1}"
    assert player.ask("SETUP", "/stream=0", Transport=ways).status == 200
    assert player.ask("PLAY").status == 200
    wait_until(lambda: len(receiver.packets) > 5)
    return len(receiver.packets)
