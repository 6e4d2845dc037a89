"""What the MediaCatalog does, without the wire: titles, who has them, and who may edit them."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from iceflix.catalog.availability import Availability
from iceflix.catalog.database import StoreError
from iceflix.catalog.rounds import Rounds
from iceflix.catalog.store import Store, Title
from iceflix.catalog.text import usable_name, usable_tag
from iceflix.contract import IceFlix
from iceflix.runtime.errors import NotAvailable, UnknownMedia
from iceflix.runtime.log import get_logger

_log = get_logger(__name__)


@dataclass(frozen=True)
class Announcement:
    """A provider has a medium. ``provider``: its id or its stringified proxy (V26)."""

    media_id: str
    name: str
    provider: str


@dataclass(frozen=True)
class Tile:
    """A title and a provider that has it and answers now."""

    title: Title
    provider: IceFlix.StreamProviderPrx


class _Source(NamedTuple):
    """A provider that answered, and the database's version thereafter."""

    proxy: IceFlix.StreamProviderPrx
    version: tuple[int, int] | None


@dataclass(frozen=True)
class Surroundings:
    """What the catalogue needs of the outside.

    ``authorize`` raises NotAuthorized for a token that is not valid; ``live`` gives the proxy of a
    provider that answers now; ``reachable`` tells, and asks nobody, whether one is worth trying.
    ``patience_seconds``: how long providers of one title are tried, however many hang.
    """

    authorize: Callable[[str], None]
    live: Callable[[str], IceFlix.StreamProviderPrx | None]
    reachable: Callable[[str], bool] = lambda _provider: True
    patience_seconds: float = 3.0


class Catalogue:
    """Thread-safe. Edits are authorised first; only then it matters what they are about (V31)."""

    def __init__(self, store: Store, surroundings: Surroundings) -> None:
        self._store = store
        self._outside = surroundings
        self._availability = Availability(reachable=surroundings.reachable)
        self._lock = threading.Lock()  # of the availability
        self._rounds = Rounds(self._source)

    # -- questions

    def tile(self, media_id: str, then: Callable[[Tile | None], None]) -> None:
        """Find the title and the newest provider that answers (V27).

        ``then`` is told once, at once or later by another thread; None when nobody that has the
        title answers now. Raises UnknownMedia; NotAvailable when the database does not work.
        """
        title = self._store.remembered(media_id)
        now = None if title is not None else self._title(media_id)  # the others are read later
        title = title or now
        if title is None:
            raise UnknownMedia(media_id)
        with self._lock:
            providers = self._availability.providers(title.number)

        def found(source: _Source | None) -> None:
            if source is None:
                then(None)
                return
            try:
                # Not older than the call, for the version was asked for after it had come.
                latest = now or self._title(media_id, source.version)
            except NotAvailable:
                latest = None
            then(None if latest is None else Tile(latest, source.proxy))

        self._try(providers, float("inf"), found)

    def stop(self) -> None:
        """Answer whoever waits for a provider: the process is ending."""
        self._rounds.stop()

    def by_name(self, name: str, *, exact: bool) -> list[str]:
        """The ids of the titles with this name, or with this in their name (V29)."""
        return self._store.named(name) if exact else self._store.containing(name)

    def by_tags(self, tags: Sequence[str], *, every: bool) -> list[str]:
        """The ids of the titles with every one of these tags, or with any of them (V30)."""
        return self._store.with_all(tags) if every else self._store.with_any(tags)

    def available(self) -> int:
        """How many titles have a provider that is worth trying."""
        with self._lock:
            known = self._availability.known()
            return self._availability.titles(set(filter(self._outside.reachable, known)))

    def knows(self, provider: str) -> bool:
        """Whether this provider has announced anything."""
        with self._lock:
            return self._availability.knows(provider)

    # -- edits; they raise NotAuthorized, UnknownMedia

    def rename(self, media_id: str, name: str, token: str) -> None:
        """Give a title another name. An unusable name changes nothing: nothing declared fits it."""
        self._outside.authorize(token)
        if usable_name(name):
            self._store.rename(media_id, name)
        else:
            self._store.require(media_id)
            _log.warning("unusable name ignored", media=media_id, length=len(name))

    def add_tags(self, media_id: str, tags: Sequence[str], token: str) -> None:
        """Add tags to a title; the unusable ones, and those beyond the bound, are left out."""
        self._outside.authorize(token)
        usable = [tag for tag in tags if usable_tag(tag)]
        left_out = len(tags) - len(usable)
        if usable:
            left_out += self._store.add_tags(media_id, usable)
        else:
            self._store.require(media_id)
        if left_out:
            _log.warning("tags left out", media=media_id, number=left_out)

    def remove_tags(self, media_id: str, tags: Sequence[str], token: str) -> None:
        """Remove tags from a title; it does not matter whether it has them (V33)."""
        self._outside.authorize(token)
        self._store.remove_tags(media_id, [tag for tag in tags if usable_tag(tag)])

    # -- announcements

    def register(self, announcements: Sequence[Announcement]) -> None:
        """Take note of who has what; titles not known yet are made. Raises StoreError.

        One without a usable name is called by its id, so that people can find and rename it.
        """
        names: dict[str, str] = {}
        for one in announcements:
            names.setdefault(one.media_id, one.name if usable_name(one.name) else one.media_id)
        numbers = self._store.register(names)
        with self._lock:
            for one in announcements:
                if one.provider:
                    self._availability.announce(numbers[one.media_id], one.provider)

    # -- inside

    def _title(self, media_id: str, version: tuple[int, int] | None = None) -> Title | None:
        try:
            return self._store.title(media_id, version)
        except StoreError as error:
            _log.error("title not read", error=str(error))
            raise NotAvailable("the catalogue's database does not work") from error

    def _source(self, provider: str) -> _Source | None:
        proxy = self._outside.live(provider)
        if proxy is None:
            return None
        try:
            return _Source(proxy, self._store.version())
        except StoreError as error:
            _log.error("the database's version not read", error=str(error))
            return None

    def _try(
        self, providers: list[str], deadline: float, then: Callable[[_Source | None], None]
    ) -> None:
        """Ask the providers one after the other; the deadline begins when the first has failed."""

        def told(source: _Source | None) -> None:
            if source is not None:
                then(source)
                return
            now = time.monotonic()
            end = min(deadline, now + self._outside.patience_seconds)
            self._try(providers[1:] if now < end else [], end, then)

        if providers:
            self._rounds.ask(providers[0], told)
        else:
            then(None)
