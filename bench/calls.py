"""Calls beside bare Ice, two hundred clients at once, and a storm of announcements."""

import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from bench import single
from bench.bare import TAGS, TITLE
from bench.crowd import latencies
from bench.frame import Figure, Goal, Table, ratio_of
from bench.machine import ROOT, say
from bench.services import Services, attempt, login, wait_for
from iceflix.contract import Ice, IceFlix, IceStorm
from iceflix.contract.topics import MEDIA_ANNOUNCEMENTS, SERVICE_AVAILABILITY
from iceflix.runtime.communicator import proxy_from

MEDIUM = "5f" * 32
IN_FLIGHT = 16
CLIENTS = 200
STORM = 10_000
HEARTBEAT_SECONDS = 1.0
_WANTED = 0.80
_FAIR = 3.0  # 99th percentile by median
_TOKEN_SECONDS = 15.0
_BATCH = 100  # announcements between two looks at the clock


class Stage:
    """Our Authenticator and catalogue, and a provider that is announced to have one title."""

    def __init__(self, services: Services) -> None:
        self.services = services
        pace = {"Discovery.AnnounceSeconds": str(HEARTBEAT_SECONDS)}
        self.authenticator = services.authenticator(services.start("auth", "auth", pace))
        catalog = services.proxy(services.start("catalog", "catalog", pace))
        self.catalog = IceFlix.MediaCatalogPrx.uncheckedCast(catalog)
        self.provider = services.proxy(services.start("streaming", "streaming", pace))
        self._token, self._since = "", float("-inf")

    @property
    def token(self) -> str:
        """A token that is good for some seconds more."""
        if time.monotonic() - self._since > _TOKEN_SECONDS:
            self._token, self._since = login(self.authenticator), time.monotonic()
        return self._token

    def prepare(self) -> None:
        """Let the catalogue have a title like the bare one's."""
        topic = publisher(self.services, MEDIA_ANNOUNCEMENTS)
        announce = IceFlix.StreamAnnouncesPrx.uncheckedCast(topic)
        provider = self.provider.ice_getIdentity().name

        def announced() -> None:
            announce.newMedia(MEDIUM, TITLE, provider)
            self.catalog.getTile(MEDIUM)

        attempt(announced, "the title is announced")
        attempt(lambda: self.catalog.addTags(MEDIUM, TAGS, self.token), "the title has tags")


def publisher(services: Services, name: str) -> Ice.ObjectPrx:
    """The publisher of a topic."""
    base = services.ice.stringToProxy(services.storm.proxy)
    topic = IceStorm.TopicManagerPrx.uncheckedCast(base).retrieve(name)
    return topic.getPublisher()


@dataclass(frozen=True)
class Duel:
    """One operation of ours and of the bare servant; ``argument()`` is what it is called with."""

    operation: str
    argument: Callable[[], str]
    ours: Ice.ObjectPrx
    bare: Ice.ObjectPrx

    def rate(self, target: Ice.ObjectPrx, calls: int) -> float:
        """Calls per second, one after the other."""
        argument, call = self.argument(), getattr(target, self.operation)
        began = time.perf_counter()
        for _ in range(calls):
            call(argument)
        return calls / (time.perf_counter() - began)

    def rate_in_flight(self, target: Ice.ObjectPrx, calls: int) -> float:
        """Calls per second with some of them under way at any time."""
        argument, begin = self.argument(), getattr(target, f"{self.operation}Async")
        began = time.perf_counter()
        waiting = [begin(argument) for _ in range(IN_FLIGHT)]
        for number in range(calls - IN_FLIGHT):
            waiting[number % IN_FLIGHT].result()
            waiting[number % IN_FLIGHT] = begin(argument)
        for future in waiting:
            future.result()
        return calls / (time.perf_counter() - began)


