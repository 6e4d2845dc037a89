"""Who follows whose clock (F21). The algorithm is in ``runtime.cristian``."""

from collections.abc import Callable

from iceflix.contract import IceFlix
from iceflix.farm.discovery import USERADMIN
from iceflix.runtime import log
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import Host
from iceflix.runtime.settings import Settings
from iceflix.runtime.timekeeper import FACET, Clocks, Follower, Timekeeper, TimeServant, skewed


def clocks(settings: Settings) -> Clocks:
    """The process's clocks, wrong by ``Clock.SkewSeconds``. Raises SetupError."""
    text = settings.text("Clock.SkewSeconds")
    try:
        return skewed(float(text))
    except ValueError as error:
        raise SetupError(f"Clock.SkewSeconds must be a number, not {text!r}") from error


def follow(host: Host, reference: Callable[[], IceFlix.TimeReferencePrx]) -> Timekeeper:
    """Keep the host's clock corrected; the host's object tells it on the facet "clock"."""
    keeper = Timekeeper(clocks(host.settings))
    publish(host, keeper)
    follower = Follower(
        keeper,
        reference,
        host.settings.seconds("Clock.PeriodSeconds"),
        host.settings.seconds("Clock.RetrySeconds"),
    )
    follower.start()
    host.on_stop(follower.stop)
    return keeper


def publish(host: Host, keeper: Timekeeper) -> None:
    """Stamp the logs with this clock, and tell it to whoever asks the facet "clock"."""
    log.use_clock(keeper.now)
    host.details(keeper.details)
    if host.proxy is not None:
        host.adapter.addFacet(TimeServant(keeper), host.proxy.ice_getIdentity(), FACET)


def follow_user_administrator(host: Host) -> Timekeeper:
    """For services outside the specification's chain: one step to the reference."""
    return follow(host, lambda: host.directory.choose(USERADMIN))
