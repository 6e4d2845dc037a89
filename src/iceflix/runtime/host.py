"""One microservice process: the parts that every service has, put together.

    settings -> communicator -> adapter -> topics and directory -> the feature's ``build(host)``

Signals are taken one after the other by the main thread, which has nothing else to do: SIGTERM,
SIGINT and SIGHUP end the process, SIGUSR1 reloads.
"""

import contextlib
import os
import random
import signal
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import iceflix
from iceflix.contract import Ice, IceFlix
from iceflix.runtime import log, process, strangers
from iceflix.runtime.boundary import operation, refuse_now
from iceflix.runtime.channels import STREAMING, Channel, Kind, PrxT
from iceflix.runtime.communicator import create_adapter, initialize, proxy_from, settings_from
from iceflix.runtime.directory import Directory, Timing
from iceflix.runtime.errors import SetupError
from iceflix.runtime.scheduler import Handle, Scheduler
from iceflix.runtime.settings import Settings
from iceflix.runtime.topics import Topics

# Service -> (object adapter, endpoints unless configured). Only Main has a fixed port.
ADAPTERS = {
    "main": ("Main", "tcp -p 10010"),
    "auth": ("Authenticator", "tcp"),
    "catalog": ("MediaCatalog", "tcp"),
    "streaming": ("StreamProvider", "tcp"),
    "gateway": ("GatewayAdapter", "tcp"),
    "central": ("CentralAdapter", "tcp"),
    "useradmin": ("UserAdminAdapter", "tcp -h 127.0.0.1"),
    "filteradmin": ("FilterAdminAdapter", "tcp"),
    "multiserver": ("MultiserverAdapter", "tcp"),
    "node": ("NodeAdapter", "tcp"),
}
EXIT_SETUP = 2
_BROKER_WAIT_SECONDS = 1.0
# Of no use to them: video services. Whoever hears of a service keeps asking whether it lives.
_FARM_ONLY = {"central", "filteradmin", "multiserver", "node"}
_GREETINGS = (0.0, 0.5, 1.5)  # a service that starts beside others need not wait for the interval
_SHUTDOWN_SECONDS = 3.0
_log = log.get_logger(__name__)


class _OperationsServant(IceFlix.Operations):
    """Answers ``iceflix status`` on a facet of the service's own object."""

    # pylint: disable=too-few-public-methods  # the Slice interface has one operation

    def __init__(self, host: "Host") -> None:
        self._host = host

    @operation()
    def status(self, _current: Ice.Current | None = None) -> IceFlix.ServiceStatus:
        """Tell how this service is and whom it knows."""
        return self._host.status()


