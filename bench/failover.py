"""From kill -9 and SIGSTOP of an instance to the next successful call, and to the next frame."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import single
from bench.frame import Figure, Goal, Table
from bench.machine import ROOT, BenchError, need, say
from bench.services import SECRET, USER, Services, wait_for
from iceflix.client import vocabulary as v
from iceflix.client.outputs import File
from iceflix.client.receiver import Receiver
from iceflix.client.session import Options, Session
from iceflix.contract import Ice, IceFlix
from iceflix.farm.launch import Running
from iceflix.runtime.settings import Settings

WAYS = {"kill -9": signal.SIGKILL, "SIGSTOP": signal.SIGSTOP}
# Milliseconds.
WANTED = {"kill -9": 250.0, "SIGSTOP": 2000.0}
TAKEOVER_MILLIS = 2000.0
_DEADLINE_MILLIS = 1500  # of each single call of the caller
_AFTERWARDS = 10  # operations whose slowest is reported
_KINDS = ("auth", "catalog", "streaming")
_SAMPLE = ROOT / "samples" / "iceflix-sample.mp4"
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Blow:
    """What one blow did, in ms: until the first success, and the slowest of those after it."""

    first: float
    slowest: float


class Stage:
    """Main, and two instances of everything else, which share one home."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._numbers = dict.fromkeys(_KINDS, 0)
        self._main = services.proxy(services.start("main", "main"))
        self.instances = {kind: [self.another(kind), self.another(kind)] for kind in _KINDS}
        self.title = self.wait_for_title()

    def another(self, kind: str) -> Running:
        """Start one more instance."""
        self._numbers[kind] += 1
        return self.services.start(f"{kind}{self._numbers[kind]}", kind)

    def main(self) -> IceFlix.MainPrx:
        """Main, as a caller has it."""
        return IceFlix.MainPrx.uncheckedCast(_bounded(self._main))

    def authenticator(self) -> Ice.ObjectPrx:
        """Ask for an Authenticator and use it; returns the one that was used."""
        found = _bounded(self.main().getAuthenticator())
        IceFlix.AuthenticatorPrx.uncheckedCast(found).isAuthorized("nothing like a token")
        return found

    def catalog(self) -> Ice.ObjectPrx:
        """Ask for a catalogue and use it."""
        found = _bounded(self.main().getCatalogService())
        IceFlix.MediaCatalogPrx.uncheckedCast(found).getTilesByName("sample", False)
        return found

    def streaming(self) -> Ice.ObjectPrx:
        """Ask for the provider of a title and use it."""
        catalog = IceFlix.MediaCatalogPrx.uncheckedCast(_bounded(self.main().getCatalogService()))
        found = _bounded(catalog.getTile(self.title).provider)
        IceFlix.StreamProviderPrx.uncheckedCast(found).isAvailable(self.title)
        return found

    def wait_for_title(self) -> str:
        """The title, once it is known."""
        found: list[str] = []

        def known() -> bool:
            try:
                catalog = IceFlix.MediaCatalogPrx.uncheckedCast(self.catalog())
                found[:] = catalog.getTilesByName("sample", False)
                return bool(found) and catalog.getTile(found[0]).provider is not None
            except (Ice.LocalException, IceFlix.TemporaryUnavailable):
                return False

        wait_for(known, "a title is known")
        return found[0]

    def settle(self) -> None:
        """Wait until everybody who counts knows both instances of everything."""
        hosts = [self._main, *map(self.services.proxy, self.instances["catalog"])]

        everybody = [one for pair in self.instances.values() for one in pair]
        wanted = {self.services.proxy(one).ice_getIdentity().name for one in everybody}

        def known() -> bool:
            for host in hosts:
                facet = host.ice_facet("operations")
                known = IceFlix.OperationsPrx.uncheckedCast(facet).status().known
                if not wanted <= {host.ice_getIdentity().name, *(one.id for one in known)}:
                    return False
            return True

        wait_for(known, "everybody knows everybody", 60)

    def find(self, kind: str, proxy: Ice.ObjectPrx) -> Running:
        """The instance behind a proxy."""
        for one in self.instances[kind]:
            if self.services.proxy(one).ice_getIdentity() == proxy.ice_getIdentity():
                return one
        raise BenchError(f"nobody knows the {kind} that answered")

    @staticmethod
    def strike(victim: Running, number: signal.Signals) -> float:
        """Kill or freeze it; returns when, once it does nothing more."""
        struck = time.monotonic()
        victim.signal(number)
        while number == signal.SIGSTOP and victim.alive and not _is_still(victim.pid):
            time.sleep(0.001)  # some threads go on for a moment, and may still answer
        return struck

    def repair(self, kind: str, victim: Running, number: signal.Signals) -> None:
        """Put things right again."""
        if number == signal.SIGSTOP:
            victim.signal(signal.SIGCONT)
        else:
            self.instances[kind].remove(victim)
            self.instances[kind].append(self.another(kind))


