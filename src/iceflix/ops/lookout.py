"""Keeps an eye on a run: asks the services how they are, and says and shows what changes."""

import asyncio
import ipaddress
import signal

from iceflix.contract import Ice
from iceflix.ops import facts, firstrun, icestorm, watch
from iceflix.ops.broker import Broker
from iceflix.ops.console import Row
from iceflix.ops.fleet import Fleet, Service
from iceflix.ops.restart import State
from iceflix.runtime.settings import Settings

_LOOK_SECONDS = 1.0
_LOOK_SECONDS_AT_START = 0.05
_PATIENCE_SECONDS = 15.0


class Lookout:
    """Asks every service of a fleet; says once, by ``open`` too, when clients can come."""

    def __init__(self, settings: Settings, fleet: Fleet, broker: Broker) -> None:
        self._settings = settings
        self._fleet = fleet
        self._broker = broker
        self.open = asyncio.Event()

    async def follow(self) -> None:
        """Until the run ends."""
        waited = 0.0
        pause = _LOOK_SECONDS_AT_START
        while await self._fleet.pause(pause):
            await self._look()
            self.show()
            pause = _LOOK_SECONDS if self.open.is_set() else _LOOK_SECONDS_AT_START
            waited += pause
            if not self.open.is_set() and waited > _PATIENCE_SECONDS:
                waited = float("-inf")
                self._say_what_is_missing()

    def show(self) -> None:
        """Show how the services are."""
        rows = [service.row() for service in self._fleet.services.values()]
        if icestorm.NAME not in self._fleet.services:
            rows.insert(0, Row(icestorm.NAME, State.STOPPED, "not ours", endpoint=self._storm()))
        self._fleet.console.show(rows)

    async def _look(self) -> None:
        services = self._fleet.services
        found = {entry.pid: entry for entry in facts.read_all(self._settings.home)}
        await asyncio.gather(*(self._look_at(service, found) for service in services.values()))
        if self.open.is_set() or any(
            one.life.state is not State.READY for one in services.values()
        ):
            return
        entry = found.get(services["main"].child.pid or 0)
        if entry is not None and await watch.hands_out(self._proxy(entry)):
            self._say_open(entry)
            self.open.set()

    async def _look_at(self, service: Service, found: dict[int, facts.Facts]) -> None:
        pid = service.child.pid
        if pid is None:
            return
        if service.name == icestorm.NAME:
            service.endpoint = self._storm()
            answers = await watch.answers(self._broker.proxy)
        elif pid in found:
            service.identifier = found[pid].identifier
            service.endpoint = watch.endpoint(found[pid])
            answers = await watch.answers(self._proxy(found[pid]))
        else:
            if service.late:
                self._fleet.console.say(f"{service.name}: hangs while it starts; killed")
                service.child.signal(signal.SIGKILL)
            return
        if service.child.pid == pid and service.heard(answers=answers):
            about = f", id {service.identifier}" if service.identifier else ""
            self._fleet.console.tell(
                f"{service.name}: {service.life.state.value}, process {pid}{about}, "
                f"{service.endpoint}"
            )

    def _proxy(self, entry: facts.Facts) -> Ice.ObjectPrx:
        proxy = self._broker.proxy.ice_getCommunicator().stringToProxy(entry.proxy)
        assert proxy is not None
        return proxy

    def _storm(self) -> str:
        return watch.short(str(self._broker.proxy)).partition(":")[2]

    # -- words

    def _say_what_is_missing(self) -> None:
        late = [s.name for s in self._fleet.services.values() if s.life.state is not State.READY]
        self._fleet.console.say(
            f"still waiting for {', '.join(late) or 'Main to find the others'}; "
            f"`iceflix doctor` and {self._settings.path('Log.Folder')} may tell why"
        )

    def _say_open(self, entry: facts.Facts) -> None:
        pids = [service.child.pid for service in self._fleet.services.values()]
        hosts = watch.listening([pid for pid in pids if pid is not None])
        say = self._fleet.console.say
        if all(ipaddress.ip_address(host.partition("%")[0]).is_loopback for host in hosts):
            say("exposed: to this machine alone (loopback); --lan opens it to others")
        else:
            say(
                f"exposed: to the network, listening at {', '.join(sorted(hosts))} (:: and 0.0.0.0 "
                "are every interface) on the ports shown; video goes by UDP to whoever asks. "
                "The traffic is not encrypted."
            )
            say(f"Change the demonstration password: ./add_user {firstrun.DEMO_USER}")
        say(f"Main: {watch.short(entry.proxy)}")
