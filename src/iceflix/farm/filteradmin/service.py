"""The filter administrator as a microservice."""

import threading
import time
from dataclasses import dataclass

from iceflix.contract import Ice, IceFlix
from iceflix.farm.central.word import sign
from iceflix.farm.clock.chain import follow_user_administrator
from iceflix.farm.discovery import CENTRAL, EVERYBODY, FILTERADMIN, farm_channel, ring_of
from iceflix.farm.filteradmin.assignments import Assignments
from iceflix.farm.filteradmin.filters import Filters, Shelf
from iceflix.farm.filteradmin.servant import FilterAdminServant
from iceflix.farm.filters.catalogue import Catalogue, Publisher
from iceflix.farm.filters.signing import Signer
from iceflix.runtime.adminkey import AdminGuard
from iceflix.runtime.directory import Directory
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import Host
from iceflix.runtime.log import get_logger

KIND = "filteradmin"
_LOOK_SECONDS = 2.0
_log = get_logger(__name__)


@dataclass(frozen=True)
class Times:
    """Interval of the pushes, and how long rings are waited for after a start; in seconds."""

    period: float
    patience: float


class Push:
    """Tells every central which filters are running: after a change, and periodically (F28)."""

    def __init__(
        self, directory: Directory, filters: Filters, signer: Signer, times: Times
    ) -> None:
        self._signer = signer
        self._directory = directory
        self._filters = filters
        self._period = times.period
        self._young_until = time.monotonic() + times.patience
        self._lock = threading.Lock()
        self._told: tuple[list[str] | None, float] = (None, 0.0)  # what, when

    def look(self) -> None:
        """Tell them if there is something new, or if it is time.

        Not, after a start, before all rings have been heard of: central would refuse for good
        what another ring runs.
        """
        now = time.monotonic()
        if now < self._young_until and not self._filters.complete():
            return
        with self._lock:
            names = self._filters.running_names()
            told, at = self._told
            if names == told and now - at < self._period:
                return
            self._told = names, now
        context = sign(self._signer, names)
        for known in self._directory.all(CENTRAL):
            try:
                known.proxy.setRunningAsync(names, context)
            except Ice.LocalException as error:
                _log.debug("central not told", id=known.id, error=type(error).__name__)

    def afresh(self) -> None:
        """Tell them, whatever they were told before."""
        with self._lock:
            self._told = None, 0.0
        self.look()


def build(host: Host) -> None:
    """Compose the service. Raises SetupError."""
    settings, directory = host.settings, host.directory
    signer = Signer.load(settings.path("FilterAdmin.KeyFile"))
    folder = settings.path("Farm.Filters")
    shelf = Shelf(Publisher(folder, signer), Catalogue(folder, signer.public))
    try:
        shelf.publisher.seed()
    except OSError as error:
        raise SetupError(f"cannot write to the filters in {folder}: {error.strerror}") from error
    filters = Filters(
        shelf,
        Assignments(settings.path("FilterAdmin.File")),
        lambda: _rings(directory),
        one_each=settings.text("Farm.System").upper() == "B",
    )
    times = Times(
        settings.seconds("FilterAdmin.PushSeconds"), settings.seconds("FilterAdmin.PatienceSeconds")
    )
    push = Push(directory, filters, signer, times)
    filters.changed = push.look
    host.listen(EVERYBODY)
    guard = AdminGuard.of(settings)
    proxy = host.publish(FilterAdminServant(filters, guard, signer.public))
    host.announce(FILTERADMIN, proxy, farm_channel(()))
    follow_user_administrator(host)
    directory.on_added(CENTRAL, lambda _known: push.afresh())
    directory.on_newcomer(push.look)
    host.scheduler.after(times.patience, push.look)
    trusting = settings.flag("FilterAdmin.TrustFolder")
    host.scheduler.every(_LOOK_SECONDS, lambda: _look(filters, push, trusting=trusting))
    host.details(lambda: _details(filters.rings(), filters.running()))


def _rings(directory: Directory) -> set[str]:
    """The rings of which a node lives."""
    rings = (ring_of(member.rumour.kind) for member in directory.members())
    return {ring for ring in rings if ring}


def _look(filters: Filters, push: Push, *, trusting: bool) -> None:
    if trusting:
        filters.adopt()
    push.look()


def _details(rings: dict[str, str], running: list[IceFlix.FilterInfo]) -> dict[str, str]:
    shown = ", ".join(f"{ring}: {name or 'all'}" for ring, name in sorted(rings.items()))
    return {"rings": shown or "none", "running": ", ".join(info.name for info in running) or "none"}
