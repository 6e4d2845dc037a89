"""The provider: who may play what, and one announcement for each request that waits."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from iceflix.runtime.errors import NotAuthorized, UnknownMedia
from iceflix.streaming.library import Medium
from iceflix.streaming.provider import Announcer, Provider
from tests.conftest import wait_until
from tests.unit.streaming.samples import medium

ONE, TWO = "1" * 64, "2" * 64


class Shelves:
    """Two media, of which one has lost its file."""

    def __init__(self) -> None:
        self.present = {ONE}

    def find(self, media_id: str) -> Medium | None:
        """The medium, if it is there."""
        return medium(media_id) if media_id in self.present else None

    def media(self) -> list[Medium]:
        """Both."""
        return [medium(ONE), medium(TWO)]


class Stand:  # pylint: disable=too-few-public-methods
    """A provider and what it published."""

    def __init__(self, workers: ThreadPoolExecutor) -> None:
        self.published: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.shelves = Shelves()
        self.provider = Provider(self.shelves, self._check, Announcer(self._publish, workers))

    def _publish(self, found: Medium) -> None:
        self.published.append(found.id)
        self.gate.wait(10)

    @staticmethod
    def _check(token: str) -> None:
        if token != "good":
            raise NotAuthorized("no")


@pytest.fixture(name="stand")
def _stand() -> Iterator[Stand]:
    with ThreadPoolExecutor(2) as workers:
        yield Stand(workers)


def test_the_token_comes_first(stand: Stand) -> None:
    """Whoever may not play does not learn what is there (V40)."""
    assert stand.provider.admit(ONE, "good") == ONE
    with pytest.raises(NotAuthorized):
        stand.provider.admit(ONE, "bad")
    with pytest.raises(NotAuthorized):
        stand.provider.admit("nothing", "bad")
    with pytest.raises(UnknownMedia) as caught:
        stand.provider.admit(TWO, "good")
    assert caught.value.media_id == TWO


def test_availability_needs_no_token(stand: Stand) -> None:
    """True for what is there (V41)."""
    assert stand.provider.is_available(ONE)
    assert not stand.provider.is_available(TWO)
    assert not stand.provider.is_available("")


def test_what_is_there_is_announced_again(stand: Stand) -> None:
    """What is not is not."""
    stand.provider.reannounce()
    wait_until(lambda: stand.published == [ONE])


def test_a_thousand_requests_are_a_few_announcements(stand: Stand) -> None:
    """Anybody may ask, as often as they like."""
    stand.gate.clear()
    for _ in range(1000):
        stand.provider.reannounce()
    stand.gate.set()
    wait_until(lambda: bool(stand.published))
    threading.Event().wait(0.1)
    assert 1 <= len(stand.published) <= 4
