"""The chain of clocks over real Ice calls, with clocks that are wrong on purpose (F20-F22)."""

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import structlog

from iceflix.contract import Ice, IceFlix
from iceflix.runtime import log
from iceflix.runtime.errors import NotAvailable
from iceflix.runtime.timekeeper import Follower, Timekeeper, TimeServant, skewed
from tests.conftest import Eventually

Serve = Callable[[Ice.Object], Ice.ObjectPrx]


@pytest.fixture(name="serve")
def _serve(ice: Ice.Communicator) -> Iterator[Serve]:
    """Put a servant on the wire."""
    adapter = ice.createObjectAdapterWithEndpoints("clocks", "tcp -h 127.0.0.1")
    adapter.activate()
    yield adapter.addWithUUID
    adapter.destroy()


class CountingServant(TimeServant):
    """Counts the exchanges."""

    exchanges = 0

    def now(self, _current: Ice.Current | None = None) -> float:
        """Count and tell."""
        type(self).exchanges += 1
        return super().now(_current)


def _reference(proxy: Ice.ObjectPrx) -> IceFlix.TimeReferencePrx:
    return IceFlix.TimeReferencePrx.uncheckedCast(proxy)


def test_three_seconds_are_found_by_ten_exchanges(serve: Serve) -> None:
    """F20."""
    CountingServant.exchanges = 0
    proxy = _reference(serve(CountingServant(Timekeeper.reference())))
    late = Timekeeper(skewed(-3.0))
    found = late.synchronise(proxy)
    assert CountingServant.exchanges == found.exchanges == 10
    assert found.synchronised
    assert abs(found.seconds - 3.0) <= found.error_bound + 1e-6


def test_corrections_accumulate(serve: Serve) -> None:
    """F21: +2 s and -5 s: the last of the chain reports the sum and the sum of the bounds."""
    admin = Timekeeper.reference()
    auth = Timekeeper(skewed(-2.0))
    gateway = Timekeeper(skewed(+3.0))  # 5 s ahead of the Authenticator's clock
    first = auth.synchronise(_reference(serve(TimeServant(admin))))
    last = gateway.synchronise(_reference(serve(TimeServant(auth))))
    assert abs(first.seconds - 2.0) <= first.error_bound + 1e-6
    assert abs(last.link + 5.0) <= last.error_bound + 1e-6
    assert abs(last.seconds + 3.0) <= last.error_bound + 1e-6
    assert last.error_bound > first.error_bound
    assert abs(gateway.now() - admin.now()) < last.error_bound + 0.1


class Relay(IceFlix.TimeReference):  # pylint: disable=too-few-public-methods
    """Stamps what it does, and asks the next one in the chain to do something."""

    def __init__(self, keeper: Timekeeper, stamps: list[float], onward: Ice.ObjectPrx | None):
        self._keeper = keeper
        self._stamps = stamps
        self._onward = onward

    def now(self, _current: Ice.Current | None = None) -> float:
        """Note the time, call on, note the time."""
        self._stamps.append(self._keeper.now())
        if self._onward is not None:
            _reference(self._onward).now()
        self._stamps.append(self._keeper.now())
        return 0.0


def test_no_effect_precedes_its_cause(serve: Serve) -> None:
    """F22: without the correction, the order would be wrong by seconds."""
    admin = Timekeeper.reference()
    auth = Timekeeper(skewed(-2.0))
    gateway = Timekeeper(skewed(+3.0))
    first = auth.synchronise(_reference(serve(TimeServant(admin))))
    last = gateway.synchronise(_reference(serve(TimeServant(auth))))
    stamps: list[float] = []
    proxy = serve(Relay(admin, stamps, None))
    proxy = serve(Relay(auth, stamps, proxy))
    proxy = serve(Relay(gateway, stamps, proxy))
    _reference(proxy).now()
    assert len(stamps) == 6
    slack = first.error_bound + last.error_bound
    assert all(effect > cause - slack for cause, effect in pairwise(stamps))


def test_a_follower_starts_without_its_reference(serve: Serve, eventually: Eventually) -> None:
    """F21: peer absent, unsynchronised; it comes, synchronised; it goes, it says so."""
    there: list[IceFlix.TimeReferencePrx] = []
    asked = threading.Event()

    def reference() -> IceFlix.TimeReferencePrx:
        asked.set()
        if not there:
            raise NotAvailable("no user administrator is known")
        return there[0]

    keeper = Timekeeper(skewed(-3.0))
    follower = Follower(keeper, reference, 0.05, 0.02)
    follower.start()
    assert asked.wait(5)
    assert not keeper.correction.synchronised
    assert "not synchronised" in keeper.details()["clock"]
    there.append(_reference(serve(TimeServant(Timekeeper.reference()))))
    eventually(lambda: keeper.correction.synchronised)
    assert keeper.details()["clock"].startswith(("+3.00", "+2.99"))
    there.clear()
    eventually(lambda: not keeper.correction.synchronised)
    assert keeper.correction.seconds == pytest.approx(3.0, abs=0.5)  # still the best guess
    follower.stop()


def test_logs_carry_corrected_time(tmp_path_factory: pytest.TempPathFactory) -> None:
    """F22."""
    file = tmp_path_factory.mktemp("log") / "clock.log"
    root = logging.getLogger()
    before = root.handlers
    root.handlers = []
    log.configure("info", file, "clock")
    try:
        log.use_clock(lambda: 86400.25)
        log.get_logger("test").info("something happened")
        assert '"timestamp": "1970-01-02T00:00:00.250000Z"' in file.read_text()
    finally:
        log.use_clock(Timekeeper().now)
        root.handlers[0].close()
        root.handlers = before
        structlog.reset_defaults()
