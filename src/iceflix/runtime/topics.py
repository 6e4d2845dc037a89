"""IceStorm, kept at arm's length: it may be absent, restarted, wiped or deaf to us.

One thread keeps what is wanted true: subscriptions, publishers, topics of our own. It looks when
the broker's connection closes, when an event cannot be sent, and periodically. Publishing never
blocks and never raises: events are hints, and whoever sends one has another way to be right.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic

from iceflix.contract import Ice, IceStorm
from iceflix.runtime.channels import PrxT
from iceflix.runtime.log import get_logger

_TIMEOUT_MILLIS = 2000
_TOPIC_TIMEOUT_MILLIS = 1000
_CYCLE_SECONDS = 4.0
_RETRY_SECONDS = 0.5
# Delivery is tried again this often before the broker forgets us; we would notice and come back.
_QOS = {"retryCount": "10"}
_log = get_logger(__name__)


class Publisher(Generic[PrxT]):
    """Sends events to one topic."""

    def __init__(self, topics: "Topics", topic: str, cast: type[PrxT]) -> None:
        self.topic = topic
        self._topics = topics
        self._cast = cast
        self._proxy: PrxT | None = None

    def send(self, call: Callable[[PrxT], "Ice.Future[None]"]) -> bool:
        """Publish; returns False when there is no broker now (the event is lost, logged)."""
        proxy = self._proxy
        if proxy is None:
            _log.debug("event lost, no broker", topic=self.topic)
            self._topics.wake()
            return False
        try:
            call(proxy).add_done_callback(self._sent)
        except Ice.LocalException as error:
            self._lost(error)
            return False
        return True

    def connect(self, topic: IceStorm.TopicPrx) -> None:
        """Use this topic object from now on."""
        proxy = topic.getPublisher().ice_invocationTimeout(_TIMEOUT_MILLIS)
        self._proxy = self._cast.uncheckedCast(proxy)

    @property
    def connected(self) -> bool:
        """Whether there is a broker to send to, as far as we know."""
        return self._proxy is not None

    def _sent(self, future: "Ice.Future[None]") -> None:
        error = future.exception()
        if error is not None:
            self._lost(error)

    def _lost(self, error: BaseException) -> None:
        if not isinstance(error, Ice.CommunicatorDestroyedException):
            _log.warning("event lost", topic=self.topic, error=type(error).__name__)
            self._proxy = None
            self._topics.wake()


class _Broker:
    """The topic manager's operations, each with a deadline and safe to repeat."""

    def __init__(self, manager: Ice.ObjectPrx, lost: Callable[[], None]) -> None:
        bounded = manager.ice_invocationTimeout(_TIMEOUT_MILLIS)
        self._manager = IceStorm.TopicManagerPrx.uncheckedCast(bounded)
        self._lost = lost
        self._watched = ""
        self._known: dict[str, IceStorm.TopicPrx] = {}

    def subscribed(self, name: str, subscriber: Ice.ObjectPrx) -> bool:
        """Whether it is the same broker, and a subscription still there, by a single call."""
        topic = self._known.get(name)
        if topic is None or not self._watched:
            return False
        try:
            return subscriber.ice_getIdentity() in topic.getSubscribers()
        except Ice.ObjectNotExistException:
            del self._known[name]
            return False

    def ping(self) -> None:
        """Raise LocalException unless it answers; ``lost`` is called when its connection closes."""
        self._manager.ice_ping()
        connection = self._manager.ice_getCachedConnection()
        name = connection.toString() if connection is not None else ""
        if connection is None or name == self._watched:
            return
        self._watched = name

        def closed(_ended: Ice.Connection) -> None:  # Ice wants a function, not a bound method
            self._watched = ""
            self._lost()

        connection.setCloseCallback(closed)

    def names(self) -> list[str]:
        """The names of all topics."""
        return list(self._manager.retrieveAll())

    def topic(self, name: str) -> IceStorm.TopicPrx:
        """The topic, created where it does not exist."""
        try:
            topic = self._manager.retrieve(name)
        except IceStorm.NoSuchTopic:
            try:
                topic = self._manager.create(name)
            except IceStorm.TopicExists:
                topic = self._manager.retrieve(name)
        return topic.ice_invocationTimeout(_TOPIC_TIMEOUT_MILLIS)

    def destroy(self, name: str) -> None:
        """Remove a topic; one that does not exist is fine."""
        with contextlib.suppress(IceStorm.NoSuchTopic, Ice.ObjectNotExistException):
            topic = self._manager.retrieve(name)
            topic.ice_invocationTimeout(_TOPIC_TIMEOUT_MILLIS).destroy()

    def subscribe(self, name: str, subscriber: Ice.ObjectPrx, *, afresh: bool) -> bool:
        """Subscribe unless it is so already; returns whether anything was done."""
        topic = self.topic(name)
        if subscriber.ice_getIdentity() in topic.getSubscribers():
            if not afresh:
                self._known[name] = topic
                return False
            topic.unsubscribe(subscriber)
        with contextlib.suppress(IceStorm.AlreadySubscribed):
            topic.subscribeAndGetPublisher(_QOS, subscriber)
        self._known[name] = topic
        return True

    def unsubscribe(self, name: str, subscriber: Ice.ObjectPrx) -> None:
        """Subscribe no more."""
        with contextlib.suppress(IceStorm.NoSuchTopic):
            topic = self._manager.retrieve(name)
            topic.ice_invocationTimeout(_TOPIC_TIMEOUT_MILLIS).unsubscribe(subscriber)


