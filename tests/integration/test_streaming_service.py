"""The streaming service on a real broker, with foreign Authenticators and clients (V37-V51)."""

import contextlib
import hashlib
import os
import shutil
import threading
import time
import uuid
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from iceflix.contract import Ice, IceFlix, IceStorm
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import Host
from iceflix.streaming.orphans import Orphans, topic_name
from iceflix.streaming.service import build, sweep
from tests.conftest import Broker, HostMaker, wait_until
from tests.media.clips import Clips
from tests.media.foreign import Events, Foreigners, drain, take
from tests.media.receiver import Receiver
from tests.media.staging import gone

pytestmark = [pytest.mark.slow, pytest.mark.serial]

TOKEN, GRACE = 2.0, 1.0


@pytest.fixture(name="folder")
def _folder(tmp_path: Path, clips: Clips) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    shutil.copy(clips.get("long.mp4"), folder / "Long.mp4")
    return folder


@dataclass
class Service:
    """The service in this process, and what it told the world."""

    host: Host
    provider: IceFlix.StreamProviderPrx
    announced: Events
    foreigners: Foreigners
    media: str

    def play(self, receiver: Receiver, seconds: float = 3600.0) -> IceFlix.StreamControllerPrx:
        """A controller that sends, under a token of so many seconds."""
        token = self.foreigners.authenticator.issue(seconds)
        controller = self.provider.getStream(self.media, token)
        assert controller is not None
        assert f"m=video {receiver.port} RTP/AVP 96" in controller.getSDP(token, receiver.port)
        wait_until(lambda: bool(receiver.packets), 2, "packets arrive (V44)")
        return controller

    def sync(self, controller: IceFlix.StreamControllerPrx) -> Events:
        """What the controller asks of its client."""
        topic = controller.getSyncTopic()
        return self.foreigners.listen(topic, IceFlix.StreamerSync, "requestAuthentication")

    def topics(self) -> set[str]:
        """The names of the controllers' topics."""
        names = self.foreigners.broker.manager.retrieveAll()
        return {name for name in names if self.host.identifier in name}


@pytest.fixture(name="service")
def _service(make_host: HostMaker, folder: Path, foreigners: Foreigners) -> Service:
    """A service with tokens of two seconds and a grace of one."""
    announced = foreigners.listen("MediaAnnouncements", IceFlix.StreamAnnounces, "newMedia")
    properties = {
        "Media.Folder": str(folder),
        "Media.SettleSeconds": "0.1",
        "Auth.TokenSeconds": str(TOKEN),
        "Stream.GraceSeconds": str(GRACE),
    }
    host = make_host("streaming", build, properties)
    provider = IceFlix.StreamProviderPrx.checkedCast(foreigners.ice.stringToProxy(str(host.proxy)))
    assert provider is not None
    _, media, title, provider_id = take(announced)
    assert (title, provider_id) == ("Long", host.identifier)
    assert media == hashlib.sha256((folder / "Long.mp4").read_bytes()).hexdigest()
    foreigners.accepted(provider, media)
    return Service(host, provider, announced, foreigners, media)


def test_one_announcement_per_title_and_again_when_asked(service: Service, folder: Path) -> None:
    """V39, V42, V73: newMedia at the start, all on request, only new ones on reload."""
    assert not drain(service.announced)
    service.provider.reannounceMedia()
    assert [event[1] for event in drain(service.announced)] == [service.media]
    (folder / "other").mkdir()
    (folder / "other" / "New one.mp4").write_bytes((folder / "Long.mp4").read_bytes() + b"x")
    (folder / "copy.mp4").write_bytes((folder / "Long.mp4").read_bytes())
    (folder / "notes.txt").write_text("hello")
    service.host.reload()
    assert take(service.announced)[2:] == ("New one", service.host.identifier)
    assert not drain(service.announced, 1.5)


def test_files_come_and_go(service: Service, folder: Path) -> None:
    """V41: available is what is there; a controller of a lost medium is refused."""
    assert service.provider.isAvailable(service.media)
    (folder / "Long.mp4").rename(folder.parent / "aside.mp4")
    assert not service.provider.isAvailable(service.media)
    token = service.foreigners.authenticator.issue()
    with pytest.raises(IceFlix.WrongMediaId) as caught:
        service.provider.getStream(service.media, token)
    assert caught.value.id == service.media
    (folder.parent / "aside.mp4").rename(folder / "Back.mp4")
    service.host.reload()
    assert take(service.announced)[1:3] == (service.media, "Back")
    assert service.provider.isAvailable(service.media)


