"""Services and clients as somebody else would write them, from the Slice file alone."""

import contextlib
import queue
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from iceflix.contract import Ice, IceFlix, IceStorm
from tests.conftest import Broker, wait_until

_ANNOUNCE_SECONDS = 0.5
Events = queue.Queue[tuple[Any, ...]]


class ForeignAuthenticator(IceFlix.Authenticator):
    """Issues tokens that live as long as it is told, and publishes their end if it is told to."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self) -> None:
        self._expiry: dict[str, float] = {}

    def issue(self, seconds: float = 3600.0) -> str:
        """A new token."""
        token = str(uuid.uuid4())
        self._expiry[token] = time.monotonic() + seconds
        return token

    def expire(self, token: str) -> None:
        """End a token's life now, without telling anybody."""
        self._expiry[token] = 0.0

    def refreshAuthorization(
        self, user: str, password_hash: str, current: Ice.Current | None = None
    ) -> str:
        """Refuse: the tests issue the tokens."""
        assert current is not None and user != password_hash
        raise IceFlix.Unauthorized

    def isAuthorized(self, authentication: str, current: Ice.Current | None = None) -> bool:
        """Tell whether a token lives."""
        assert current is not None
        return time.monotonic() < self._expiry.get(authentication, 0.0)


class Foreigners:  # pylint: disable=too-many-instance-attributes  # a whole world
    """An Authenticator that announces itself, a client that listens, both on one broker."""

    def __init__(self, ice: Ice.Communicator, broker: Broker) -> None:
        self.ice = ice
        self.broker = broker
        self.authenticator = ForeignAuthenticator()
        self._adapter = ice.createObjectAdapterWithEndpoints("foreign", "tcp -h 127.0.0.1")
        self._adapter.activate()
        self._identity = Ice.Identity(str(uuid.uuid4()))
        proxy = self._adapter.add(self.authenticator, self._identity)
        self._authenticator_proxy = IceFlix.AuthenticatorPrx.uncheckedCast(proxy)
        self._leaving = threading.Event()
        self._announcer = threading.Thread(target=self._announce, daemon=True)

    def __enter__(self) -> "Foreigners":
        self._announcer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._announcer.join()

    def kill_authenticator(self) -> None:
        """It is gone, and so are its announcements and revocations."""
        self._leaving.set()
        with contextlib.suppress(Ice.NotRegisteredException):
            self._adapter.remove(self._identity)

    def topic(self, name: str) -> IceStorm.TopicPrx:
        """A topic, made if need be."""
        try:
            return self.broker.manager.retrieve(name)
        except IceStorm.NoSuchTopic:
            with contextlib.suppress(IceStorm.TopicExists):
                return self.broker.manager.create(name)
            return self.broker.manager.retrieve(name)

    def listen(self, topic: str, interface: type[Ice.Object], *operations: str) -> Events:
        """Subscribe; every event is put into the queue: (operation, *arguments)."""
        events: Events = queue.Queue()

        def handler(name: str) -> Callable[..., None]:
            return lambda _self, *arguments: events.put((name, *arguments[:-1]))

        servant = type("Listener", (interface,), {name: handler(name) for name in operations})()
        self.topic(topic).subscribeAndGetPublisher({}, self._adapter.addWithUUID(servant))
        return events

    def revoke(self, token: str) -> None:
        """Publish that a token has ended, true or not."""
        publisher = self.topic("AuthenticationStatus").getPublisher()
        IceFlix.TokenRevocationPrx.uncheckedCast(publisher).revoke(token)

    def accepted(self, provider: IceFlix.StreamProviderPrx, media_id: str) -> None:
        """Wait until the provider has found the Authenticator."""

        def accepts() -> bool:
            with contextlib.suppress(IceFlix.Unauthorized):
                controller = provider.getStream(media_id, self.authenticator.issue())
                assert controller is not None
                controller.stop()
                return True
            return False

        wait_until(accepts, 15, "the provider knows the Authenticator")

    def _announce(self) -> None:
        while not self._leaving.is_set():
            with contextlib.suppress(Ice.LocalException):
                publisher = self.topic("ServiceAvailability").getPublisher()
                channel = IceFlix.ServiceAvailabilityPrx.uncheckedCast(publisher)
                channel.authenticationService(self._authenticator_proxy, self._identity.name)
            self._leaving.wait(_ANNOUNCE_SECONDS)


def take(events: Events, seconds: float = 10.0) -> tuple[Any, ...]:
    """The next event."""
    try:
        return events.get(timeout=seconds)
    except queue.Empty:
        raise AssertionError(f"no event within {seconds} s") from None


def drain(events: Events, quiet_seconds: float = 0.5) -> list[tuple[Any, ...]]:
    """All events until there are none for so long."""
    found = []
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(events.get(timeout=quiet_seconds))
    return found
