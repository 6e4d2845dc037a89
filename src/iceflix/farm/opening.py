"""Whether a farm can be used: what its services say when they are asked, not that they run.

Processes that are ready still have to hear of each other. A request succeeds at once when gateway
and central know their peers, the rings' nodes have come together, and the gateway tells the
filters that the filter administrator has running.
"""

from collections.abc import Sequence

from iceflix.contract import Ice, IceFlix
from iceflix.farm.launch import Ready
from iceflix.runtime.communicator import proxy_from
from iceflix.runtime.errors import SetupError

AUTHENTICATOR = "the gateway to find an Authenticator"
_MILLIS = 1000


class Opening:  # pylint: disable=too-few-public-methods  # one question
    """Asks the services of one home. Every question has a deadline of a second."""

    def __init__(self, communicator: Ice.Communicator) -> None:
        self._ice = communicator

    def missing(self, ready: Sequence[Ready]) -> str:
        """What is still being waited for, for a person; empty: requests can come."""
        try:
            return self._unknown(ready) or self._scattered(ready) or self._untold(ready)
        except (Ice.Exception, SetupError):
            return "a service to answer"

    def _unknown(self, ready: Sequence[Ready]) -> str:
        """Who does not know whom."""
        for kind, other, sentence in (
            ("central", "multiserver", "central to find the multiservers"),
            ("gateway", "central", "the gateway to find central"),
            ("gateway", "authenticator", AUTHENTICATOR),
        ):
            least = max(1, len(_of(ready, other)))
            for service in _of(ready, kind):
                if self._knows(service, other) < least:
                    return sentence
        return ""

    def _knows(self, service: Ready, kind: str) -> int:
        operations = IceFlix.OperationsPrx.uncheckedCast(
            self._proxy(service).ice_facet("operations")
        )
        return sum(known.kind == kind for known in operations.status().known)

    def _scattered(self, ready: Sequence[Ready]) -> str:
        """Rings that are not complete, or that a multiserver has not heard from."""
        tokens: dict[str, IceFlix.Token] = {}
        homes: dict[str, str] = {}
        for node in _of(ready, "node"):
            token = IceFlix.RingPrx.uncheckedCast(self._proxy(node)).lastSeen()
            homes[node.id] = token.ring
            newest = tokens.setdefault(token.ring, token)
            if (token.epoch, token.passes) > (newest.epoch, newest.passes):
                tokens[token.ring] = token
        if any(node not in tokens[ring].members for node, ring in homes.items()):
            return "the nodes to form their rings"
        for service in _of(ready, "multiserver"):
            proxy = IceFlix.MultiserverPrx.uncheckedCast(self._proxy(service))
            own = proxy.ice_getIdentity().category
            one_filter = any(token.filter for token in tokens.values())
            wanted = set(tokens) if one_filter or own not in tokens else {own}
            if not wanted <= set(proxy.health().rings):
                return "the rings to report to the multiservers"
        return ""

    def _untold(self, ready: Sequence[Ready]) -> str:
        """Whether the gateway tells what runs."""
        wanted: set[str] = set()
        for service in _of(ready, "filteradmin"):
            proxy = IceFlix.FilterAdminPrx.uncheckedCast(self._proxy(service))
            wanted |= {info.name for info in proxy.running()}
        for service in _of(ready, "gateway"):
            told = set(IceFlix.GatewayPrx.uncheckedCast(self._proxy(service)).getFilters())
            if not told or told != wanted:
                return "the gateway to learn which filters run"
        return ""

    def _proxy(self, service: Ready) -> Ice.ObjectPrx:
        proxy = proxy_from(self._ice, service.proxy, service.kind)
        return proxy.ice_invocationTimeout(_MILLIS)


def _of(ready: Sequence[Ready], kind: str) -> list[Ready]:
    return [service for service in ready if service.kind == kind]