def test_a_new_file_disturbs_no_stream(service: Service, folder: Path, clips: Clips) -> None:
    """V73: the stream that runs has no gap, a file that is being copied is not announced."""
    with Receiver() as receiver:
        service.play(receiver)
        with (folder / "new.mp4").open("wb") as copy:
            content = clips.get("plain.mp4").read_bytes()
            copy.write(content[:5000])
            copy.flush()
            service.host.reload()
            assert not drain(service.announced, 0.7)
            copy.write(content[5000:])
        assert take(service.announced)[1] == hashlib.sha256(content).hexdigest()
        assert not drain(service.announced)
    gaps = [after.arrival - before.arrival for before, after in pairwise(receiver.packets)]
    assert receiver.lost == 0 and max(gaps) < 0.5


def test_the_topic_lives_as_long_as_the_controller(service: Service) -> None:
    """V43, V49."""
    token = service.foreigners.authenticator.issue()
    controllers = [service.provider.getStream(service.media, token) for _ in range(3)]
    topics = {controller.getSyncTopic() for controller in controllers if controller is not None}
    assert len(topics) == 3 and service.topics() >= topics
    for controller in controllers:
        assert controller is not None
        service.foreigners.broker.manager.retrieve(controller.getSyncTopic())
        controller.stop()
        assert gone(controller)
        with pytest.raises(Ice.ObjectNotExistException):
            controller.stop()
    wait_until(lambda: not service.topics() & topics)


def test_stop_stops(service: Service) -> None:
    """V49: within a second."""
    with Receiver() as receiver, Receiver(receiver.port + 2) as sound:
        controller = service.play(receiver)
        wait_until(lambda: bool(sound.packets))
        stopped = time.monotonic()
        controller.stop()
        assert receiver.silent_for(0.5, 3) and sound.silent_for(0.5, 3)
        assert max(packet.arrival for packet in receiver.packets) < stopped + 1


def test_a_second_description_moves_the_stream(service: Service) -> None:
    """V44: the old port falls silent."""
    with Receiver() as first, Receiver(parity=1) as second:
        controller = service.play(first)
        token = service.foreigners.authenticator.issue()
        controller.getSDP(token, second.port)
        wait_until(lambda: bool(second.packets), 2)
        assert first.silent_for(0.5, 3)
        assert second.packets[0].source == first.packets[0].source


def test_a_revoked_token_needs_a_successor(service: Service) -> None:
    """V47, V48: asked within a second, three cycles survived without a gap, then the end."""
    authenticator = service.foreigners.authenticator
    with Receiver() as receiver:
        controller = service.play(receiver)
        sync = service.sync(controller)
        token = authenticator.issue()
        controller.refreshAuthentication(token)
        for _ in range(3):
            authenticator.expire(token)
            service.foreigners.revoke(token)
            assert take(sync, 1)[0] == "requestAuthentication"
            with pytest.raises(IceFlix.Unauthorized):
                controller.refreshAuthentication(token)
            token = authenticator.issue()
            controller.refreshAuthentication(token)
        authenticator.expire(token)
        service.foreigners.revoke(token)
        take(sync, 1)
        asked = time.monotonic()
        wait_until(lambda: gone(controller), GRACE + 1)
        assert time.monotonic() - asked > GRACE - 0.2
        assert receiver.silent_for(0.5, 3)
        last = receiver.packets[-1].arrival
    assert asked + GRACE - 0.2 < last < asked + GRACE + 1
    gaps = [after.arrival - before.arrival for before, after in pairwise(receiver.packets)]
    assert max(gaps) < 0.5
    wait_until(lambda: not service.topics())


def test_lies_and_other_peoples_tokens_do_nothing(service: Service) -> None:
    """V47: anybody can publish a revocation."""
    with Receiver() as receiver:
        controller = service.play(receiver)
        sync = service.sync(controller)
        token = service.foreigners.authenticator.issue()
        controller.refreshAuthentication(token)
        for lie in ("", token, token, "x" * 100_000, service.foreigners.authenticator.issue()):
            service.foreigners.revoke(lie)
        assert not drain(sync, GRACE + 1)
        assert not gone(controller)


