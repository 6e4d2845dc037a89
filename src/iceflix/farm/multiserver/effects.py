"""What a multiserver's books want done; the counter does it."""

from dataclasses import dataclass

from iceflix.farm.model import JobResult


@dataclass(frozen=True)
class Answer:
    """Effect: the job's submitters get this result."""

    job: str
    result: JobResult


@dataclass(frozen=True)
class Refuse:
    """Effect: the job's submitters get this refusal."""

    job: str
    reason: str
    detail: str


@dataclass(frozen=True)
class KickRing:
    """Effect: tell the ring that there is work for it."""

    ring: str


@dataclass(frozen=True)
class CallOff:
    """Effect: tell the ring that this task of this node is for nothing."""

    ring: str
    node: str
    task: str


@dataclass(frozen=True)
class CleanUp:
    """Effect: remove the job's intermediate images."""

    job: str


Effect = Answer | Refuse | KickRing | CallOff | CleanUp
