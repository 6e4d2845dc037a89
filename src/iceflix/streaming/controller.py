"""Controllers: a playback under a token, and the topic on which its client is called."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from iceflix.contract import Ice
from iceflix.runtime.errors import InvalidRequest
from iceflix.runtime.log import get_logger
from iceflix.runtime.scheduler import Handle, Scheduler
from iceflix.streaming.library import Format
from iceflix.streaming.lifetime import (
    Check,
    Effect,
    Lifetime,
    Limits,
    RequestAuthentication,
    State,
    Verdict,
)
from iceflix.streaming.orphans import topic_name
from iceflix.streaming.playback import Playback, Progress, Studio
from iceflix.streaming.sdp import Track
from iceflix.streaming.sender import Target

_HANG_SECONDS = 2.0
_log = get_logger(__name__)


@dataclass(frozen=True)
class Bells:
    """The topics of controllers: make one, call its client (without blocking), remove it.

    Making one takes several calls and a write to the broker's disk: ``workers`` do it meanwhile.
    """

    hang: Callable[[str], object]
    ring: Callable[[str], object]
    remove: Callable[[str], object]
    workers: Executor


@dataclass(frozen=True)
class Judges:
    """The Authenticators: for a caller who waits, raising NotAuthorized; and for ourselves."""

    check: Callable[[str], None]
    vouch: Callable[[str], Verdict]


@dataclass(frozen=True)
class Stage:
    """What every controller of a provider works with."""

    studio: Studio
    bells: Bells
    judges: Judges
    scheduler: Scheduler
    workers: Executor
    limits: Limits


@dataclass(frozen=True)
class _Topic:
    """A controller's own; ``settled`` when it is there, or cannot be now."""

    name: str
    settled: threading.Event = field(default_factory=threading.Event)


class Controller:
    """Thread-safe. After its end every call raises Ice.ObjectNotExistException."""

    def __init__(
        self,
        topic: str,
        playback: Playback,
        token: str,
        stage: Stage,
        on_end: Callable[[str], object],
    ) -> None:
        """A playback under a token that has just been found valid.

        ``on_end`` is called with the topic's name, once.
        """
        self._topic = _Topic(topic)
        self._playback = playback
        self._stage = stage
        self._on_end = on_end
        self._lock = threading.Lock()  # the lifetime and its timer
        self._lifetime = Lifetime(token, time.monotonic(), stage.limits)
        self._timer: Handle | None = None

    def open(self) -> None:
        """Have the topic made and begin to watch the token."""
        self._stage.bells.workers.submit(self._hang)
        with self._lock:
            self._set_timer()

    @property
    def topic(self) -> str:
        """The name of the topic."""
        return self._topic.name

    @property
    def sending(self) -> bool:
        """Whether packets are leaving."""
        return self._playback.sending

    # -- what clients call

    def sync_topic(self) -> str:
        """The name of the topic, which exists by now if there is a broker (V43)."""
        self._topic.settled.wait(_HANG_SECONDS)
        return self.topic

    def describe(self, token: str, address: str, port: int) -> str:
        """Bind the token, send to this address and port, return the description (V44).

        Raises NotAuthorized; InvalidRequest for a port outside 1024-65535 and for a medium that
        cannot be played.
        """
        self._require_life()
        self._stage.judges.check(token)
        self._playback.require_port(port)
        self._bind(token)
        description = self._playback.play(Target(address, port))
        if description is None:
            raise Ice.ObjectNotExistException
        return description

    def refresh(self, token: str) -> None:
        """Bind a new token (V48). Raises NotAuthorized; the grace goes on then."""
        self._require_life()
        self._stage.judges.check(token)
        self._bind(token)

    def stop(self) -> None:
        """End the playback (V49)."""
        self._require_life()
        self.end()

    # -- what viewers of our own call; the token's time runs on meanwhile

    def start_at(self, seconds: float) -> None:
        """Begin there at the next description. Raises ControlRefusal."""
        self._require_life()
        self._playback.start_at(seconds)

    def pause(self) -> None:
        """Send nothing until ``resume``. Raises ControlRefusal."""
        self._require_life()
        self._playback.pause()

    def resume(self) -> None:
        """Go on. Raises ControlRefusal."""
        self._require_life()
        self._playback.resume()

    def seek(self, seconds: float) -> float:
        """Go on at the key frame at or before this position. Raises ControlRefusal."""
        self._require_life()
        return self._playback.seek(seconds)

    def progress(self) -> Progress:
        """Where the playback is."""
        self._require_life()
        return self._playback.progress

    def tracks(self) -> tuple[tuple[Track, ...], Format | None]:
        """What is sent, and the format of the file."""
        self._require_life()
        return self._playback.tracks, self._playback.form

    def rtsp_url(self, token: str, address: str) -> str:
        """Bind the token; returns a URL for somebody who reaches us at this address.

        Raises NotAuthorized, ControlRefusal.
        """
        self._require_life()
        self._stage.judges.check(token)
        self._bind(token)
        url = self._playback.offer(address)
        if url is None:
            raise Ice.ObjectNotExistException
        return url

    # -- what happens to it

    def revoked(self, token: str) -> None:
        """A revocation of this token was published."""
        with self._lock:
            effects = self._lifetime.revoked(token, time.monotonic())
        if effects:
            self._apply(effects)

    def end(self) -> None:
        """End now, from whatever state; returns when no packet leaves any more."""
        with self._lock:
            effects = self._lifetime.stop()
        for effect in effects:
            self._finish(effect.reason)

    # -- inside

    def _require_life(self) -> None:
        if self._ended():
            raise Ice.ObjectNotExistException

    def _bind(self, token: str) -> None:
        with self._lock:
            if self._lifetime.state is State.ENDED:
                raise Ice.ObjectNotExistException
            self._lifetime.bind(token, time.monotonic())
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._lifetime.deadline
        if deadline is not None:
            pause = deadline - time.monotonic()
            self._timer = self._stage.scheduler.after(pause, self._tick)

    def _tick(self) -> None:
        with self._lock:
            effects = self._lifetime.tick(time.monotonic())
        self._apply(effects)

    def _apply(self, effects: list[Effect]) -> None:
        """Act. What may take its time is done by the workers."""
        with self._lock:
            self._set_timer()
        for effect in effects:
            if isinstance(effect, Check):
                self._stage.workers.submit(self._check, effect.token)
            elif isinstance(effect, RequestAuthentication):
                self._stage.workers.submit(self._ring)
            else:
                self._stage.workers.submit(self._finish, effect.reason)

    def _hang(self) -> None:
        try:
            if not self._ended():
                self._stage.bells.hang(self.topic)
                self._remove_if_ended()
        finally:
            self._topic.settled.set()

    def _ring(self) -> None:
        _log.info("asking for a new token", topic=self.topic)
        self._stage.bells.ring(self.topic)
        self._remove_if_ended()

    def _remove_if_ended(self) -> None:
        """Ended in the meantime, it has removed its topic, which may have been made anew."""
        if self._ended():
            self._stage.bells.remove(self.topic)

    def _ended(self) -> bool:
        with self._lock:
            return self._lifetime.state is State.ENDED

    def _check(self, token: str) -> None:
        verdict = self._stage.judges.vouch(token)
        with self._lock:
            effects = self._lifetime.verdict(token, verdict, time.monotonic())
        self._apply(effects)

    def _finish(self, reason: str) -> None:
        with self._lock:
            self._set_timer()
        self._on_end(self.topic)
        self._playback.close()
        self._stage.bells.remove(self.topic)
        _log.info("playback ended", topic=self.topic, reason=reason)