@contextlib.contextmanager
def bare(stage: Stage) -> Iterator[tuple[Duel, ...]]:
    """The bare servants, in a process of their own."""
    command = [sys.executable, "-m", "bench.bare", str(stage.provider)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=pipe,
        stdout=pipe,
        text=True,
        start_new_session=True,  # as ours: the system shares the processors out by session
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        found = json.loads(process.stdout.readline())
        ice = stage.services.ice
        proxies = [proxy_from(ice, found[name], name) for name in ("authenticator", "catalog")]
        # A deadline costs the caller: the same one as for ours (see bench.services).
        authenticator, catalog = (proxy.ice_invocationTimeout(10_000) for proxy in proxies)
        yield (
            Duel(
                "isAuthorized",
                lambda: stage.token,
                stage.authenticator,
                IceFlix.AuthenticatorPrx.uncheckedCast(authenticator),
            ),
            Duel(
                "getTile",
                lambda: MEDIUM,
                stage.catalog,
                IceFlix.MediaCatalogPrx.uncheckedCast(catalog),
            ),
        )
        process.stdin.close()


def compare(duels: Sequence[Duel], quick: bool) -> Table:
    """Ours and the bare servant take turns, called by the same process."""
    rounds, calls = (9, 300) if quick else (41, 500)
    rows: list[tuple[str | Figure, ...]] = []
    goals = []
    ways = (("one after the other", Duel.rate), (f"{IN_FLIGHT} at once", Duel.rate_in_flight))
    for (what, way), duel in itertools.product(ways, duels):
        name = f"{duel.operation}, {what}"
        say(name)
        ours, theirs = _turns(duel, way, rounds, calls)
        rows.append((name, Figure.of(ours), Figure.of(theirs), ratio_of(ours, theirs)))
        reached = ratio_of(ours, theirs).median
        goals.append(Goal(f"{name}: by the bare call", _WANTED, reached))
    return Table(
        "Calls beside bare Ice",
        "One client process calls our service and a bare servant that returns the same, which is "
        f"a process of its own; they take turns, {calls} calls each, {rounds} rounds. Ratios are "
        "taken within a round. Ours checks the token, looks the title up and makes sure that its "
        "provider is alive; the bare servant returns constants.",
        ("operation", "IceFlix, calls/s", "bare, calls/s", "ratio"),
        tuple(rows),
        tuple(goals),
    )


def _turns(
    duel: Duel, way: Callable[[Duel, Ice.ObjectPrx, int], float], rounds: int, calls: int
) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    theirs: list[float] = []
    for number in range(rounds + 1):
        turns = [(duel.ours, ours), (duel.bare, theirs)]
        for target, results in turns if number % 2 else reversed(turns):
            found = way(duel, target, calls)
            if number:  # the first round warms up
                results.append(found)
    return ours, theirs


def crowd(duels: Sequence[Duel], quick: bool) -> Table:
    """Many clients, each on a connection of its own, each with one call under way."""
    seconds = 4.0 if quick else 15.0
    rows = []
    goals = []
    for duel in duels:
        say(f"{CLIENTS} clients, {duel.operation}")
        for who, target in (("IceFlix", duel.ours), ("bare", duel.bare)):
            call = duel.operation, duel.argument()
            row = _fairness(latencies(target, call, CLIENTS, seconds), seconds)
            rows.append((f"{duel.operation}, {who}", *row))
            if target is duel.ours:
                what = f"{duel.operation}, {CLIENTS} clients: 99th percentile by median"
                goals.append(Goal(what, _FAIR, row[3], at_least=False))
    return Table(
        f"{CLIENTS} clients at once",
        f"{CLIENTS} connections, one call under way on each for {seconds:.0f} s, from one process "
        "that speaks Ice's protocol itself (bench/crowd.py): two hundred proxies of Ice for "
        "Python would measure their own process. "
        "The last column: calls of the client that got fewest by those of the one that got most.",
        ("operation", "calls/s", "median, ms", "99 %, ms", "99 % / median", "least / most"),
        tuple(rows),
        tuple(goals),
    )


def _fairness(
    every_client: Sequence[Sequence[float]], seconds: float
) -> tuple[float, float, float, float, float]:
    """The row of the table behind the operation's name."""
    every = sorted(latency for own in every_client for latency in own)
    middle, late = statistics.median(every), every[len(every) * 99 // 100]
    counts = [len(own) for own in every_client]
    even = min(counts) / max(counts)
    return len(every) / seconds, middle * 1e3, late * 1e3, late / middle, even


class Heartbeats(IceFlix.ServiceAvailability):
    """Hears announcements; remembers those of the services that are really there."""

    # pylint: disable=invalid-name,unused-argument  # the Slice contract fixes the names

    def __init__(self, known: Sequence[str]) -> None:
        self._known = set(known)
        self.heard: defaultdict[str, list[float]] = defaultdict(list)

    def catalogService(self, service: object, service_id: str, current: object = None) -> None:
        """Hear."""
        self._note(service_id)

    def authenticationService(
        self, service: object, service_id: str, current: object = None
    ) -> None:
        """Hear."""
        self._note(service_id)

    def mediaService(self, service: object, service_id: str, current: object = None) -> None:
        """Hear."""
        self._note(service_id)

    def _note(self, service_id: str) -> None:
        if service_id in self._known:
            self.heard[service_id].append(time.monotonic())

    def longest(self) -> float:
        """The longest silence of any of them, in seconds."""
        every = self.heard.values()
        gaps = [later - earlier for one in every for earlier, later in itertools.pairwise(one)]
        return max(gaps, default=float("inf"))


@dataclass(frozen=True)
class Absorbed:
    """What a storm did: seconds until it was over, longest silence, slowest answer, seconds."""

    seconds: float
    silence: float
    slowest: float


def storm(
    stage: Stage, kind: str, send: Callable[[int], object], over: Callable[[], object]
) -> Absorbed:
    """Publish as fast as the broker takes it, and watch the services meanwhile."""
    say(f"{STORM:,} {kind}")
    services = (stage.authenticator, stage.catalog, stage.provider)
    listener = Heartbeats([service.ice_getIdentity().name for service in services])
    answers = []
    with hearing(stage, listener):
        began = time.monotonic()
        for number in range(STORM):
            send(number)
            if number % _BATCH == 0:
                asked = time.monotonic()
                stage.authenticator.isAuthorized("x")
                stage.catalog.getTilesByName("nothing like that", True)
                answers.append(time.monotonic() - asked)
        wait_for(over, f"the {kind} are absorbed", 60)
        seconds = time.monotonic() - began
        time.sleep(3 * HEARTBEAT_SECONDS)
    return Absorbed(seconds, listener.longest(), max(answers))


@contextlib.contextmanager
def hearing(stage: Stage, listener: Heartbeats) -> Iterator[None]:
    """Let somebody hear the announcements of services."""
    ice = stage.services.ice
    adapter = ice.createObjectAdapterWithEndpoints("", "tcp -h 127.0.0.1")
    subscriber = adapter.addWithUUID(listener).ice_oneway()
    adapter.activate()
    base = ice.stringToProxy(stage.services.storm.proxy)
    topic = IceStorm.TopicManagerPrx.uncheckedCast(base).retrieve(SERVICE_AVAILABILITY)
    topic.subscribeAndGetPublisher({}, subscriber)
    try:
        yield
    finally:
        topic.unsubscribe(subscriber)
        adapter.destroy()


def storms(stage: Stage) -> Table:
    """Ten thousand titles, and ten thousand services that do not exist."""
    provider = stage.provider.ice_getIdentity().name
    ice = stage.services.ice
    media = IceFlix.StreamAnnouncesPrx.uncheckedCast(
        publisher(stage.services, MEDIA_ANNOUNCEMENTS).ice_oneway()
    )
    titles = storm(
        stage,
        "titles",
        lambda number: media.newMedia(f"{number:064x}", f"storm {number}", provider),
        lambda: len(stage.catalog.getTilesByName("storm ", False)) == STORM,
    )
    services = IceFlix.ServiceAvailabilityPrx.uncheckedCast(
        publisher(stage.services, SERVICE_AVAILABILITY).ice_oneway()
    )
    nobody = IceFlix.AuthenticatorPrx.uncheckedCast(
        ice.stringToProxy("nobody:tcp -h 127.0.0.1 -p 9")
    )
    identifiers = [str(uuid.uuid4()) for _ in range(STORM)]
    bogus = storm(
        stage,
        "services that do not exist",
        lambda number: services.authenticationService(nobody, identifiers[number]),
        lambda: stage.catalog.getTile(MEDIUM).provider is not None,
    )
    rows = tuple(
        (name, result.seconds, result.silence, result.slowest * 1e3)
        for name, result in ((f"{STORM:,} titles", titles), (f"{STORM:,} bogus services", bogus))
    )
    goals = tuple(
        Goal(f"{row[0]}: longest silence of a service", 2 * HEARTBEAT_SECONDS, row[2], "s", False)
        for row in rows
    )
    return Table(
        "Storms of announcements",
        f"Published as fast as IceStorm takes them. Every service announces itself each "
        f"{HEARTBEAT_SECONDS:g} s here; one missed heartbeat would be a silence of twice that. "
        "The slowest answer is of isAuthorized and an exact search, one after the other, asked "
        f"each {_BATCH} announcements.",
        ("storm", "absorbed, s", "longest silence, s", "slowest answer, ms"),
        rows,
        goals,
    )


def measure(quick: bool) -> Sequence[Table]:
    """Measure."""
    with Services() as services:
        stage = Stage(services)
        stage.prepare()
        with bare(stage) as duels:
            tables = [compare(duels, quick), crowd(duels, quick)]
        return [*tables, storms(stage)]


if __name__ == "__main__":
    sys.exit(single.alone("calls", measure))
