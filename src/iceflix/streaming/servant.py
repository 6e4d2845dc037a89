"""StreamProvider, StreamController and TokenRevocation on the wire. Nothing is decided here."""

from collections.abc import Callable

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.boundary import caller_address, event, operation
from iceflix.runtime.errors import NotAuthorized, UnknownMedia
from iceflix.streaming.controller import Controller
from iceflix.streaming.provider import Provider


class ProviderServant(IceFlix.StreamProvider):
    """Answers for a Provider; ``open_controller`` makes the objects that ``getStream`` returns."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(
        self, provider: Provider, open_controller: Callable[[str, str], Ice.ObjectPrx]
    ) -> None:
        self._provider = provider
        self._open_controller = open_controller

    @operation(NotAuthorized, UnknownMedia)
    def getStream(
        self, media_id: str, authentication: str, _current: Ice.Current | None = None
    ) -> IceFlix.StreamControllerPrx:
        """Make a controller for one playback."""
        medium = self._provider.admit(media_id, authentication)
        proxy = self._open_controller(medium, authentication)
        return IceFlix.StreamControllerPrx.uncheckedCast(proxy)

    @operation()
    def isAvailable(self, media_id: str, _current: Ice.Current | None = None) -> bool:
        """Tell whether the medium is here."""
        return self._provider.is_available(media_id)

    @operation()
    def reannounceMedia(self, _current: Ice.Current | None = None) -> None:
        """Announce every medium again."""
        self._provider.reannounce()


class ControllerServant(IceFlix.StreamController):
    """Answers for one Controller."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    @operation(NotAuthorized)
    def getSDP(self, authentication: str, port: int, current: Ice.Current | None = None) -> str:
        """Send to the caller's port and describe what is sent."""
        return self._controller.describe(authentication, caller_address(current), port)

    @operation()
    def getSyncTopic(self, _current: Ice.Current | None = None) -> str:
        """Name the topic on which the client is called."""
        return self._controller.topic

    @operation(NotAuthorized)
    def refreshAuthentication(
        self, authentication: str, _current: Ice.Current | None = None
    ) -> None:
        """Take a new token."""
        self._controller.refresh(authentication)

    @operation()
    def stop(self, _current: Ice.Current | None = None) -> None:
        """End the playback and this object."""
        self._controller.stop()


class RevocationServant(IceFlix.TokenRevocation):
    """Hears AuthenticationStatus for all controllers of the process."""

    # pylint: disable=too-few-public-methods  # the Slice interface has one operation

    def __init__(self, revoked: Callable[[str], None]) -> None:
        self._revoked = revoked

    @event
    def revoke(self, authentication: str, _current: Ice.Current | None = None) -> None:
        """Hear that a token has ended."""
        self._revoked(authentication)
