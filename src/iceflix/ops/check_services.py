"""Do the services run? IceStorm, the ports, everybody that Main or this home knows."""

from collections.abc import Iterator
from pathlib import Path

from iceflix.contract import Ice
from iceflix.ops import facts, status, watch
from iceflix.ops.broker import PROXY, Broker
from iceflix.ops.endpoints import addresses, listening_addresses
from iceflix.ops.findings import Finding, fine, note, wrong
from iceflix.runtime.communicator import initialize, with_configuration
from iceflix.runtime.errors import SetupError
from iceflix.runtime.host import ADAPTERS
from iceflix.runtime.settings import Settings

_DISCARD = "IceStorm.Discard.Interval"
_LONG_DISCARD_SECONDS = 10


def broker(communicator: Ice.Communicator, settings: Settings) -> Finding:
    """IceStorm: whether it answers, or somebody else has its port."""
    found = Broker(communicator, settings)
    where = watch.short(str(found.proxy))
    if found.answers():
        return _broker_settings(found.folder, where)
    for address in addresses(found.proxy):
        if address.local and address.listened:
            mend = f"stop it, or choose another port with --{PROXY}=..."
            return wrong("icestorm", f"port {address.port} is used by {address.owner}", mend)
    return note("icestorm", f"none answers at {where}", "./run_iceflix or ./run_icestorm starts it")


def _broker_settings(folder: Path, where: str) -> Finding:
    try:
        written = with_configuration({"Ice.Config": str(folder / "icebox.config")})
    except SetupError:
        sentence = f"it answers at {where}, but was not started on this home"
        return note("icestorm", sentence, f"it should have {_DISCARD}=2; its default is 60 s")
    interval = written.get(_DISCARD, "60")
    sentence = f"it answers at {where}; {_DISCARD} is {interval} s"
    if not interval.isdigit() or int(interval) > _LONG_DISCARD_SECONDS:
        mend = f"start it with --{_DISCARD}=2"
        return note(
            "icestorm", f"{sentence}: a service that fails once hears nothing so long", mend
        )
    return fine("icestorm", sentence)


def main_port(communicator: Ice.Communicator, settings: Settings) -> Iterator[Finding]:
    """Main's port: whether it is free, Main's, or somebody else's."""
    name, default = ADAPTERS["main"]
    key = f"{name}.Endpoints"
    own = {known.pid for known in facts.read_all(settings.home) if known.alive}
    for address in listening_addresses(communicator, settings.values.get(key, default), key):
        if not address.port or not address.local:
            continue
        if not address.listened:
            yield note("main", f"nobody listens on port {address.port}, Main's")
        elif any(f"(process {pid})" in address.owner for pid in own):
            yield fine("main", f"Main listens on port {address.port}")
        else:
            sentence = f"port {address.port}, Main's, is used by {address.owner}"
            mend = f"if that is no Main of yours, stop it or set --{key}=..."
            yield note("main", sentence, mend)


def everybody(settings: Settings) -> Iterator[Finding]:
    """The services, as ``iceflix status`` sees them."""
    report = status.look(settings)
    alive = [entry for entry in report.services if entry.answers]
    if not alive:
        yield note("services", "nothing runs on this home", "type: ./run_iceflix")
        return
    if report.well:
        yield fine("services", f"all {len(alive)} services answer")
    for problem in report.problems:
        yield wrong("services", problem, "see its log in Log.Folder; iceflix status shows more")


def services(settings: Settings) -> Iterator[Finding]:
    """All of it."""
    with initialize(settings) as communicator:
        yield broker(communicator, settings)
        yield from main_port(communicator, settings)
    yield from everybody(settings)
