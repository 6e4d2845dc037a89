"""What a ring's member wants done. The shell (``farm.node``) does it and reports back."""

from dataclasses import dataclass

from iceflix.farm.model import FilterCode, RingReport, Task, Token


@dataclass(frozen=True)
class Pass:
    """Send the token; then say ``pass_succeeded`` or ``pass_failed``."""

    to: str
    token: Token


@dataclass(frozen=True)
class Start:
    """Do this task away from the token's path; then say ``finished``."""

    task: Task


@dataclass(frozen=True)
class Store:
    """System B: verify and keep this filter's code."""

    code: FilterCode


@dataclass(frozen=True)
class Exchange:
    """Send the report; then say ``exchanged`` or ``exchange_failed``."""

    multiserver: str
    report: RingReport


@dataclass(frozen=True)
class AskFilter:
    """Ask the filter administrator what to run instead of ``have``; then say ``filter_told``."""

    have: str


@dataclass(frozen=True)
class Kick:
    """Tell the master that there is something to do."""

    to: str


@dataclass(frozen=True)
class Candidacy:
    """Send an election message; say ``unreachable`` if it cannot be delivered."""

    to: str
    candidate: str
    epoch: int


@dataclass(frozen=True)
class Victory:
    """Tell who is master; say ``unreachable`` if it cannot be delivered."""

    to: str
    master: str
    epoch: int


@dataclass(frozen=True)
class Doubt:
    """Find out whether this peer lives; then say ``peer_added`` or ``peer_removed``."""

    peer: str


@dataclass(frozen=True)
class Note:
    """For the log."""

    text: str
    about: str = ""


Effect = Pass | Start | Store | Exchange | AskFilter | Kick | Candidacy | Victory | Doubt | Note