@dataclass
class _Wanted:
    """What the thread keeps true. Guarded by the lock of its owner."""

    subscribers: dict[str, Ice.ObjectPrx] = field(default_factory=dict)
    publishers: dict[str, Publisher[Any]] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    doomed: set[str] = field(default_factory=set)
    subscribed_before: set[str] = field(default_factory=set)
    reconnected: list[Callable[[], None]] = field(default_factory=list)
    afresh: bool = False


@dataclass(frozen=True)
class _Signals:
    """Between the thread and the others, and after how many seconds it looks without any."""

    cycle_seconds: float
    work: threading.Event = field(default_factory=threading.Event)
    first_cycle: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)


class Topics:
    """All dealings of a process with IceStorm. Thread-safe."""

    def __init__(
        self,
        adapter: Ice.ObjectAdapter,
        manager: Ice.ObjectPrx,
        cycle_seconds: float = _CYCLE_SECONDS,
    ) -> None:
        self._adapter = adapter
        self._broker = _Broker(manager, self.wake)
        self._lock = threading.Lock()
        self._wanted = _Wanted()
        self._signals = _Signals(cycle_seconds)
        self.connected = False
        self._thread = threading.Thread(target=self._run, name="topics", daemon=True)

    def start(self, wait_seconds: float = 0.0) -> None:
        """Begin; wait at most so long for the broker's first answer."""
        self._thread.start()
        self._signals.first_cycle.wait(wait_seconds)

    def stop(self) -> None:
        """Unsubscribe, as far as the broker answers, and end."""
        self._signals.stopping.set()
        self._signals.work.set()
        if self._thread.is_alive():
            self._thread.join(3)
        if self.connected:
            self._attempt(self._take_leave)

    def subscribe(self, topic: str, servant: Ice.Object) -> None:
        """Stay subscribed to a topic for the life of the process. The servant must not raise."""
        with self._lock:
            if topic in self._wanted.subscribers:
                return
            subscriber = self._adapter.addWithUUID(servant).ice_oneway()
            self._wanted.subscribers[topic] = subscriber
        if self.connected:  # so that a service which says that it is ready does hear
            self._attempt(lambda: self._broker.subscribe(topic, subscriber, afresh=False))
        self.wake()

    def publisher(self, topic: str, cast: type[PrxT]) -> Publisher[PrxT]:
        """The publisher of a topic, which is created where it does not exist."""
        with self._lock:
            publisher = self._wanted.publishers.get(topic)
            if publisher is None:
                publisher = self._wanted.publishers[topic] = Publisher(self, topic, cast)
        if not publisher.connected:
            self._attempt(lambda: publisher.connect(self._broker.topic(topic)))
        return publisher

    def create(self, topic: str) -> None:
        """Have a topic of our own until ``destroy``; without a broker, as soon as there is one."""
        with self._lock:
            self._wanted.own.add(topic)
            self._wanted.doomed.discard(topic)
        self._attempt(lambda: self._broker.topic(topic))

    def destroy(self, topic: str) -> None:
        """Remove a topic of our own, now or when the broker is back."""
        with self._lock:
            self._wanted.own.discard(topic)
            self._wanted.publishers.pop(topic, None)
            self._wanted.doomed.add(topic)
        self.wake()

    def names(self) -> list[str]:
        """The names of all topics that there are; empty without a broker."""
        found: list[str] = []
        self._attempt(lambda: found.extend(self._broker.names()))
        return found

    def on_reconnected(self, callback: Callable[[], None]) -> None:
        """Call back (briefly) whenever the broker is there after an absence, or came back empty."""
        self._wanted.reconnected.append(callback)

    def resubscribe(self) -> None:
        """We hear nothing any more: subscribe afresh."""
        self._wanted.afresh = True
        self.wake()

    def wake(self) -> None:
        """There is something to do."""
        self._signals.work.set()

    # -- inside

    def _run(self) -> None:
        signals = self._signals
        while not signals.stopping.is_set():
            signals.work.clear()
            try:
                news = self._cycle()
            except (Ice.LocalException, Ice.UserException) as error:
                if self.connected or not signals.first_cycle.is_set():
                    _log.warning("no broker; trying again", error=type(error).__name__)
                self.connected = False
                signals.first_cycle.set()
                signals.stopping.wait(_RETRY_SECONDS)  # however often somebody wants to publish
                continue
            if news and signals.first_cycle.is_set():
                self._tell_reconnected()
            signals.first_cycle.set()
            signals.work.wait(signals.cycle_seconds)

    def _cycle(self) -> bool:
        """Make everything that is wanted true; returns whether the broker is new to us."""
        if self._all_well():
            return False
        self._broker.ping()
        news = self._keep_subscribed() or not self.connected
        self.connected = True
        with self._lock:
            publishers = list(self._wanted.publishers.values())
            own = list(self._wanted.own) if news else []
            doomed = list(self._wanted.doomed)
        for publisher in publishers:
            if news or not publisher.connected:
                publisher.connect(self._broker.topic(publisher.topic))
        for topic in own:
            self._broker.topic(topic)
        for topic in doomed:
            self._destroy(topic)
        return news

    def _all_well(self) -> bool:
        """Whether nothing is wanted and no subscription is lost. Raises Ice.LocalException."""
        wanted = self._wanted
        with self._lock:
            subscribers = list(wanted.subscribers.items())
            busy = wanted.afresh or wanted.doomed or not (self.connected and subscribers)
            busy = busy or not all(one.connected for one in wanted.publishers.values())
        return not busy and all(self._broker.subscribed(*each) for each in subscribers)

    def _keep_subscribed(self) -> bool:
        """Subscribe where we are not; returns whether the broker had forgotten us."""
        with self._lock:
            subscribers = dict(self._wanted.subscribers)
            afresh, self._wanted.afresh = self._wanted.afresh, False
        before = self._wanted.subscribed_before
        forgotten = False
        for topic, subscriber in subscribers.items():
            if self._broker.subscribe(topic, subscriber, afresh=afresh) and topic in before:
                forgotten |= not afresh
                _log.warning("subscribed again", topic=topic, deaf=afresh)
            before.add(topic)
        return forgotten

    def _destroy(self, topic: str) -> None:
        self._broker.destroy(topic)
        with self._lock:
            self._wanted.doomed.discard(topic)

    def _take_leave(self) -> None:
        for topic, subscriber in self._wanted.subscribers.items():
            self._broker.unsubscribe(topic, subscriber)
        for topic in self._wanted.own | self._wanted.doomed:
            self._destroy(topic)

    def _attempt(self, action: Callable[[], Any]) -> None:
        """Try now; if the broker does not play, the thread will see to it."""
        try:
            action()
        except (Ice.LocalException, Ice.UserException) as error:
            _log.debug("left to the background", error=type(error).__name__)
            self.wake()

    def _tell_reconnected(self) -> None:
        _log.info("broker there")
        for callback in list(self._wanted.reconnected):
            try:
                callback()
            except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
                _log.exception("a reconnection callback failed")
