"""Playbacks under control, and servers that die, against fakes that speak the Slice."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from iceflix.client import vocabulary as v
from iceflix.client.engine import Said
from iceflix.client.sentences import ClientError, Refused
from iceflix.client.session import Session, digest
from iceflix.contract import IceFlix
from tests.conftest import wait_until
from tests.unit.client.fakes import (
    FakeControl,
    FakePlayer,
    FakeProvider,
    Platform,
    session_for,
)

ANA = ("ana", digest("secreto"))


@pytest.fixture(name="platform")
def _platform() -> Iterator[Platform]:
    platform = Platform()
    platform.catalog.titles = {"aa11": ("Metropolis", [])}
    platform.provider.controller = FakeControl
    yield platform
    platform.close()


@pytest.fixture(name="ready")
def _ready(platform: Platform, tmp_path: Path) -> Iterator[Session]:
    """Connected, signed in, Metropolis selected."""
    with session_for(tmp_path) as session:
        session.connect(platform.address).result(10)
        session.sign_in(*ANA).result(10)
        session.select(session.search_name("Metro").result(10).titles[0]).result(10)
        yield session


def position(session: Session) -> float:
    """Where the stream is."""
    statistics = session.statistics()
    assert statistics is not None
    return statistics.position


def notices(heard: list[Said]) -> list[str]:
    """What was said."""
    return [str(said.sentence) for said in heard if isinstance(said, v.Notice)]


def die(platform: Platform, player: FakePlayer) -> None:
    """The server is killed, and no packets come any more."""
    platform.kill("provider")
    player.figures = replace(player.figures, silence=1.0)


# ---------------------------------------------------------------- control


def test_pausing_at_the_server(ready: Session, platform: Platform) -> None:
    """Pausing at the server: no packets are expected meanwhile."""
    player = FakePlayer()
    ready.play(player).result(10)
    ready.pause(True).result(10)
    statistics = ready.statistics()
    assert statistics is not None and statistics.paused
    assert not player.paused
    ready.pause(False).result(10)
    assert player.told == [("suspend", True), ("suspend", False)]
    assert platform.calls.of("pause") == platform.calls.of("resume") == [()]


def test_pausing_here_when_the_server_refuses(ready: Session, platform: Platform) -> None:
    """Pausing here when the server refuses."""
    platform.calls.fail["pause"] = lambda: IceFlix.ControlRefused("it is live")
    player = FakePlayer()
    ready.play(player).result(10)
    ready.pause(True).result(10)
    assert player.paused
    ready.pause(False).result(10)
    assert player.told[-1] == ("suspend", False)
    wait_until(lambda: not player.paused)
    assert not platform.calls.of("resume")


def test_seeking(ready: Session, platform: Platform) -> None:
    """Seeking goes by the position at the server and stays within the title."""
    player = FakePlayer()
    ready.play(player, v.Wish(start=30.5)).result(10)
    assert ready.view.playing == replace(v.Playing(v.Title("aa11", "Metropolis")), seekable=True)
    assert platform.calls.of("startAt") == [(30.5,)]
    assert position(ready) == 30.5
    ready.seek(10, relative=True).result(10)
    assert position(ready) == 40.0
    ready.seek(-100, relative=True).result(10)
    ready.seek(33.3).result(10)
    ready.seek(1000).result(10)
    assert platform.calls.of("seek") == [(40.5,), (0.0,), (33.3,), (88.0,)]
    assert player.told == [("moved", 40.0), ("moved", 0.0), ("moved", 33.0), ("moved", 88.0)]
    statistics = ready.statistics()
    assert statistics is not None and statistics.duration == 90.0


def test_a_seek_that_is_refused(ready: Session, platform: Platform) -> None:
    """A seek that is refused has a reason."""
    platform.calls.fail["seek"] = lambda: IceFlix.ControlRefused("It is being transcoded.")
    ready.play(FakePlayer()).result(10)
    with pytest.raises(Refused, match=r"^The video server refuses: It is being transcoded\.$"):
        ready.seek(10).result(10)
    assert ready.view.playing is not None


def test_foreign_servers_play_from_beginning_to_end(ready: Session, platform: Platform) -> None:
    """Foreign servers play from beginning to end, and are paused here."""
    platform.provider.controller = type(platform.provider)(platform.calls).controller
    player = FakePlayer()
    with pytest.raises(Refused, match="from beginning to end"):
        ready.play(player, v.Wish(start=1.0)).result(10)
    assert ready.view.playing is None
    ready.play(player).result(10)
    assert position(ready) == 61.5, "what the player says"
    with pytest.raises(Refused, match="from beginning to end"):
        ready.seek(10).result(10)
    ready.pause(True).result(10)
    assert player.paused


def test_an_rtsp_url(ready: Session, platform: Platform) -> None:
    """An RTSP URL: nothing is sent to us, the token goes on being renewed."""
    player = FakePlayer()
    ready.play(player, v.Wish(rtsp=True)).result(10)
    assert player.sdp == "rtsp://127.0.0.1:8554/unguessable"
    assert not platform.calls.of("getSDP")
    platform.kill("provider")
    wait_until(lambda: ready.view.playing is None)


def test_without_rtsp_there_is_a_reason(ready: Session, platform: Platform) -> None:
    """Without RTSP there is a reason, and nothing is left."""
    platform.calls.fail["rtspUrl"] = lambda: IceFlix.ControlRefused("RTSP is off")
    with pytest.raises(Refused, match="RTSP is off"):
        ready.play(FakePlayer(), v.Wish(rtsp=True)).result(10)
    assert platform.calls.of("stop")


# ---------------------------------------------------------------- servers that die


def test_another_server_goes_on(ready: Session, platform: Platform) -> None:
    """Another server goes on, at the same position, to the same port, with the same player."""
    heard: list[Said] = []
    ready.subscribe(heard.append)
    player = FakePlayer()
    ready.play(player, v.Wish(start=30.0)).result(10)
    other = FakeProvider(platform.calls)
    other.controller = FakeControl
    platform.catalog.provider = platform.another_provider("other", other)
    die(platform, player)
    wait_until(lambda: ("suspend", True) in player.told)
    wait_until(lambda: "rejoin" in [what for what, _ in player.told])
    wait_until(lambda: ready.view.playing is not None and not ready.view.playing.moving)
    assert platform.calls.of("startAt") == [(30.0,), (30.0,)]
    assert {port for _, port in platform.calls.of("getSDP")} == {player.port}
    assert not player.stopped
    assert "The video server has died; going on from another one." in notices(heard)
    player.figures = replace(player.figures, silence=0.0)
    ready.seek(50).result(10)
    ready.stop().result(10)
    assert platform.calls.of("stop") == [()]
    assert player.stopped


def test_a_catalogue_that_gives_the_dead_one_first(ready: Session, platform: Platform) -> None:
    """A catalogue that gives the dead one first is asked again."""
    player = FakePlayer()
    ready.play(player).result(10)
    dead = platform.catalog.provider
    assert dead is not None
    other = FakeProvider(platform.calls)
    other.controller = FakeControl
    platform.catalog.provider = platform.another_provider("other", other)
    platform.catalog.others = [dead, dead]
    die(platform, player)
    wait_until(lambda: "rejoin" in [what for what, _ in player.told])
    assert not platform.catalog.others


def test_a_paused_stream_stays_paused(ready: Session, platform: Platform) -> None:
    """A paused stream stays paused."""
    player = FakePlayer()
    ready.play(player).result(10)
    ready.pause(True).result(10)
    other = FakeProvider(platform.calls)
    other.controller = FakeControl
    platform.catalog.provider = platform.another_provider("other", other)
    platform.kill("provider")
    wait_until(lambda: len(platform.calls.of("pause")) == 2)
    wait_until(lambda: ready.view.playing is not None and not ready.view.playing.moving)
    statistics = ready.statistics()
    assert statistics is not None and statistics.paused


def test_a_foreign_server_cannot_go_on(ready: Session, platform: Platform) -> None:
    """A foreign server cannot go on: the title would begin again."""
    heard: list[Said] = []
    player = FakePlayer()
    ready.play(player).result(10)
    ready.subscribe(heard.append)
    platform.catalog.provider = platform.another_provider("other", FakeProvider(platform.calls))
    die(platform, player)
    wait_until(lambda: ready.view.playing is None)
    assert "from beginning to end" in notices(heard)[-1]
    assert player.stopped
    assert len(platform.calls.of("stop")) == 1, "the other one's controller is not left behind"


def test_a_dying_foreign_server_is_replaced_by_ours(ready: Session, platform: Platform) -> None:
    """A foreign server that dies is replaced by one of ours, by the player's position."""
    platform.provider.controller = type(platform.provider)(platform.calls).controller
    player = FakePlayer()
    ready.play(player).result(10)
    other = FakeProvider(platform.calls)
    other.controller = FakeControl
    platform.catalog.provider = platform.another_provider("other", other)
    die(platform, player)
    wait_until(lambda: platform.calls.of("startAt") == [(61.5,)])
    player.figures = replace(player.figures, silence=0.0)
    wait_until(lambda: ready.view.playing is not None and not ready.view.playing.moving)


