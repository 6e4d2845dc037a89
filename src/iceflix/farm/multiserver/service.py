"""The multiserver as a microservice: settings -> books, servant."""

from iceflix.contract import Ice
from iceflix.farm.clock.chain import follow_user_administrator
from iceflix.farm.discovery import MULTISERVER, USERADMIN, farm_channel
from iceflix.farm.images.access import open_store
from iceflix.farm.multiserver.counter import Counter
from iceflix.farm.multiserver.jobs import Jobs, Policy
from iceflix.farm.multiserver.servant import MultiserverServant
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import Host

KIND = "multiserver"
_FIRST_SWEEP_SECONDS = 10.0
_SWEEP_SECONDS = 600.0


def build(host: Host) -> None:
    """Compose the service. Raises SetupError."""
    settings = host.settings
    name, system = settings.text("Multiserver.Name"), settings.text("Farm.System").upper()
    if not name or system not in ("A", "B"):
        raise SetupError("a multiserver needs a Multiserver.Name, and Farm.System must be A or B")
    policy = Policy(
        own_id=host.identifier,
        only_ring=name if system == "A" else "",
        capacity=settings.integer("Multiserver.Queue"),
    )
    store = open_store(settings)
    counter = Counter(Jobs(policy), store, host.scheduler.after)
    # The rings know a multiserver's name by its identity's category.
    identity = Ice.Identity(host.identifier, name)
    proxy = host.publish(MultiserverServant(counter), identity)
    host.announce(MULTISERVER, proxy, farm_channel(()))
    host.scheduler.after(_FIRST_SWEEP_SECONDS, counter.sweep)
    host.scheduler.every(_SWEEP_SECONDS, counter.sweep)
    host.on_stop(counter.stop)
    host.details(lambda: {"name": name, "system": system, **counter.details()})
    # Its own voice tells it that the broker delivers.
    host.listen(farm_channel((MULTISERVER, USERADMIN)))
    follow_user_administrator(host)
