"""What a controller of IceFlix does beyond the contract: pause, seek, tell where it is.

Foreign controllers do none of this; ``Control.of`` gives None for them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from iceflix.client.sentences import ClientError, Refused, Sentence, say
from iceflix.client.text import safe
from iceflix.client.wire import Wire, explain
from iceflix.contract import Ice, IceFlix

T = TypeVar("T")
_TYPE = "::IceFlix::PlaybackControl"
STREAM = say("The stream")


@dataclass(frozen=True)
class Place:
    """Where a stream was at the moment ``at`` of the event loop's clock; seconds.

    ``moving``: packets are being sent.
    """

    position: float
    at: float
    moving: bool
    paused: bool
    seekable: bool
    duration: float | None

    def position_at(self, now: float) -> float:
        """Where it is now, if nothing has happened since."""
        position = self.position + (max(0.0, now - self.at) if self.moving else 0.0)
        return position if self.duration is None else min(position, self.duration)


class Control:
    """One playback under control. Every method raises ClientError: Refused with a reason."""

    def __init__(self, wire: Wire, proxy: IceFlix.PlaybackControlPrx) -> None:
        self._wire = wire
        self._proxy = proxy

    @classmethod
    async def of(cls, wire: Wire, controller: IceFlix.StreamControllerPrx) -> "Control | None":
        """Return the control of a controller that has one."""
        try:
            if not await wire.call(lambda: controller.ice_isAAsync(_TYPE)):
                return None
        except Ice.Exception:
            return None  # whatever is wrong with it, the next call will tell
        return cls(wire, IceFlix.PlaybackControlPrx.uncheckedCast(controller))

    async def start_at(self, seconds: float) -> None:
        """Let the next ``getSDP`` begin there."""
        await self._ask(lambda: self._proxy.startAtAsync(seconds))

    async def pause(self, on: bool) -> None:
        """Send nothing, or go on."""
        await self._ask(self._proxy.pauseAsync if on else self._proxy.resumeAsync)

    async def seek(self, seconds: float) -> float:
        """Go on there; returns the position of the key frame at or before it."""
        return await self._ask(lambda: self._proxy.seekAsync(seconds))

    async def rtsp_url(self, token: str) -> str:
        """Return the URL of this playback."""
        return await self._ask(lambda: self._proxy.rtspUrlAsync(token))

    async def place(self, clock: Callable[[], float]) -> Place:
        """Ask where the stream is."""
        asked = clock()
        state = await self._ask(self._proxy.stateAsync)
        return Place(
            position=state.position,
            at=(asked + clock()) / 2,
            moving=state.sending and not state.paused,
            paused=state.paused,
            seekable=state.seekable,
            duration=state.duration if state.duration > 0 else None,
        )

    async def _ask(self, invoke: Callable[[], "Ice.Future[T]"]) -> T:
        return await ask(self._wire, invoke, STREAM)


async def ask(wire: Wire, invoke: Callable[[], "Ice.Future[T]"], who: Sentence) -> T:
    """Call ``who``. Raises ClientError."""
    try:
        return await wire.call(invoke)
    except IceFlix.ControlRefused as error:
        reason = safe(str(error.reason).strip().rstrip("."), 200)
        raise Refused(say("The video server refuses: {reason}.", reason=reason)) from error
    except Ice.Exception as error:
        raise explain(error, who) from error


def needs_control() -> ClientError:
    """What to say of a video server that knows the contract only."""
    return Refused(say("This video server cannot do that: it plays from beginning to end."))
