"""How a client finds out who else could send a stream."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest

from iceflix.client import source
from iceflix.client.sentences import NotNow, say
from iceflix.client.services import CATALOG
from iceflix.client.source import Around, Finder


class Catalogue:
    """Stands in for the services: knows of nobody, when it is let."""

    # pylint: disable=too-few-public-methods  # nothing else is asked

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = asyncio.Event()

    async def catalog(self, _call: object) -> object:
        """Answer getTile."""
        self.asked += 1
        await self.may_answer.wait()
        return SimpleNamespace(provider=None)


def _finder(catalogue: Any) -> Finder:
    nothing: Any = None
    return Finder(Around(nothing, catalogue, None), "a")


async def _turns() -> None:
    """Let everything happen that can happen now."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_catalogue_is_asked_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Again only when its answer is old; what went wrong unheard troubles nobody."""

    async def play() -> None:
        complaints: list[object] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: complaints.append(context))
        catalogue = Catalogue()
        finder = _finder(catalogue)
        for fresh in (0.0, 1000.0):
            monkeypatch.setattr(source, "_FRESH_SECONDS", fresh)
            finder.scout()
            await _turns()
        assert catalogue.asked == 1  # it is still out
        catalogue.may_answer.set()
        await _turns()
        finder.scout()
        await _turns()
        assert catalogue.asked == 1  # just back
        monkeypatch.setattr(source, "_FRESH_SECONDS", -1.0)
        finder.scout()
        await _turns()
        assert catalogue.asked == 2
        finder.close()
        await _turns()
        gc.collect()
        assert not complaints

    asyncio.run(play())


def test_what_the_catalogue_says_comes_with_the_next_source() -> None:
    """The answer that is under way is waited for, not asked for again."""

    async def play() -> None:
        catalogue = Catalogue()
        finder = _finder(catalogue)
        finder.scout()
        await _turns()
        catalogue.may_answer.set()
        old: Any = None
        with pytest.raises(NotNow) as raised:
            await finder.another(old)
        expected = say("{who} does not know where this title is.", who=CATALOG)
        assert raised.value.sentence == expected and catalogue.asked == 1

    asyncio.run(play())
