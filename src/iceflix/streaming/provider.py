"""The StreamProvider: what is here, who may play it, and telling the world about it."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Protocol

from iceflix.runtime.errors import UnknownMedia
from iceflix.streaming.library import Medium


class Announcer:
    """Says which media are here; ``publish`` says one and does not block. Thread-safe."""

    def __init__(self, publish: Callable[[Medium], object], workers: Executor) -> None:
        self._publish = publish
        self._workers = workers
        self._lock = threading.Lock()
        self._waiting = False

    def announce(self, medium: Medium) -> None:
        """Publish one medium."""
        self._publish(medium)

    def announce_all(self, media: Callable[[], Iterable[Medium]]) -> None:
        """Publish all of them soon; requests that come before it has begun are one request."""
        with self._lock:
            if self._waiting:
                return
            self._waiting = True
        self._workers.submit(self._announce_all, media)

    def _announce_all(self, media: Callable[[], Iterable[Medium]]) -> None:
        with self._lock:
            self._waiting = False
        for medium in media():
            self.announce(medium)


class Shelves(Protocol):
    """The library, as the provider asks it."""

    def find(self, media_id: str) -> Medium | None:
        """The medium, if its file is here unchanged."""

    def media(self) -> list[Medium]:
        """Every medium that is known."""


class Provider:
    """Answers StreamProvider. Thread-safe."""

    def __init__(
        self, shelves: Shelves, check: Callable[[str], None], announcer: Announcer
    ) -> None:
        """``check`` raises NotAuthorized for a token that is not valid."""
        self._shelves = shelves
        self._check = check
        self._announcer = announcer

    def admit(self, media_id: str, token: str) -> str:
        """Check that this token may play this medium; returns the medium's id.

        Raises NotAuthorized, and only then UnknownMedia (V40).
        """
        self._check(token)
        if self._shelves.find(media_id) is None:
            raise UnknownMedia(media_id)
        return media_id

    def is_available(self, media_id: str) -> bool:
        """Whether the medium's file is here, as it was when it was read (V41)."""
        return self._shelves.find(media_id) is not None

    def reannounce(self) -> None:
        """Publish all media again; opens and reads no file (V42)."""
        self._announcer.announce_all(self._present)

    def _present(self) -> list[Medium]:
        known = (self._shelves.find(medium.id) for medium in self._shelves.media())
        return [medium for medium in known if medium is not None]
