"""Questions to the catalogue, and changes to it."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from iceflix.client.sentences import Gone, NotNow
from iceflix.client.services import Services
from iceflix.client.vocabulary import Title
from iceflix.contract import IceFlix

# Bounds: no catalogue, whatever it answers, may fill the memory or the network (V64).
MOST_RESULTS = 10_000
_AT_ONCE = 32
_ID_LENGTH = 64  # hexadecimal SHA-256
_PROGRESS_EVERY = 250


@dataclass(frozen=True)
class Progress:
    """So many of the titles found have been looked up."""

    done: int
    total: int


@dataclass(frozen=True)
class SearchResult:
    """Titles in the catalogue's order.

    ``disowned``: ids that the catalogue gave and then did not know; ``omitted``: results beyond the
    bound, which were not looked up.
    """

    titles: tuple[Title, ...]
    disowned: int = 0
    omitted: int = 0


class Lookup:
    """The catalogue's operations in the client's own terms. Every method raises ClientError."""

    def __init__(self, services: Services, report: Callable[[Progress], None]) -> None:
        self._services = services
        self._report = report

    async def by_name(self, name: str, *, exact: bool) -> SearchResult:
        """Find titles whose name is, or contains, this."""
        found = await self._services.catalog(lambda it: it.getTilesByNameAsync(name, exact))
        return await self._describe(found)

    async def by_tags(self, tags: list[str], *, every: bool) -> SearchResult:
        """Find titles with every one, or any, of these tags."""
        found = await self._services.catalog(lambda it: it.getTilesByTagsAsync(tags, every))
        return await self._describe(found)

    async def by_id(self, prefix: str) -> SearchResult:
        """Find titles whose id begins like this; a whole id is looked up at once."""
        if len(prefix) == _ID_LENGTH:
            return await self._describe([prefix.lower()])
        found = await self._services.catalog(lambda it: it.getTilesByNameAsync("", False))
        return await self._describe([one for one in found if one.startswith(prefix.lower())])

    async def title(self, media_id: str) -> Title:
        """Look one title up."""
        media = await self._services.catalog(lambda it: it.getTileAsync(media_id))
        return _title(media_id, media)

    async def rename(self, media_id: str, name: str, token: str) -> None:
        """Change the name."""
        await self._services.catalog(lambda it: it.renameTileAsync(media_id, name, token))

    async def add_tags(self, media_id: str, tags: list[str], token: str) -> None:
        """Add tags."""
        await self._services.catalog(lambda it: it.addTagsAsync(media_id, tags, token))

    async def remove_tags(self, media_id: str, tags: list[str], token: str) -> None:
        """Remove tags."""
        await self._services.catalog(lambda it: it.removeTagsAsync(media_id, tags, token))

    async def _describe(self, found: list[str]) -> SearchResult:
        """Get name and tags of each id; one that fails does not spoil the others (V64)."""
        unique = list(dict.fromkeys(found))
        wanted = unique[:MOST_RESULTS]
        titles: list[Title | None] = [None] * len(wanted)
        numbered = iter(enumerate(wanted))
        done = 0

        async def work() -> None:
            nonlocal done
            for number, media_id in numbered:
                titles[number] = await self._one(media_id)
                done += 1
                if done % _PROGRESS_EVERY == 0:
                    self._report(Progress(done, len(wanted)))

        await _all(work() for _ in range(min(_AT_ONCE, len(wanted))))
        known = tuple(title for title in titles if title is not None)
        return SearchResult(known, len(wanted) - len(known), len(unique) - len(wanted))

    async def _one(self, media_id: str) -> Title | None:
        try:
            return await self.title(media_id)
        except NotNow:
            return Title(media_id, reachable=False)
        except Gone:
            return None


async def _all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run them together; when one fails, the others are cancelled."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _title(media_id: str, media: IceFlix.Media) -> Title:
    return Title(media_id, media.info.name, tuple(media.info.tags or ()))