class Host:  # pylint: disable=too-many-instance-attributes  # the composition of a process
    """What a service is given to live in. Use it from a feature's ``build``."""

    def __init__(self, kind: str, settings: Settings) -> None:
        self.kind = kind
        self.settings = settings
        self.identifier = str(uuid.uuid4())
        self.communicator = initialize(settings)
        self.scheduler = Scheduler()
        self._started = time.monotonic()
        self._callbacks: dict[str, list[Callable[[], Any]]] = {"reload": [], "stop": []}
        self._details: list[Callable[[], dict[str, str]]] = []
        self._announcing: list[Callable[[], Any]] = []
        self._last_heard = time.monotonic()
        self._strangers = strangers.Strangers()
        self.proxy: Ice.ObjectPrx | None = None
        try:
            self.adapter = create_adapter(self.communicator, *ADAPTERS[kind])
            self._interval = settings.seconds("Discovery.AnnounceSeconds")
            self.topics = Topics(self.adapter, self._topic_manager(), 0.8 * self._interval)
            timing = Timing(
                settings.seconds("Call.TimeoutSeconds"),
                settings.seconds("Call.HedgeSeconds"),
                settings.seconds("Discovery.ProbeSeconds"),
            )
            self.directory = Directory(self.communicator, self.identifier, timing)
        except BaseException:
            self.scheduler.stop()
            self.communicator.destroy()
            raise
        self._run_files = process.RunFiles(settings.home, kind, self.identifier)

    # -- for a feature's build()

    def publish(self, servant: Ice.Object, identity: Ice.Identity | None = None) -> Ice.ObjectPrx:
        """Add the service's main object; its identity is a UUID unless given."""
        identity = identity or Ice.Identity(self.identifier)
        self.proxy = self.adapter.add(servant, identity)
        self.adapter.addFacet(_OperationsServant(self), identity, "operations")
        return self.proxy

    def add(self, servant: Ice.Object) -> Ice.ObjectPrx:
        """Add a further object; its identity is an unguessable UUID."""
        return self.adapter.add(servant, Ice.Identity(str(uuid.uuid4())))

    def remove(self, proxy: Ice.ObjectPrx) -> None:
        """Remove an object that ``add`` gave; does nothing the second time."""
        with contextlib.suppress(Ice.NotRegisteredException, Ice.ObjectAdapterDeactivatedException):
            self.adapter.remove(proxy.ice_getIdentity())

    def announce(
        self, kind: Kind[PrxT], proxy: Ice.ObjectPrx, channel: Channel = STREAMING
    ) -> None:
        """Announce an object: from the start on, periodically, when a newcomer is heard (V03)."""
        publisher = self.topics.publisher(channel.topic, channel.publisher)
        typed = kind.proxy.uncheckedCast(proxy)
        self._announcing.append(
            lambda: publisher.send(lambda topic: kind.announce(topic, typed, self.identifier))
        )

    def listen(self, channel: Channel) -> None:
        """Learn of the services on a channel; ServiceAvailability is listened to anyway."""

        def heard(kind: Kind[Any], proxy: Ice.ObjectPrx | None, service_id: str) -> None:
            self._last_heard = time.monotonic()
            if channel.wanted(kind.name):
                self.directory.heard(kind, proxy, service_id)
            elif self._strangers.heard(service_id):
                self.scheduler.after(strangers.PAUSE_SECONDS, self._greet_strangers)

        self.directory.expect(channel.kinds)
        self.topics.subscribe(channel.topic, channel.listener(heard))

    def on_reload(self, callback: Callable[[], Any]) -> None:
        """Call back on SIGUSR1."""
        self._callbacks["reload"].append(callback)

    def on_stop(self, callback: Callable[[], Any]) -> None:
        """Call back when the service ends, before its objects go."""
        self._callbacks["stop"].append(callback)

    def details(self, callback: Callable[[], dict[str, str]]) -> None:
        """What ``iceflix status`` shows of this service."""
        self._details.append(callback)

    def greet(self) -> None:
        """We seem to have been frozen, or cut off: announce us, and see whether we are heard."""
        self._announce_all()
        self.topics.wake()

    # -- life

    def start(self, build: Callable[["Host"], None]) -> None:
        """Build the service and open it to the world. Raises SetupError."""
        if self.kind not in _FARM_ONLY:
            self.listen(STREAMING)
        self.topics.start(_BROKER_WAIT_SECONDS)
        build(self)
        self.adapter.activate()
        try:
            self._run_files.write(str(self.proxy))
        except OSError as error:
            raise SetupError(f"cannot write to {self.settings.home / 'run'}: {error}") from error
        self.directory.on_newcomer(self._announce_all)
        self.topics.on_reconnected(self._announce_all)
        for pause in _GREETINGS:
            self.scheduler.after(pause, self._announce_all)
        self._plan_announcement()
        self._probe_and_plan()
        self.scheduler.every(self._interval, self._check_hearing)
        _log.info("ready", id=self.identifier, proxy=str(self.proxy))

    def reload(self) -> None:
        """Run the reload callbacks; what they raise is logged."""
        self._call_back("reload")

    def stop(self) -> None:
        """End in good order; safe to call when ``start`` failed half-way."""
        self._run_files.remove()
        self._announcing.clear()
        self._call_back("stop")
        refuse_now()
        self.scheduler.stop()
        self.topics.stop()
        self.directory.stop()
        self.adapter.deactivate()
        self.communicator.destroy()

    def status(self) -> IceFlix.ServiceStatus:
        """How this service is, and whom it knows."""
        now = time.monotonic()
        details: dict[str, str] = {}
        for callback in self._details:
            details.update(callback())
        known = [
            IceFlix.KnownService(
                member.rumour.kind,
                member.rumour.id,
                member.rumour.address,
                now - member.heard,
                max(0.0, min(now - member.confirmed, 1e6)),
            )
            for member in self.directory.members()
        ]
        return IceFlix.ServiceStatus(
            self.kind,
            self.identifier,
            iceflix.__version__,
            socket.gethostname(),
            os.getpid(),
            now - self._started,
            self.topics.connected,
            known,
            details,
        )

    # -- inside

    def _topic_manager(self) -> Ice.ObjectPrx:
        key = "IceStorm.TopicManager.Proxy"
        return proxy_from(self.communicator, self.settings.text(key), key)

    def _call_back(self, what: str) -> None:
        for callback in self._callbacks[what]:
            try:
                callback()
            except Exception:  # noqa: BLE001  pylint: disable=broad-exception-caught
                _log.exception(f"{what} failed")

    def _announce_all(self) -> None:
        for announce in list(self._announcing):
            announce()

    def _greet_strangers(self) -> None:
        self._strangers.greeted()
        self._announce_all()

    def _plan_announcement(self) -> Handle:
        pause = self._interval * random.uniform(0.9, 1.1)  # noqa: S311  not for secrets
        return self.scheduler.after(pause, self._announce_and_plan)

    def _announce_and_plan(self) -> None:
        self._announce_all()
        self._plan_announcement()

    def _probe_and_plan(self) -> None:
        """Not oftener than every so often: probes of about the same time are made together."""
        pause = min(0.5, self.settings.seconds("Discovery.ProbeSeconds") / 4)
        try:
            pause = max(pause, self.directory.tick())
        finally:
            self.scheduler.after(pause, self._probe_and_plan)

    def _check_hearing(self) -> None:
        """Silence, even of our own voice, means that the broker has stopped delivering to us."""
        silence = time.monotonic() - self._last_heard
        if self.topics.connected and silence > 2.5 * self._interval:
            self._last_heard = time.monotonic()
            self.topics.resubscribe()
        elif silence > 1.3 * self._interval:
            self.topics.wake()