def test_an_expiry_that_nobody_tells_of_is_found_out(service: Service) -> None:
    """V47: by the controller's own clock, within a second; and V50: the client is gone."""
    with Receiver() as receiver:
        controller = service.play(receiver, TOKEN)
        sync = service.sync(controller)
        issued = time.monotonic()
        take(sync, TOKEN + 1)
        assert time.monotonic() - issued > TOKEN - 0.5
        wait_until(lambda: gone(controller), GRACE + 1)
        assert receiver.silent_for(0.5, 3)


def test_without_authenticators_streams_end(service: Service) -> None:
    """V21: token, grace and two seconds; nobody gets a new stream meanwhile."""
    with Receiver() as receiver:
        controller = service.play(receiver)
        began = time.monotonic()
        service.foreigners.kill_authenticator()
        wait_until(lambda: gone(controller), TOKEN + GRACE + 2)
        assert time.monotonic() - began > TOKEN
        with pytest.raises(IceFlix.Unauthorized):
            service.provider.getStream(service.media, "x")


def test_a_hundred_streams_that_nobody_plays_leave_nothing(service: Service) -> None:
    """V50: no object, no topic."""
    token = service.foreigners.authenticator.issue(TOKEN)
    controllers = []
    with contextlib.suppress(IceFlix.Unauthorized):  # the token's time may run out meanwhile
        for _ in range(100):
            controllers.append(service.provider.getStream(service.media, token))
    assert len(controllers) > 20
    wait_until(
        lambda: all(gone(controller) for controller in controllers if controller),
        TOKEN + GRACE + 5,
    )
    wait_until(lambda: not service.topics(), 20)
    status = service.host.status()
    assert (status.details["playbacks"], status.details["streams"]) == ("0", "0")


def test_after_the_end_it_plays_again(service: Service, folder: Path, clips: Clips) -> None:
    """V51: the flow stops, the controller is there until stop or expiry."""
    shutil.copy(clips.get("silent.mp4"), folder / "short.mp4")
    service.host.reload()
    service.media = str(take(service.announced)[1])
    with Receiver() as receiver:
        token = service.foreigners.authenticator.issue()
        controller = service.play(receiver)
        refreshed = threading.Event()

        def keep_alive() -> None:
            while not refreshed.wait(TOKEN / 2):
                controller.refreshAuthentication(service.foreigners.authenticator.issue())

        keeper = threading.Thread(target=keep_alive)
        keeper.start()
        assert receiver.silent_for(1.0, 10)
        heard = len(receiver.packets)
        controller.getSDP(token, receiver.port)
        wait_until(lambda: len(receiver.packets) > heard, 2)
        refreshed.set()
        keeper.join()
        controller.stop()


def test_topics_of_dead_providers_are_swept(service: Service) -> None:
    """V43: what a killed provider left in the broker's database; nothing else."""
    dead, other = topic_name(str(uuid.uuid4()), str(uuid.uuid4())), f"Mine-{uuid.uuid4()}"
    token = service.foreigners.authenticator.issue()
    controller = service.provider.getStream(service.media, token)
    assert controller is not None
    for topic in (dead, other):
        service.foreigners.topic(topic)
    sweep(service.host, Orphans(patience_seconds=0))
    manager = service.foreigners.broker.manager
    wait_until(lambda: dead not in manager.retrieveAll())
    assert {other, controller.getSyncTopic()} <= set(manager.retrieveAll())
    controller.stop()
    manager.retrieve(other).destroy()


def test_a_hung_broker_holds_nobody_up(
    own_broker: Broker, make_host: HostMaker, folder: Path, ice: Ice.Communicator
) -> None:
    """V08: streams begin and end, only the events are missing."""
    own_broker.start()
    properties = {"IceStorm.TopicManager.Proxy": own_broker.proxy, "Media.Folder": str(folder)}
    with Foreigners(ice, own_broker) as foreigners, Receiver() as receiver:
        host = make_host("streaming", build, properties)
        found = IceFlix.StreamProviderPrx.checkedCast(ice.stringToProxy(str(host.proxy)))
        assert found is not None
        media = hashlib.sha256((folder / "Long.mp4").read_bytes()).hexdigest()
        wait_until(lambda: found.isAvailable(media))
        foreigners.accepted(found, media)
        own_broker.freeze()
        try:
            token = foreigners.authenticator.issue()
            began = time.monotonic()
            controller = found.ice_invocationTimeout(10_000).getStream(media, token)
            assert controller is not None
            controller.getSDP(token, receiver.port)
            wait_until(lambda: bool(receiver.packets), 2)
            controller.stop()
            assert time.monotonic() - began < 5
        finally:
            own_broker.thaw()


