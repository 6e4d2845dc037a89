"""A ring's node as a microservice: settings -> machine, shell, workshop."""

import time
from dataclasses import replace
from pathlib import Path

from iceflix.farm.clock.chain import follow_user_administrator
from iceflix.farm.discovery import FILTERADMIN, MULTISERVER, USERADMIN, farm_channel, node_kind
from iceflix.farm.images.access import open_store
from iceflix.farm.model import NodeLoad
from iceflix.farm.node.code import CodeSource, Received, SharedFolder
from iceflix.farm.node.hands import Hands
from iceflix.farm.node.load import LoadMeter
from iceflix.farm.node.servant import RingServant
from iceflix.farm.node.shell import Shell
from iceflix.farm.publickey import PublicKey
from iceflix.farm.ring.machine import Member
from iceflix.farm.ring.settings import SYSTEMS, Me, System, Timing
from iceflix.farm.sandbox.limits import Limits
from iceflix.farm.workshop import Workshop
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import Host
from iceflix.runtime.settings import Settings

KIND = "node"
_LEAVE_SECONDS = 0.5
_MEASURE_SECONDS = 1.0
_MEASURE_IDLE_SECONDS = 5.0
_COMPARE_SECONDS = 5.0
_IDLE_TURNS = 8
_MEGABYTE = 1024 * 1024


def build(host: Host) -> None:
    """Compose the service. Raises SetupError."""
    settings = host.settings
    system, ring = _system(settings), settings.text("Node.Ring")
    nodes = node_kind(ring)
    host.listen(farm_channel((nodes, MULTISERVER, FILTERADMIN, USERADMIN)))
    meter = _meter(settings.path("Node.Proc"))
    slots = settings.integer("Node.Slots") or len(meter.processors)
    me = Me(ring, host.identifier, settings.integer("Ring.Priority"), system, _timing(settings))
    store = open_store(settings)
    workshop = Workshop(store, Limits.of(settings), slots)
    host.on_stop(workshop.stop)
    load = NodeLoad(host.identifier, float(len(meter.processors)), slots=slots)
    member = Member(me, load, time.monotonic())
    hands = Hands(workshop, _codes(host, system))
    shell = Shell(host, member, hands)
    proxy = host.publish(RingServant(shell))
    host.announce(nodes, proxy, farm_channel(()))
    follow_user_administrator(host)
    host.directory.on_added(nodes, shell.peer_added)
    host.directory.on_removed(nodes, shell.peer_removed)
    host.directory.on_added(MULTISERVER, shell.multiserver_added)
    host.directory.on_removed(MULTISERVER, shell.multiserver_removed)
    _measure_and_plan(host, shell, meter)
    if system.one_filter:
        host.scheduler.every(_COMPARE_SECONDS, hands.compare)
    host.on_stop(lambda: shell.leave(_LEAVE_SECONDS))
    host.details(lambda: _details(shell))
    shell.tick()


def _system(settings: Settings) -> System:
    name = settings.text("Farm.System").upper()
    if name not in SYSTEMS:
        raise SetupError(f"Farm.System must be A or B for a node, not {name!r}")
    return SYSTEMS[name]


def _meter(proc: Path) -> LoadMeter:
    try:
        return LoadMeter(proc)
    except (OSError, ValueError, IndexError) as error:
        raise SetupError(f"Node.Proc: {proc}/stat does not tell of processors ({error})") from error


def _timing(settings: Settings) -> Timing:
    return Timing(
        hold_most=settings.seconds("Ring.HoldSeconds"),
        loss=settings.seconds("Ring.LossSeconds"),
        silence=settings.seconds("Ring.SilenceSeconds"),
    )


def _codes(host: Host, system: System) -> CodeSource:
    settings = host.settings
    key = PublicKey(settings.path("Farm.PublicKey"), host.directory)
    if system.one_filter:
        return Received(settings.path("Node.Folder"), key)
    return SharedFolder(settings.path("Farm.Filters"), key)


def _measure_and_plan(host: Host, shell: Shell, meter: LoadMeter) -> None:
    """Seldom while the ring is idle: looking costs more than the token does."""
    try:
        _measure(shell, meter)
    finally:
        idle = shell.member.last_seen.idle_turns > _IDLE_TURNS and not shell.member.bench.running
        pause = _MEASURE_IDLE_SECONDS if idle else _MEASURE_SECONDS
        host.scheduler.after(pause, lambda: _measure_and_plan(host, shell, meter))


def _measure(shell: Shell, meter: LoadMeter) -> None:
    bench = shell.member.bench
    cpu_free, free_bytes = meter.free(working=bool(bench.running))
    bench.measured(replace(bench.load, cpu_free=cpu_free, free_bytes=free_bytes))


def _details(shell: Shell) -> dict[str, str]:
    member = shell.member
    token = member.last_seen
    load = member.bench.load
    code = member.bench.filter
    none = "none yet" if member.me.system.one_filter else "any"
    return {
        "ring": f"{member.me.ring} (system {member.me.system.name})",
        "master": member.master or "none yet",
        "members": " ".join(token.members),
        "token": f"epoch {token.epoch}, pass {token.passes}",
        "load": f"{load.cpu_free:.2f} processors and {load.free_bytes // _MEGABYTE} MB free, "
        f"{len(member.bench.running)} tasks of {load.slots}",
        "filter": f"{code.name} {code.sha256[:12]}" if code else none,
    }