def _is_still(pid: int) -> bool:
    """Whether every thread of this process is stopped."""
    try:
        stats = [stat.read_text("ascii") for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except FileNotFoundError:
        return False  # one has ended meanwhile
    return all(text.rpartition(")")[2].split()[0] == "T" for text in stats)


def _bounded(proxy: Ice.ObjectPrx | None) -> Ice.ObjectPrx:
    if proxy is None:
        raise BenchError("a service was promised and is not there")
    return proxy.ice_invocationTimeout(_DEADLINE_MILLIS)


def blow(stage: Stage, kind: str, number: signal.Signals) -> Blow:
    """Strike the instance that has just answered, and go on calling."""
    call: Callable[[], Ice.ObjectPrx] = getattr(stage, {"auth": "authenticator"}.get(kind, kind))
    stage.settle()
    victim = stage.find(kind, call())
    struck = stage.strike(victim, number)
    first = _until(call) - struck
    slowest = 0.0
    for _ in range(_AFTERWARDS):
        began = time.monotonic()
        slowest = max(slowest, _until(call) - began)
    stage.repair(kind, victim, number)
    return Blow(first * 1e3, slowest * 1e3)


def _until(call: Callable[[], object]) -> float:
    """Call until it succeeds; returns when."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            call()
            return time.monotonic()
        except (Ice.LocalException, IceFlix.TemporaryUnavailable):
            time.sleep(_POLL_SECONDS)
    raise BenchError("nothing works any more, half a minute after one of two instances was struck")


def calls(stage: Stage, rounds: int) -> Table:
    """Strike each kind of service in each way."""
    rows = []
    goals = []
    names = {"auth": "Authenticator", "catalog": "catalogue", "streaming": "provider"}
    for kind in _KINDS:
        for way, number in WAYS.items():
            say(f"{names[kind]}, {way}")
            blows = [blow(stage, kind, number) for _ in range(rounds)]
            first = Figure.of([one.first for one in blows])
            rows.append((f"{names[kind]}, {way}", first, Figure.of([one.slowest for one in blows])))
            what = f"{names[kind]}, {way}: first success"
            goals.append(Goal(what, WANTED[way], first.median, "ms", at_least=False))
    return Table(
        "The next successful call",
        "Two instances of each service. A caller that knows Main alone asks it for a service, uses "
        "it, and asks again when that fails; each of its calls has a deadline of "
        f"{_DEADLINE_MILLIS} ms. The instance that has just answered is struck, {rounds} times: "
        "time until the first success, and the slowest of the "
        f"{_AFTERWARDS} operations after it (of the hung Authenticator or catalogue, Main learns "
        "then: it hands them out in turn).",
        ("struck", "first success, ms", "slowest afterwards, ms"),
        tuple(rows),
        tuple(goals),
    )


class _Witness(Receiver):
    """A receiver that knows when another server has taken over."""

    def __init__(self, target: Path) -> None:
        super().__init__(File(target))
        self.rejoined = False
        self.before = 0.0

    def rejoin(self, source: str) -> None:
        """Go on."""
        self.before = self.statistics().received
        super().rejoin(source)
        self.rejoined = True

    def goes_on(self) -> bool:
        """Whether frames have come from the other server."""
        return self.rejoined and self.statistics().received > self.before


def takeovers(stage: Stage, rounds: int) -> Table:
    """Strike the server of a stream that our client receives."""
    rows = []
    goals = []
    for way, number in WAYS.items():
        say(f"takeover, {way}")
        times = [takeover(stage, number) * 1e3 for _ in range(rounds)]
        figure = Figure.of(times)
        rows.append((way, figure))
        goals.append(Goal(f"takeover, {way}", TAKEOVER_MILLIS, figure.median, "ms", at_least=False))
    return Table(
        "Another server goes on with a stream",
        "Our client records a title that two video servers have; the one that sends is struck: "
        "time until a frame of the other one has left the receiver, whose buffer of 200 ms counts. "
        f"{rounds} times each.",
        ("struck", "next frame, ms"),
        tuple(rows),
        tuple(goals),
    )


def takeover(stage: Stage, number: signal.Signals) -> float:
    """One of them; seconds."""
    stage.settle()
    folder = stage.services.home / "client"
    folder.mkdir(exist_ok=True)
    settings = Settings.of(folder, {"IceStorm.TopicManager.Proxy": stage.services.storm.proxy})
    receiver = _Witness(folder / f"{time.monotonic_ns()}.mkv")
    with Session(Options.of(settings)) as session:
        session.connect(stage.main().ice_toString()).result(20)
        session.sign_in(USER, SECRET).result(20)
        session.select(v.Title(stage.title, "sample")).result(5)
        session.play(receiver, v.Wish(start=5.0)).result(20)
        wait_for(lambda: receiver.statistics().received > 1.0, "frames come")
        victim = _sender(stage)
        struck = stage.strike(victim, number)
        while not receiver.goes_on():
            if time.monotonic() > struck + 30:
                raise BenchError("no other server goes on with the stream")
            time.sleep(_POLL_SECONDS)
        passed = time.monotonic() - struck
        session.stop().result(20)
    stage.repair("streaming", victim, number)
    return passed


def _sender(stage: Stage) -> Running:
    for one in stage.instances["streaming"]:
        facet = stage.services.proxy(one).ice_facet("operations")
        if IceFlix.OperationsPrx.uncheckedCast(facet).status().details["streams"] != "0":
            return one
    raise BenchError("nobody sends")


def measure(quick: bool) -> Sequence[Table]:
    """Measure."""
    rounds = 2 if quick else 9
    with Services() as services:
        make = [need("ffmpeg", "ffmpeg"), "-v", "error", "-stream_loop", "3", "-i", str(_SAMPLE)]
        target = services.home / "media" / "sample.mp4"
        subprocess.run([*make, "-c", "copy", str(target)], check=True, timeout=120)
        stage = Stage(services)
        return [calls(stage, rounds), takeovers(stage, rounds)]


if __name__ == "__main__":
    sys.exit(single.alone("failover", measure))
