"""Announcements into the catalogue: in batches, in order, bounded, never lost to a bad disk."""

import threading
from collections.abc import Iterator

import pytest

from iceflix.catalog.catalogue import Announcement
from iceflix.catalog.database import StoreError
from iceflix.catalog.intake import Intake
from tests.conftest import wait_until


class Register:
    """What the intake writes to. It can be held up and can fail."""

    def __init__(self) -> None:
        self.batches: list[list[Announcement]] = []
        self.failures: list[Exception] = []
        self.open = threading.Event()
        self.open.set()
        self.losses = 0

    def __call__(self, batch: list[Announcement]) -> None:
        self.open.wait(10)
        if self.failures:
            raise self.failures.pop(0)
        self.batches.append(batch)

    def lost(self) -> None:
        """Something was lost."""
        self.losses += 1

    @property
    def ids(self) -> list[str]:
        """All that has come, in order."""
        return [announcement.media_id for batch in self.batches for announcement in batch]


@pytest.fixture(name="register")
def _register() -> Register:
    return Register()


@pytest.fixture(name="intake")
def _intake(register: Register) -> Iterator[Intake]:
    intake = Intake(register, register.lost, capacity=5000)
    intake.start()
    yield intake
    register.open.set()
    intake.stop()


def test_a_flood_comes_in_batches_and_in_order(register: Register, intake: Intake) -> None:
    """A flood comes in batches and in order."""
    register.open.clear()
    ids = [f"id{n}" for n in range(4000)]
    for media_id in ids:
        intake.offer(media_id, "Film", "provider")
    register.open.set()
    wait_until(lambda: len(register.ids) == len(ids))
    assert register.ids == ids
    assert len(register.batches) <= 6
    assert max(map(len, register.batches)) <= 1000


def test_what_is_unusable_is_left_out(register: Register, intake: Intake) -> None:
    """V10: empty, blank, endless, no text at all."""
    for media_id in ("", " ", "x" * 1_000_000, "a\0", "\ud800"):
        intake.offer(media_id, "Film", "provider")
    intake.offer("a", "\0", "\0")
    intake.offer("b", "x" * 1_000_000, "x" * 1_000_000)
    intake.offer("c", "Film", "provider")
    wait_until(lambda: len(register.ids) == 3)
    assert [one for batch in register.batches for one in batch] == [
        Announcement("a", "", ""),
        Announcement("b", "", ""),
        Announcement("c", "Film", "provider"),
    ]


def test_too_many_are_dropped_and_the_providers_asked_again(
    register: Register, intake: Intake
) -> None:
    """The queue has a bound; what does not fit is fetched again later."""
    register.open.clear()
    for n in range(8000):
        intake.offer(f"id{n}", "Film", "provider")
    assert register.losses == 0
    register.open.set()
    wait_until(lambda: register.losses == 1)
    assert 5000 <= len(register.ids) <= 6000
    intake.offer("later", "Film", "provider")
    wait_until(lambda: register.ids[-1] == "later")
    assert register.losses == 1


def test_a_database_that_fails_loses_nothing(register: Register, intake: Intake) -> None:
    """A database that fails for a while loses nothing."""
    register.failures = [StoreError("the disk is full")]
    intake.offer("a", "Film", "provider")
    intake.offer("b", "Film", "provider")
    wait_until(lambda: register.ids == ["a", "b"])


def test_whatever_else_goes_wrong_does_not_end_it(register: Register, intake: Intake) -> None:
    """A bug costs a batch, not the thread."""
    register.failures = [ZeroDivisionError()]
    intake.offer("a", "Film", "provider")
    wait_until(lambda: not register.failures)
    intake.offer("b", "Film", "provider")
    wait_until(lambda: "b" in register.ids)


def test_what_waits_is_registered_at_the_end(register: Register) -> None:
    """What waits is registered at the end."""
    intake = Intake(register, register.lost)
    for n in range(2500):
        intake.offer(f"id{n}", "Film", "provider")
    intake.start()
    intake.stop()
    assert len(register.ids) == 2500


def test_a_database_that_fails_does_not_hold_up_the_end(register: Register) -> None:
    """A database that fails does not hold up the end."""
    intake = Intake(register, register.lost)
    register.failures = [StoreError("the disk is full")] * 1000
    intake.start()
    intake.offer("a", "Film", "provider")
    wait_until(lambda: len(register.failures) < 1000)
    intake.stop()
    assert not any(thread.name == "intake" for thread in threading.enumerate())
