"""Discovery with a real broker and foreign services (V02-V11)."""

import pytest

from iceflix.contract import Ice, IceFlix
from iceflix.contract.topics import SERVICE_AVAILABILITY
from iceflix.runtime.authority import Authority
from iceflix.runtime.channels import AUTHENTICATOR, CATALOG, PROVIDER
from iceflix.runtime.errors import NotAuthorized, NotAvailable
from iceflix.runtime.host import Host
from tests.conftest import Broker, Eventually, HostMaker

pytestmark = pytest.mark.slow


class Vouching(IceFlix.Authenticator):
    """A foreign Authenticator that knows one token."""

    # pylint: disable=invalid-name  # the Slice contract fixes the names

    def __init__(self, token: str) -> None:
        self.token = token

    def isAuthorized(self, authentication: str, _current: Ice.Current | None = None) -> bool:
        """Know the token or not."""
        return authentication == self.token

    def refreshAuthorization(
        self, _user: str, _hash: str, _current: Ice.Current | None = None
    ) -> str:
        """Let everybody in."""
        return self.token


def _build(host: Host) -> None:
    host.publish(IceFlix.Main())


def _topic(broker: Broker) -> IceFlix.ServiceAvailabilityPrx:
    publisher = broker.manager.retrieve(SERVICE_AVAILABILITY).getPublisher()
    return IceFlix.ServiceAvailabilityPrx.uncheckedCast(publisher)


def _foreign(ice: Ice.Communicator, token: str) -> IceFlix.AuthenticatorPrx:
    adapter = ice.createObjectAdapterWithEndpoints(token, "tcp -h 127.0.0.1")
    adapter.activate()
    return IceFlix.AuthenticatorPrx.uncheckedCast(adapter.addWithUUID(Vouching(token)))


def test_a_foreign_service_is_found_used_and_dropped(
    broker: Broker, make_host: HostMaker, ice: Ice.Communicator, eventually: Eventually
) -> None:
    """A foreign service is found used and dropped."""
    host = make_host("main", _build)
    proxy = _foreign(ice, "good")
    _topic(broker).authenticationService(proxy, "one")
    eventually(lambda: host.directory.find(AUTHENTICATOR, "one"))
    assert host.directory.choose(AUTHENTICATOR).isAuthorized("good")
    ice.destroy()
    eventually(lambda: host.directory.find(AUTHENTICATOR, "one") is None, 5)
    with pytest.raises(NotAvailable):
        host.directory.choose(AUTHENTICATOR)


def test_bad_announcements_do_not_deafen(
    broker: Broker, make_host: HostMaker, ice: Ice.Communicator, eventually: Eventually
) -> None:
    """V10: null, wrong type, dead, empty, huge, ten thousand; then a good one."""
    host = make_host("main", _build)
    good = _foreign(ice, "good")
    topic = _topic(broker)
    topic.authenticationService(None, "null")
    topic.catalogService(IceFlix.MediaCatalogPrx.uncheckedCast(good), "wrong type")
    dead = ice.stringToProxy("x:tcp -h 127.0.0.1 -p 1")
    topic.authenticationService(IceFlix.AuthenticatorPrx.uncheckedCast(dead), "dead")
    topic.authenticationService(good, "")
    topic.authenticationService(good, "x" * 900_000)
    wrong = IceFlix.StreamProviderPrx.uncheckedCast(ice.stringToProxy("nowhere"))
    topic.mediaService(wrong, "no endpoint")
    flood = topic.ice_oneway()
    for number in range(10_000):
        flood.authenticationService(IceFlix.AuthenticatorPrx.uncheckedCast(dead), f"f{number}")
    topic.authenticationService(good, "good")
    eventually(lambda: host.directory.find(AUTHENTICATOR, "good"), 20)
    assert [known.id for known in host.directory.all(AUTHENTICATOR)] == ["good"]
    assert not host.directory.all(CATALOG)
    assert not host.directory.all(PROVIDER)


def test_the_same_id_with_a_new_proxy_replaces_the_old(
    broker: Broker, make_host: HostMaker, ice: Ice.Communicator, eventually: Eventually
) -> None:
    """V11."""
    host = make_host("main", _build)
    topic = _topic(broker)
    for _ in range(20):
        topic.authenticationService(_foreign(ice, "first") if _ == 0 else None, "same")
    eventually(lambda: host.directory.find(AUTHENTICATOR, "same"))
    topic.authenticationService(_foreign(ice, "second"), "same")
    eventually(lambda: host.directory.choose(AUTHENTICATOR).isAuthorized("second"))
    assert len(host.directory.all(AUTHENTICATOR)) == 1


def test_every_candidate_is_asked(
    broker: Broker, make_host: HostMaker, ice: Ice.Communicator, eventually: Eventually
) -> None:
    """V06, V20: all are chosen in turn, and one that knows the token is enough."""
    host = make_host("main", _build)
    topic = _topic(broker)
    for token in ("a", "b", "c"):
        topic.authenticationService(_foreign(ice, token), token)
    eventually(lambda: len(host.directory.all(AUTHENTICATOR)) == 3)
    chosen = {str(host.directory.choose(AUTHENTICATOR)) for _ in range(6)}
    assert len(chosen) == 3
    authority = Authority(host.directory)
    assert all(authority.vouched(token) for token in ("a", "b", "c"))
    assert not any(authority.vouched(token) for token in ("d", "", "x" * 1_000_000))
    with pytest.raises(NotAuthorized):
        authority.check("d")