def _await_end(host: Host, signals: set[signal.Signals]) -> None:
    while (received := signal.sigwait(signals)) == signal.SIGUSR1:
        _log.info("reload asked for")
        host.reload()
    _log.info("stopping", signal=signal.Signals(received).name)


def _stop_bounded(host: Host) -> None:
    """Stop, but not for ever: whatever hangs is left behind."""
    thread = threading.Thread(target=host.stop, name="stop", daemon=True)
    thread.start()
    thread.join(_SHUTDOWN_SECONDS)
    if thread.is_alive():
        _log.warning("not everything ended in time")
        os._exit(0)


def run(
    kind: str,
    build: Callable[[Host], None],
    arguments: Sequence[str],
    configuration: Path | None = None,
) -> int:
    """Run one service until it is told to stop; returns the exit code.

    0: stopped by a signal. 2: it could not start, and said why on standard error.
    """
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGUSR1}
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signals.add(signal.SIGHUP)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before there are other threads
    process.allow_many_files()
    host = None
    try:
        settings = settings_from(arguments, configuration)
        log_level = settings.text("Log.Level")
        if log_level not in log.LEVELS:
            raise SetupError(f"Log.Level must be one of {', '.join(log.LEVELS)}, not {log_level!r}")
        host = Host(kind, settings)
        folder = settings.path("Log.Folder")
        process.sweep_logs(folder, kind)
        log.configure(log_level, folder / f"{kind}-{host.identifier}.log", kind)
        host.start(build)
    except (SetupError, OSError) as error:
        print(f"iceflix {kind}: {error}", file=sys.stderr)
        if host is not None:
            _stop_bounded(host)
        return EXIT_SETUP
    _await_end(host, signals)
    _stop_bounded(host)
    return 0