def test_what_is_forgotten_by_the_broker_is_announced_again(
    own_broker: Broker, make_host: HostMaker, folder: Path, ice: Ice.Communicator
) -> None:
    """V05: a broker that comes back empty; titles and topics are there again."""
    own_broker.start()
    properties = {
        "IceStorm.TopicManager.Proxy": own_broker.proxy,
        "Media.Folder": str(folder),
        "Media.SettleSeconds": "0.1",
    }
    with Foreigners(ice, own_broker) as foreigners:
        announced = foreigners.listen("MediaAnnouncements", IceFlix.StreamAnnounces, "newMedia")
        host = make_host("streaming", build, properties)
        _, media, *_ = take(announced)
        found = IceFlix.StreamProviderPrx.checkedCast(ice.stringToProxy(str(host.proxy)))
        assert found is not None
        foreigners.accepted(found, media)
        controller = found.getStream(media, foreigners.authenticator.issue())
        assert controller is not None
        topic = controller.getSyncTopic()
        own_broker.stop()
        own_broker.wipe()
        own_broker.start()
        announced = foreigners.listen("MediaAnnouncements", IceFlix.StreamAnnounces, "newMedia")
        assert take(announced, 15)[1] == media

        def is_back() -> bool:
            with contextlib.suppress(IceStorm.NoSuchTopic):
                own_broker.manager.retrieve(topic)
                return True
            return False

        wait_until(is_back, 10)
        controller.stop()


def test_it_starts_without_a_broker(
    own_broker: Broker, make_host: HostMaker, folder: Path, ice: Ice.Communicator
) -> None:
    """And tells of its titles when there is one."""
    own_broker.start()
    own_broker.stop()
    properties = {
        "IceStorm.TopicManager.Proxy": own_broker.proxy,
        "Media.Folder": str(folder),
        "Media.SettleSeconds": "0.1",
    }
    host = make_host("streaming", build, properties)
    found = IceFlix.StreamProviderPrx.checkedCast(ice.stringToProxy(str(host.proxy)))
    media = hashlib.sha256((folder / "Long.mp4").read_bytes()).hexdigest()
    wait_until(lambda: found is not None and found.isAvailable(media))
    own_broker.start()
    with Foreigners(ice, own_broker) as foreigners:
        announced = foreigners.listen("MediaAnnouncements", IceFlix.StreamAnnounces, "newMedia")
        assert found is not None
        try:
            told = take(announced, 4)
        except AssertionError:
            found.reannounceMedia()  # told before we listened
            told = take(announced)
        assert told[1] == media


def test_questions_are_answered_during_the_scan(
    make_host: HostMaker, folder: Path, ice: Ice.Communicator
) -> None:
    """At once, while a file of 1 TiB is read."""
    with (folder / "Long.mp4").open("ab") as big:
        head = (1).to_bytes(4, "big") + b"free" + (1 << 40).to_bytes(8, "big")
        big.write(head)
        big.truncate(big.tell() - len(head) + (1 << 40))
    properties = {"Media.Folder": str(folder), "Media.SettleSeconds": "0.01"}
    host = make_host("streaming", build, properties)
    found = IceFlix.StreamProviderPrx.checkedCast(ice.stringToProxy(str(host.proxy)))
    assert found is not None
    began = time.monotonic()
    assert not found.isAvailable("0" * 64)
    found.reannounceMedia()
    with pytest.raises(IceFlix.Unauthorized):
        found.getStream("0" * 64, "x")
    host.stop()
    assert time.monotonic() - began < 5


def test_a_folder_that_is_not_there(make_host: HostMaker, tmp_path: Path) -> None:
    """A sentence that says what to do; the default folder is made instead."""
    with pytest.raises(SetupError, match=r"does not exist; make it, or set Media.Folder"):
        make_host("streaming", build, {"Media.Folder": str(tmp_path / "nowhere")})
    make_host("streaming", build)
    assert os.path.isdir(tmp_path / "media")  # noqa: PTH112
