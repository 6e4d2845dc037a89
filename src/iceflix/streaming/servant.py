"""StreamProvider, PlaybackControl and TokenRevocation on the wire. Nothing is decided here."""

from collections.abc import Callable

from iceflix.contract import Ice, IceFlix
from iceflix.runtime.boundary import called_address, caller_address, event, operation
from iceflix.runtime.errors import ControlRefusal, NotAuthorized, UnknownMedia
from iceflix.streaming.controller import Controller
from iceflix.streaming.library import Format
from iceflix.streaming.provider import Provider
from iceflix.streaming.sdp import Track


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


class ControllerServant(IceFlix.PlaybackControl):
    """Answers for one Controller: StreamController's operations, and ours for our own viewers."""

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
        return self._controller.sync_topic()

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

    @operation(ControlRefusal)
    def startAt(self, seconds: float, _current: Ice.Current | None = None) -> None:
        """Say where the next description begins."""
        self._controller.start_at(seconds)

    @operation(ControlRefusal)
    def pause(self, _current: Ice.Current | None = None) -> None:
        """Send nothing for a while."""
        self._controller.pause()

    @operation(ControlRefusal)
    def resume(self, _current: Ice.Current | None = None) -> None:
        """Go on sending."""
        self._controller.resume()

    @operation(ControlRefusal)
    def seek(self, seconds: float, _current: Ice.Current | None = None) -> float:
        """Go on somewhere else."""
        return self._controller.seek(seconds)

    @operation()
    def state(self, _current: Ice.Current | None = None) -> IceFlix.PlaybackState:
        """Tell where the playback is."""
        found = self._controller.progress()
        return IceFlix.PlaybackState(
            found.position,
            -1.0 if found.duration is None else found.duration,
            found.sending,
            found.paused,
            found.seekable,
            found.sent.packets,
            found.sent.bytes,
        )

    @operation()
    def tracks(self, _current: Ice.Current | None = None) -> list[IceFlix.MediaTrack]:
        """Tell what is sent."""
        tracks, form = self._controller.tracks()
        return [_media_track(track, form) for track in tracks]

    @operation(NotAuthorized, ControlRefusal)
    def rtspUrl(self, authentication: str, current: Ice.Current | None = None) -> str:
        """Offer the playback over RTSP as well."""
        return self._controller.rtsp_url(authentication, called_address(current))


class RevocationServant(IceFlix.TokenRevocation):
    """Hears AuthenticationStatus for all controllers of the process."""

    # pylint: disable=too-few-public-methods  # the Slice interface has one operation

    def __init__(self, revoked: Callable[[str], None]) -> None:
        self._revoked = revoked

    @event
    def revoke(self, authentication: str, _current: Ice.Current | None = None) -> None:
        """Hear that a token has ended."""
        self._revoked(authentication)


def _media_track(track: Track, form: Format | None) -> IceFlix.MediaTrack:
    what = (track.media, track.encoding, track.payload_type, track.clock_rate)
    if track.media == "video":
        size = (form.picture.width, form.picture.height) if form is not None else (0, 0)
        return IceFlix.MediaTrack(*what, 0, *size, "")
    sound = form.sound if form is not None else None
    return IceFlix.MediaTrack(*what, track.channels, 0, 0, sound.language if sound else "")
