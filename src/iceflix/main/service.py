"""Main as a microservice. It is a directory and nothing else: the runtime does the discovering."""

from iceflix.contract import Ice
from iceflix.main.servant import MainServant
from iceflix.runtime.host import Host

KIND = "main"
IDENTITY = Ice.Identity("Main", "IceFlix")


def build(host: Host) -> None:
    """Publish Main under its well-known identity, ``IceFlix/Main``."""
    host.publish(MainServant(host.directory), IDENTITY)
