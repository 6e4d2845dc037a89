"""What is missing, as sentences, and the pictures of it."""

import json

import pytest

from iceflix.contract import IceFlix
from iceflix.ops.report import status_table
from iceflix.ops.status import Entry, Report, problems

MAIN = "IceFlix/Main -t -e 1.1:tcp -h 127.0.0.1 -p 10010 -t 60000"


def _said(kind: str, identifier: str, *, connected: bool = True) -> IceFlix.ServiceStatus:
    return IceFlix.ServiceStatus(
        kind, identifier, "0.1.0", "host", 7, 12.0, connected, [], {"titles": "3"}
    )


def _entry(kind: str, identifier: str, *, known: bool = True, connected: bool = True) -> Entry:
    proxy = f"{identifier} -t -e 1.1:tcp -h 127.0.0.1 -p 4000 -t 60000"
    entry = Entry(kind, identifier, proxy, 7, said=_said(kind, identifier, connected=connected))
    if known:
        entry.known = IceFlix.KnownService(kind, identifier, proxy, 1.0, 0.5)
    return entry


def _report(*others: Entry) -> Report:
    report = Report("IceStorm/TopicManager:tcp -p 10000", True, [Entry("main", "m", MAIN)], [])
    report.services += others
    report.problems = problems(report)
    return report


def _all() -> list[Entry]:
    return [_entry(kind, kind[0]) for kind in ("authenticator", "catalog", "provider")]


def test_all_is_well() -> None:
    """One of each that Main knows and that answers."""
    report = _report(*_all())
    assert report.well
    assert json.loads(json.dumps(report.as_json()))["services"][1]["heard_seconds_ago"] == 1.0


def test_what_is_missing_is_named() -> None:
    """With what brings it."""
    authenticator, catalog, provider = _all()
    catalog.problem = "connection refused"
    stranger = _entry("provider", "p2", known=False, connected=False)
    assert _report(authenticator, catalog, stranger).problems == [
        "Main knows no catalog that answers; start one: iceflix serve catalog",
        "Main knows no provider that answers; start one: iceflix serve streaming",
        "catalog c does not answer: connection refused",
        "provider p2 has no connection to IceStorm",
    ]
    assert not _report(authenticator, catalog, provider).well


def test_without_main_nothing_is_said_of_what_it_knows() -> None:
    """One sentence suffices."""
    report = _report(*_all())
    report.services[0].problem = "connection refused"
    report.broker_answers = False
    assert problems(report) == [
        "no IceStorm answers at IceStorm/TopicManager:tcp -p 10000 "
        "(see IceStorm.TopicManager.Proxy)",
        "Main does not answer at IceFlix/Main:tcp -h 127.0.0.1 -p 10010: connection refused",
    ]


def test_the_picture_has_it_all(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is cut off, in a pipe either."""
    report = _report(*_all(), Entry("provider", "f" * 36, "x:tcp -p 1", problem="gone"))
    report.problems.append("a problem with [markup]")
    status_table(report)
    out = capsys.readouterr().out
    for words in ("icestorm", "f" * 36, "7 on host", "titles=3", "up 12 s", "tcp -h 127.0.0.1"):
        assert words in out
    assert "a problem with [markup]" in out and "all is well" not in out