def test_a_stream_that_is_near_its_end_has_ended(ready: Session, platform: Platform) -> None:
    """A stream that is near its end has ended."""
    heard: list[Said] = []
    player = FakePlayer()
    ready.play(player, v.Wish(start=89.8)).result(10)
    ready.subscribe(heard.append)
    die(platform, player)
    wait_until(lambda: ready.view.playing is None)
    assert "The end of Metropolis." in notices(heard)


def test_silence_of_a_server_that_answers_is_nothing(ready: Session, platform: Platform) -> None:
    """Silence of a server that answers is nothing; that it has ended the stream is."""
    player = FakePlayer()
    player.figures = replace(player.figures, silence=5.0)
    ready.play(player).result(10)
    before = len(platform.calls.of("state"))
    wait_until(lambda: len(platform.calls.of("state")) > before + 1)
    assert ready.view.playing is not None and not ready.view.playing.moving
    heard: list[Said] = []
    ready.subscribe(heard.append)
    platform.adapters["provider"].remove(platform.provider.proxies[0].ice_getIdentity())
    wait_until(lambda: ready.view.playing is None)
    assert notices(heard) == ["The server has ended the stream."]


def test_what_a_hung_server_does_not_do_another_one_does(
    tmp_path: Path, platform: Platform
) -> None:
    """What a hung server does not do another one does."""
    platform.calls.delay["seek"] = threading.Event()
    with session_for(tmp_path, Client_TimeoutSeconds="0.5") as session:
        session.connect(platform.address).result(10)
        session.sign_in(*ANA).result(10)
        session.select(session.search_name("Metro").result(10).titles[0]).result(10)
        session.play(FakePlayer()).result(10)
        other = FakeProvider(platform.calls)
        other.controller = FakeControl
        platform.catalog.provider = platform.another_provider("other", other)
        with pytest.raises(ClientError, match="does not answer"):
            session.seek(40).result(10)
        wait_until(lambda: platform.calls.of("startAt"))
        ((began,),) = platform.calls.of("startAt")
        assert began >= 40.0
        platform.calls.delay["seek"].set()
