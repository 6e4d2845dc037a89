"""A service whose clock follows another's (F20-F22): settings and host put to work."""

from collections.abc import Callable

from iceflix.contract import IceFlix
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


def follow(
    host: Host, keeper: Timekeeper, reference: Callable[[], IceFlix.TimeReferencePrx]
) -> Follower:
    """Keep the host's clock corrected until it stops."""
    publish(host, keeper)
    follower = Follower(
        keeper,
        reference,
        host.settings.seconds("Clock.PeriodSeconds"),
        host.settings.seconds("Clock.RetrySeconds"),
    )
    follower.start()
    host.on_stop(follower.stop)
    return follower


def publish(host: Host, keeper: Timekeeper) -> None:
    """Stamp the logs with this clock, and tell it to whoever asks the facet "clock"."""
    log.use_clock(keeper.now)
    host.details(keeper.details)
    if host.proxy is not None:
        host.adapter.addFacet(TimeServant(keeper), host.proxy.ice_getIdentity(), FACET)
