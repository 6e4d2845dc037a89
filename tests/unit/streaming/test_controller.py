"""Controllers at work: real threads and timers, lives of a second, no packets."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from iceflix.contract import Ice
from iceflix.runtime.errors import InvalidRequest, NotAuthorized
from iceflix.streaming.lifetime import Limits
from iceflix.streaming.sender import Target
from tests.conftest import wait_until
from tests.unit.streaming.fakes import LIMITS, World, refused
from tests.unit.streaming.samples import FORMAT, medium

HERE = "127.0.0.1"


@pytest.fixture(name="world")
def _world() -> Iterator[World]:
    with World() as world:
        yield world


@pytest.fixture(name="calm")
def _calm() -> Iterator[World]:
    """Tokens live long enough not to end in the middle of a test."""
    with World(Limits()) as world:
        yield world


def test_getting_the_description_starts_the_stream(calm: World) -> None:
    """To the address of the caller, on the port that it gave (V44)."""
    controller = calm.open()
    assert calm.controllers.counts() == (1, 0)
    text = controller.describe("A", "192.0.2.7", 5005)
    assert calm.controllers.counts() == (1, 1)
    (stream,) = calm.sender.streams
    assert stream.targets == [Target("192.0.2.7", 5005)]
    assert "m=video 5005 RTP/AVP 96\r\n" in text and "m=audio 5007 RTP/AVP 97\r\n" in text
    assert "c=IN IP4 192.0.2.7\r\n" in text and "s=One\r\n" in text


def test_a_second_description_moves_the_stream(calm: World) -> None:
    """It is no second stream, and its description is a newer version of the same session."""
    controller = calm.open()
    calm.valid.add("B")
    first = controller.describe("A", HERE, 5004)
    second = controller.describe("B", "127.0.0.2", 6001)
    (stream,) = calm.sender.streams
    assert stream.targets == [Target(HERE, 5004), Target("127.0.0.2", 6001)]
    (old,), (new,) = (
        [line.split() for line in text.splitlines() if line.startswith("o=")]
        for text in (first, second)
    )
    assert old[1] == new[1] and int(new[2]) == int(old[2]) + 1


def test_invalid_tokens_start_nothing(calm: World) -> None:
    """The token comes before everything else."""
    controller = calm.open()
    for token in ("", "B", "a"):
        with pytest.raises(NotAuthorized):
            controller.describe(token, HERE, 1)
        with pytest.raises(NotAuthorized):
            controller.refresh(token)
    assert not calm.sender.streams


@pytest.mark.parametrize("port", [-1, 0, 1023, 65536, 2**31 - 1])
def test_ports_to_which_nothing_is_sent(calm: World, port: int) -> None:
    """The one documented exemption from V34."""
    with pytest.raises(InvalidRequest, match="between 1024 and 65535"):
        calm.open().describe("A", HERE, port)
    assert not calm.sender.streams


def test_the_highest_port_has_no_room_for_sound(calm: World) -> None:
    """Audio would go to the port + 2."""
    assert "m=audio" not in calm.open().describe("A", HERE, 65535)


def test_a_medium_that_is_gone_or_broken(calm: World) -> None:
    """A sentence, no stream; and it works again when the medium does."""
    controller = calm.open()
    calm.sender.broken = "no picture"
    with pytest.raises(InvalidRequest, match="'One' cannot be played: no picture"):
        controller.describe("A", HERE, 5004)
    calm.sender.broken = ""
    known = calm.media.pop("a" * 64)
    with pytest.raises(InvalidRequest, match="not here any more"):
        controller.describe("A", HERE, 5004)
    calm.media["a" * 64] = known
    assert controller.describe("A", HERE, 5004)


def test_after_the_end_of_the_medium_it_plays_again(calm: World) -> None:
    """The flow has stopped, the controller is still there (V51)."""
    controller = calm.open()
    controller.describe("A", HERE, 5004)
    calm.sender.streams[0].finish()
    assert calm.controllers.counts() == (1, 0)
    controller.describe("A", HERE, 5004)
    calm.sender.streams[1].finish("disk on fire")
    assert calm.controllers.counts() == (1, 0)
    assert len(calm.sender.streams) == 2
    assert calm.topics == [controller.topic]


def test_stop_ends_everything(calm: World) -> None:
    """Stream, object, topic; a second call finds nobody (V49)."""
    controller = calm.open()
    controller.describe("A", HERE, 5004)
    controller.stop()
    assert calm.sender.streams[0].stopped
    assert not calm.objects and not calm.topics
    assert calm.controllers.counts() == (0, 0)
    for call in (
        controller.stop,
        lambda: controller.refresh("A"),
        lambda: controller.describe("A", HERE, 5004),
    ):
        with pytest.raises(Ice.ObjectNotExistException):
            call()
    assert len(calm.sender.streams) == 1


def test_a_stop_during_the_start_wins(calm: World) -> None:
    """The stream that is starting is stopped as soon as it runs."""
    controller = calm.open()
    calm.sender.gate.clear()
    described: list[bool] = []
    caller = threading.Thread(
        target=lambda: described.append(refused(lambda: controller.describe("A", HERE, 5004)))
    )
    caller.start()
    wait_until(lambda: bool(calm.sender.streams))
    stopper = threading.Thread(target=controller.stop)
    stopper.start()
    wait_until(lambda: not calm.objects)
    calm.sender.gate.set()
    caller.join(5)
    stopper.join(5)
    assert calm.sender.streams[0].stopped and not controller.sending
    assert not calm.topics


@pytest.mark.slow
@pytest.mark.serial
def test_without_a_new_token_it_ends(world: World) -> None:
    """Asked once, then a grace, then the end - also when nobody ever played (V47, V50)."""
    played, idle = world.open(), world.open()
    played.describe("A", HERE, 5004)
    world.valid.clear()
    world.controllers.revoked("A")
    wait_until(lambda: len(world.rung) == 2, 1)
    rung = time.monotonic()
    assert not world.sender.streams[0].stopped
    wait_until(lambda: not world.objects and not world.topics, 3)
    assert time.monotonic() - rung > LIMITS.grace - 0.1
    wait_until(lambda: world.sender.streams[0].stopped)
    assert sorted(world.rung) == sorted([played.topic, idle.topic])


@pytest.mark.slow
@pytest.mark.serial
def test_new_tokens_keep_it_alive(world: World) -> None:
    """Cycle after cycle, with and without revocations; never a second stream (V48)."""
    controller = world.open()
    controller.describe("A", HERE, 5004)
    for number in range(3):
        old, new = chr(ord("A") + number), chr(ord("B") + number)
        world.renew(new)
        if number % 2:
            world.controllers.revoked(old)  # else the broker has lost it
        wait_until(lambda number=number: len(world.rung) == number + 1, 3)  # type: ignore[misc]
        with pytest.raises(NotAuthorized):
            controller.refresh(old)
        controller.refresh(new)
    assert len(world.sender.streams) == 1 and not world.sender.streams[0].stopped
    assert controller.sending


@pytest.mark.slow
@pytest.mark.serial
def test_without_authenticators_it_ends_on_its_own_clock(world: World) -> None:
    """Token, answer and grace: not much later (V21)."""
    controller = world.open()
    controller.describe("A", HERE, 5004)
    opened = time.monotonic()
    world.reachable = False
    wait_until(lambda: not world.objects, 5)
    assert time.monotonic() - opened > LIMITS.token
    assert refused(controller.stop)


def test_revocations_of_others_and_lies_do_nothing(calm: World) -> None:
    """Anyone can publish them."""
    controller = calm.open()
    controller.describe("A", HERE, 5004)
    for token in ("X", "", "A", "A"):
        calm.controllers.revoked(token)
    threading.Event().wait(0.2)
    assert not calm.rung and controller.sending


def test_only_so_many(calm: World) -> None:
    """Those that have not begun count as well."""
    with World(Limits(), most=2) as world:
        first = world.open()
        world.open()
        with pytest.raises(InvalidRequest, match=r"already serves 2 streams \(Stream.Max\)"):
            world.open()
        first.stop()
        world.open()
    assert not calm.topics


def test_a_slow_broker_holds_up_only_the_name_of_the_topic(calm: World) -> None:
    """Who stops meanwhile leaves no topic behind (V43)."""
    gate = threading.Event()
    calm.ringers.submit(gate.wait, 10)
    proxy = calm.controllers.open("a" * 64, "A")
    controller = calm.objects[proxy.ice_getIdentity().name]
    assert controller.describe("A", HERE, 5004) and not calm.topics
    names: list[str] = []
    asker = threading.Thread(target=lambda: names.append(controller.sync_topic()))
    asker.start()
    assert not names
    gate.set()
    asker.join(5)
    assert names == calm.topics == [controller.topic]
    held = threading.Event()
    calm.ringers.submit(held.wait, 10)
    proxy = calm.controllers.open("a" * 64, "A")
    calm.objects[proxy.ice_getIdentity().name].stop()
    held.set()
    calm.ringers.submit(int).result(5)
    assert calm.topics == [controller.topic]


def test_topics_are_distinct_and_carry_the_providers_id(calm: World) -> None:
    """And nothing that could be guessed (V43)."""
    topics = {calm.open().topic for _ in range(20)}
    assert len(topics) == 20
    assert all(
        topic.startswith("StreamSync-11111111-1111-4111-8111-111111111111-") for topic in topics
    )


def test_transcoding_and_silent_media_are_described_as_what_they_become(calm: World) -> None:
    """The description holds what is sent."""
    video_only = replace(FORMAT, tracks=FORMAT.tracks[:1], plan=FORMAT.plan.silent)
    calm.media["a" * 64] = replace(medium(), format=video_only)
    assert "m=audio" not in calm.open().describe("A", HERE, 5004)
