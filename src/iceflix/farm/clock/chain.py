"""Who follows whose clock (F21). The algorithm is in ``runtime.cristian``."""

from iceflix.contract import IceFlix
from iceflix.farm.discovery import USERADMIN
from iceflix.runtime import clockwork
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.host import Host
from iceflix.runtime.timekeeper import Timekeeper

REGISTRY = "registry"


def follow_authenticator(host: Host) -> None:
    """For the gateway: the next clock of the specification's chain."""

    def reference() -> IceFlix.TimeReferencePrx:
        """Of a foreign Authenticator without the facet, asking fails, and that is said."""
        authenticator = host.directory.choose(AUTHENTICATOR)
        return IceFlix.UserRegistryPrx.uncheckedCast(authenticator.ice_facet(REGISTRY))

    clockwork.follow(host, Timekeeper(clockwork.clocks(host.settings)), reference)


def follow_user_administrator(host: Host) -> None:
    """For services outside that chain: one step to the reference. They listen for USERADMIN."""
    keeper = Timekeeper(clockwork.clocks(host.settings))
    clockwork.follow(host, keeper, lambda: host.directory.choose(USERADMIN))
