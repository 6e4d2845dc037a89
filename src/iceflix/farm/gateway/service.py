"""The gateway as a microservice: settings -> desk -> CORBA and Ice."""

from iceflix.farm.clock.chain import follow_authenticator
from iceflix.farm.discovery import CENTRAL, GATEWAY, farm_channel
from iceflix.farm.gateway.desk import Desk, Limits
from iceflix.farm.gateway.logins import Users
from iceflix.farm.gateway.naming import Naming, NamingServer
from iceflix.farm.gateway.orb import Address, Bounds, CorbaServer
from iceflix.farm.gateway.peers import Centrals
from iceflix.farm.gateway.servant import GatewayServant
from iceflix.farm.gateway.waiting import Patience, until_heard
from iceflix.runtime.channels import AUTHENTICATOR
from iceflix.runtime.host import Host

KIND = "gateway"
_BIND_SECONDS = 3.0


def build(host: Host) -> None:
    """Compose the service. Raises SetupError."""
    settings = host.settings
    limits = Limits(
        settings.seconds("Gateway.DeadlineSeconds"), settings.integer("Gateway.Requests")
    )
    host.listen(farm_channel((CENTRAL, GATEWAY)))
    host.directory.attend(CENTRAL)
    directory, world = host.directory, host.scheduler
    young = until_heard(settings.seconds("Discovery.AnnounceSeconds"))
    for_users = Patience(directory, AUTHENTICATOR, young)
    for_central = Patience(directory, CENTRAL, young)
    host.topics.on_reconnected(for_users.renew)
    host.topics.on_reconnected(for_central.renew)
    users = Users(directory, world, settings.seconds("Call.HedgeSeconds"), for_users)
    centrals = Centrals(directory, world, for_central)
    desk = Desk(users, centrals, limits, world)
    proxy = host.publish(GatewayServant(desk))
    corba, naming = _corba(host, desk)
    naming.start(_BIND_SECONDS)
    host.announce(GATEWAY, proxy, farm_channel(()))
    host.on_stop(desk.stop)
    host.on_stop(naming.stop)
    host.on_stop(corba.stop)
    host.details(desk.details)
    host.details(naming.details)
    follow_authenticator(host)


def _corba(host: Host, desk: Desk) -> tuple[CorbaServer, Naming]:
    settings = host.settings
    configured = Address.parse(settings.text("Gateway.Naming"), "Gateway.Naming")
    folder = settings.home / "naming"
    server = NamingServer(configured, folder) if settings.flag("Gateway.NamingServer") else None
    own_host = host.communicator.getProperties().getProperty("Ice.Default.Host")
    endpoint = Address(own_host, settings.integer("Gateway.CorbaPort"))
    bounds = Bounds(
        settings.integer("Gateway.MessageBytes"), settings.integer("Gateway.IdleSeconds")
    )
    corba = CorbaServer(desk, endpoint, bounds)
    return corba, Naming(corba, configured, server)
