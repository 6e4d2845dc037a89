"""What stands around controllers: a sender without packets, Authenticators, a broker."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from iceflix.contract import Ice
from iceflix.runtime.errors import NotAuthorized
from iceflix.runtime.scheduler import Scheduler
from iceflix.streaming.controller import Bells, Controller, Controllers, Judges, Objects, Stage
from iceflix.streaming.library import Medium
from iceflix.streaming.lifetime import Limits, Verdict
from iceflix.streaming.playback import Studio
from iceflix.streaming.sdp import Track
from iceflix.streaming.sender import Ended, MediaError, Order, Sent, Target
from tests.unit.streaming.samples import medium

PROVIDER = "11111111-1111-4111-8111-111111111111"
LIMITS = Limits(token=1.2, grace=0.5, answer=0.2, doubt=0.05)


class FakeStream:  # pylint: disable=too-many-instance-attributes
    """Remembers where it sends."""

    def __init__(self, order: Order, ended: Ended) -> None:
        self.order = order
        self.targets = [order.target]
        self._ended = ended
        self.over = False
        self.stopped = False
        self.paused = False
        self.seekable = True
        self.position = order.start
        self.sent = Sent()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What would be sent."""
        return self.order.tracks

    def retarget(self, target: Target) -> None:
        """Take note."""
        self.targets.append(target)

    def stop(self) -> None:
        """Take note."""
        self.over = self.stopped = True

    def pause(self) -> None:
        """Take note."""
        self.paused = True

    def resume(self) -> None:
        """Take note."""
        self.paused = False

    def seek(self, seconds: float) -> float:
        """Be there."""
        self.position = seconds
        return seconds

    def finish(self, reason: str = "") -> None:
        """Come to an end."""
        self.over = True
        self._ended(reason)


class FakeSender:
    """Starts streams that send nothing; ``broken`` makes it refuse."""

    def __init__(self) -> None:
        self.streams: list[FakeStream] = []
        self.broken = ""
        self.gate = threading.Event()
        self.gate.set()

    def start(self, order: Order, ended: Ended) -> FakeStream:
        """Start one, as soon as the gate is open."""
        if self.broken:
            raise MediaError(self.broken)
        stream = FakeStream(order, ended)
        self.streams.append(stream)
        self.gate.wait(10)
        return stream

    def close(self) -> None:
        """Stop everything."""
        for stream in self.streams:
            stream.stop()


class World:  # pylint: disable=too-many-instance-attributes
    """Everything that controllers need, and what they did to it."""

    def __init__(self, limits: Limits = LIMITS, most: int = 100) -> None:
        self.sender = FakeSender()
        self.media: dict[str, Medium] = {"a" * 64: medium()}
        self.valid: set[str] = {"A"}
        self.reachable = True
        self.topics: list[str] = []
        self.rung: list[str] = []
        self.objects: dict[str, Controller] = {}
        self.workers = ThreadPoolExecutor(4)
        self.ringers = ThreadPoolExecutor(1)
        self.scheduler = Scheduler()
        self.ice = Ice.initialize([])
        stage = Stage(
            Studio(self.sender, self.media.get, audio=True),
            Bells(self.topics.append, self.rung.append, self._remove_topic, self.ringers),
            Judges(self._check, self._vouch),
            self.scheduler,
            self.workers,
            limits,
        )
        objects = Objects(self._add, lambda proxy: self.objects.pop(proxy.ice_getIdentity().name))
        self.controllers = Controllers(PROVIDER, stage, objects, most)

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.controllers.close()
        self.scheduler.stop()
        self.workers.shutdown()
        self.ringers.shutdown()
        self.ice.destroy()

    def open(self, token: str = "A") -> Controller:
        """A controller for the one medium."""
        proxy = self.controllers.open("a" * 64, token)
        controller = self.objects[proxy.ice_getIdentity().name]
        controller.sync_topic()
        return controller

    def renew(self, token: str) -> None:
        """From now on this token is the valid one."""
        self.valid = {token}

    def _add(self, controller: Controller) -> Ice.ObjectPrx:
        self.objects[controller.topic] = controller
        proxy = self.ice.stringToProxy(f"{controller.topic}:tcp -h 127.0.0.1 -p 1")
        assert proxy is not None
        return proxy

    def _remove_topic(self, topic: str) -> None:
        if topic in self.topics:
            self.topics.remove(topic)

    def _check(self, token: str) -> None:
        if self._vouch(token) is not Verdict.VALID:
            raise NotAuthorized("not valid")

    def _vouch(self, token: str) -> Verdict:
        if not self.reachable:
            return Verdict.UNREACHABLE
        return Verdict.VALID if token in self.valid else Verdict.INVALID


def refused(call: Callable[[], object]) -> bool:
    """Whether the object does not exist any more."""
    try:
        call()
    except Ice.ObjectNotExistException:
        return True
    return False