@dataclass(frozen=True)
class Objects:
    """How controllers become Ice objects and cease to be."""

    add: Callable[[Controller], Ice.ObjectPrx]
    remove: Callable[[Ice.ObjectPrx], object]


class Controllers:
    """All controllers of a provider, at most ``limit``. Thread-safe."""

    def __init__(self, provider_id: str, stage: Stage, objects: Objects, limit: int) -> None:
        self._provider_id = provider_id
        self._stage = stage
        self._objects = objects
        self._limit = limit
        self._lock = threading.Lock()
        self._all: dict[str, Controller] = {}
        self._proxies: dict[str, Ice.ObjectPrx] = {}

    def open(self, media_id: str, token: str) -> Ice.ObjectPrx:
        """A new controller under a token that has just been found valid.

        Raises InvalidRequest when there are too many.
        """
        topic = topic_name(self._provider_id, str(uuid.uuid4()))
        playback = Playback(media_id, self._stage.studio)
        controller = Controller(topic, playback, token, self._stage, self._forget)
        with self._lock:
            if len(self._all) >= self._limit:
                raise InvalidRequest(
                    f"this provider already serves {self._limit} streams (Stream.Max); try later"
                )
            self._all[topic] = controller
            proxy = self._proxies[topic] = self._objects.add(controller)
        controller.open()
        return proxy

    def revoked(self, token: str) -> None:
        """A revocation was published; it concerns those who are bound to this token."""
        for controller in self._snapshot():
            controller.revoked(token)

    def close(self) -> None:
        """End them all."""
        for controller in self._snapshot():
            controller.end()

    def counts(self) -> tuple[int, int]:
        """How many controllers there are, and how many of them are sending."""
        everyone = self._snapshot()
        return len(everyone), sum(controller.sending for controller in everyone)

    def _snapshot(self) -> list[Controller]:
        with self._lock:
            return list(self._all.values())

    def _forget(self, topic: str) -> None:
        with self._lock:
            self._all.pop(topic, None)
            proxy = self._proxies.pop(topic, None)
        if proxy is not None:
            self._objects.remove(proxy)
