"""What is alive, as Main and the services themselves see it."""

import concurrent.futures
import os
from collections import Counter
from dataclasses import dataclass
from typing import Any

from iceflix.contract import Ice, IceFlix
from iceflix.ops import facts, watch
from iceflix.ops.broker import PROXY, Broker
from iceflix.runtime.communicator import initialize, proxy_from
from iceflix.runtime.settings import Settings

# A service's own name, and what others call it.
KINDS = {"auth": "authenticator", "catalog": "catalog", "streaming": "provider"}
_ASK_MILLIS = 2000
_WORKERS = 8


@dataclass
class Entry:
    """One service: as Main knows it, as it describes itself, and why it does not answer."""

    kind: str
    id: str
    proxy: str
    pid: int | None = None
    known: IceFlix.KnownService | None = None
    said: IceFlix.ServiceStatus | None = None
    problem: str = ""

    @property
    def answers(self) -> bool:
        """Whether it is alive."""
        return not self.problem

    def as_json(self) -> dict[str, Any]:
        """For scripts. Ages are seconds since Main heard of it, and had an answer from it."""
        about: dict[str, Any] = {"kind": self.kind, "id": self.id, "proxy": self.proxy}
        about |= {"answers": self.answers, "problem": self.problem, "pid": self.pid}
        if self.known is not None:
            about["heard_seconds_ago"] = self.known.heardSecondsAgo
            about["confirmed_seconds_ago"] = self.known.confirmedSecondsAgo
        if self.said is not None:
            about["host"] = self.said.host
            about["version"] = self.said.version
            about["uptime_seconds"] = self.said.uptimeSeconds
            about["broker_connected"] = self.said.brokerConnected
            about["knows"] = Counter(known.kind for known in self.said.known)
            about["details"] = dict(self.said.details)
        return about


@dataclass
class Report:
    """The whole picture. ``problems`` are sentences; none means that all is well."""

    broker: str
    broker_answers: bool
    services: list[Entry]
    problems: list[str]

    @property
    def well(self) -> bool:
        """Whether nothing is missing."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "well": self.well,
            "problems": self.problems,
            "broker": {"proxy": self.broker, "answers": self.broker_answers},
            "services": [entry.as_json() for entry in self.services],
        }


def look(settings: Settings, main_proxy: str | None = None) -> Report:
    """Ask everybody. Takes a few seconds at most. Raises SetupError."""
    with initialize(settings) as communicator:
        main = proxy_from(communicator, main_proxy or settings.text("Client.Main"), "Client.Main")
        broker = Broker(communicator, settings)
        with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
            broker_answers = pool.submit(broker.answers)
            entries = {"main": Entry("main", "", str(main))}
            _ask(communicator, entries["main"])
            entries |= _known_to(entries["main"])
            _add_local(settings, entries)
            others = [entry for key, entry in entries.items() if key != "main"]
            list(pool.map(lambda entry: _ask(communicator, entry), others))
        report = Report(str(broker.proxy), broker_answers.result(), list(entries.values()), [])
        report.problems = problems(report)
        return report


def problems(report: Report) -> list[str]:
    """What is missing, as sentences."""
    found = []
    if not report.broker_answers:
        found.append(f"no IceStorm answers at {watch.short(report.broker)} (see {PROXY})")
    main = report.services[0]
    if not main.answers:
        found.append(f"Main does not answer at {watch.short(main.proxy)}: {main.problem}")
    for own, announced in KINDS.items() if main.answers else ():
        seen = [one for one in report.services if one.kind == announced]
        if not any(one.answers and one.known for one in seen):
            found.append(f"Main knows no {announced} that answers; start one: iceflix serve {own}")
    for one in report.services[1:]:
        if not one.answers:
            found.append(f"{one.kind} {one.id} does not answer: {one.problem}")
        elif one.said is not None and not one.said.brokerConnected:
            found.append(f"{one.kind} {one.id} has no connection to IceStorm")
    return found


def _known_to(main: Entry) -> dict[str, Entry]:
    known_to_main = main.said.known if main.said is not None else []
    return {one.id: Entry(one.kind, one.id, one.proxy, known=one) for one in known_to_main}


def _add_local(settings: Settings, entries: dict[str, Entry]) -> None:
    """Those that run on this home, whether or not Main knows them."""
    ids = {entry.id for entry in entries.values()}
    for known in facts.read_all(settings.home):
        if known.alive and known.identifier not in ids:
            kind = KINDS.get(known.kind, known.kind)
            entries[known.identifier] = Entry(kind, known.identifier, known.proxy, pid=known.pid)


def _status(communicator: Ice.Communicator, proxy: str) -> IceFlix.ServiceStatus:
    target = proxy_from(communicator, proxy, "a service's proxy")
    facet = target.ice_facet("operations").ice_invocationTimeout(_ASK_MILLIS)
    return IceFlix.OperationsPrx.uncheckedCast(facet).status()


def _ask(communicator: Ice.Communicator, entry: Entry) -> None:
    """Fill in what a service says of itself."""
    try:
        said = _status(communicator, entry.proxy)
    except (Ice.FacetNotExistException, Ice.OperationNotExistException):
        return  # somebody else's service: alive, with nothing more to say
    except Ice.LocalException as error:
        entry.problem = _reason(error)
        return
    entry.said, entry.id, entry.pid = said, said.id, said.pid


def _reason(error: Ice.LocalException) -> str:
    number = getattr(error, "error", 0)
    if number:
        return os.strerror(number).lower()
    if isinstance(error, Ice.TimeoutException):
        return "it does not answer in time (hung, or the machine is overloaded)"
    return type(error).__name__
