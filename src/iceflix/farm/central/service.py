"""Central as a microservice. The same program and configuration for systems A and B (F27)."""

from iceflix.farm.central.central import Central
from iceflix.farm.central.dispatcher import Dispatcher, Limits
from iceflix.farm.central.servant import CentralServant
from iceflix.farm.central.word import Word
from iceflix.farm.clock.chain import follow_user_administrator
from iceflix.farm.discovery import CENTRAL, FILTERADMIN, MULTISERVER, USERADMIN, farm_channel
from iceflix.farm.publickey import PublicKey
from iceflix.runtime.host import Host

KIND = "central"


def build(host: Host) -> None:
    """Compose the service. Raises SetupError."""
    settings = host.settings
    limits = Limits(
        settings.seconds("Central.DeadlineSeconds"),
        settings.seconds("Central.HealthSeconds"),
        settings.integer("Central.Requests"),
    )
    host.listen(farm_channel((CENTRAL, FILTERADMIN, MULTISERVER, USERADMIN)))
    dispatcher = Dispatcher(host.directory, host.scheduler.after, limits)
    central = Central(dispatcher.process)
    key = PublicKey(settings.path("Farm.PublicKey"), host.directory)
    word = Word(key.get, central.set_running)
    host.directory.on_added(FILTERADMIN, lambda _known: word.check())
    host.on_stop(word.stop)
    proxy = host.publish(CentralServant(central, word))
    host.announce(CENTRAL, proxy, farm_channel(()))
    host.on_stop(dispatcher.stop)
    host.details(central.details)
    host.details(dispatcher.details)
    follow_user_administrator(host)
