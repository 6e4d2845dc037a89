"""``status`` and ``doctor`` as people read them."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from iceflix.ops import watch
from iceflix.ops.findings import Finding, Verdict
from iceflix.ops.status import Entry, Report

_MARKS = {Verdict.FINE: ("ok", "green"), Verdict.NOTE: ("note", "yellow")}
_MARKS[Verdict.WRONG] = ("WRONG", "bold red")


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def status_table(report: Report) -> None:
    """Print the services, two lines each so that nothing is cut off, and what is missing."""
    console = _console()
    line = "{:<14} {:<10} {:<18} {:>7} {:>9}  {}"
    head = ("service", "state", "process", "heard", "confirmed", "endpoint")
    console.print(Text(line.format(*head), "bold"))
    state = _state(answers=report.broker_answers)
    console.print(Text(line.format("icestorm", state, "", "", "", _where(report.broker))))
    for entry in report.services:
        known = entry.known
        cells = (
            entry.kind,
            _state(answers=entry.answers),
            _process(entry),
            f"{known.heardSecondsAgo:.1f} s" if known else "",
            f"{known.confirmedSecondsAgo:.1f} s" if known else "",
            _where(entry.proxy),
        )
        console.print(Text(line.format(*cells), "" if entry.answers else "red"))
        if entry.id:
            console.print(Text(f"    id {entry.id}", "dim"), Text(_details(entry), "dim"))
    for problem in report.problems:
        console.print(Text(problem, "yellow"))
    if report.well:
        console.print(Text("all is well", "green"))


def doctor_table(findings: Sequence[Finding]) -> None:
    """Print the findings, one or two lines each, and what they come to."""
    console = _console()
    for finding in findings:
        mark, colour = _MARKS[finding.verdict]
        console.print(Text(f"{mark:5} ", colour), Text(f"{finding.area}: {finding.sentence}"))
        if finding.mend:
            console.print(Text(f"        -> {finding.mend}"))
    count = sum(finding.wrong for finding in findings)
    console.print(Text(f"{count} wrong" if count else "nothing is wrong", "bold"))


def _state(*, answers: bool) -> str:
    return "alive" if answers else "no answer"


def _where(proxy: str) -> str:
    return watch.short(proxy).partition(":")[2]


def _process(entry: Entry) -> str:
    if entry.pid is None:
        return ""
    return f"{entry.pid} on {entry.said.host}" if entry.said else str(entry.pid)


def _details(entry: Entry) -> str:
    if entry.said is None:
        return ""
    said = [f"{key}={value}" for key, value in sorted(entry.said.details.items())]
    return " ".join([f"up {entry.said.uptimeSeconds:.0f} s", *said])
